"""The command line: ``python -m benchmarks``, which ``./scripts/bench`` runs."""

import argparse
import asyncio
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Final

import aiohttp
import uvloop

from benchmarks.experiments import APPS, EXPERIMENTS
from benchmarks.load import CannotMeasure
from benchmarks.rows import HEADINGS, Row, table_line
from benchmarks.servers import Bench, Scale
from benchmarks.system import Signer

NAMES: Final = tuple(name for names in EXPERIMENTS.values() for name in names)
QUICK: Final = Scale(turns=3, apps=(25, 250), accounts=(10, 4_000), in_turn=200, at_once=200, starts=3)


async def measure(scale: Scale, wanted: Collection[str], profiles: Path | None = None) -> AsyncGenerator[Row, None]:
    """The rows that are wanted, each as soon as it is measured.

    Raises:
        CannotMeasure: a server did not start, or did not answer as it should.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(), skip_auto_headers=("Accept-Encoding",)
    )
    with tempfile.TemporaryDirectory(prefix="crossbar-appstore-bench-") as folder:
        async with session:
            bench = Bench(session, Path(folder), await asyncio.to_thread(Signer), scale, wanted, profiles)
            async with bench.system(APPS) as system:
                for experiment, names in EXPERIMENTS.items():
                    if set(names) & set(wanted):
                        async with aclosing(experiment(bench, system)) as rows:
                            async for row in rows:
                                if row.name in wanted:
                                    yield row


async def report(scale: Scale, wanted: Collection[str], file: Path | None, profiles: Path | None) -> int:
    """Print the table and write the figures; 1 if a row is outside its target or cannot be measured, else 0."""
    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    versions = ", ".join(f"{name} {version(name)}" for name in ("crossbar-appstore", "aiohttp", "uvloop"))
    python = f"Python {platform.python_version()}"
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.platform()}, {python}, {versions}"
    print(f"{machine}\n\n{table_line(HEADINGS)}\n{table_line(['---'] * len(HEADINGS))}", flush=True)
    rows: list[Row] = []
    try:
        async with aclosing(measure(scale, wanted, profiles)) as measured:
            async for row in measured:
                rows.append(row)
                print(table_line(row.cells), flush=True)
    except CannotMeasure as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    finally:
        if file is not None:
            figures = {
                "machine": machine,
                "scale": asdict(scale),
                "rows": [{**asdict(row), "verdict": row.verdict} for row in rows],
            }
            file.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    outside = [row.name for row in rows if row.verdict == "outside"]
    print(f"\noutside: {', '.join(outside)}" if outside else "\nevery row is inside its target")
    return 1 if outside else 0


def main() -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser("bench", description="Measure the service against a bare aiohttp handler.")
    parser.add_argument("--quick", action="store_true", help="fewer turns, apps and accounts: for a first look")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="ROW", help=", ".join(NAMES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    parser.add_argument("--profile", type=Path, metavar="DIR", help="also write py-spy's stacks of requests to DIR")
    options = parser.parse_args()
    if missing := [program for program in ("wrk", "py-spy")[: 1 + bool(options.profile)] if not shutil.which(program)]:
        parser.error(f"not installed: {', '.join(missing)}")
    try:
        return uvloop.run(report(QUICK if options.quick else Scale(), options.only, options.json, options.profile))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


if __name__ == "__main__":
    sys.exit(main())
