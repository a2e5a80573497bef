"""``bench``: what a request costs beside a bare handler, on this machine."""

import asyncio
from pathlib import Path
from typing import Final

import click

from crossbar_appstore.bench.processes import CannotMeasure
from crossbar_appstore.bench.ratios import Comparison, Effort
from crossbar_appstore.bench.running import run_ratios
from crossbar_appstore.cli.options import example, settings_options
from crossbar_appstore.cli.output import Output
from crossbar_appstore.cli.program import DONE, REFUSED
from crossbar_appstore.json_codec import dumps_pretty
from crossbar_appstore.settings import Settings

_VERDICTS: Final = {True: ("inside", "green"), False: ("above", "bold red")}


@click.command("bench", epilog=example("bench", "bench --only list --only icon --rounds 9", "bench --json bench.json"))
@settings_options("CROSSBAR_CACHE_DIR")
@click.option("--only", multiple=True, metavar="CASE", help="Measure this case alone; may be repeated.")
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True, help="Turns of each server.")
@click.option("--quick", is_flag=True, help="Three rounds, for a first look.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures to FILE.")
def bench(*, settings: Settings, only: tuple[str, ...], rounds: int, quick: bool, file: Path | None) -> int:
    """Measure the service.

    Everything that is needed is started, on free ports, and taken down again: a CouchDB with a system of its own, the
    service, and a bare aiohttp handler that returns the same bytes.

    A target that is missed is no failure: the exit code is 0 when everything could be measured.
    """
    output = Output()
    output.line(("processor time a request, in turns with a bare handler that returns the same bytes", "bold"))
    effort = Effort(rounds=3 if quick else rounds)
    try:
        rows = asyncio.run(run_ratios(settings.cache_dir, effort, only, lambda row: _print(output, row)))
    except CannotMeasure as error:
        output.aside(("not measured", "bold red"), f"  {error}")
        return REFUSED
    if file is not None:
        file.write_bytes(dumps_pretty([_as_json(row) for row in rows]) + b"\n")
    return DONE


def _print(output: Output, row: Comparison) -> None:
    figures = f"{row.bytes:>7} B {row.service_us:>7.0f} µs {row.bare_us:>6.0f} µs {row.ratio:>7.2f}×"
    output.line(
        f"{row.case.name:<12} {row.case.title:<24} {figures}  target {row.case.target:.1f}×  ", _VERDICTS[row.holds]
    )


def _as_json(row: Comparison) -> dict[str, object]:
    return {
        "case": row.case.name,
        "target": row.case.target,
        "ratio": row.ratio,
        "service_us": [each.cpu_us for each in row.service],
        "bare_us": [each.cpu_us for each in row.bare],
    }
