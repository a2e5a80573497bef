"""Latencies of cached reads at 70 % of the most that the service answers, alone and while others write."""

from collections.abc import AsyncGenerator
from contextlib import nullcontext
from statistics import median
from typing import Final

from crossbar_appstore.bench.cases import Case, list_case
from crossbar_appstore.bench.load import CONNECTIONS, Load, paced
from crossbar_appstore.bench.processes import Server
from crossbar_appstore.bench.rows import Row, Target
from crossbar_appstore.bench.stage import Stage
from crossbar_appstore.bench.writers import writing

_PART: Final = 0.7
_SPREAD: Final = 3.0
_SECONDS: Final = 4.0


async def latency(stage: Stage) -> AsyncGenerator[Row, None]:
    """Two rows: p99 over p50, alone and while apps are loaded and accounts written.

    Raises:
        CannotMeasure: the service answers otherwise than it should.
    """
    async with stage.serve() as server:
        client = await stage.customer(server)
        case = list_case(client)
        for name, title, meanwhile in (
            ("latency", "p99 over p50 at 70 % load", nullcontext()),
            ("latency-writes", "the same while apps and accounts are written", writing(stage, server)),
        ):
            async with meanwhile:
                loads = [
                    await _at_part_load(stage, server, case) for _ in range(max(3, stage.bench.effort.rounds // 2))
                ]
            yield _row(name, title, loads)


async def _at_part_load(stage: Stage, server: Server, case: Case) -> Load:
    most = await stage.bench.effort.generate(server, case.request, 2.0, CONNECTIONS)
    load = await paced(server, case.request, _SECONDS, _PART * most.rate)
    load.check(f"{server.name}: {case.title}", case.status)
    return load


def _row(name: str, title: str, loads: list[Load]) -> Row:
    p50, p99 = median(load.p50 for load in loads), median(load.p99 for load in loads)
    rate = median(load.rate for load in loads)
    return Row(
        name,
        title,
        median(load.p99 / load.p50 for load in loads),
        "×",
        Target(most=_SPREAD),
        f"p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms at {rate:,.0f} requests a second",
        {"p50_s": [load.p50 for load in loads], "p99_s": [load.p99 for load in loads], "rate": rate},
    )
