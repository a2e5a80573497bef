"""An account's own branding of an app: KAZOO 5's documents ``app_whitelabel-{app id}`` in the account's database.

Texts, icon and screenshots are laid over the app for that account (``cb_apps_util:apps_whitelabel_override/3``). Any
document may hold anything, since others write them too: what is malformed, empty or null overrides nothing.
"""

from collections.abc import Iterable
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_private_key, live
from crossbar_appstore.kazoo.values import string_at

PREFIX: Final = "app_whitelabel-"
TYPE: Final = "app_whitelabel"
DEFAULT_LANGUAGE: Final = "en-US"

NEVER_OVERRIDDEN: Final = frozenset(
    {
        "account_id",
        "allowed_users",
        "api_url",
        "authority",
        "extends",
        "id",
        "masqueradable",
        "name",
        "publish",
        "published",
        "source_url",
        "ui_metadata",
        "users",
    }
)
"""What branding has no say in: KAZOO's three, and what decides who uses an app, from where it comes, whom it calls."""


def document_id(app_id: str) -> str:
    """The id of the document that overrides an app (``cb_apps_util:app_whitelabel_doc_id/1``)."""
    return f"{PREFIX}{app_id}"


def by_app(documents: Iterable[JsonObject | None]) -> dict[str, JsonObject]:
    """The documents by the id of the app that they override; without deleted ones and those of other ids."""
    present = [document for document in map(live, documents) if document is not None]
    named = [(string_at(document, "_id") or "", document) for document in present]
    return {doc_id.removeprefix(PREFIX): document for doc_id, document in named if doc_id.startswith(PREFIX)}


def overriding(document: JsonObject) -> JsonObject:
    """What of an override counts: to be merged over the app."""
    try:
        return _overriding(document)
    except RecursionError:
        return {}


def _overriding(document: JsonObject) -> JsonObject:
    stated = {
        key: _texts_by_language(value) if key == "i18n" else value
        for key, value in document.items()
        if key not in NEVER_OVERRIDDEN and not is_private_key(key) and _is_well_formed(key, value)
    }
    return _not_empty(stated) or {}


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
    """The languages that have an object of texts, each without malformed pictures."""
    return {
        language: {key: text for key, text in texts.items() if _is_well_formed(key, text)}
        for language, texts in i18n.items()
        if isinstance(texts, dict)
    }


def _not_empty(value: Json) -> Json:
    """The value without what is empty in it, ``None`` for nothing at all; arrays are kept as they are."""
    if isinstance(value, dict):
        kept = {key: found for key, member in value.items() if (found := _not_empty(member)) is not None}
        return kept or None
    return None if value in ("", []) else value
