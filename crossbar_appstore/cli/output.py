"""The output of verbs: coloured lines and a progress bar on a terminal, plain lines elsewhere, or one JSON object."""

import asyncio
import csv
import functools
import io
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from crossbar_appstore.broker.broker import Broker, node_name
from crossbar_appstore.cli.auditing import audited
from crossbar_appstore.cli.options import DATABASE, connected, json_option, settings_options
from crossbar_appstore.cli.program import REFUSED
from crossbar_appstore.datastore.couch import Couch, Written
from crossbar_appstore.json_codec import Json, JsonObject, dumps, dumps_pretty, loads
from crossbar_appstore.kazoo.values import MISSING, Missing
from crossbar_appstore.logs import silence_libraries
from crossbar_appstore.maintenance.app_plan import Action, AppPlan
from crossbar_appstore.maintenance.loading import LoadReport
from crossbar_appstore.maintenance.reports import FieldChange, PictureChange, Remark, Weight
from crossbar_appstore.settings import Settings

_LONGEST_VALUE: Final = 120
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a cell that a spreadsheet evaluates."""
_ACTION_STYLES: Final = {
    Action.CREATED: "green",
    Action.UPDATED: "cyan",
    Action.UNCHANGED: "dim",
    Action.REFUSED: "bold red",
    Action.FAILED: "bold red",
}
_WEIGHT_STYLES: Final = {
    Weight.REFUSED: "red",
    Weight.LEFT_OUT: "red",
    Weight.MISSING: "yellow",
    Weight.REPAIRED: "magenta",
    Weight.NOTE: "dim",
}

Part = str | tuple[str, str]
"""A part of a line: a text, or a text and its style."""


class _Lines(Console):
    """A console that becomes silent when its reader closes the pipe, so that the work is still completed."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


class Output:
    """Standard output of one verb."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._noted = False
        # Texts of documents are printed as they are, not as rich's markup.
        verbatim: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True, "emoji": False}
        self._lines, self._asides = _Lines(file=sys.stdout, **verbatim), _Lines(file=sys.stderr, **verbatim)

    def line(self, *parts: Part) -> None:
        """Print one line of text, unless ``--json`` is given."""
        if not self.as_json:
            text = _text(parts)
            self._note_missing_characters(text.plain)
            self._lines.print(text)

    def columns(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table, unless ``--json`` is given."""
        cells = [[plain(cell) for cell in row] for row in rows]
        widths = [max(map(cell_len, column)) for column in zip(headings, *cells, strict=True)]
        for style, row in (("bold", headings), *(("", row) for row in cells)):
            # Wide characters take two cells, so str.ljust would misalign columns.
            padded = (set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True))
            self.line(("  ".join(padded).rstrip(), style))

    def csv(self, cells: Sequence[str]) -> None:
        """Print one row of CSV, each cell in quotes; what a spreadsheet would evaluate gets an apostrophe before it."""
        text = io.StringIO()
        neutral = [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells]
        csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(neutral)
        self._note_missing_characters(text.getvalue())
        self._write(text.getvalue())

    def aside(self, *parts: Part) -> None:
        """Print one line on standard error."""
        self._asides.print(_text(parts))

    def refused(self, reason: object, members: JsonObject) -> int:
        """Print why the whole command was refused: ``reason`` on standard error, ``members`` as JSON; its exit code."""
        self.aside(("refused", "bold red"), f"  {reason}")
        self.json({"refused": members})
        return REFUSED

    def json(self, value: Json) -> None:
        """Print the object of ``--json``, if that is given."""
        if self.as_json:
            text = dumps_pretty(value).decode()
            if not _can_print(text):
                text = json.dumps(loads(text), indent=2)
            self._write(text + "\n")

    def _write(self, text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            self._lines.on_broken_pipe()

    def _note_missing_characters(self, text: str) -> None:
        """Say once that the output's encoding lacks characters of a text, which are printed as escapes."""
        if not self._noted and not _can_print(text):
            self._noted = True
            what = f"the encoding of the output, {sys.stdout.encoding}, lacks characters, which are shown as escapes"
            self.aside(("note", "yellow"), f"  {what}; PYTHONIOENCODING=utf-8 prints them")

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Callable[[], None]]:
        """Show a progress bar if there is a terminal; yields the function that advances it by one."""
        # The bar is drawn on the console of the lines, if that is a terminal, so that both do not overlap.
        on_lines, on_asides = map(_is_terminal, (self._lines, self._asides))
        drawn, console = (on_lines, self._lines) if on_lines and not self.as_json else (on_asides, self._asides)
        if not drawn or total < 2:
            yield lambda: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        # rich would print on the bar's console what goes to the other stream, a file or a pipe perhaps.
        with Progress(
            *columns, console=console, transient=True, redirect_stdout=on_lines, redirect_stderr=on_asides
        ) as bar:
            task = bar.add_task(title, total=total)
            yield lambda: bar.advance(task)


