"""A load as lines of text."""

from typing import Final

from crossbar_appstore.cli.output import Output, Part, shown
from crossbar_appstore.json_codec import Json
from crossbar_appstore.kazoo.values import MISSING, Missing
from crossbar_appstore.maintenance.app_plan import Action
from crossbar_appstore.maintenance.field_changes import FieldChange, PictureChange
from crossbar_appstore.maintenance.remarks import Remark, Weight
from crossbar_appstore.maintenance.reports import AppOutcome, LoadReport

ACTION_STYLES: Final = {
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
_NOTHING: Final = "(none)"


def print_outcome(output: Output, outcome: AppOutcome, *, changes: bool) -> None:
    """One app: a line, what is to be said about it, and where wanted what changes."""
    name = outcome.name or "(no name)"
    identity = f"  {outcome.app_id}" if outcome.app_id else ""
    revision = f"  {outcome.revision}" if outcome.revision else ""
    word = (f"{outcome.action:<9}", ACTION_STYLES[outcome.action])
    output.line(word, f"  {name}{identity}{revision}", (f"  {outcome.folder}", "dim"))
    for remark in outcome.remarks:
        print_remark(output, remark, within=outcome.folder)
    if changes:
        for change in outcome.changes:
            print_change(output, change)
        for picture in outcome.pictures:
            output.line("    ", *picture_parts(picture))


def print_remark(output: Output, remark: Remark, *, within: str = "") -> None:
    """One remark: how much it matters, where, by which rule, and the value."""
    file = remark.file.removeprefix(within).lstrip("/") or remark.file
    place = ": ".join(part for part in (file, remark.field) if part)
    value = "" if remark.value is None else f" (value: {shown(remark.value)})"
    word = str(remark.weight).replace("_", " ")
    output.line("    ", (word, _WEIGHT_STYLES[remark.weight]), f"  {place}: {remark.rule}: {remark.message}{value}")


def print_change(output: Output, change: FieldChange) -> None:
    """One field: what it was and what it becomes."""
    output.line(f"    {change.field}: ", (_side(change.before), "red"), " → ", (_side(change.after), "green"))


def picture_parts(picture: PictureChange) -> tuple[Part, ...]:
    """One attachment: its size before and after."""
    sides = [_NOTHING if size is None else f"{size:,} bytes" for size in (picture.before, picture.after)]
    kind = f", {picture.content_type}" if picture.content_type else ""
    return (f"picture {picture.name}: ", (sides[0], "red"), " → ", (sides[1], "green"), kind)


def print_counts(output: Output, report: LoadReport) -> None:
    """The last line: how many apps each action befell."""
    for remark in report.remarks:
        print_remark(output, remark)
    counts = ", ".join(f"{count} {action}" for action, count in report.counts.items()) or "no apps"
    output.line((f"{'Would be: ' if report.dry_run else ''}{counts}.", "bold"))


def _side(value: Json | Missing) -> str:
    return _NOTHING if value is MISSING else shown(value)
