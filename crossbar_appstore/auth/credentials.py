"""Finding accounts and users by what people type at a login: names, realms, numbers, hashes of passwords."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatabaseMissing, DocumentMissing, ViewMissing
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.kazoo.documents import alphanumeric_name, is_soft_deleted
from crossbar_appstore.kazoo.ids import account_db, is_account_id

ACCOUNTS: Final = "accounts"
MD5: Final = "md5"
SHA: Final = "sha"

_HASH_FIELDS: Final[Mapping[str, str]] = {MD5: "pvt_md5_auth", SHA: "pvt_sha1_auth"}
_IN_SERVICE: Final = frozenset({None, "in_service", "port_in", "port_out"})
_NUMBER_DB_DIGITS: Final = 5
_NORTH_AMERICAN: Final = re.compile(r"\+?1?([2-9][0-9]{2}[2-9][0-9]{6})")
_INTERNATIONAL: Final = re.compile(r"(?:\+|011|00)([1-9][0-9]+)")
_NOT_DIALLED: Final = re.compile(r"[^0-9+]")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The hash of a user name with its password, and by which method it was made: ``md5`` or ``sha``."""

    digest: str
    method: str = MD5

    def belong_to(self, user: Mapping[str, Json] | None) -> bool:
        """Whether they open this user's door: known, enabled, not deleted, the same hash."""
        field = _HASH_FIELDS.get(self.method)
        if user is None or field is None or user.get(field) != self.digest:
            return False
        return user.get("pvt_type") == "user" and _is_truthy(user.get("enabled")) and not user.get("pvt_deleted")


@dataclass(frozen=True, slots=True)
class BasicToken:
    """``account_id`` and what proves it, from the Basic scheme."""

    account_id: str
    proof: str

    def credentials(self, basic_auth_type: str) -> Credentials | None:
        """The proof as ``basic_auth_type`` wants it: a hash, or else user name and password (``cb_basic_auth``)."""
        if basic_auth_type in _HASH_FIELDS:
            return Credentials(self.proof, basic_auth_type)
        username, colon, password = self.proof.partition(":")
        return Credentials(password_hashes(username, password)[0]) if colon else None


def parse_basic(token: str) -> BasicToken | None:
    """The base64 text behind ``Basic``; None if it is not of the form ``account id:proof``."""
    try:
        text = base64.b64decode("".join(token.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    account_id, colon, proof = text.partition(":")
    return BasicToken(account_id, proof) if colon and is_account_id(account_id) else None


def normalize_number(number: str) -> str:
    """A phone number in E.164, as far as KAZOO's default converter makes one of it; other texts stay as they are."""
    dialled = _NOT_DIALLED.sub("", number)
    if match := _NORTH_AMERICAN.fullmatch(dialled):
        return f"+1{match[1]}"
    if match := _INTERNATIONAL.fullmatch(dialled):
        return f"+{match[1]}"
    return dialled


class Directory:
    """Looks accounts and users up, always in CouchDB itself: a login is rare, and must see the newest password.

    KAZOO's views are asked; where they are missing the database is searched.
    """

    def __init__(self, couch: Couch) -> None:
        self._couch = couch

    async def accounts_by_name(self, name: str) -> Sequence[str]:
        """Ids of the accounts of that name, compared by their lower-case letters and digits."""
        return await self._accounts("listing_by_name", "name", alphanumeric_name(name), alphanumeric_name)

    async def accounts_by_realm(self, realm: str) -> Sequence[str]:
        """Ids of the accounts of that realm, in lower case or not."""
        return await self._accounts("listing_by_realm", "realm", realm.lower(), str.lower)

    async def account_by_number(self, number: str) -> str | None:
        """Id of the account that a phone number is in service for."""
        normal = normalize_number(number)
        try:
            doc = await self._couch.open_doc(f"numbers/{normal[:_NUMBER_DB_DIGITS]}", normal)
        except (DatabaseMissing, DocumentMissing):
            return None
        assigned = doc.get("pvt_assigned_to", doc.get("assigned_to"))
        in_service = doc.get("pvt_state") in _IN_SERVICE and not is_soft_deleted(doc)
        return assigned if in_service and is_account_id(assigned) else None

    async def account_by_api_key(self, api_key: str) -> str | None:
        """Id of the account with that API key."""
        found = await self._accounts("listing_by_api", "pvt_api_key", api_key, str)
        return found[0] if found else None

    async def users(self, account_id: str, credentials: Credentials) -> Sequence[str]:
        """Ids of the account's enabled users with these credentials."""
        field = _HASH_FIELDS.get(credentials.method)
        if field is None:
            return []
        database = account_db(account_id)
        try:
            rows = await self._couch.view(database, f"users/creds_by_{credentials.method}", key=credentials.digest)
        except ViewMissing:
            found = await self._couch.find(database, {"pvt_type": "user", field: credentials.digest})
            return [doc["_id"] for doc in found if credentials.belong_to(doc)]
        except DatabaseMissing:
            return []
        return [row.id for row in rows if row.id is not None]

    async def _accounts(self, view: str, field: str, key: str, normal: Callable[[str], str]) -> list[str]:
        """Ids of the accounts that have ``key`` in a view, or where that is missing, in a field brought to its form."""
        try:
            rows = await self._couch.view(ACCOUNTS, f"accounts/{view}", key=key)
            return [row.id for row in rows if is_account_id(row.id)]
        except DatabaseMissing:
            return []
        except ViewMissing:
            found = await self._couch.find(ACCOUNTS, {"pvt_type": "account"}, fields=["_id", "pvt_deleted", field])
        return [doc["_id"] for doc in found if not doc.get("pvt_deleted") and _has(doc, field, key, normal)]


def _has(doc: JsonObject, field: str, key: str, normal: Callable[[str], str]) -> bool:
    value = doc.get(field)
    return isinstance(value, str) and normal(value) == key and is_account_id(doc["_id"])


def _is_truthy(value: Json) -> bool:
    # As the views' JavaScript sees it: empty arrays and objects are true.
    return bool(value) or isinstance(value, list | dict)
