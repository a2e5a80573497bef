"""``bench``: what the service costs on this machine, and whether that is what was promised."""

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from crossbar_appstore.bench import cases, machine
from crossbar_appstore.bench.load import generator
from crossbar_appstore.bench.processes import CannotMeasure
from crossbar_appstore.bench.profiling import Share
from crossbar_appstore.bench.ratios import Effort
from crossbar_appstore.bench.rows import Row
from crossbar_appstore.bench.running import NAMES, measure, profile
from crossbar_appstore.bench.stage import Scale
from crossbar_appstore.cli.options import example, settings_options
from crossbar_appstore.cli.output import Output
from crossbar_appstore.cli.program import DONE, REFUSED
from crossbar_appstore.json_codec import JsonObject, dumps_pretty
from crossbar_appstore.settings import Settings

T = TypeVar("T")

_STYLES: Final = {True: "green", False: "bold red", None: ""}
_QUICK: Final = Scale(apps=(25, 250), accounts=(10, 2_000), in_turn=200)
_QUICK_ROUNDS: Final = 3
_PROFILE_SECONDS: Final = 10
_PROFILE_LINES: Final = 40


@click.command(
    "bench", epilog=example("bench --quick", "bench --only list --only icon --rounds 15 --json figures.json")
)
@settings_options("CROSSBAR_CACHE_DIR")
@click.option(
    "--only", multiple=True, type=click.Choice(NAMES), metavar="NAME", help="Measure this alone; may be repeated."
)
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True, help="Turns of each contestant.")
@click.option("--quick", is_flag=True, help=f"{_QUICK_ROUNDS} turns, and fewer apps and accounts: for a first look.")
@click.option("--load", type=click.Choice(("wrk", "python")), help="The load generator.  [wrk where it is installed]")
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write all figures to FILE."
)
@click.option(
    "--profile",
    "profiled",
    type=click.Choice(cases.NAMES),
    metavar="NAME",
    help="Show where the processor time of this request goes instead; takes py-spy.",
)
def bench(
    *,
    settings: Settings,
    only: tuple[str, ...],
    rounds: int,
    quick: bool,
    load: str | None,
    file: Path | None,
    profiled: str | None,
) -> int:
    """Measure the service.

    Everything that is needed is started on free ports and taken down again: a CouchDB with a system of its own, the
    service, and a bare aiohttp handler that returns the same bytes, in turns with it.

    A target that is missed is no failure: the exit code is 0 when everything could be measured.
    """
    output = Output()
    load, generate = generator(load)
    effort = Effort(generate, min(rounds, _QUICK_ROUNDS) if quick else rounds)
    try:
        if profiled is not None:
            _print_profile(output, _run(profile(settings.cache_dir, effort, profiled, _PROFILE_SECONDS)))
        else:
            _measure(output, settings.cache_dir, effort, _QUICK if quick else Scale(), only, load, file)
    except CannotMeasure as error:
        output.aside(("not measured", "bold red"), f"  {error}")
        return REFUSED
    return DONE


def _measure(
    output: Output, cache: Path, effort: Effort, scale: Scale, only: tuple[str, ...], load: str, file: Path | None
) -> None:
    described = machine.describe(load)
    _print_machine(output, described)
    rows: list[Row] = []

    def found(row: Row) -> None:
        rows.append(row)
        _print_row(output, row)

    try:
        _run(measure(cache, effort, scale, only, found))
    finally:
        # Figures that were paid for are not thrown away because of one that could not be had.
        if file is not None:
            file.write_bytes(dumps_pretty(_report(described, effort, rows)) + b"\n")
    missed = [row.name for row in rows if row.holds is False]
    output.line((f"outside: {', '.join(missed)}" if missed else "every figure is inside its target", "bold"))


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; SIGTERM is as good as Ctrl-C, so that nothing that was started stays behind."""

    async def interruptible() -> T:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, signal.raise_signal, signal.SIGINT)
        return await work

    return asyncio.run(interruptible())


def _print_machine(output: Output, described: JsonObject) -> None:
    versions = ", ".join(f"{name} {described[name]}" for name in ("aiohttp", "uvloop") if described[name])
    output.line(f"{described['processor']}, {described['cores']} cores, load {described['load_average'][0]}")
    output.line(f"{described['system']}, Python {described['python']}, {versions}, {described['load_generator']}")
    output.line("")


def _print_row(output: Output, row: Row) -> None:
    target = "" if row.target is None else f"{row.target}"
    output.line(
        f"{row.title:<62} {row.shown:>12}  {target:<12} ", (f"{row.verdict:<8}", _STYLES[row.holds]), row.remark
    )


def _print_profile(output: Output, shares: list[Share]) -> None:
    output.line((f"{'own':>6}  {'total':>6}  function", "bold"))
    for share in shares[:_PROFILE_LINES]:
        output.line(f"{share.own:>6.1%}  {share.total:>6.1%}  {share.function}")


def _report(described: JsonObject, effort: Effort, rows: list[Row]) -> JsonObject:
    return {
        "machine": described,
        "rounds": effort.rounds,
        "seconds": effort.seconds,
        "rows": [row.as_json() for row in rows],
    }
