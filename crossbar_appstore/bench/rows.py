"""What the bench found out: one row a figure, with its target if it has one."""

from dataclasses import dataclass, field
from typing import Final

from crossbar_appstore.json_codec import JsonObject

_DIGITS: Final = {"×": 2, "ms": 2, "s": 2, "MB": 1, "KB": 2}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a figure should lie, both ends included."""

    most: float | None = None
    least: float | None = None

    def __str__(self) -> str:
        if self.most is not None and self.least is not None:
            return f"{self.least:g} to {self.most:g}"
        return f"≤ {self.most:g}" if self.most is not None else f"≥ {self.least:g}"

    def holds(self, value: float) -> bool:
        """Whether a figure lies there."""
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    def as_json(self) -> JsonObject:
        """The ends that there are."""
        ends = {"most": self.most, "least": self.least}
        return {name: end for name, end in ends.items() if end is not None}


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Args:
        name: unique, for scripts.
        title: for people.
        value: the figure, in ``unit``.
        unit: ``×`` where it is a ratio.
        target: None where nothing was promised.
        remark: what else is worth knowing, in a few words.
        figures: all that was measured for it.
    """

    name: str
    title: str
    value: float
    unit: str
    target: Target | None = None
    remark: str = ""
    figures: JsonObject = field(default_factory=dict)

    @property
    def holds(self) -> bool | None:
        """Whether the target is met, None where there is none."""
        return None if self.target is None else self.target.holds(self.value)

    @property
    def shown(self) -> str:
        """The figure with its unit."""
        space = "" if self.unit == "×" else " "
        return f"{self.value:,.{_DIGITS.get(self.unit, 0)}f}{space}{self.unit}"

    @property
    def verdict(self) -> str:
        """One word."""
        return {True: "inside", False: "outside", None: ""}[self.holds]

    def as_json(self) -> JsonObject:
        """Everything."""
        return {
            "name": self.name,
            "title": self.title,
            "value": self.value,
            "unit": self.unit,
            "target": None if self.target is None else self.target.as_json(),
            "holds": self.holds,
            "remark": self.remark,
            "figures": self.figures,
        }
