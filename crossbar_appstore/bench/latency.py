"""Latencies of cached reads at 70 % of the most that a server answers, alone and while others write."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from statistics import median
from typing import Final

from crossbar_appstore.bench.cases import Case, list_case
from crossbar_appstore.bench.load import CONNECTIONS, Load, paced
from crossbar_appstore.bench.processes import Server
from crossbar_appstore.bench.ratios import Effort, replaying
from crossbar_appstore.bench.rows import Row, Target
from crossbar_appstore.bench.stage import Stage
from crossbar_appstore.bench.writers import writing

_PART: Final = 0.7
_SPREAD: Final = Target(most=3.0)
_LONGER: Final = 4
"""Times as long as a turn: a percentile takes many requests."""
_MOST_ROUNDS: Final = 5


async def latency(stage: Stage) -> AsyncGenerator[Row, None]:
    """Two rows: p99 over p50 of the list, alone and while apps are loaded and accounts written.

    Raises:
        CannotMeasure: the service answers otherwise than it should.
    """
    effort = stage.bench.effort
    async with AsyncExitStack() as running:
        server = await running.enter_async_context(stage.serve())
        case = list_case(await stage.customer(server))
        bare = await running.enter_async_context(replaying(server, case, stage.bench.room))
        ours, theirs = [], []
        for _ in range(min(_MOST_ROUNDS, effort.rounds)):
            ours.append(await _at_part_load(server, case, effort))
            theirs.append(await _at_part_load(bare, case, effort))
        spread = median(load.p99 / load.p50 for load in theirs)
        yield _row("latency", "p99 over p50 at 70 % load", ours, f"; the bare handler {spread:.2f}×")
        await running.enter_async_context(writing(stage, server))
        ours = [await _at_part_load(server, case, effort) for _ in ours]
        yield _row("latency-writes", "the same while apps and accounts are written", ours)


async def _at_part_load(server: Server, case: Case, effort: Effort) -> Load:
    most = await effort.generate(server, case.request, effort.seconds, CONNECTIONS)
    load = await paced(server, case.request, _LONGER * effort.seconds, _PART * most.rate)
    load.check(f"{server.name}: {case.title}", case.status)
    return load


def _row(name: str, title: str, loads: list[Load], remark: str = "") -> Row:
    p50, p99, rate = (median(each) for each in zip(*((load.p50, load.p99, load.rate) for load in loads), strict=True))
    return Row(
        name,
        title,
        median(load.p99 / load.p50 for load in loads),
        "×",
        _SPREAD,
        f"p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms at {rate:,.0f} requests a second{remark}",
        {name: [getattr(load, name) for load in loads] for name in ("p50", "p99", "rate")},
    )
