"""The values that commands report: remarks about apps, changes of fields and pictures, findings of the doctor."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_private_key
from crossbar_appstore.kazoo.values import MISSING, Missing, object_at
from crossbar_appstore.validation.errors import joined_path

WHOLE_FILE: Final = ""
"""The ``field`` of a remark that concerns a file as a whole."""


@dataclass(frozen=True)
class Report:
    """Base class of the values that ``--json`` prints."""

    def as_json(self) -> JsonObject:
        """A JSON object with one member per field; fields that are ``MISSING`` are left out."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: _as_json(value) for name, value in values if value is not MISSING}


class Weight(StrEnum):
    """How much a remark matters."""

    REFUSED = "refused"
    """The app is not loaded."""
    LEFT_OUT = "left_out"
    """A part of the app is refused, the rest is loaded."""
    MISSING = "missing"
    """The app names a file or attachment that does not exist."""
    REPAIRED = "repaired"
    """Lenient mode stored another value than one that would have been refused or that breaks the web client."""
    NOTE = "note"


@dataclass(frozen=True)
class Remark(Report):
    """One observation about an app: where, by which rule, and the value found there."""

    weight: Weight
    file: str
    field: str
    rule: str
    message: str
    value: Json = None


def without_repairs(remarks: Iterable[Remark], reason: str) -> tuple[Remark, ...]:
    """The remarks with a note in place of each repair, which was not stored for the ``reason``."""
    return tuple(
        replace(each, weight=Weight.NOTE, message=f"{each.message}; {reason}")
        if each.weight is Weight.REPAIRED
        else each
        for each in remarks
    )


@dataclass(frozen=True)
class FieldChange(Report):
    """A field that differs. ``field`` is its path joined by dots; a side without the field is ``MISSING``."""

    field: str
    before: Json | Missing
    after: Json | Missing


@dataclass(frozen=True)
class PictureChange(Report):
    """An attachment that differs: its length in bytes on both sides, ``None`` where there is none."""

    name: str
    before: int | None
    after: int | None
    content_type: str | None = None


class Severity(StrEnum):
    """How much a finding of the doctor matters."""

    ERROR = "error"
    """Something does not work, here or in KAZOO."""
    WARNING = "warning"
    """Something fails in some cases, or is probably a mistake."""
    INFO = "info"


DocumentChange = Callable[[JsonObject], JsonObject]
"""From a stored document to the one to save, as a new object."""


@dataclass(frozen=True)
class Repair:
    """A safe change to one document, described in words and given as a function.

    ``removes`` are losing revisions of the document to be removed after it.
    """

    database: str
    doc_id: str
    words: str
    change: DocumentChange
    removes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatabaseRemoval:
    """The removal of the database of an account that does not exist, described in words."""

    account_id: str
    words: str


@dataclass(frozen=True)
class Finding(Report):
    """A problem of one subject.

    ``command`` is a command line that repairs it, ``repair`` or ``removal`` is what ``--fix`` does.
    """

    severity: Severity
    check: str
    subject: str
    message: str
    command: str | None = None
    repair: Repair | None = None
    value: Json = None
    removal: DatabaseRemoval | None = None

    @property
    def fix(self) -> str | None:
        """What ``--fix`` does, in words."""
        done = self.repair or self.removal
        return None if done is None else done.words

    def as_json(self) -> JsonObject:
        """The finding with what ``--fix`` does as ``fix``."""
        members = super().as_json()
        del members["repair"], members["removal"]
        return members | {"fix": self.fix}


def field_changes(before: JsonObject, after: JsonObject) -> tuple[FieldChange, ...]:
    """The differences between two documents, down to the members of objects; arrays are compared as a whole.

    Private fields other than ``_id`` are ignored.
    """
    shown = (
        {key: value for key, value in document.items() if key == "_id" or not is_private_key(key)}
        for document in (before, after)
    )
    return tuple(_changes((), *shown))


def setting(value: Json | Missing, *path: str) -> DocumentChange:
    """A change that sets the field at a path of keys, or removes it for ``MISSING``; missing objects are created."""
    key, *below = path

    def change(document: JsonObject) -> JsonObject:
        if below:
            return {**document, key: setting(value, *below)(object_at(document, key))}
        if value is MISSING:
            return {name: member for name, member in document.items() if name != key}
        return {**document, key: value}

    return change


def _as_json(value: Any) -> Json:
    match value:
        case Report():
            return value.as_json()
        case tuple():
            return [_as_json(each) for each in value]
        case StrEnum():
            return str(value)
        case _:
            return value


def _changes(path: tuple[str, ...], before: JsonObject, after: JsonObject) -> Iterator[FieldChange]:
    for key in (*before, *(key for key in after if key not in before)):
        old, new = before.get(key, MISSING), after.get(key, MISSING)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _changes((*path, key), old, new)
        # 1, 1.0 and true are equal in Python, but different JSON values.
        elif type(old) is not type(new) or old != new:
            yield FieldChange(joined_path(*path, key), old, new)
