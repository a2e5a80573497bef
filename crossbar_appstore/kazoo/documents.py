"""Private and public fields of a document, and the fields that KAZOO sets when it saves one."""

import time
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import encoded_account_db, format_account_id
from crossbar_appstore.kazoo.values import get, is_empty, is_true, string_at

CROSSBAR_VERSION: Final = "1"
DEFAULT_LANGUAGE: Final = "en-US"
GREGORIAN_EPOCH: Final = 62_167_219_200  # Gregorian seconds at 1970-01-01T00:00:00Z
SAVE_STAMPS: Final = frozenset(
    {
        "pvt_auth_account_id",
        "pvt_auth_user_id",
        "pvt_created",
        "pvt_is_authenticated",
        "pvt_modified",
        "pvt_original_auth_account_id",
        "pvt_original_auth_owner_id",
        "pvt_request_id",
    }
)
"""The fields that say when and by whom a document was saved, and nothing about its subject."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The authenticated user, as a saved document records it. Ids are raw, ``None`` where there is none."""

    account_id: str | None
    user_id: str | None = None
    original_account_id: str | None = None
    original_user_id: str | None = None


def gregorian_seconds() -> int:
    """Returns the time as KAZOO's timestamp: whole seconds since year 0 in UTC."""
    return int(time.time()) + GREGORIAN_EPOCH


def is_private_key(key: str) -> bool:
    """Whether a top-level key is private (``kz_doc:is_private_key/1``)."""
    return key.startswith(("_", "pvt_"))


def document_id(doc: JsonObject) -> str | None:
    """Returns the document's id, from the places where KAZOO looks for one (``kz_doc:id/1``)."""
    for path in (("_id",), ("id",), ("ID",), ("value", "id"), ("doc", "_id")):
        found = get(doc, *path)
        if isinstance(found, str) and not is_empty(found):
            return found
    return None


def revision(doc: JsonObject) -> str | None:
    """Returns the document's ``_rev``, ``None`` if it was never saved."""
    return string_at(doc, "_rev")


def is_soft_deleted(doc: JsonObject) -> bool:
    """Whether KAZOO treats the stored document as missing (``kz_doc:is_soft_deleted/1``)."""
    return is_true(doc.get("pvt_deleted"))


def live(doc: JsonObject | None) -> JsonObject | None:
    """Returns the document, or ``None`` if it is missing or soft-deleted (``kz_datamgr:open_doc/2``)."""
    return None if doc is None or is_soft_deleted(doc) else doc


def public_fields(doc: JsonObject) -> JsonObject:
    """Returns a new object of the public fields and the document's id as ``id`` (``kz_doc:public_fields/1``)."""
    public = {key: value for key, value in doc.items() if not is_private_key(key)}
    found = document_id(doc)
    return public if found is None else {**public, "id": found}


def private_fields(doc: JsonObject) -> JsonObject:
    """Returns a new object of the private fields (``kz_doc:private_fields/1``)."""
    return {key: value for key, value in doc.items() if is_private_key(key)}


def account_fields(account_id: str) -> JsonObject:
    """Returns the private fields that name a document's account; takes and raises what ``format_account_id`` does."""
    return {"pvt_account_id": format_account_id(account_id), "pvt_account_db": encoded_account_db(account_id)}


def alphanumeric_name(name: str) -> str:
    """Returns a name as KAZOO compares names: lower case, ASCII letters and digits only."""
    return "".join(char for char in name.lower() if char.isascii() and char.isalnum())


def stamp_crossbar(
    doc: JsonObject, *, account_id: str | None, request_id: str, auth: Authenticated | None
) -> JsonObject:
    """Returns a copy of the document with the fields that ``crossbar_doc:save/1`` sets.

    Args:
        doc: the document; with ``_rev`` if it was stored before.
        account_id: the account in whose database it is saved, in any spelling; ``None`` outside of accounts.
        auth: the authenticated user, ``None`` if there is none.

    Raises:
        ValueError: ``account_id`` is not an account id.
    """
    moment = gregorian_seconds()
    # KAZOO sets these only where they are missing.
    once = {"pvt_vsn": CROSSBAR_VERSION} | ({} if account_id is None else account_fields(account_id))
    stamped = {**doc, **{key: value for key, value in once.items() if doc.get(key) is None}}
    if revision(doc) is None:
        stamped["pvt_created"] = moment
    stamped |= {"pvt_modified": moment, "pvt_request_id": request_id, "pvt_is_authenticated": auth is not None}
    if auth is not None:
        identity = {
            "pvt_auth_account_id": auth.account_id,
            "pvt_auth_user_id": auth.user_id,
            "pvt_original_auth_account_id": auth.original_account_id,
            "pvt_original_auth_owner_id": auth.original_user_id,
        }
        # KAZOO's set_value keeps the stored value where the new one is undefined.
        stamped |= {key: value for key, value in identity.items() if value is not None}
    if isinstance(name := stamped.get("name"), str):
        stamped["pvt_alphanum_name"] = alphanumeric_name(name)
    return stamped


def stamp_maintenance(doc: JsonObject, *, account_id: str | None, doc_type: str | None = None) -> JsonObject:
    """Returns a copy of the document with the fields that ``kz_doc:update_pvt_parameters/3`` sets for a command.

    Args and errors are those of ``stamp_crossbar``; ``doc_type`` becomes ``pvt_type`` unless it is ``None``.
    """
    moment = gregorian_seconds()
    stamped = dict(doc) if account_id is None else {**doc, **account_fields(account_id)}
    if revision(doc) is None or doc.get("pvt_created") is None:
        stamped["pvt_created"] = moment
    stamped["pvt_modified"] = moment
    if doc_type is not None:
        stamped["pvt_type"] = doc_type
    return stamped
