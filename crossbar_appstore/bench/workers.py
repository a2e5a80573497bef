"""Throughput of two workers against one."""

import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from statistics import median
from typing import Final

from crossbar_appstore.bench.cases import list_case
from crossbar_appstore.bench.ratios import in_turns, paired_ratio
from crossbar_appstore.bench.rows import Row, Target
from crossbar_appstore.bench.stage import Stage

WORKERS: Final = 2
_GAIN: Final = 1.8


async def workers(stage: Stage) -> AsyncGenerator[Row, None]:
    """One row: requests a second where each worker and the load generator have a core, else by processor time.

    Raises:
        CannotMeasure: the service answers otherwise than it should.
    """
    async with AsyncExitStack() as running:
        one = await running.enter_async_context(stage.serve({"CROSSBAR_WORKERS": "1"}))
        case = list_case(await stage.customer(one))
        two = await running.enter_async_context(stage.serve({"CROSSBAR_WORKERS": str(WORKERS)}))
        alone, together = await in_turns(((one, case), (two, case)), stage.bench.effort)
    by_rate = median(b.rate / a.rate for a, b in zip(alone, together, strict=True))
    # Each worker fills a core of its own, so twice the cores do twice the work, less what a request costs more.
    by_cpu = WORKERS * paired_ratio(alone, together)
    enough = len(os.sched_getaffinity(0)) > WORKERS if hasattr(os, "sched_getaffinity") else False
    yield Row(
        "workers",
        f"throughput of {WORKERS} workers against one",
        by_rate if enough else by_cpu,
        "×",
        Target(least=_GAIN),
        "by requests a second" if enough else f"by processor time; {by_rate:.2f}× in requests a second on these cores",
        {
            "by_rate": by_rate,
            "by_cpu": by_cpu,
            "one_us": [turn.cpu_us for turn in alone],
            "two_us": [turn.cpu_us for turn in together],
            "one_rate": [turn.rate for turn in alone],
            "two_rate": [turn.rate for turn in together],
        },
    )
