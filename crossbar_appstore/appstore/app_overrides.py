"""An account's branding of an app: KAZOO 5's documents ``app_whitelabel-{app id}`` in the account's database.

Texts, icon and screenshots are merged over the app for that account (``cb_apps_util:apps_whitelabel_override/3``).
Other programs write these documents too: malformed, empty and null values override nothing.

The functions that change a document return the one to save, so that they can be applied again after a conflict; the
caller adds the fields that a save sets. Pictures are named in ``i18n.{language}``, as in KAZOO 5
(``cb_apps_store:set_attachment/4``, ``delete_image_from_doc/4``).
"""

from collections.abc import Iterable
from typing import Final

from crossbar_appstore.appstore import picture_types
from crossbar_appstore.appstore.apps_store_document import OPERATOR_KEYS
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import DEFAULT_LANGUAGE, is_private_key, live, private_fields
from crossbar_appstore.kazoo.values import MISSING, get, list_at, object_at, string_at
from crossbar_appstore.validation.errors import SchemaErrors
from crossbar_appstore.validation.validator import schema

OVERRIDE_TYPE: Final = "app_whitelabel"
OVERRIDE_PREFIX: Final = "app_whitelabel-"
ICON: Final = "icon"
SCREENSHOTS: Final = "screenshots"

NEVER_OVERRIDDEN: Final = OPERATOR_KEYS | {"allowed_users", "name", "publish", "ui_metadata", "users"}
"""KAZOO's three keys, and those that decide who uses an app, from where it is loaded and which API it calls."""

_ATTACHMENTS: Final = "_attachments"


def override_id(app_id: str) -> str:
    """Returns the id of the document that overrides an app (``cb_apps_util:app_whitelabel_doc_id/1``)."""
    return f"{OVERRIDE_PREFIX}{app_id}"


def by_app(documents: Iterable[JsonObject | None]) -> dict[str, JsonObject]:
    """Returns the overrides among the documents by app id, without deleted ones."""
    overrides = {}
    for document in map(live, documents):
        doc_id = string_at(document, "_id") or ""
        if document is not None and doc_id.startswith(OVERRIDE_PREFIX):
            overrides[doc_id.removeprefix(OVERRIDE_PREFIX)] = document
    return overrides


def overriding(document: JsonObject) -> JsonObject:
    """Returns the applicable fields of an override, which are merged over the app; none if it is nested too deeply."""
    try:
        stated = {
            key: _texts_by_language(value) if key == "i18n" else value
            for key, value in document.items()
            if key not in NEVER_OVERRIDDEN and not is_private_key(key) and _is_well_formed(key, value)
        }
        return _not_empty(stated) or {}
    except RecursionError:
        return {}


def validate_override(data: JsonObject) -> SchemaErrors:
    """Returns the errors in the data of an override, empty if it is valid."""
    return schema("app_whitelabel").errors(data)


def new_override(app_id: str, data: JsonObject, deleted_one: JsonObject | None = None) -> JsonObject:
    """Returns a new document; it keeps no pictures of a deleted one."""
    return {**data, "_id": override_id(app_id), "pvt_type": OVERRIDE_TYPE, **_no_pictures(deleted_one or {})}


def with_fields(override: JsonObject, data: JsonObject) -> JsonObject:
    """Replaces the public fields; attachments are kept."""
    return {**private_fields(override), **data}


def deleted(override: JsonObject) -> JsonObject:
    """Soft-deletes the document; public fields and pictures are removed as well."""
    return {**private_fields(override), "pvt_deleted": True, **_no_pictures(override)}


def attachment_name(kind: str, language: str, file_name: str | None, content_type: str) -> str:
    """Returns the name for an uploaded picture: ``icon-en-US-logo.png`` (``cb_apps_store:attachment_name/4``).

    ``kind`` is ``icon`` or ``screenshot``; of the file name only what ``picture_types.attachment_name`` takes is kept.
    """
    return picture_types.attachment_name(f"{kind}-{language}", file_name, content_type)


