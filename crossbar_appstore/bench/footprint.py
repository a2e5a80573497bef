"""Memory of a worker, and how soon it serves."""

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from statistics import median
from typing import Final

from crossbar_appstore.bench.cases import Client
from crossbar_appstore.bench.exchange import connection, visit
from crossbar_appstore.bench.load import CONNECTIONS
from crossbar_appstore.bench.processes import CannotMeasure, Server
from crossbar_appstore.bench.rows import Row, Target
from crossbar_appstore.bench.stage import Stage
from crossbar_appstore.bench.wire import Request

APPS: Final = 60
SCREENSHOTS: Final = 2
_MEGABYTES: Final = 70.0
_READY_SECONDS: Final = 1.0
_POLL: Final = 0.005
_PATIENCE: Final = 30.0
_MOST_STARTS: Final = 5


@dataclass(frozen=True, slots=True)
class _Start:
    seconds: float
    cpu_seconds: float


async def memory(stage: Stage) -> AsyncGenerator[Row, None]:
    """Memory of a worker that has served everything of 60 apps, then a load of lists.

    Raises:
        CannotMeasure: the service answers otherwise than it should.
    """
    async with stage.bench.stage(APPS) as larger, larger.serve() as server:
        fresh = server.usage()[0].resident_bytes
        client = await larger.customer(server)
        await visit(server, _everything(client, larger.system.app_ids), CONNECTIONS)
        await stage.bench.effort.generate(
            server, client.get(client.apps_store), stage.bench.effort.warm_up, CONNECTIONS
        )
        resident = server.usage()[0].resident_bytes
    yield Row(
        "memory",
        f"memory of a worker with {APPS} apps",
        resident / 1e6,
        "MB",
        Target(most=_MEGABYTES),
        f"{fresh / 1e6:.1f} MB before the first request",
        {"resident": resident, "fresh": fresh},
    )


def _everything(client: Client, app_ids: tuple[str, ...]) -> list[Request]:
    paths = [client.apps_store]
    for app_id in app_ids:
        app = f"{client.apps_store}/{app_id}"
        paths += [app, f"{app}/icon", *(f"{app}/screenshot/{number}" for number in range(SCREENSHOTS))]
    return [client.get(path) for path in paths]


async def readiness(stage: Stage) -> AsyncGenerator[Row, None]:
    """From starting ``crossbar-appstore serve`` to the first list.

    Raises:
        CannotMeasure: it does not come up.
    """
    async with stage.serve() as server:
        client = await stage.customer(server)
    request = client.get(client.apps_store)
    starts = [await _start(stage, request) for _ in range(min(_MOST_STARTS, stage.bench.effort.rounds))]
    seconds, cpu_seconds = [start.seconds for start in starts], median(start.cpu_seconds for start in starts)
    yield Row(
        "ready",
        "from start to the first list",
        median(seconds),
        "s",
        Target(most=_READY_SECONDS),
        f"{min(seconds):.2f} to {max(seconds):.2f} s; {cpu_seconds:.2f} s of processor time",
        {"seconds": seconds, "cpu_seconds": cpu_seconds},
    )


async def _start(stage: Stage, request: Request) -> _Start:
    port = _free_port()
    words = ["-m", "crossbar_appstore", "serve", "--couchdb-url", stage.couchdb_url, "--crossbar-port", str(port)]
    begun = time.perf_counter()
    with (stage.bench.room / "service.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stderr=log)
    try:
        server = Server("the service", f"http://127.0.0.1:{port}", process.pid)
        while time.perf_counter() - begun < _PATIENCE and process.returncode is None:
            with contextlib.suppress(CannotMeasure):
                async with connection(server) as connected:
                    if (await connected.ask(request)).status == 200:
                        return _Start(time.perf_counter() - begun, server.cpu_seconds())
            await asyncio.sleep(_POLL)
        raise CannotMeasure(f"the service did not come up within {_PATIENCE:.0f} s")
    finally:
        process.terminate()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
