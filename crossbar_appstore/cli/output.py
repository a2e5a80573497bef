"""What people see: lines in colour and a progress bar on a terminal, plain lines elsewhere, or one JSON object."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from crossbar_appstore.json_codec import Json, dumps, dumps_pretty

_LONGEST_VALUE: Final = 120

Part = str | tuple[str, str]
"""A piece of a line, with a style if it has one."""


class Step(Protocol):
    """Counts the progress bar up by one."""

    def __call__(self) -> None:
        """One more is done."""


class _Lines(Console):
    """A console that falls silent when its reader has seen enough, so that the work is still done to its end."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


class Output:
    """Standard output of one verb."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._lines = _Lines(file=sys.stdout, highlight=False, markup=False, soft_wrap=True, emoji=False)
        self._asides = _Lines(file=sys.stderr, highlight=False, markup=False, soft_wrap=True, emoji=False)

    def line(self, *parts: Part) -> None:
        """One line of text, made of its parts; nothing where JSON was asked for."""
        if not self.as_json:
            self._lines.print(_text(parts))

    def columns(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Lines whose parts stand below each other; nothing where JSON was asked for."""
        cells = [[plain(cell) for cell in row] for row in rows]
        widths = [max(map(cell_len, column)) for column in zip(headings, *cells, strict=True)]
        for style, row in (("bold", headings), *(("", row) for row in cells)):
            padded = (set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True))
            self.line(("  ".join(padded).rstrip(), style))

    def aside(self, *parts: Part) -> None:
        """One line on standard error, JSON or not."""
        self._asides.print(_text(parts))

    def json(self, value: Json) -> None:
        """The one object of ``--json``; nothing where text was asked for."""
        if self.as_json:
            try:
                sys.stdout.write(dumps_pretty(value).decode() + "\n")
                sys.stdout.flush()
            except BrokenPipeError:
                self._lines.on_broken_pipe()

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Step]:
        """A bar on the terminal, below the lines where these go there too; nothing where there is none."""
        console = self._lines if self._lines.is_terminal and not self.as_json else self._asides
        if not console.is_terminal or total < 2:
            yield lambda: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda: bar.advance(task)


def plain(text: str) -> str:
    """A text from outside without what could steer a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def shown(value: Json, *, cut: bool = True) -> str:
    """A value as JSON, cut where it is long."""
    text = plain(dumps(value).decode())
    return text if len(text) <= _LONGEST_VALUE or not cut else f"{text[: _LONGEST_VALUE - 1]}…"


def _text(parts: tuple[Part, ...]) -> Text:
    return Text.assemble(*(plain(part) if isinstance(part, str) else (plain(part[0]), part[1]) for part in parts))
