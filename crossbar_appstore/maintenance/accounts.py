"""Creates accounts in systems without KAZOO (``crossbar_maintenance:create_account/4``), and the system of the demo."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossbar_appstore.auth.bootstrap import ensure_config
from crossbar_appstore.auth.documents import AuthDocuments
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import (
    ACCOUNTS_CONFIG,
    MASTER_ACCOUNT_ID,
    Place,
    account_document,
    child_place,
    password_hashes,
    services_document,
    user_document,
)
from crossbar_appstore.kazoo.documents import alphanumeric_name
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.kazoo.values import string_at
from crossbar_appstore.maintenance.app_plan import LoadOptions
from crossbar_appstore.maintenance.app_source import SAMPLES, find_app_folders
from crossbar_appstore.maintenance.loading import LoadReport, load_apps
from crossbar_appstore.maintenance.lookup import MasterCatalogue, master_account_id, stored
from crossbar_appstore.maintenance.system import prepare_system, require_alone
from crossbar_appstore.resources.account_storage import AccountStorage

_REALM: Final = re.compile(r"[a-zA-Z0-9_-]+(?:\.[a-zA-Z0-9_-]+)+")
_LONGEST_NAME: Final = 128
_LONGEST_REALM: Final = 253
_SHORTEST_PASSWORD: Final = 6


@dataclass(frozen=True, slots=True)
class NewAccount:
    """The input of ``create_account``; only hashes of ``password`` are stored."""

    name: str
    realm: str
    username: str
    password: str
    email: str | None = None


@dataclass(frozen=True, slots=True)
class CreatedAccount:
    """A new account with its first user, an administrator."""

    account_id: str
    user_id: str
    is_master: bool


@dataclass(eq=False)
class AccountRefused(Exception):
    """The account cannot be created: ``field`` breaks ``rule``."""

    field: str
    rule: str
    message: str
    value: Json = None

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The system of the demo. ``password`` is ``None`` where the account has another one than the given one."""

    account_id: str
    account_name: str
    realm: str
    username: str
    password: str | None
    is_new: bool
    load: LoadReport | None


async def create_account(couch: Couch, new: NewAccount, *, dry_run: bool = False) -> CreatedAccount:
    """Create an account and its administrator.

    The first account of a system becomes the master account, later ones are its children. With ``dry_run`` everything
    is checked and nothing created. Raises AccountRefused, or BesideKazoo where KAZOO creates its accounts itself.
    """
    _check(new)
    await require_alone(couch, "sup crossbar_maintenance create_account NAME REALM USERNAME PASSWORD")
    # Without the database there are no views to check for a taken name.
    if dry_run and not await couch.database_exists("accounts"):
        return CreatedAccount(new_id(), new_id(), is_master=True)
    if not dry_run:
        await prepare_system(couch)
    keys = (("name", alphanumeric_name(new.name), new.name), ("realm", new.realm.lower(), new.realm))
    for field, key, value in keys:
        if await couch.view("accounts", f"accounts/listing_by_{field}", key=key, limit=1):
            raise AccountRefused(field, "unique", "another account has this already", value)
    place, master = Place(), await master_account_id(couch)
    if master is not None:
        parent = await couch.open_doc(account_db(master), master)
        place = child_place(master, parent, await stored(couch, "services", master))
    created = CreatedAccount(new_id(), new_id(), place.is_master)
    if not dry_run:
        await _save(couch, new, place, created)
    return created


async def demonstrate(couch: Couch, wanted: NewAccount, apps: Path | None) -> Demonstration:
    """Create the system of the demo, its master account and its apps, as far as they do not exist.

    ``apps`` is a folder of apps to load; without one, a new system gets the samples of the package. Raises
    AccountRefused if there is no master account yet and ``wanted`` is not allowed as one.
    """
    master = (await prepare_system(couch)).master_account_id
    is_new = master is None
    account_id = (await create_account(couch, wanted)).account_id if master is None else master
    folder = SAMPLES if apps is None and is_new else apps
    load = None
    if folder is not None:
        found = find_app_folders(folder)
        load = await load_apps(await MasterCatalogue.of(couch), found.folders, LoadOptions(), remarks=found.remarks)
    account = await couch.open_doc(account_db(account_id), account_id)
    # The data of an earlier demo may have an administrator with another password.
    md5, _ = password_hashes(wanted.username.lower(), wanted.password)
    can_log_in = await couch.view(account_db(account_id), "users/creds_by_md5", key=md5, limit=1)
    name, realm = (string_at(account, key) or "" for key in ("name", "realm"))
    password = wanted.password if can_log_in else None
    return Demonstration(account_id, name, realm, wanted.username, password, is_new, load)


def _check(new: NewAccount) -> None:
    """Raise AccountRefused for the first field that is not allowed."""
    if not alphanumeric_name(new.name) or len(new.name) > _LONGEST_NAME:
        message = f"must contain letters or digits, and at most {_LONGEST_NAME} characters"
        raise AccountRefused("name", "name", message, new.name)
    if _REALM.fullmatch(new.realm) is None or len(new.realm) > _LONGEST_REALM:
        raise AccountRefused("realm", "pattern", "must be a domain name, such as pbx.example.com", new.realm)
    if not new.username.strip() or ":" in new.username:
        raise AccountRefused("username", "username", "must not be empty or contain a colon", new.username)
    check_password(new.password)


def check_password(password: str) -> None:
    """Raise AccountRefused for a password that is too short."""
    if len(password) < _SHORTEST_PASSWORD:
        raise AccountRefused("password", "minLength", f"must have at least {_SHORTEST_PASSWORD} characters")


async def _save(couch: Couch, new: NewAccount, place: Place, created: CreatedAccount) -> None:
    account_id = created.account_id
    account = account_document(account_id, {"name": new.name, "realm": new.realm.lower()}, place)
    names: JsonObject = {"first_name": "Account", "last_name": "Admin", "priv_level": "admin"}
    if new.email is not None:
        names["email"] = new.email
    user = user_document(created.user_id, account_id, names, username=new.username, password=new.password)
    storage = AccountStorage(AuthDocuments(Datastore(couch, feeds=False)))
    await storage.create(account, services_document(account_id, place), users=[user])
    if place.is_master:
        await ensure_config(couch, ACCOUNTS_CONFIG, {MASTER_ACCOUNT_ID: account_id})
