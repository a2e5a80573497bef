"""What there is to say about an app while it is read, loaded or exported."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.validation.errors import SchemaErrors

ABOUT_FILE: Final = ""
"""The field of a remark that concerns a file as a whole."""


class Weight(StrEnum):
    """How much a remark matters."""

    REFUSED = "refused"
    """The app is not loaded."""
    LEFT_OUT = "left_out"
    """Something of the app is refused, the rest is loaded."""
    MISSING = "missing"
    """The app names something that is not there."""
    REPAIRED = "repaired"
    """Lenient mode changed what would have been refused or is known to trouble the web client."""
    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing about one app: where, by which rule, and what stood there."""

    weight: Weight
    file: str
    field: str
    rule: str
    message: str
    value: Json = None

    def as_json(self) -> JsonObject:
        """For ``--json``."""
        return {
            "weight": str(self.weight),
            "file": self.file,
            "field": self.field,
            "rule": self.rule,
            "value": self.value,
            "message": self.message,
        }


def schema_remarks(file: str, errors: SchemaErrors) -> tuple[Remark, ...]:
    """A refusal for each failure of a validation."""
    return tuple(
        Remark(Weight.REFUSED, file, field, rule, str(details.get("message", "")), details.get("value"))
        for field, rules in errors.items()
        for rule, details in rules.items()
    )
