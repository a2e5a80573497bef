"""Making accounts: ``create_account`` of ``crossbar_maintenance``, for systems without KAZOO."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.auth.bootstrap import ensure_config
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json
from crossbar_appstore.kazoo.accounts import (
    ACCOUNTS_CONFIG,
    MASTER_ACCOUNT_ID,
    Place,
    account_document,
    child_place,
    services_document,
    user_document,
)
from crossbar_appstore.kazoo.documents import alphanumeric_name
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.maintenance.reading import stored
from crossbar_appstore.maintenance.system import ACCOUNTS, SERVICES, master_account_id, prepare_system, require_alone
from crossbar_appstore.resources.account_storage import AccountStorage

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
    return child_place(parent_id, parent, await stored(couch, SERVICES, parent_id))


async def _save(couch: Couch, new: NewAccount, place: Place, created: CreatedAccount) -> None:
    account_id = created.account_id
    account = account_document(account_id, {"name": new.name, "realm": new.realm.lower()}, place)
    names = {"first_name": "Account", "last_name": "Admin", "priv_level": "admin"}
    user = user_document(created.user_id, account_id, names, username=new.username, password=new.password)

    async def add_administrator() -> None:
        await couch.save_doc(account_db(account_id), user)

    storage = AccountStorage(Datastore(couch, feeds=False))
    await storage.create(account, services_document(account_id, place), add_administrator)
    if place.is_master:
        await ensure_config(couch, ACCOUNTS_CONFIG, {MASTER_ACCOUNT_ID: account_id})
