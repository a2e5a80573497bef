"""Runs the bench: brings everything up, measures what was asked for, takes everything down."""

import tempfile
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from pathlib import Path
from typing import Final

from crossbar_appstore.bench import cases, cold, footprint, growth, latency, profiling, ratios, workers
from crossbar_appstore.bench.profiling import Share
from crossbar_appstore.bench.ratios import Effort
from crossbar_appstore.bench.rows import Row
from crossbar_appstore.bench.stage import APPS, Bench, Scale, Stage

Experiment = Callable[[Stage], AsyncGenerator[Row, None]]

EXPERIMENTS: Final[dict[str, Experiment]] = {
    "workers": workers.workers,
    "latency": latency.latency,
    "apps": growth.apps,
    "accounts": growth.accounts,
    "cold": cold.cold,
    "memory": footprint.memory,
    "ready": footprint.readiness,
}
NAMES: Final = (*cases.NAMES, cases.LOGGED, *EXPERIMENTS)
"""What can be asked for: requests beside the bare handler, and experiments."""


async def measure(
    cache: Path, effort: Effort, scale: Scale, wanted: Collection[str], found: Callable[[Row], None]
) -> list[Row]:
    """Measure.

    Args:
        cache: where PouchDB Server is installed.
        effort: how long.
        scale: how much there is of what grows.
        wanted: of ``NAMES``; all if empty.
        found: called with each row as soon as there is one.

    Raises:
        CannotMeasure: something did not come up, or answered otherwise than it should.
        EmbeddedError, DatastoreError: there is no CouchDB.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="crossbar-appstore-bench-") as room:
        bench = Bench(Path(room), cache, effort, scale)
        async with bench.stage(APPS) as stage, aclosing(_rows(stage, wanted or NAMES)) as measured:
            async for row in measured:
                rows.append(row)
                found(row)
    return rows


async def profile(cache: Path, effort: Effort, name: str, seconds: int) -> list[Share]:
    """Where the processor time of a request goes; ``name`` is of ``cases.NAMES``.

    Raises:
        CannotMeasure: see ``measure``; or there is no py-spy.
    """
    with tempfile.TemporaryDirectory(prefix="crossbar-appstore-bench-") as room:
        return await profiling.profile(Bench(Path(room), cache, effort, Scale()), name, seconds)


async def _rows(stage: Stage, wanted: Collection[str]) -> AsyncGenerator[Row, None]:
    if set(wanted) & set(cases.NAMES):
        async for row in _requests(stage, wanted):
            yield row
    if cases.LOGGED in wanted:
        async with stage.serve({"CROSSBAR_ACCESS_LOG": "1"}) as server:
            case = cases.logged_case(await stage.customer(server))
            yield await ratios.beside_bare_handler(server, case, stage.bench.effort, stage.bench.room)
    for name, experiment in EXPERIMENTS.items():
        if name in wanted:
            async for row in experiment(stage):
                yield row


async def _requests(stage: Stage, wanted: Collection[str]) -> AsyncGenerator[Row, None]:
    async with stage.serve() as server:
        for case in await cases.request_cases(server, await stage.customer(server)):
            if case.name in wanted:
                yield await ratios.beside_bare_handler(server, case, stage.bench.effort, stage.bench.room)
