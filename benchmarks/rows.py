"""Rows of the table: a figure, its target, the verdict."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

HEADINGS: Final = ("measured", "found", "target", "verdict", "remark")
_DIGITS: Final = {"×": 2, "s": 2, "MB": 1, "KB": 2}


@dataclass(frozen=True, slots=True)
class Row:
    """One figure in ``unit`` (``×`` is a ratio), both ends of its target if it has them, what else to say of it.

    ``figures`` are the single measurements, for ``--json``.
    """

    name: str
    title: str
    value: float
    unit: str = "×"
    least: float | None = None
    most: float | None = None
    remark: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The target as text, empty if there is none."""
        if self.least is None:
            return "" if self.most is None else f"≤ {self.most:g}"
        return f"≥ {self.least:g}" if self.most is None else f"{self.least:g} to {self.most:g}"

    @property
    def verdict(self) -> str:
        """``inside`` or ``outside`` the target, to which both ends belong; empty if there is none."""
        least, most = (self.value if end is None else end for end in (self.least, self.most))
        return "" if not self.target else "inside" if least <= self.value <= most else "outside"

    @property
    def cells(self) -> tuple[str, ...]:
        """Its line of the table, as ``HEADINGS`` say."""
        found = f"{self.value:,.{_DIGITS.get(self.unit, 0)}f} {self.unit}".replace(" ×", "×")
        return self.title, found, self.target, self.verdict, self.remark


def table_line(cells: Iterable[str]) -> str:
    """A line of a Markdown table, aligned as far as its cells allow."""
    widths = (62, 10, 12, 8, 0)
    return "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)) + " |"


def median_ratio(ours: Iterable[float], theirs: Iterable[float]) -> float:
    """The median of the ratios of neighbouring turns: whatever else the machine does slows both of a pair."""
    return median(one / other for one, other in zip(ours, theirs, strict=True))