def picture_names(override: JsonObject, kind: str, language: str) -> list[Json]:
    """Returns the names of a language's own pictures of a kind; English ones may be in KAZOO 4's fields."""
    field = ICON if kind == ICON else SCREENSHOTS
    own = get(override, "i18n", language, field)
    if own in (MISSING, None, "", []) and language == DEFAULT_LANGUAGE:
        own = get(override, field)
    found = own if isinstance(own, list) else [own]
    return [name for name in found if isinstance(name, str) and name]


def with_picture(override: JsonObject, kind: str, language: str, name: str, inline: JsonObject) -> JsonObject:
    """Adds a picture, with its content in CouchDB's inline form; it replaces the icon, or the screenshot of that name.

    ``kind`` is ``icon`` or ``screenshot``. A new screenshot becomes the first.
    """
    others = [other for other in picture_names(override, kind, language) if other != name]
    changed = _with_names(override, kind, language, [name] if kind == ICON else [name, *others])
    return changed | {_ATTACHMENTS: {**_still_named(changed), name: inline}}


def without_picture(override: JsonObject, kind: str, language: str, name: str) -> JsonObject:
    """Removes a picture, and the objects that are empty then."""
    others = [other for other in picture_names(override, kind, language) if other != name]
    changed = _with_names(override, kind, language, [] if kind == ICON else others)
    return changed | ({_ATTACHMENTS: _still_named(changed)} if _ATTACHMENTS in changed else {})


def _is_well_formed(key: str, value: Json) -> bool:
    match key:
        case "i18n":
            return isinstance(value, dict)
        case "icon":
            return isinstance(value, str)
        case "screenshots":
            return isinstance(value, list) and all(isinstance(name, str) for name in value)
    return True


def _texts_by_language(i18n: JsonObject) -> JsonObject:
    """Returns the languages that have an object of texts, each without malformed pictures."""
    return {
        language: {key: text for key, text in texts.items() if _is_well_formed(key, text)}
        for language, texts in i18n.items()
        if isinstance(texts, dict)
    }


def _not_empty(value: Json) -> Json:
    """Returns the value without its empty members, ``None`` if nothing is left; arrays are not searched."""
    if isinstance(value, dict):
        kept = {key: found for key, member in value.items() if (found := _not_empty(member)) is not None}
        return kept or None
    return None if value in ("", []) else value


def _no_pictures(override: JsonObject) -> JsonObject:
    return {_ATTACHMENTS: {}} if _ATTACHMENTS in override else {}


def _with_names(override: JsonObject, kind: str, language: str, names: list[Json]) -> JsonObject:
    """Names the pictures of a language in ``i18n``; English ones are removed from KAZOO 4's field."""
    field = ICON if kind == ICON else SCREENSHOTS
    left_out = {"i18n", field} if language == DEFAULT_LANGUAGE else {"i18n"}
    changed = {key: member for key, member in override.items() if key not in left_out}
    texts = {**object_at(override, "i18n", language), field: (names[0] if kind == ICON else names) if names else None}
    i18n = _without_none({**object_at(override, "i18n"), language: _without_none(texts) or None})
    return {**changed, "i18n": i18n} if i18n else changed


def _without_none(value: JsonObject) -> JsonObject:
    return {key: member for key, member in value.items() if member is not None}


def _still_named(override: JsonObject) -> JsonObject:
    """Returns the stubs without uploads that the document does not name (``cb_apps_store:sync_images/4``)."""
    places = [override, *object_at(override, "i18n").values()]
    wanted = [name for place in places for name in (get(place, ICON), *list_at(place, SCREENSHOTS))]
    stubs = object_at(override, _ATTACHMENTS)
    # Attachments with other names may belong to other programs.
    return {
        name: stub for name, stub in stubs.items() if name in wanted or not name.startswith(("icon-", "screenshot-"))
    }
