"""``serve`` with one worker, which runs in the same process."""

import asyncio
import errno
import importlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from crossbar_appstore import serving
from crossbar_appstore.serving import DRAIN
from crossbar_appstore.settings import Settings, SettingsError
from tests.conftest import Need
from tests.datastore.fault_proxy import Fault, FaultProxy
from tests.kit.service import Client
from tests.kit.system import System
from tests.serving.running import PATIENCE, refused, settings, start, status


@asynccontextmanager
async def serving_here(chosen: Settings) -> AsyncIterator[str]:
    """The address of a service in this process, which a signal stops at the end."""
    announced: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serving.serve(chosen, announced.set_result))
    try:
        yield await announced
    finally:
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await task


async def test_serve_answers_at_announced_address_until_stopped(kit_couchdb_url: str) -> None:
    async with serving_here(settings(kit_couchdb_url)) as address:
        assert address.startswith("http://127.0.0.1:")
        assert await status(address, "/") == 200
    await refused(address)


async def test_serve_listens_on_ipv6(kit_couchdb_url: str, need: Need) -> None:
    need("IPv6", _has_ipv6())
    async with serving_here(settings(kit_couchdb_url, CROSSBAR_HOST="::1")) as address:
        assert address.startswith("http://[::1]:")
        assert await status(address, "/") == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_serve_finishes_requests_before_it_stops(
    system: System, proxy: FaultProxy, number: signal.Signals
) -> None:
    proxy.fail(Fault.STALL, path=system.master.id)
    async with serving_here(settings(proxy.url)) as address:
        client = Client(system, address)
        request = asyncio.create_task(client.get(system.master.path, system.master))
        while not proxy.count(path=system.master.id):
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), number)
        await asyncio.sleep(0.1)  # or asyncio drops the next connection without closing it, and warns
        await refused(address)
        proxy.heal()
        assert (await request).status == 200
        await client.stop()


async def test_serve_receives_upload_in_progress_before_it_stops(system: System, kit_couchdb_url: str) -> None:
    body = b'{"data": {"blacklist": []}}'
    sub = await system.account("Sub", below=system.master)
    async with serving_here(settings(kit_couchdb_url)) as address:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        head = f"POST /v2/{sub.path}/blacklist HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        head += f"X-Auth-Token: {system.token(system.master.admin)}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body[:5])
        await asyncio.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)
        # Longer than idle connections are kept.
        await asyncio.sleep(DRAIN / 4)
        writer.write(body[5:])
        async with asyncio.timeout(DRAIN / 2):
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            assert b"Connection: close" in await reader.read()
        writer.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_serve_stopped_before_couchdb_answers_leaves_no_directory(tmp_path: Path, number: signal.Signals) -> None:
    asked = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        while await reader.read(4096):
            pass
        writer.close()

    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as silent:
        couchdb = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        (temporary := tmp_path / "tmp").mkdir()
        process = await start(couchdb, tmp_path / "log", TMPDIR=str(temporary))
        async with asyncio.timeout(PATIENCE):
            await asked.wait()
            assert list(temporary.iterdir())
            process.send_signal(number)
            assert await process.wait() == 0
        assert list(temporary.iterdir()) == []
    assert "Traceback" not in (tmp_path / "log").read_text()


async def test_serve_refuses_port_in_use(kit_couchdb_url: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        with pytest.raises(OSError, match="use") as raised:
            await serving.serve(settings(kit_couchdb_url, CROSSBAR_PORT=port))
    assert raised.value.errno == errno.EADDRINUSE


async def test_serve_refuses_port_of_running_service(system: System, kit_couchdb_url: str, tmp_path: Path) -> None:
    async with serving_here(settings(kit_couchdb_url)) as address:
        port = address.rpartition(":")[2]
        second = await start(kit_couchdb_url, tmp_path / "log", CROSSBAR_PORT=port)
        assert await second.wait() == 1
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in (tmp_path / "log").read_text()
        assert await status(address, "/") == 200


async def test_serve_without_couchdb_raises() -> None:
    with pytest.raises(SettingsError, match="COUCHDB_URL"):
        await serving.serve(Settings.load({}))


def test_run_uses_uvloop_if_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _loop_of_run().startswith(("uvloop", "asyncio"))
    monkeypatch.setattr(importlib, "import_module", _not_installed)
    assert _loop_of_run().startswith("asyncio")


def _loop_of_run() -> str:
    found: list[str] = []

    async def look() -> None:
        found.append(type(asyncio.get_running_loop()).__module__)

    serving.run(look())
    return found[0]


def _not_installed(name: str) -> Callable[[], None]:
    raise ImportError(name)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
