"""Several workers: processes that share a port."""

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossbar_appstore import serving
from crossbar_appstore.serving import supervisor
from tests.datastore.fault_proxy import Fault, FaultProxy
from tests.kit.service import Client
from tests.kit.system import System
from tests.serving import stubborn
from tests.serving.running import FRESH, PATIENCE, refused, running, settings, status


async def test_supervisor_replaces_killed_worker(kit_couchdb_url: str, caplog: pytest.LogCaptureFixture) -> None:
    announced: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    chosen = settings(kit_couchdb_url, CROSSBAR_WORKERS="2")
    service = asyncio.create_task(serving.serve(chosen, announced.set_result))
    async with asyncio.timeout(PATIENCE):
        address = await announced
        # Once announced, every connection is answered, whichever worker accepts it.
        assert [await status(address) for _ in range(FRESH)] == [401] * FRESH
        first = {child.pid for child in multiprocessing.active_children()}
        assert len(first) == 2
        victim = min(pid for pid in first if pid is not None)
        os.kill(victim, signal.SIGKILL)
        while len(first | (now := {child.pid for child in multiprocessing.active_children()})) < 3 or len(now) < 2:
            await asyncio.sleep(0.02)
        assert await status(address) == 401
        os.kill(os.getpid(), signal.SIGTERM)
        await service
    assert [(record.worker, record.exit_code) for record in caplog.records if record.message == "worker died"] in (  # type: ignore[attr-defined] # what extra= gave
        [(0, -signal.SIGKILL)],
        [(1, -signal.SIGKILL)],
    )
    assert multiprocessing.active_children() == []
    await refused(address)


async def test_supervisor_cancelled_ends_workers(kit_couchdb_url: str) -> None:
    announced: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    chosen = settings(kit_couchdb_url, CROSSBAR_WORKERS="2")
    service = asyncio.create_task(serving.serve(chosen, announced.set_result))
    async with asyncio.timeout(PATIENCE):
        address = await announced
        service.cancel()
        with pytest.raises(asyncio.CancelledError):
            await service
        await refused(address)
    assert multiprocessing.active_children() == []


async def test_supervisor_stopped_before_ready_ends_workers(kit_couchdb_url: str) -> None:
    announced: list[str] = []
    service = asyncio.create_task(serving.serve(settings(kit_couchdb_url, CROSSBAR_WORKERS="2"), announced.append))
    async with asyncio.timeout(PATIENCE):
        while not multiprocessing.active_children():
            await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        await service
    assert announced == []
    assert multiprocessing.active_children() == []


async def test_supervisor_kills_worker_that_does_not_stop(
    kit_couchdb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "worker_main", stubborn.ignore_sigterm)
    monkeypatch.setattr(supervisor, "DRAIN", -1.5)
    announced: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    chosen = settings(kit_couchdb_url, CROSSBAR_WORKERS="2")
    service = asyncio.create_task(serving.serve(chosen, announced.set_result))
    async with asyncio.timeout(PATIENCE):
        await announced
        os.kill(os.getpid(), signal.SIGTERM)
        await service
    assert multiprocessing.active_children() == []


async def test_supervisor_replaces_hanging_worker(
    kit_couchdb_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "HANGING", 8.0)
    announced: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    chosen = settings(kit_couchdb_url, CROSSBAR_WORKERS="2")
    service = asyncio.create_task(serving.serve(chosen, announced.set_result))
    async with asyncio.timeout(PATIENCE):
        address = await announced
        victim = multiprocessing.active_children()[0].pid
        assert victim is not None
        os.kill(victim, signal.SIGSTOP)  # as an endless loop would
        while victim in {child.pid for child in multiprocessing.active_children()}:
            await asyncio.sleep(0.05)
        while len(multiprocessing.active_children()) < 2:
            await asyncio.sleep(0.05)
        assert await status(address) == 401
        os.kill(os.getpid(), signal.SIGTERM)
        await service
    messages = [record.message for record in caplog.records]
    assert messages[:2] == ["worker hangs", "worker died"]


async def test_supervisor_replaces_worker_that_hangs_at_its_start(
    kit_couchdb_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "worker_main", stubborn.never_start)
    monkeypatch.setattr(supervisor, "HANGING", 0.5)
    service = asyncio.create_task(serving.serve(settings(kit_couchdb_url, CROSSBAR_WORKERS="2")))
    async with asyncio.timeout(PATIENCE):
        while [record.message for record in caplog.records].count("worker died") < 2:
            await asyncio.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)
        await service
    assert caplog.records[0].message == "worker hangs"


def test_serving_imports_no_multiprocessing_for_one_worker() -> None:
    # Coverage may have imported some of these modules before.
    code = "import sys; before = set(sys.modules); import crossbar_appstore.serving; print(*set(sys.modules) - before)"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "crossbar_appstore.application" in imported
    assert not {"multiprocessing", "rich", "click", "puremagic", "crossbar_appstore.maintenance"} & set(imported)


async def test_workers_finish_requests_before_they_stop(system: System, proxy: FaultProxy, tmp_path: Path) -> None:
    async with running(proxy.url, tmp_path / "log", CROSSBAR_WORKERS="2") as service:
        client = Client(system, service.address)
        sub = await system.account("Sub", below=system.master)
        proxy.fail(Fault.STALL, path=sub.id)
        request = asyncio.create_task(client.get(sub.path, sub))
        while not proxy.count(path=sub.id):
            await asyncio.sleep(0.01)
        service.process.terminate()
        await refused(service.address)
        proxy.heal()
        assert (await request).status == 200
        await client.stop()
        assert await service.process.wait() == 0


async def test_workers_end_with_killed_supervisor(system: System, kit_couchdb_url: str, tmp_path: Path) -> None:
    async with running(kit_couchdb_url, tmp_path / "log", CROSSBAR_WORKERS="2") as service:
        assert await status(service.address) == 401
        service.process.kill()
        await service.process.wait()
        await refused(service.address)


@pytest.fixture
def root_logger() -> Iterator[None]:
    """Restores the root logger: ``worker_main`` sets up logging for the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("root_logger")
def test_worker_main_reports_ready_and_stops_at_signal(kit_couchdb_url: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told, tell = multiprocessing.Pipe(duplex=False)
    seen: list[int] = []

    def ask() -> None:
        while not told.recv():
            pass
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as reply:
            seen.append(reply.status)
        os.kill(os.getpid(), signal.SIGTERM)

    asking = threading.Thread(target=ask)
    asking.start()
    chosen = settings(kit_couchdb_url, CROSSBAR_WORKERS="2")
    arguments = supervisor.WorkerArguments(chosen, port, 1, logging.WARNING)
    supervisor.worker_main(arguments, tell)
    asking.join()
    assert seen == [200]
    assert logging.getLogger().level == logging.WARNING
    told.close()
    tell.close()
