"""Latencies of cached reads while the server is busy 70 % of the time, alone and while others write.

The server has a core of its own, and CouchDB what others leave of theirs, as it has a machine of its own in earnest.
What else the machine does only ever makes a round worse, and each round holds all that the service does by itself. So
the quietest round counts.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.bench.cases import Case, list_case
from crossbar_appstore.bench.cores import apart, give_way, in_front
from crossbar_appstore.bench.load import CONNECTIONS, Load
from crossbar_appstore.bench.processes import Server
from crossbar_appstore.bench.ratios import Effort, replaying
from crossbar_appstore.bench.rows import Row, Target
from crossbar_appstore.bench.stage import Stage
from crossbar_appstore.bench.writers import writing

_BUSY: Final = 0.7
_CLOSE: Final = 0.02
_SPREAD: Final = Target(most=3.0)
_LONGER: Final = 4
"""Times as long as a turn: a percentile takes many requests."""
_FIRST_THINK: Final = 0.002
_TRIES: Final = 6


@dataclass(frozen=True, slots=True)
class _Round:
    """What clients saw, and the part of the time that the server was busy with them."""

    load: Load
    busy: float

    @property
    def spread(self) -> float:
        """How much longer the slowest hundredth takes than the middle."""
        return self.load.p99 / self.load.p50


async def latency(stage: Stage) -> AsyncGenerator[Row, None]:
    """Two rows: p99 over p50 of the list, alone and while apps are loaded and accounts written.

    Raises:
        CannotMeasure: the service answers otherwise than it should.
    """
    effort = stage.bench.effort
    give_way(stage.couchdb_pid)
    async with AsyncExitStack() as running:
        server = await running.enter_async_context(stage.serve())
        case = list_case(await stage.customer(server))
        bare = await running.enter_async_context(replaying(server, case, stage.bench.room))
        running.enter_context(apart((server.pid, bare.pid)))
        running.enter_context(in_front())
        ours, theirs = await _rounds(server, case, effort), await _rounds(bare, case, effort)
        spread = min(each.spread for each in theirs)
        yield _row("latency", "p99 over p50 at 70 % load", ours, f"; the bare handler {spread:.2f}×")
        await running.enter_async_context(writing(stage, server))
        ours = await _rounds(server, case, effort)
        yield _row("latency-writes", "the same while apps and accounts are written", ours)


async def _rounds(server: Server, case: Case, effort: Effort) -> list[_Round]:
    think = await _think(server, case, effort)
    return [await _measure(server, case, effort, _LONGER * effort.seconds, think) for _ in range(effort.rounds)]


async def _think(server: Server, case: Case, effort: Effort) -> float:
    """For how many seconds clients have to think after a reply, so that the server is busy as long as is wanted."""
    think = _FIRST_THINK
    for _ in range(_TRIES):
        tried = await _measure(server, case, effort, 2 * effort.seconds, think)
        if abs(tried.busy - _BUSY) < _CLOSE:
            break
        cycle = CONNECTIONS / tried.load.rate
        think = max(0.0, think + cycle * (tried.busy / _BUSY - 1))
    return think


async def _measure(server: Server, case: Case, effort: Effort, seconds: float, think: float) -> _Round:
    before = server.cpu_seconds()
    load = await effort.generate(server, case.request, seconds, think=think)
    load.check(f"{server.name}: {case.title}", case.status)
    return _Round(load, (server.cpu_seconds() - before) / load.seconds)


def _row(name: str, title: str, rounds: list[_Round], remark: str = "") -> Row:
    best = min(rounds, key=lambda each: each.spread)
    load = best.load
    times = f"p50 {load.p50 * 1e3:.2f} ms, p99 {load.p99 * 1e3:.2f} ms"
    return Row(
        name,
        title,
        best.spread,
        "×",
        _SPREAD,
        f"{times}, {load.rate:,.0f} requests a second, busy {best.busy:.0%} of the time{remark}",
        {
            "p50": [each.load.p50 for each in rounds],
            "p99": [each.load.p99 for each in rounds],
            "rate": [each.load.rate for each in rounds],
            "busy": [each.busy for each in rounds],
        },
    )
