"""What one revision of a document changed, field by field, and the same change made to another revision.

An entry is a field of the document, or a member of a field that is an object: ``apps.<id>`` of an account's
``apps_store``, ``blacklist``, ``i18n.en-US`` of an app. Entries are compared and taken over as a whole. An attachment
is compared by its digest. An empty object has none; fields that every save sets, and those that CouchDB adds, are none.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import SAVE_STAMPS
from crossbar_appstore.kazoo.values import MISSING, Missing, object_at, string_at

Path = tuple[str, ...]
"""The keys of an entry: one, or two."""

ATTACHMENTS: Final = "_attachments"


class Edit(NamedTuple):
    """An entry's value in one revision and in a later one; ``MISSING`` where it has none."""

    before: Json | Missing
    after: Json | Missing


def edits(before: JsonObject | None, after: JsonObject) -> dict[Path, Edit]:
    """The entries that differ between two revisions; None stands for no document."""
    old, new = _entries(before or {}), _entries(after)
    both = {path: Edit(old.get(path, MISSING), new.get(path, MISSING)) for path in (*old, *new)}
    return {path: edit for path, edit in both.items() if edit.before != edit.after}


def value_at(document: JsonObject, path: Path) -> Json | Missing:
    """An entry's value in a document, the digest for an attachment."""
    return _entries(document).get(path, MISSING)


def holds(document: JsonObject, changed: Mapping[Path, Edit]) -> bool:
    """Whether a document has the values after all these edits."""
    entries = _entries(document)
    return all(entries.get(path, MISSING) == edit.after for path, edit in changed.items())


def with_values(document: JsonObject, values: Mapping[Path, Json | Missing]) -> JsonObject:
    """A new document with other values of some entries; ``MISSING`` removes one."""
    changed = dict(document)
    # Members first, since an object may have been replaced by another value.
    for key, *below in sorted(values, key=len, reverse=True):
        value = values[key, *below]
        if below:
            members = {**object_at(changed, key), below[0]: value}
            changed[key] = {name: member for name, member in members.items() if member is not MISSING}
        elif value is not MISSING:
            changed[key] = value
        elif not isinstance(changed.get(key), dict):
            changed.pop(key, None)
    return changed


def _entries(document: JsonObject) -> dict[Path, Json]:
    found: dict[Path, Json] = {}
    for key, value in document.items():
        if key == ATTACHMENTS:
            found |= {(key, name): string_at(stub, "digest") for name, stub in object_at(document, key).items()}
        elif key.startswith("_") or key in SAVE_STAMPS:
            continue
        elif isinstance(value, dict):
            found |= {(key, name): member for name, member in value.items()}
        else:
            found[key,] = value
    return found
