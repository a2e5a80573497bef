"""An app's ``metadata/app.json``: its validation, and how it is stored or refreshes the stored app document."""

from collections.abc import Sequence
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_private_key, public_fields
from crossbar_appstore.kazoo.values import MISSING, Missing, is_empty
from crossbar_appstore.validation.errors import SchemaErrors
from crossbar_appstore.validation.validator import schema

INIT_KEYS: Final = ("api_url",)
"""The keys of a stored app that ``init_app`` updates."""

REFRESH_KEYS: Final = (
    "name",
    "i18n",
    "tags",
    "author",
    "version",
    "license",
    "price",
    "icon",
    "screenshots",
    "api_url",
    "phase",
)
"""The keys that ``refresh_app`` updates unless ``refresh_app_keys`` of ``system_config/crossbar`` names others."""


def validate_app(metadata: Json) -> SchemaErrors:
    """Returns the errors in an app's metadata without private fields (``crossbar_maintenance:find_metadata/1``)."""
    return schema("app").errors(public_fields(metadata) if isinstance(metadata, dict) else metadata)


def with_api_url(metadata: JsonObject, api_url: str | None) -> JsonObject:
    """Returns the metadata with the operator's API address, without any for ``None``."""
    stripped = {key: value for key, value in metadata.items() if key != "api_url"}
    return stripped if api_url is None else {**stripped, "api_url": api_url}


def new_app_document(metadata: JsonObject) -> JsonObject:
    """Returns the document of an app that is not stored yet (``crossbar_maintenance:create_app/3``).

    ``source_url``, ``id`` and all private fields but ``_id`` are left out; the caller adds a missing id and the fields
    that a save sets.
    """
    return {
        key: value
        for key, value in metadata.items()
        if key == "_id" or (key not in ("id", "source_url") and not is_private_key(key))
    }


def refresh(current: JsonObject, metadata: JsonObject, keys: Sequence[str]) -> tuple[tuple[str, ...], JsonObject]:
    """Updates a stored document from ``metadata/app.json``, key by key (``crossbar_maintenance:update_app_updates/3``).

    Empty values of the metadata are ignored: keys are changed or added, never removed.

    Returns:
        Those of ``keys`` that differ, and the document with their new values.
    """
    changed = tuple(key for key in keys if differs(current.get(key, MISSING), metadata.get(key, MISSING)))
    return changed, {**current, **{key: metadata[key] for key in changed}}


def differs(current: Json | Missing, new: Json | Missing) -> bool:
    """Whether a new value replaces the current one (``crossbar_maintenance:update_app_values_differ/2``).

    If both are objects, the order of keys is ignored at every depth; inside arrays it counts. 1 and 1.0 differ.
    """
    if is_empty(new):
        return False
    if is_empty(current):
        return True
    return not _same(current, new, in_order=not (isinstance(current, dict) and isinstance(new, dict)))


def _same(left: Json, right: Json, *, in_order: bool) -> bool:
    # Python takes 1, 1.0 and True for equal, Erlang does not.
    if type(left) is not type(right):
        return False
    match left:
        case dict():
            return (list(left) == list(right) if in_order else left.keys() == right.keys()) and all(
                _same(value, right[key], in_order=in_order) for key, value in left.items()
            )
        case list():
            return len(left) == len(right) and all(
                _same(one, other, in_order=in_order) for one, other in zip(left, right, strict=True)
            )
    return bool(left == right)
