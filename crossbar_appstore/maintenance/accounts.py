"""Making accounts: ``create_account`` of ``crossbar_maintenance``, for systems without KAZOO."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.auth.bootstrap import ensure_config
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatastoreError, DocumentMissing, Fault
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import (
    ACCOUNTS_CONFIG,
    MASTER_ACCOUNT_ID,
    Place,
    account_document,
    apps_store_document,
    child_place,
    services_document,
    user_document,
)
from crossbar_appstore.kazoo.documents import alphanumeric_name
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.maintenance.system import (
    ACCOUNTS,
    SERVICES,
    master_account_id,
    prepare_account_database,
    prepare_system,
    require_alone,
)

_REALM: Final = re.compile(r"[a-zA-Z0-9_-]+(?:\.[a-zA-Z0-9_-]+)+")
_LONGEST_NAME: Final = 128
_LONGEST_REALM: Final = 253
_SHORTEST_PASSWORD: Final = 6


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What an account is made of; ``password`` is kept as its hashes only."""

    name: str
    realm: str
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class CreatedAccount:
    """An account that was made, with its first user, an administrator."""

    account_id: str
    user_id: str
    is_master: bool


class AccountRefused(Exception):
    """The account cannot be made."""

    def __init__(self, field: str, rule: str, message: str, value: Json = None) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.rule = rule
        self.message = message
        self.value = value


async def create_account(couch: Couch, new: NewAccount, *, dry_run: bool = False) -> CreatedAccount:
    """Make an account and its administrator; the first one of a system becomes the master account.

    Later ones are children of the master account. With ``dry_run`` everything is checked and nothing made.

    Raises:
        AccountRefused: the name, realm, user name or password will not do.
        BesideKazoo: KAZOO makes its accounts itself.
        DatastoreError: CouchDB is away, or would not have it.
    """
    for refusal in _refusals(new):
        raise refusal
    await require_alone(couch, "sup crossbar_maintenance create_account NAME REALM USERNAME PASSWORD")
    if dry_run and not await couch.database_exists(ACCOUNTS):
        return CreatedAccount(new_id(), new_id(), is_master=True)
    if not dry_run:
        await prepare_system(couch)
    await _refuse_taken(couch, new)
    master = await master_account_id(couch)
    place = Place() if master is None else await _below(couch, master)
    created = CreatedAccount(new_id(), new_id(), place.is_master)
    if not dry_run:
        await _save(couch, new, place, created)
    return created


def _refusals(new: NewAccount) -> Iterator[AccountRefused]:
    if not alphanumeric_name(new.name) or len(new.name) > _LONGEST_NAME:
        message = f"must hold letters or digits, and at most {_LONGEST_NAME} characters"
        yield AccountRefused("name", "name", message, new.name)
    if _REALM.fullmatch(new.realm) is None or len(new.realm) > _LONGEST_REALM:
        yield AccountRefused("realm", "pattern", "must be a domain name, such as pbx.example.com", new.realm)
    if not new.username.strip() or ":" in new.username:
        yield AccountRefused("username", "username", "must not be empty or hold a colon", new.username)
    if len(new.password) < _SHORTEST_PASSWORD:
        yield AccountRefused("password", "minLength", f"must have {_SHORTEST_PASSWORD} characters at least")


async def _refuse_taken(couch: Couch, new: NewAccount) -> None:
    keys = (("name", alphanumeric_name(new.name), new.name), ("realm", new.realm.lower(), new.realm))
    for field, key, value in keys:
        if await couch.view(ACCOUNTS, f"accounts/listing_by_{field}", key=key, limit=1):
            raise AccountRefused(field, "unique", "another account has this already", value)


async def _below(couch: Couch, parent_id: str) -> Place:
    parent = await couch.open_doc(account_db(parent_id), parent_id)
    try:
        services = await couch.open_doc(SERVICES, parent_id)
    except DocumentMissing:
        services = None
    return child_place(parent_id, parent, services)


async def _save(couch: Couch, new: NewAccount, place: Place, created: CreatedAccount) -> None:
    account_id, database = created.account_id, account_db(created.account_id)
    account = account_document(account_id, {"name": new.name, "realm": new.realm.lower()}, place)
    try:
        await prepare_account_database(couch, account_id)
        user = {"first_name": "Account", "last_name": "Admin", "priv_level": "admin"}
        administrator = user_document(created.user_id, account_id, user, username=new.username, password=new.password)
        await _save_all(couch, database, [account, administrator, apps_store_document(account_id)])
        await _save_all(couch, SERVICES, [services_document(account_id, place)])
        # Only with this copy there is an account for anybody to find.
        await _save_all(couch, ACCOUNTS, [account])
    except DatastoreError:
        await _undo(couch, database)
        raise
    if place.is_master:
        await ensure_config(couch, ACCOUNTS_CONFIG, {MASTER_ACCOUNT_ID: account_id})


async def _save_all(couch: Couch, database: str, documents: list[JsonObject]) -> None:
    for result in await couch.save_docs(database, documents):
        if result.error is not None:
            raise Fault(f"CouchDB would not save {result.id} in {database}: {result.reason or result.error}")


async def _undo(couch: Couch, database: str) -> None:
    try:
        await couch.delete_database(database)
    except DatastoreError:
        # What remains is a database that nothing refers to.
        return
