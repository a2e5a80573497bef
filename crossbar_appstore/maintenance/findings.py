"""What the doctor finds, and how it can be mended."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from crossbar_appstore.json_codec import Json, JsonObject


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """Something does not work, here or for KAZOO."""
    WARNING = "warning"
    """Something will not work for somebody, or is not meant to be so."""
    INFO = "info"
    """Worth knowing."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A safe mend: a change to one document, in words and as a function from the stored document to the new one."""

    database: str
    doc_id: str
    words: str
    change: Callable[[JsonObject], JsonObject]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one subject. ``command`` mends it, ``repair`` is what ``--fix`` does."""

    severity: Severity
    check: str
    subject: str
    message: str
    command: str | None = None
    repair: Repair | None = None
    value: Json = None

    def as_json(self) -> JsonObject:
        """For ``--json``."""
        return {
            "severity": str(self.severity),
            "check": self.check,
            "subject": self.subject,
            "message": self.message,
            "value": self.value,
            "command": self.command,
            "fix": None if self.repair is None else self.repair.words,
        }


def setting(key: str, value: Json) -> Callable[[JsonObject], JsonObject]:
    """The change that sets a field."""
    return lambda document: {**document, key: value}


def dropping(key: str) -> Callable[[JsonObject], JsonObject]:
    """The change that removes a field."""
    return lambda document: {name: value for name, value in document.items() if name != key}
