"""What the service tells a service manager, over a socket of the kind that systemd makes."""

import asyncio
import logging
import os
import socket
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crossbar_appstore.serving.notification import notify
from crossbar_appstore.settings import ServiceManager, service_manager
from tests.serving.running import PATIENCE, running, status

_CREDENTIALS = struct.calcsize("3i")


@contextmanager
def manager_socket(path: str) -> Iterator[socket.socket]:
    """A service manager's end of ``NOTIFY_SOCKET``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as received:
        received.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        received.bind(f"\0{path[1:]}" if path.startswith("@") else path)
        received.setblocking(False)
        yield received


async def told(manager: socket.socket) -> tuple[int, list[str]]:
    """Who tells something, by the process id, and what."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                message, controls, _, _ = manager.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS))
            except BlockingIOError:
                await asyncio.sleep(0.02)
            else:
                return struct.unpack("3i", controls[0][2])[0], message.decode().split("\n")


@pytest.mark.parametrize(("workers", "abstract"), [("1", False), ("2", True)])
async def test_serve_tells_service_manager_that_it_is_ready_alive_and_stopping(
    kit_couchdb_url: str, tmp_path: Path, workers: str, abstract: bool
) -> None:
    path = f"@crossbar-appstore-{uuid.uuid4().hex}" if abstract else str(tmp_path / "notify")
    more = {"CROSSBAR_WORKERS": workers, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"}
    with manager_socket(path) as manager:
        async with running(kit_couchdb_url, tmp_path / "log", **more) as service:
            seen = [await told(manager)]
            assert seen[-1][1] == ["READY=1", f"STATUS=listening on {service.address}"]
            assert await status(service.address) == 401
            while manager_says(seen).count("WATCHDOG=1") < 3:
                seen.append(await told(manager))
            service.process.terminate()
            while "STOPPING=1" not in seen[-1][1]:
                seen.append(await told(manager))
            assert await service.process.wait() == 0
            # systemd listens to the main process only.
            assert {pid for pid, _ in seen} == {service.process.pid}
            assert manager_says(seen).count("READY=1") == manager_says(seen).count("STOPPING=1") == 1


def manager_says(seen: list[tuple[int, list[str]]]) -> list[str]:
    return [lines[0] for _, lines in seen]


async def test_serve_without_watchdog_tells_ready_and_stopping_only(kit_couchdb_url: str, tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with manager_socket(path) as manager:
        async with running(kit_couchdb_url, tmp_path / "log", NOTIFY_SOCKET=path) as service:
            assert (await told(manager))[1][0] == "READY=1"
            service.process.terminate()
            assert (await told(manager))[1] == ["STOPPING=1"]
            assert await service.process.wait() == 0
        with pytest.raises(BlockingIOError):
            manager.recv(4096)


def test_notify_logs_service_manager_that_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notify(ServiceManager(str(tmp_path / "gone")), "READY=1", "STATUS=listening")
    assert [(record.levelno, record.message, record.__dict__["state"]) for record in caplog.records] == [
        (logging.WARNING, "service manager not notified", "READY=1")
    ]


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, None),
        ({"NOTIFY_SOCKET": ""}, None),
        ({"NOTIFY_SOCKET": "vsock:2:1234"}, None),
        ({"WATCHDOG_USEC": "1000000"}, None),
        ({"NOTIFY_SOCKET": "/run/systemd/notify"}, ServiceManager("/run/systemd/notify")),
        ({"NOTIFY_SOCKET": "@notify", "WATCHDOG_USEC": "1500000"}, ServiceManager("@notify", 1.5)),
        (
            {"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "5000000", "WATCHDOG_PID": str(os.getpid())},
            ServiceManager("@n", 5.0),
        ),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"}, ServiceManager("@n")),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "0"}, ServiceManager("@n")),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "soon"}, ServiceManager("@n")),
    ],
)
def test_service_manager_is_found_in_the_environment(environ: dict[str, str], found: ServiceManager | None) -> None:
    assert service_manager(environ) == found
