"""Where the processor time of one kind of request goes, by py-spy: samples of the service's stack under load."""

import asyncio
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossbar_appstore.bench.cases import Case, request_cases
from crossbar_appstore.bench.load import CONNECTIONS
from crossbar_appstore.bench.processes import CannotMeasure, Server
from crossbar_appstore.bench.stage import APPS, Bench

_RATE: Final = 199
"""Samples a second; no divisor of anything that happens regularly."""


@dataclass(frozen=True, slots=True)
class Share:
    """A function's part of all samples: ``own`` while it ran itself, ``total`` with all that it called."""

    function: str
    own: float
    total: float


def py_spy() -> str | None:
    """The program, where it is installed."""
    return shutil.which("py-spy") or shutil.which("py-spy", path=Path(sys.executable).parent)


async def profile(bench: Bench, name: str, seconds: int) -> list[Share]:
    """The functions of the service under the load of one case, the most expensive first.

    Raises:
        CannotMeasure: py-spy is not installed, or may not look into other processes.
    """
    program = py_spy()
    if program is None:
        raise CannotMeasure("py-spy is not installed: pip install py-spy")
    async with bench.stage(APPS) as stage, stage.serve() as server:
        case = next(each for each in await request_cases(server, await stage.customer(server)) if each.name == name)
        await bench.effort.generate(server, case.request, bench.effort.warm_up, CONNECTIONS)
        recorded = bench.room / "stacks"
        load = asyncio.create_task(_loaded(bench, server, case, seconds + 2))
        try:
            await _record(program, server.pid, recorded, seconds)
        finally:
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
    return shares((await asyncio.to_thread(recorded.read_text)).splitlines())


async def _loaded(bench: Bench, server: Server, case: Case, seconds: int) -> None:
    await bench.effort.generate(server, case.request, seconds, CONNECTIONS)


async def _record(program: str, pid: int, recorded: Path, seconds: int) -> None:
    options = ["--format", "raw", "--duration", str(seconds), "--rate", str(_RATE)]
    process = await asyncio.create_subprocess_exec(
        program,
        "record",
        "--pid",
        str(pid),
        "--output",
        str(recorded),
        *options,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaints = await process.communicate()
    if process.returncode:
        raise CannotMeasure(f"py-spy: {complaints.decode(errors='replace').strip()[-300:]}")


def shares(lines: Iterable[str]) -> list[Share]:
    """From collapsed stacks, ``outer (file:line);inner (file:line) samples``, the most expensive functions first."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    samples = 0
    for line in lines:
        stack, _, number = line.rpartition(" ")
        functions = list(_functions(stack))
        samples += int(number)
        own[functions[-1]] += int(number)
        for function in set(functions):
            total[function] += int(number)
    found = [Share(function, own[function] / samples, total[function] / samples) for function in total]
    return sorted(found, key=lambda share: (-share.own, -share.total, share.function))


def _functions(stack: str) -> Iterator[str]:
    """The stack's functions without their lines."""
    for frame in stack.split(";"):
        name, _, place = frame.partition(" (")
        file = place.rstrip(")").rpartition(":")[0] or place.rstrip(")")
        yield f"{name} ({file})" if file else name
