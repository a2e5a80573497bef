"""Private and public fields of a document, and what KAZOO adds to one when it saves it."""

from dataclasses import dataclass
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.ids import encoded_account_db, format_account_id
from crossbar_appstore.kazoo.time import gregorian_seconds
from crossbar_appstore.kazoo.values import get, is_true

CROSSBAR_VERSION: Final = "1"

_NO_ID: Final = frozenset({"", "0", "NULL", "undefined"})
_ID_PATHS: Final = (("_id",), ("id",), ("ID",), ("value", "id"), ("doc", "_id"))


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Who is authenticated, as far as a saved document records it. Ids are raw; ``None`` where there is none."""

    account_id: str | None
    user_id: str | None = None
    original_account_id: str | None = None
    original_user_id: str | None = None


def is_private_key(key: str) -> bool:
    """Whether a top-level key is private (``kz_doc:is_private_key/1``)."""
    return key.startswith(("_", "pvt_"))


def document_id(doc: JsonObject) -> str | None:
    """The document's id, from the places where KAZOO looks for one (``kz_doc:id/1``)."""
    for path in _ID_PATHS:
        found = get(doc, *path)
        if isinstance(found, str) and found not in _NO_ID:
            return found
    return None


def revision(doc: JsonObject) -> str | None:
    """The document's ``_rev``, ``None`` if it was never saved."""
    found = doc.get("_rev")
    return found if isinstance(found, str) else None


def is_soft_deleted(doc: JsonObject) -> bool:
    """Whether KAZOO treats the stored document as missing (``kz_doc:is_soft_deleted/1``)."""
    return is_true(doc.get("pvt_deleted"))


def live(doc: JsonObject | None) -> JsonObject | None:
    """The document as KAZOO finds it: ``None`` if there is none or it is soft-deleted (``kz_datamgr:open_doc/2``)."""
    return None if doc is None or is_soft_deleted(doc) else doc


def public_fields(doc: JsonObject) -> JsonObject:
    """A new object with the fields that may be shown and the document's id as ``id`` (``kz_doc:public_fields/1``)."""
    public = {key: value for key, value in doc.items() if not key.startswith(("_", "pvt_"))}
    found = document_id(doc)
    if found is not None:
        public["id"] = found
    return public


def private_fields(doc: JsonObject) -> JsonObject:
    """A new object with the private fields alone (``kz_doc:private_fields/1``)."""
    return {key: value for key, value in doc.items() if key.startswith(("_", "pvt_"))}


def alphanumeric_name(name: str) -> str:
    """A name as KAZOO compares names: lower case, ASCII letters and digits only."""
    return "".join(char for char in name.lower() if char.isascii() and char.isalnum())


def stamp_crossbar(
    doc: JsonObject,
    *,
    account_id: str | None,
    request_id: str,
    auth: Authenticated | None,
    now: int | None = None,
) -> JsonObject:
    """The document as ``crossbar_doc:save/1`` would save it, in a new object.

    Args:
        doc: the document; with ``_rev`` if it was stored before.
        account_id: the account whose database it goes to, in any spelling; ``None`` outside of accounts.
        request_id: of the request that saves.
        auth: who is authenticated, ``None`` for nobody.
        now: Gregorian seconds, the present if left out.

    Raises:
        ValueError: ``account_id`` is not an account id.
    """
    moment = gregorian_seconds() if now is None else now
    stamped = dict(doc)
    _set_missing(stamped, "pvt_vsn", CROSSBAR_VERSION)
    if account_id is not None:
        _set_missing(stamped, "pvt_account_id", format_account_id(account_id))
        _set_missing(stamped, "pvt_account_db", encoded_account_db(account_id))
    if revision(doc) is None:
        stamped["pvt_created"] = moment
    stamped["pvt_modified"] = moment
    stamped["pvt_request_id"] = request_id
    stamped["pvt_is_authenticated"] = auth is not None
    if auth is not None:
        _set_known(stamped, "pvt_auth_account_id", auth.account_id)
        _set_known(stamped, "pvt_auth_user_id", auth.user_id)
        _set_known(stamped, "pvt_original_auth_account_id", auth.original_account_id)
        _set_known(stamped, "pvt_original_auth_owner_id", auth.original_user_id)
    name = stamped.get("name")
    if isinstance(name, str):
        stamped["pvt_alphanum_name"] = alphanumeric_name(name)
    return stamped


def stamp_maintenance(
    doc: JsonObject,
    *,
    account_id: str | None,
    doc_type: str | None = None,
    now: int | None = None,
) -> JsonObject:
    """The document as ``kz_doc:update_pvt_parameters/3`` prepares it for a save from a command, in a new object.

    Args:
        doc: the document; with ``_rev`` if it was stored before.
        account_id: the account whose database it goes to, in any spelling; ``None`` outside of accounts.
        doc_type: becomes ``pvt_type`` unless left out.
        now: Gregorian seconds, the present if left out.

    Raises:
        ValueError: ``account_id`` is not an account id.
    """
    moment = gregorian_seconds() if now is None else now
    stamped = dict(doc)
    if account_id is not None:
        stamped["pvt_account_id"] = format_account_id(account_id)
        stamped["pvt_account_db"] = encoded_account_db(account_id)
    if revision(doc) is None or doc.get("pvt_created") is None:
        stamped["pvt_created"] = moment
    stamped["pvt_modified"] = moment
    if doc_type is not None:
        stamped["pvt_type"] = doc_type
    return stamped


def _set_missing(doc: JsonObject, key: str, value: Json) -> None:
    if doc.get(key) is None:
        doc[key] = value


def _set_known(doc: JsonObject, key: str, value: str | None) -> None:
    # KAZOO's set_value leaves the old value where the new one is undefined.
    if value is not None:
        doc[key] = value
