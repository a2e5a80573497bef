"""How two documents differ, field by field."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.values import MISSING, Missing
from crossbar_appstore.validation.errors import joined_path


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs; ``MISSING`` where there is none. ``field`` is its path, joined by dots."""

    field: str
    before: Json | Missing
    after: Json | Missing

    def as_json(self) -> JsonObject:
        """For ``--json``: ``before`` and ``after`` are absent where the field is."""
        members = {"field": self.field, "before": self.before, "after": self.after}
        return {key: value for key, value in members.items() if value is not MISSING}


@dataclass(frozen=True, slots=True)
class PictureChange:
    """One attachment that differs: its length in bytes on both sides, ``None`` where there is none."""

    name: str
    before: int | None
    after: int | None
    content_type: str | None = None

    def as_json(self) -> JsonObject:
        """For ``--json``."""
        return {"name": self.name, "before": self.before, "after": self.after, "content_type": self.content_type}


def field_changes(before: JsonObject, after: JsonObject) -> tuple[FieldChange, ...]:
    """What differs between two documents, down to the members of objects; arrays are compared whole.

    Private fields are left out, but for ``_id``.
    """
    return tuple(_changes((), _shown(before), _shown(after)))


def changed_keys(before: JsonObject, after: JsonObject, keys: Iterable[str]) -> tuple[FieldChange, ...]:
    """``field_changes`` of some top-level keys alone."""
    wanted = tuple(keys)
    return field_changes(
        {key: before[key] for key in wanted if key in before}, {key: after[key] for key in wanted if key in after}
    )


def _shown(document: JsonObject) -> JsonObject:
    return {key: value for key, value in document.items() if key == "_id" or not key.startswith(("_", "pvt_"))}


def _changes(path: tuple[str, ...], before: JsonObject, after: JsonObject) -> Iterator[FieldChange]:
    for key in (*before, *(key for key in after if key not in before)):
        old, new = before.get(key, MISSING), after.get(key, MISSING)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _changes((*path, key), old, new)
        elif type(old) is not type(new) or old != new:
            yield FieldChange(joined_path(*path, key), old, new)