def database_verb(function: Callable[..., Awaitable[int]]) -> Callable[..., int]:
    """Make a verb of an ``async (couch, output, **arguments) -> exit code``: connect, and add the common options."""

    @functools.wraps(function)
    async def without_settings(_: Settings, *parts: Any, **arguments: Any) -> int:
        return await function(*parts, **arguments)

    return settings_verb(without_settings)


def settings_verb(function: Callable[..., Awaitable[int]]) -> Callable[..., int]:
    """As ``database_verb``, for a function that takes the settings before the other arguments."""

    @functools.wraps(function)
    def verb(*, settings: Settings, as_json: bool, **arguments: Any) -> int:
        async def work() -> int:
            output = Output(as_json=as_json)
            async with audited(settings), connected(settings) as couch, _announced(settings, couch, output):
                return await function(settings, couch, output, **arguments)

        return asyncio.run(work())

    return json_option(settings_options(*DATABASE)(verb))


@asynccontextmanager
async def _announced(settings: Settings, couch: Couch, output: Output) -> AsyncIterator[None]:
    """Announce what is written on KAZOO's message broker, if there is one, which is asked from the first write on."""
    if settings.amqp_url is None:
        yield
        return
    silence_libraries()
    broker = Broker(settings.amqp_url, node=node_name(None))

    def announce(written: Written) -> None:
        broker.announce(written)
        if broker.statistics.waiting:
            broker.start()

    couch.on_write.append(announce)
    try:
        yield
    finally:
        is_sent = await broker.flush_all()
        await broker.close()
        left = broker.statistics.waiting + broker.statistics.dropped
        if left or not is_sent:
            what = f"{left} changes were not announced, as the message broker is away"
            output.aside(("note", "yellow"), f"  {what}: KAZOO's nodes may show the old state for up to 15 minutes")


def plain(text: str) -> str:
    """A text without characters that could control a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def shown(value: Json, *, cut: bool = True) -> str:
    """A value as JSON, shortened if it is long."""
    text = plain(dumps(value).decode())
    return text if len(text) <= _LONGEST_VALUE or not cut else f"{text[: _LONGEST_VALUE - 1]}…"


def print_app(output: Output, app: AppPlan, *, changes: bool, dry_run: bool = False) -> None:
    """Print one loaded app, its remarks and, on request, its changes."""
    identity = f"  {app.id}" if app.id else ""
    revision = f"  {app.revision}" if app.revision else ""
    would = "would be " if dry_run and app.action in (Action.CREATED, Action.UPDATED) else ""
    word = (f"{would}{app.action:<9}", _ACTION_STYLES[app.action])
    output.line(word, f"  {app.name or '(no name)'}{identity}{revision}", (f"  {app.folder}", "dim"))
    print_remarks(output, app.remarks, within=app.folder)
    if changes:
        print_changes(output, app.changes, app.pictures)


def print_remarks(output: Output, remarks: Sequence[Remark], *, within: str = "") -> None:
    """Print remarks, one per line, with file names relative to the folder ``within``."""
    for remark in remarks:
        file = remark.file.removeprefix(within).lstrip("/") or remark.file
        place = ": ".join(part for part in (file, remark.field) if part)
        value = "" if remark.value is None else f" (value: {shown(remark.value)})"
        word = (str(remark.weight).replace("_", " "), _WEIGHT_STYLES[remark.weight])
        output.line("    ", word, f"  {place}: {remark.rule}: {remark.message}{value}")


def print_changes(output: Output, fields: Sequence[FieldChange], pictures: Sequence[PictureChange]) -> None:
    """Print the values before and after of fields and of attachments."""
    for field in fields:
        output.line(f"    {field.field}: ", (_side(field.before), "red"), " → ", (_side(field.after), "green"))
    for picture in pictures:
        before, after = ("(none)" if size is None else f"{size:,} bytes" for size in (picture.before, picture.after))
        kind = f", {picture.content_type}" if picture.content_type else ""
        output.line(f"    picture {picture.name}: ", (before, "red"), " → ", (after, "green"), kind)


def print_counts(output: Output, report: LoadReport) -> None:
    """Print the last lines of a load: remarks about folders, and the number of apps per action."""
    print_remarks(output, report.remarks)
    counts = ", ".join(f"{count} {action}" for action, count in report.counts.items()) or "no apps"
    output.line((f"{'Would be: ' if report.dry_run else ''}{counts}.", "bold"))


def _is_terminal(console: Console) -> bool:
    # With FORCE_COLOR, rich takes every file for a terminal.
    return console.is_terminal and console.file.isatty()


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _side(value: Json | Missing) -> str:
    return "(none)" if value is MISSING else shown(value)


def _text(parts: tuple[Part, ...]) -> Text:
    return Text.assemble(*(plain(part) if isinstance(part, str) else (plain(part[0]), part[1]) for part in parts))
