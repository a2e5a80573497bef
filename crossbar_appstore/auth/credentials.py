"""Finds accounts and users by the names, realms, phone numbers and password hashes of logins, and by Basic tokens."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.documents import ACCOUNTS, refuse_lost_database
from crossbar_appstore.datastore.errors import DatabaseMissing, DocumentMissing, ViewMissing
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.kazoo.documents import alphanumeric_name, is_soft_deleted
from crossbar_appstore.kazoo.ids import account_db, is_account_id

from .documents import CROSSBAR_AUTH, AuthDocuments, AuthSettings

MD5: Final = "md5"
SHA: Final = "sha"

_HASH_FIELDS: Final[Mapping[str, str]] = {MD5: "pvt_md5_auth", SHA: "pvt_sha1_auth"}
_IN_SERVICE: Final = frozenset({None, "in_service", "port_in", "port_out"})
_CACHED: Final = 1000
_NORTH_AMERICAN: Final = re.compile(r"\+?1?([2-9][0-9]{2}[2-9][0-9]{6})")
_INTERNATIONAL: Final = re.compile(r"(?:\+|011|00)([1-9][0-9]+)")
_NOT_DIALLED: Final = re.compile(r"[^0-9+]")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The hash of ``user name:password``, and the method that made it: ``md5`` or ``sha``."""

    digest: str
    method: str = MD5

    def belong_to(self, user: Mapping[str, Json] | None) -> bool:
        """Whether they are those of this user document, and it is enabled and not deleted."""
        field = _HASH_FIELDS.get(self.method)
        if user is None or field is None or user.get(field) != self.digest:
            return False
        # KAZOO's views compare in JavaScript, where empty arrays and objects are true.
        enabled = user.get("enabled") or isinstance(user.get("enabled"), list | dict)
        return user.get("pvt_type") == "user" and bool(enabled) and not user.get("pvt_deleted")


class Directory:
    """Looks accounts and users up in CouchDB, uncached: logins are rare, and must see the newest password.

    Uses KAZOO's views, and ``_find`` where a view is missing. Methods raise ``DatastoreError`` if CouchDB cannot be
    read.
    """

    def __init__(self, couch: Couch) -> None:
        self._couch = couch

    async def accounts_by_name(self, name: str) -> Sequence[str]:
        """Ids of the accounts with that name, compared by lower-case letters and digits."""
        return await self._accounts("listing_by_name", "name", alphanumeric_name(name), alphanumeric_name)

    async def accounts_by_realm(self, realm: str) -> Sequence[str]:
        """Ids of the accounts with that realm, compared in lower case."""
        return await self._accounts("listing_by_realm", "realm", realm.lower(), str.lower)

    async def account_by_number(self, number: str) -> str | None:
        """Id of the account to which a phone number is assigned and in service."""
        normal = normalize_number(number)
        try:
            doc = await self._couch.open_doc(f"numbers/{normal[:5]}", normal)
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
        database, field = account_db(account_id), _HASH_FIELDS.get(credentials.method)
        if field is None:
            return []
        try:
            rows = await self._couch.view(database, f"users/creds_by_{credentials.method}", key=credentials.digest)
        except ViewMissing:
            found = await self._couch.find(database, {"pvt_type": "user", field: credentials.digest})
            return [doc["_id"] for doc in found if credentials.belong_to(doc)]
        except DatabaseMissing:
            await refuse_lost_database(self._couch, database)
            return []
        return [row.id for row in rows if row.id is not None]

    async def users_named(self, account_id: str, username: str) -> Sequence[str]:
        """Ids of the account's users with that name, in lower case as it is stored."""
        database, key = account_db(account_id), username.lower()
        try:
            rows = await self._couch.view(database, "users/list_by_username", key=key)
        except ViewMissing:
            found = await self._couch.find(database, {"pvt_type": "user", "username": key})
            return [doc["_id"] for doc in found if not is_soft_deleted(doc)]
        except DatabaseMissing:
            return []
        return [row.id for row in rows if row.id is not None]

    async def _accounts(self, view: str, field: str, key: str, normal: Callable[[str], str]) -> list[str]:
        """Ids of accounts by a view's key, or without the view, by a field as ``normal`` converts it."""
        try:
            rows = await self._couch.view(ACCOUNTS, f"accounts/{view}", key=key)
            return [row.id for row in rows if is_account_id(row.id)]
        except DatabaseMissing:
            return []
        except ViewMissing:
            found = await self._couch.find(ACCOUNTS, {"pvt_type": "account"}, fields=["_id", "pvt_deleted", field])
        named = [doc for doc in found if not doc.get("pvt_deleted") and isinstance(doc.get(field), str)]
        return [doc["_id"] for doc in named if normal(doc[field]) == key and is_account_id(doc["_id"])]


class BasicScheme:
    """Authenticates users by Basic tokens (``cb_basic_auth``): an account id with a hash, or user name and password.

    Users are cached by token and compared with their cached document at each use, so a changed password takes effect
    at once.
    """

    def __init__(self, documents: AuthDocuments, settings: AuthSettings, directory: Directory) -> None:
        self._documents = documents
        self._settings = settings
        self._directory = directory
        self._cache: LRUCache[str, tuple[str, str, Credentials]] = LRUCache(_CACHED)

    async def claims(self, token: str) -> JsonObject | None:
        """The claims of the user to whom the token belongs; None if it belongs to no single user."""
        found = self._cache.get(token)
        # The user's document comes from the cache of documents: a repeated request asks CouchDB nothing.
        if found is None or not found[2].belong_to(await self._documents.in_account(*found[:2])):
            self._cache.pop(token, None)
            found = await self._find(token)
            if found is None:
                return None
            self._cache[token] = found
        account_id, user_id, _ = found
        return {"account_id": account_id, "iss": "kazoo", "method": "cb_basic_auth", "owner_id": user_id}

    async def _find(self, token: str) -> tuple[str, str, Credentials] | None:
        basic = parse_basic(token)
        if basic is None:
            return None
        account_id, proof = basic
        credentials = credentials_of(proof, await self._settings.text_for(account_id, CROSSBAR_AUTH, "basic_auth_type"))
        if credentials is None:
            return None
        users = await self._directory.users(account_id, credentials)
        # Two users with the same hash cannot be told apart.
        return (account_id, users[0], credentials) if len(users) == 1 else None


def parse_basic(token: str) -> tuple[str, str] | None:
    """Account id and the rest of a Basic token's text, ``account id:rest`` in base64; None for any other form."""
    try:
        text = base64.b64decode("".join(token.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    account_id, colon, proof = text.partition(":")
    return (account_id, proof) if colon and is_account_id(account_id) else None


def credentials_of(proof: str, basic_auth_type: str | None) -> Credentials | None:
    """The credentials in the second part of a Basic token.

    It is a hash for the types ``md5`` (the default) and ``sha``, and ``user name:password`` for any other.
    """
    method = basic_auth_type or MD5
    if method in _HASH_FIELDS:
        return Credentials(proof, method)
    username, colon, password = proof.partition(":")
    return Credentials(password_hashes(username, password)[0]) if colon else None


def normalize_number(number: str) -> str:
    """A phone number in E.164, following the rules of KAZOO's default converter; other texts lose their punctuation."""
    dialled = _NOT_DIALLED.sub("", number)
    if match := _NORTH_AMERICAN.fullmatch(dialled):
        return f"+1{match[1]}"
    if match := _INTERNATIONAL.fullmatch(dialled):
        return f"+{match[1]}"
    return dialled
