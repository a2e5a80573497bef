"""What clients do to their connections: nothing of it is logged as an error, or keeps others from being answered."""

import asyncio
import contextlib
import gc
import logging
import random
import resource
import socket
import statistics
import struct
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from crossbar_appstore.application import create_application
from tests.crossbar.wire import Connection, Wire
from tests.kit.service import Service
from tests.kit.system import System
from tests.serving.running import running, settings

pytestmark = pytest.mark.timeout(900)  # of the long forms

TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(200))


@dataclass(frozen=True)
class Moment:
    """What a client sends, piece by piece, before it ends the connection."""

    name: str
    pieces: tuple[bytes, ...]


def moments(system: System) -> list[Moment]:
    path = f"/v2/{system.master.path}"
    app = f"{path}/{system.apps['voip']}"
    token = f"X-Auth-Token: {system.token(system.master.admin)}\r\n"
    get = f"GET {path} HTTP/1.1\r\nHost: x\r\n{token}\r\n".encode()
    icon = f"GET /v2/apps_store/{system.apps['voip']}/icon HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    post = f"POST {app} HTTP/1.1\r\nHost: x\r\n{token}Content-Type: application/json\r\n"
    login = "PUT /v2/user_auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    expect = f"{post}Expect: 100-continue\r\nContent-Length: 11\r\n\r\n".encode()
    chunked = f"{post}Transfer-Encoding: chunked\r\n\r\n".encode()
    large = b'{"data":{"x":"' + b"a" * 900_000 + b'"}}'
    return [
        Moment("nothing", ()),
        Moment("half a head", (get[:40],)),
        Moment("half a head, bit by bit", tuple(get[index : index + 1] for index in range(30))),
        Moment("a request", (get,)),
        Moment("requests in a row", (get * 40,)),
        Moment("a request and half of one", (get + get[:20],)),
        Moment("a picture", (icon * 10,)),
        Moment("Expect", (expect,)),
        Moment("Expect and half a body", (expect, b'{"da')),
        Moment("Expect and a body", (expect, b'{"data":{}}')),
        Moment("half a body", (f"{post}Content-Length: 11\r\n\r\n".encode(), b'{"da')),
        Moment("half a large body", (f"{post}Content-Length: {len(large)}\r\n\r\n".encode(), large[:300_000])),
        Moment("a large body", (f"{post}Content-Length: {len(large)}\r\n\r\n".encode(), large)),
        Moment("a body that is too large", (f"{login}Content-Length: 9000000\r\n\r\n".encode(), large)),
        Moment("half a chunk", (chunked + b"100\r\nabc",)),
        Moment("a malformed chunk", (chunked + b"zz\r\n",)),
        Moment("a malformed chunk later", (chunked, b"2\r\n{}\r\n", b"-1\r\n")),
        Moment("garbage", (b"\x00\xff" * 50 + b"\r\n\r\n",)),
        Moment("garbage after a request", (get + b"\x00\xff\r\n\r\n",)),
        Moment("TLS", (TLS_HELLO,)),
        Moment("TLS after a request", (get, TLS_HELLO)),
        Moment("HTTP/2", (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",)),
        Moment(
            "an upgrade", (get.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), b"abc")
        ),
        Moment("CONNECT", (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", b"abc")),
        Moment("a long line", (b"GET /" + b"a" * 20_000,)),
        Moment("many headers", (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 500,)),
        Moment("two lengths", (f"{post}Content-Length: 1\r\nContent-Length: 2\r\n\r\n".encode(),)),
        Moment("a length and chunks", (f"{post}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".encode(),)),
    ]


def reset(sock: socket.socket) -> None:
    """End a connection with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def half_close(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_WR)


ENDS: dict[str, Callable[[socket.socket], None]] = {
    "close": socket.socket.close,
    "reset": reset,
    "half-close": half_close,
}
PAUSES = (0.0, 0.0005, 0.005, 0.03)


async def disturb(port: int, moment: Moment, end: Callable[[socket.socket], None], pause: float) -> None:
    """Make a connection, send the pieces, and end it after a pause."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    try:
        await loop.sock_connect(sock, ("127.0.0.1", port))
        with contextlib.suppress(ConnectionError, TimeoutError):
            for piece in moment.pieces:
                async with asyncio.timeout(0.3):
                    await loop.sock_sendall(sock, piece)
                await asyncio.sleep(pause / 10)
        await asyncio.sleep(pause)
        with contextlib.suppress(OSError):
            end(sock)
        await asyncio.sleep(pause)
    finally:
        sock.close()


async def disturb_all(system: System, port: int, rounds: int) -> int:
    """Every moment with every end and pause, many at once; returns how many connections were made."""
    every = [(moment, end, pause) for moment in moments(system) for end in ENDS.values() for pause in PAUSES] * rounds
    random.shuffle(every)
    for begin in range(0, len(every), 40):
        await asyncio.gather(*(disturb(port, *each) for each in every[begin : begin + 40]))
    return len(every)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"handler_cancellation": True, "access_log": logging.getLogger("aiohttp.access"), "keepalive_timeout": 75}],
    ids=["AppRunner", "as run_app"],
)
async def test_connection_ended_at_any_moment_is_at_most_a_line_at_info(
    system: System,
    kit_couchdb_url: str,
    caplog: pytest.LogCaptureFixture,
    arguments: dict[str, Any],
    long_form: bool,
) -> None:
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    caplog.set_level(logging.INFO)
    runner = web.AppRunner(create_application(settings(kit_couchdb_url, CROSSBAR_ACCESS_LOG="1")), **arguments)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        made = await disturb_all(system, port, rounds=10 if long_form else 1)
        assert (await Wire(port)("GET", "/v2/about")).status == 401
    finally:
        await runner.cleanup()
    gc.collect()
    await asyncio.sleep(0)
    print(f"{made} connections, {len(caplog.records)} lines")
    assert unhandled == []
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO or record.exc_info] == []


