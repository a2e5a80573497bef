"""Latencies of cached reads while the server is busy 70 % of the time, alone and while others write."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median
from typing import Final

from crossbar_appstore.bench.accounting import lowest_priority
from crossbar_appstore.bench.cases import Case, list_case
from crossbar_appstore.bench.load import Load, paced
from crossbar_appstore.bench.processes import Server
from crossbar_appstore.bench.ratios import Effort, replaying
from crossbar_appstore.bench.rows import Row, Target
from crossbar_appstore.bench.stage import Stage
from crossbar_appstore.bench.writers import writing

_BUSY: Final = 0.7
_SPREAD: Final = Target(most=3.0)
_LONGER: Final = 4
"""Times as long as a turn: a percentile takes many requests."""
_MOST_ROUNDS: Final = 5
_FIRST_RATE: Final = 2_000.0
_TRIES: Final = 4
_CLOSE: Final = 0.05
_CARRIED: Final = 0.9
"""The part of the asked rate below which the load generator cannot keep up."""


@dataclass(frozen=True, slots=True)
class _Paced:
    """Requests at even intervals, and the part of the time that the server was busy with them."""

    load: Load
    busy: float


async def latency(stage: Stage) -> AsyncGenerator[Row, None]:
    """Two rows: p99 over p50 of the list, alone and while apps are loaded and accounts written.

    CouchDB has a machine of its own in earnest; here it gets what is left over.

    Raises:
        CannotMeasure: the service answers otherwise than it should.
    """
    effort = stage.bench.effort
    rounds = min(_MOST_ROUNDS, effort.rounds)
    lowest_priority(stage.couchdb_pid)
    async with AsyncExitStack() as running:
        server = await running.enter_async_context(stage.serve())
        case = list_case(await stage.customer(server))
        bare = await running.enter_async_context(replaying(server, case, stage.bench.room))
        rate, bare_rate = await _rate(server, case, effort), await _rate(bare, case, effort)
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(await _measure(server, case, _LONGER * effort.seconds, rate))
            theirs.append(await _measure(bare, case, _LONGER * effort.seconds, bare_rate))
        spread = median(each.load.p99 / each.load.p50 for each in theirs)
        yield _row("latency", "p99 over p50 at 70 % load", ours, f"; the bare handler {spread:.2f}×")
        await running.enter_async_context(writing(stage, server))
        rate = await _rate(server, case, effort)
        ours = [await _measure(server, case, _LONGER * effort.seconds, rate) for _ in range(rounds)]
        yield _row("latency-writes", "the same while apps and accounts are written", ours)


async def _rate(server: Server, case: Case, effort: Effort) -> float:
    """Requests a second that keep the server busy as long as is wanted, or as many as this machine carries.

    A server that is busier needs less time for each, so this is found by trying.
    """
    rate = _FIRST_RATE
    for _ in range(_TRIES):
        tried = await _measure(server, case, effort.seconds, rate)
        if tried.load.rate < _CARRIED * rate:
            return _CARRIED * tried.load.rate
        if abs(tried.busy - _BUSY) < _CLOSE:
            break
        rate *= min(2.0, _BUSY / tried.busy)
    return rate


async def _measure(server: Server, case: Case, seconds: float, rate: float) -> _Paced:
    before = server.cpu_seconds()
    load = await paced(server, case.request, seconds, rate)
    load.check(f"{server.name}: {case.title}", case.status)
    return _Paced(load, (server.cpu_seconds() - before) / load.seconds)


def _row(name: str, title: str, measured: list[_Paced], remark: str = "") -> Row:
    figures = {
        "p50": [each.load.p50 for each in measured],
        "p99": [each.load.p99 for each in measured],
        "rate": [each.load.rate for each in measured],
        "busy": [each.busy for each in measured],
    }
    p50, p99, rate, busy = (median(each) for each in figures.values())
    times = f"p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms"
    return Row(
        name,
        title,
        median(each.load.p99 / each.load.p50 for each in measured),
        "×",
        _SPREAD,
        f"{times}, {rate:,.0f} requests a second, busy {busy:.0%} of the time{remark}",
        figures,
    )
