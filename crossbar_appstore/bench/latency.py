"""Latencies of cached reads while the server is busy 70 % of the time, alone and while others write.

The server has a core of its own, and CouchDB what others leave of theirs, as it has a machine of its own in earnest.
Only rounds in which the server was as busy as is wanted count, and of those the median.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median
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
_CLOSE: Final = 0.05
"""How far off a round may be that counts."""
_SPREAD: Final = Target(most=3.0)
_LONGER: Final = 4
"""Times as long as a turn: a percentile takes many requests."""
_FIRST_THINK: Final = 0.002
_STEP: Final = 0.5
"""The part of what seems missing that is made up for at once: clients who wait for whole milliseconds overshoot."""
TRIES: Final = 4
"""Rounds at most for each one that counts."""


@dataclass(frozen=True, slots=True)
class Round:
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
        running.enter_context(in_front((server.pid, bare.pid)))
        ours, theirs = await in_rounds(server, case, effort), await in_rounds(bare, case, effort)
        spread = median(each.spread for each in theirs)
        yield row_of("latency", "p99 over p50 at 70 % load", ours, f"; the bare handler {spread:.2f}×")
        await running.enter_async_context(writing(stage, server))
        ours = await in_rounds(server, case, effort)
        yield row_of("latency-writes", "the same while apps and accounts are written", ours)


async def in_rounds(server: Server, case: Case, effort: Effort) -> list[Round]:
    """Rounds in which the server was as busy as is wanted; where there are none, the one that came closest."""
    think = _FIRST_THINK
    rounds: list[Round] = []
    for _ in range(TRIES * effort.rounds):
        each = await _measure(server, case, effort, think)
        rounds.append(each)
        think = adjusted(think, CONNECTIONS / each.load.rate, each.busy)
        if sum(map(_counts, rounds)) == effort.rounds:
            break
    closest = min(rounds, key=lambda each: abs(each.busy - _BUSY))
    return [each for each in rounds if _counts(each)] or [closest]


def adjusted(think: float, cycle: float, busy: float) -> float:
    """For how many seconds clients should think after a reply.

    Args:
        think: for how long they did.
        cycle: seconds from one request of a client to its next.
        busy: the part of the time that the server worked for them.
    """
    return max(0.0, think + _STEP * cycle * (busy / _BUSY - 1))


def _counts(each: Round) -> bool:
    return abs(each.busy - _BUSY) <= _CLOSE


async def _measure(server: Server, case: Case, effort: Effort, think: float) -> Round:
    before = server.cpu_seconds()
    load = await effort.generate(server, case.request, _LONGER * effort.seconds, think=think)
    load.check(f"{server.name}: {case.title}", case.status)
    return Round(load, (server.cpu_seconds() - before) / load.seconds)


def row_of(name: str, title: str, rounds: Sequence[Round], remark: str = "") -> Row:
    """The medians of the rounds."""
    p50, p99, rate, busy = (
        median(figures)
        for figures in zip(*((each.load.p50, each.load.p99, each.load.rate, each.busy) for each in rounds), strict=True)
    )
    times = f"p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms"
    return Row(
        name,
        title,
        median(each.spread for each in rounds),
        "×",
        _SPREAD,
        f"{times}, {rate:,.0f} requests a second, busy {busy:.0%} of the time{remark}",
        {
            "p50": [each.load.p50 for each in rounds],
            "p99": [each.load.p99 for each in rounds],
            "rate": [each.load.rate for each in rounds],
            "busy": [each.busy for each in rounds],
        },
    )