async def test_serve_logs_no_error_for_connections_ended_at_any_moment(
    system: System, kit_couchdb_url: str, tmp_path: Path, long_form: bool
) -> None:
    async with running(kit_couchdb_url, tmp_path / "log", CROSSBAR_ACCESS_LOG="1") as service:
        port = int(service.address.rpartition(":")[2])
        await disturb_all(system, port, rounds=10 if long_form else 1)
        assert (await Wire(port)("GET", "/v2/about")).status == 401
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line for line in lines if '"INFO"' not in line] == []


@pytest.mark.parametrize("kind", ["heads", "bodies"])
async def test_slow_connections_do_not_slow_others(system: System, service: Service, kind: str) -> None:
    """Five hundred connections, or as many as the system allows, on which a byte comes now and then."""
    port = int((await service.address()).rpartition(":")[2])
    ask = Wire(port)
    path, token = f"/v2/{system.master.path}", system.token(system.master.admin)
    allowed = (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200) // 2
    slow = [Connection(port) for _ in range(min(500, allowed))]
    length = "" if kind == "heads" else "Content-Length: 4000\r\n\r\n"
    async with AsyncExitStack() as stack:
        for connection in slow:
            await stack.enter_async_context(connection)
            await connection.send(f"PUT /v2/user_auth HTTP/1.1\r\nHost: x\r\n{length}".encode())
        taken = []
        for number in range(100):
            for connection in slow[number::100]:
                await connection.send(b"a")
            begun = time.monotonic()
            assert (await ask("GET", path, {"X-Auth-Token": token})).status == 200
            taken.append(time.monotonic() - begun)
    print(
        f"{len(slow)} slow {kind}: median {statistics.median(taken) * 1000:.1f} ms, longest {max(taken) * 1000:.1f} ms"
    )
    assert statistics.median(taken) < 1
