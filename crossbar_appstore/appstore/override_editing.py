"""Changing an override: its fields as a whole, and one picture at a time.

Each function takes a stored document and returns the one to save, so that it can be applied again after a conflict;
the caller adds what a save stamps. Pictures are named in ``i18n.{language}``, where KAZOO 5 puts them
(``cb_apps_store:set_attachment/4``, ``delete_image_from_doc/4``).
"""

import secrets
from pathlib import PurePosixPath
from typing import Final

from crossbar_appstore.appstore.app_overrides import DEFAULT_LANGUAGE, TYPE, document_id
from crossbar_appstore.appstore.app_pictures import ICON, SCREENSHOTS
from crossbar_appstore.appstore.picture_types import extension, type_by_name
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import private_fields
from crossbar_appstore.kazoo.values import MISSING, get, list_at, object_at
from crossbar_appstore.schema_errors import SchemaErrors
from crossbar_appstore.schema_validation import validate

SCHEMA: Final = "app_whitelabel"
SCREENSHOT: Final = "screenshot"

_ATTACHMENTS: Final = "_attachments"
_LONGEST_NAME: Final = 128


def validate_override(data: JsonObject) -> SchemaErrors:
    """What is wrong with the data of an override: path → rule → details, empty if nothing."""
    return validate(SCHEMA, data)


def new_override(app_id: str, data: JsonObject, deleted_one: JsonObject | None = None) -> JsonObject:
    """A document of its own; one that was deleted leaves nothing behind in it."""
    return {**data, "_id": document_id(app_id), "pvt_type": TYPE, **_no_pictures(deleted_one or {})}


def with_fields(override: JsonObject, data: JsonObject) -> JsonObject:
    """The document with other public fields; its pictures stay attached."""
    return {**private_fields(override), **data}


def deleted(override: JsonObject) -> JsonObject:
    """What stays of a deleted one: nothing that a reader who misses the mark could show."""
    return {**private_fields(override), "pvt_deleted": True, **_no_pictures(override)}


def attachment_name(kind: str, language: str, file_name: str | None, content_type: str) -> str:
    """The name of an uploaded picture: ``icon-en-US-logo.png`` (``cb_apps_store:attachment_name/4``).

    Args:
        kind: ``icon`` or ``screenshot``.
        language: that it is for.
        file_name: as the client sent it; folders and control characters are left out, a random one made up if needed.
        content_type: of ``picture_types.PICTURE_TYPES``; the name gets its extension unless it has it.
    """
    printable = "".join(char for char in file_name or "" if char.isprintable())
    name = PurePosixPath(printable.replace("\\", "/")).name[-_LONGEST_NAME:] or secrets.token_hex(6)
    suffix = "" if type_by_name(name) == content_type else extension(content_type)
    return f"{kind}-{language}-{name}{suffix}"


def named(override: JsonObject, kind: str, language: str) -> list[Json]:
    """The names of a language's own pictures of a kind; English ones may be in the fields of KAZOO 4."""
    field = ICON if kind == ICON else SCREENSHOTS
    own = get(override, "i18n", language, field)
    if own in (MISSING, None, "", []) and language == DEFAULT_LANGUAGE:
        own = get(override, field)
    found = own if isinstance(own, list) else [own]
    return [name for name in found if isinstance(name, str) and name]


def with_picture(override: JsonObject, kind: str, language: str, name: str, inline: JsonObject) -> JsonObject:
    """The document with one more picture; it replaces the icon, or the screenshot of that name.

    Args:
        override: as stored.
        kind: ``icon`` or ``screenshot``. A new screenshot becomes the first.
        language: that it is for.
        name: of the attachment.
        inline: the attachment with its bytes, as CouchDB takes it.
    """
    if kind == ICON:
        changed = _with_text(override, language, ICON, name)
    else:
        others = [other for other in named(override, kind, language) if other != name]
        changed = _with_text(override, language, SCREENSHOTS, [name, *others])
    return changed | {_ATTACHMENTS: {**_still_named(changed), name: inline}}


def without_picture(override: JsonObject, kind: str, language: str, name: str) -> JsonObject:
    """The document without one of its pictures; what is empty then goes with it."""
    if kind == ICON:
        changed = _with_text(override, language, ICON, None)
    else:
        others = [other for other in named(override, kind, language) if other != name]
        changed = _with_text(override, language, SCREENSHOTS, others or None)
    return changed | ({_ATTACHMENTS: _still_named(changed)} if _ATTACHMENTS in changed else {})


def _no_pictures(override: JsonObject) -> JsonObject:
    return {_ATTACHMENTS: {}} if _ATTACHMENTS in override else {}


def _with_text(override: JsonObject, language: str, field: str, value: Json) -> JsonObject:
    """The document with another value in ``i18n.{language}``, ``None`` for none; English ones are in no other place."""
    left_out = {"i18n"} | ({field} if language == DEFAULT_LANGUAGE else set())
    changed = {key: member for key, member in override.items() if key not in left_out}
    texts = {**object_at(override, "i18n", language), field: value}
    i18n = {**object_at(override, "i18n"), language: _without_none(texts) or None}
    kept = _without_none(i18n)
    return {**changed, "i18n": kept} if kept else changed


def _without_none(value: JsonObject) -> JsonObject:
    return {key: member for key, member in value.items() if member is not None}


def _still_named(override: JsonObject) -> JsonObject:
    """The stubs of the attachments without uploads that nothing names any more (``cb_apps_store:sync_images/4``)."""
    wanted = set(_names(override))
    for texts in object_at(override, "i18n").values():
        wanted.update(_names(texts))
    stubs = object_at(override, _ATTACHMENTS)
    return {name: stub for name, stub in stubs.items() if name in wanted or not _is_upload(name)}


def _names(fields: Json) -> list[str]:
    candidates = [get(fields, ICON), *list_at(fields, SCREENSHOTS)]
    return [name for name in candidates if isinstance(name, str)]


def _is_upload(name: str) -> bool:
    return name.startswith((f"{ICON}-", f"{SCREENSHOT}-"))
