"""Health checks and metrics of ``crossbar-appstore serve`` and of gunicorn, with one worker and with several."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.datastore.fault_proxy import Fault, FaultProxy
from tests.kit.service import Client
from tests.kit.system import System
from tests.operations.reading import fetched, readiness, value
from tests.serving.running import FRESH, PATIENCE, Running, running, start, status

PAGES = ("/livez", "/readyz", "/metrics")


async def operations_of(service: Running) -> str:
    """The address of the port for health checks."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for record in service.records():
                if record["message"] == "listening for health checks":
                    return f"http://127.0.0.1:{record['port']}"
            await asyncio.sleep(0.05)


async def settled(address: str, wanted: int, workers: int = 1) -> Any:
    """The report of ``/readyz`` once it has a status and so many workers."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found, report = await readiness(address)
            if found == wanted and len(report.get("workers", [0])) == workers:
                return report
            await asyncio.sleep(0.05)


@asynccontextmanager
async def slow_request(system: System, service: Running, proxy: FaultProxy) -> AsyncIterator["asyncio.Task[int]"]:
    """A request that waits for CouchDB."""
    sub = await system.account("Slow", below=system.master)
    proxy.fail(Fault.STALL, path=sub.id[4:])
    async with aiohttp.ClientSession() as session:

        async def ask() -> int:
            headers = {"X-Auth-Token": system.token(system.master.admin)}
            async with session.get(f"{service.address}/v2/{sub.path}", headers=headers) as reply:
                return reply.status

        before = proxy.count(path=sub.id[4:])
        asking = asyncio.create_task(ask())
        async with asyncio.timeout(PATIENCE):
            while proxy.count(path=sub.id[4:]) == before:
                await asyncio.sleep(0.02)
        yield asking


async def test_ops_port_of_one_worker_has_the_health_pages(
    system: System, kit_couchdb_url: str, tmp_path: Path
) -> None:
    async with running(kit_couchdb_url, tmp_path / "log", CROSSBAR_OPS_PORT="0") as service:
        address = await operations_of(service)
        report = await settled(address, 200)
        assert "workers" not in report
        assert [await status(address, path) for path in PAGES] == [200] * 3
        assert [await status(service.address, path) for path in PAGES] == [404] * 3
        assert [await status(address, path) for path in ("/", "/v2/about", "/other")] == [404] * 3
        before = await value(address, "request_seconds_count")
        assert await status(service.address) == 401
        # A balancer that asks the wrong port leaves a trace.
        assert await status(service.address, "/readyz") == 404
        assert await value(address, "request_seconds_count") == before + 2


async def test_readyz_of_the_ops_port_is_503_while_requests_are_finished(
    system: System, proxy: FaultProxy, tmp_path: Path
) -> None:
    async with running(proxy.url, tmp_path / "log", CROSSBAR_OPS_PORT="0") as service:
        address = await operations_of(service)
        await settled(address, 200)
        async with slow_request(system, service, proxy) as asking:
            service.process.terminate()
            report = await settled(address, 503)
            assert (report["ready"], report["draining"]) == (False, True)
            assert await fetched(address, "/livez") == (200, b"ok\n")
            assert not asking.done()
            proxy.heal()
            assert await asking in (200, 503)
        assert await service.process.wait() == 0


async def test_ops_port_of_two_workers_answers_for_both(system: System, kit_couchdb_url: str, tmp_path: Path) -> None:
    async with running(kit_couchdb_url, tmp_path / "log", CROSSBAR_OPS_PORT="0", CROSSBAR_WORKERS="2") as service:
        address = await operations_of(service)
        report = await settled(address, 200, workers=2)
        pids = {worker["pid"] for worker in report["workers"]}
        assert len(pids) == 2
        assert service.process.pid not in pids
        assert all(worker["ready"] and len(worker["checks"]) == 3 for worker in report["workers"])
        client = Client(system, service.address, fresh_connections=True)
        for _ in range(FRESH):  # both workers get some
            assert (await client.get(system.master.path, system.master)).status == 200
        await client.stop()
        labels = {"endpoint": "apps_store", "method": "GET", "status": "2xx"}
        assert await value(address, "request_seconds_count", **labels) == FRESH
        assert await value(address, "workers") == 2
        assert [await status(service.address, path) for path in PAGES] == [404] * 3


async def test_metrics_of_two_workers_lose_nothing_when_one_ends(
    system: System, kit_couchdb_url: str, tmp_path: Path
) -> None:
    async with running(kit_couchdb_url, tmp_path / "log", CROSSBAR_OPS_PORT="0", CROSSBAR_WORKERS="2") as service:
        address = await operations_of(service)
        for _ in range(FRESH):
            await status(service.address)
        before = (await settled(address, 200, workers=2))["workers"]
        assert await value(address, "request_seconds_count") == FRESH
        for pid, number in ((before[0]["pid"], signal.SIGKILL), (before[1]["pid"], signal.SIGTERM)):
            os.kill(pid, number)
            async with asyncio.timeout(PATIENCE):
                while pid in {worker["pid"] for worker in (await settled(address, 200, workers=2))["workers"]}:
                    await asyncio.sleep(0.1)
            assert await value(address, "request_seconds_count") == FRESH
        for _ in range(FRESH):
            await status(service.address)
        assert await value(address, "request_seconds_count") == 2 * FRESH
        assert await value(address, "workers") == 2


async def test_readyz_of_two_workers_is_503_while_one_hangs(
    system: System, kit_couchdb_url: str, tmp_path: Path
) -> None:
    async with running(kit_couchdb_url, tmp_path / "log", CROSSBAR_OPS_PORT="0", CROSSBAR_WORKERS="2") as service:
        address = await operations_of(service)
        pid = (await settled(address, 200, workers=2))["workers"][0]["pid"]
        for _ in range(FRESH):
            await status(service.address)
        before = await value(address, "request_seconds_count")
        os.kill(pid, signal.SIGSTOP)
        try:
            found, report = await readiness(address)
            # Counters would seem to begin again without it.
            assert await value(address, "request_seconds_count") == before
            assert await value(address, "workers") == 1
        finally:
            os.kill(pid, signal.SIGCONT)
        assert found == 503
        assert {worker["pid"]: worker["ready"] for worker in report["workers"]}[pid] is False
        await settled(address, 200, workers=2)


async def test_readyz_on_the_port_of_the_api_answers_for_both_workers(
    system: System, kit_couchdb_url: str, tmp_path: Path
) -> None:
    async with running(kit_couchdb_url, tmp_path / "log", CROSSBAR_WORKERS="2") as service:
        report = await settled(service.address, 200, workers=2)
        assert {worker["ready"] for worker in report["workers"]} == {True}
        for _ in range(FRESH):
            await status(service.address)
        assert {await value(service.address, "request_seconds_count") for _ in range(10)} == {FRESH}


async def test_readyz_of_two_workers_is_503_while_they_drain(system: System, proxy: FaultProxy, tmp_path: Path) -> None:
    async with running(proxy.url, tmp_path / "log", CROSSBAR_OPS_PORT="0", CROSSBAR_WORKERS="2") as service:
        address = await operations_of(service)
        await settled(address, 200, workers=2)
        async with slow_request(system, service, proxy) as asking:
            service.process.terminate()
            async with asyncio.timeout(PATIENCE):
                while not (report := (await readiness(address))[1])["draining"]:
                    await asyncio.sleep(0.02)
            assert not report["ready"]
            assert await status(address, "/livez") == 200
            proxy.heal()
            assert await asking in (200, 503)
        assert await service.process.wait() == 0


async def test_serve_with_an_ops_port_that_is_taken_ends_and_names_the_setting(
    system: System, kit_couchdb_url: str, tmp_path: Path
) -> None:
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = str(taken.sockets[0].getsockname()[1])
    async with taken:
        for workers in ("1", "2"):
            log = tmp_path / workers
            process = await start(kit_couchdb_url, log, CROSSBAR_OPS_PORT=port, CROSSBAR_WORKERS=workers)
            assert await asyncio.wait_for(process.wait(), PATIENCE) not in (0, -9)
            assert f"CROSSBAR_OPS_PORT: cannot listen on 127.0.0.1:{port}" in log.read_text()
            assert "Traceback" not in log.read_text()


async def test_serve_refuses_ops_port_of_running_service(system: System, kit_couchdb_url: str, tmp_path: Path) -> None:
    async with running(kit_couchdb_url, tmp_path / "log", CROSSBAR_OPS_PORT="0") as service:
        port = (await operations_of(service)).rpartition(":")[2]
        second = await start(kit_couchdb_url, tmp_path / "second", CROSSBAR_OPS_PORT=port)
        assert await asyncio.wait_for(second.wait(), PATIENCE) == 2
        assert f"CROSSBAR_OPS_PORT: cannot listen on 127.0.0.1:{port}" in (tmp_path / "second").read_text()


GUNICORN = """
from crossbar_appstore.application import create_application
from crossbar_appstore.logs import set_up_logging
from crossbar_appstore.settings import Settings

set_up_logging()

async def application():
    return create_application(Settings.load())
"""


async def test_gunicorn_workers_answer_for_each_other(system: System, kit_couchdb_url: str, tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(GUNICORN)
    (tmp_path / "shared").mkdir()
    arguments = ["--workers", "2", "--bind", "127.0.0.1:0", "--worker-class", "aiohttp.GunicornWebWorker"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CROSSBAR_", "KAZOO_", "AMQP_"))}
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gunicorn", "service:application", *arguments),
            env={**kept, "COUCHDB_URL": kit_couchdb_url, "CROSSBAR_SHARED_DIR": str(tmp_path / "shared")},
            cwd=tmp_path,
            stderr=log,
        )
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := re.search(r"http://127\.0\.0\.1:\d+", (tmp_path / "log").read_text())):
                await asyncio.sleep(0.05)
        address = found[0]
        await settled(address, 200, workers=2)
        for _ in range(FRESH):
            await status(address)
        assert {await value(address, "request_seconds_count") for _ in range(5)} == {FRESH}
    finally:
        process.terminate()
        await process.wait()
