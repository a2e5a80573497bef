"""Lists accounts and users, and changes passwords, levels and API keys in systems without KAZOO."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.auth.documents import AuthDocuments
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.documents import ACCOUNTS
from crossbar_appstore.datastore.errors import DatabaseMissing, ViewMissing
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import new_secret, password_hashes
from crossbar_appstore.kazoo.documents import is_soft_deleted, live, stamp_maintenance
from crossbar_appstore.kazoo.ids import account_db, is_account_id
from crossbar_appstore.kazoo.values import is_true, list_at, nonempty_text_at, string_at
from crossbar_appstore.maintenance.accounts import AccountRefused, check_password
from crossbar_appstore.maintenance.lookup import UnknownUser, find_account, find_user, retry_conflicts, stored
from crossbar_appstore.maintenance.reports import Report
from crossbar_appstore.request_scope import record_change
from crossbar_appstore.resources import account_rules
from crossbar_appstore.resources.account_storage import AccountStorage
from crossbar_appstore.resources.documents import of_type

ADMIN: Final = "admin"
USER: Final = "user"
_CONCURRENT_READS: Final = 8
_LISTED: Final = ("_id", "name", "realm", "pvt_tree", "pvt_enabled", "pvt_reseller", "pvt_superduper_admin")


@dataclass(frozen=True)
class ListedAccount(Report):
    """An account; ``tree`` holds the ids of its ancestors, root first."""

    id: str
    name: str
    realm: str
    enabled: bool
    reseller: bool
    superduper_admin: bool
    tree: tuple[str, ...]


@dataclass(frozen=True)
class ListedUser(Report):
    """A user; ``level`` is ``priv_level``: ``admin`` or ``user``."""

    id: str
    account_id: str
    username: str
    level: str
    enabled: bool
    first_name: str
    last_name: str
    email: str


async def list_accounts(couch: Couch) -> list[ListedAccount]:
    """Every account, by name; none where there is no database of accounts."""
    try:
        found = await couch.find(ACCOUNTS, {"pvt_type": "account"}, fields=[*_LISTED, "pvt_deleted"])
    except DatabaseMissing:
        return []
    accounts = [_account(each) for each in found if not is_soft_deleted(each) and is_account_id(each.get("_id"))]
    return sorted(accounts, key=lambda account: (account.name.lower(), account.id))


def in_tree_order(accounts: list[ListedAccount]) -> list[tuple[int, ListedAccount]]:
    """Each account after its parent, with its depth below the first one; the order of siblings is kept.

    An account whose parent is not among them has depth 0.
    """
    known = {account.id for account in accounts}
    below: dict[str | None, list[ListedAccount]] = {}
    for account in accounts:
        parent = account.tree[-1] if account.tree else None
        below.setdefault(parent if parent in known else None, []).append(account)
    ordered, waiting = [], [(0, account) for account in reversed(below.get(None, []))]
    while waiting:
        depth, account = waiting.pop()
        ordered.append((depth, account))
        waiting += [(depth + 1, child) for child in reversed(below.get(account.id, []))]
    return ordered


async def list_users(couch: Couch, account_id: str) -> list[ListedUser]:
    """The users of an account, by name; also where the view of users is missing."""
    database = account_db(account_id)
    try:
        rows = await couch.view(database, "users/crossbar_listing", include_docs=True)
        found = [row.doc for row in rows if row.doc is not None]
    except ViewMissing:
        found = await couch.find(database, {"pvt_type": USER})
    users = [listed_user(account_id, each) for each in found if live(each) is not None]
    return sorted(users, key=lambda user: (user.username, user.id))


def listed_user(account_id: str, user: JsonObject) -> ListedUser:
    """What a listing shows of a user document."""
    texts = {name: nonempty_text_at(user, name) or "" for name in ("username", "first_name", "last_name", "email")}
    level = nonempty_text_at(user, "priv_level") or USER
    return ListedUser(id=user["_id"], account_id=account_id, level=level, enabled=_is_enabled(user, "enabled"), **texts)


async def find_user_anywhere(couch: Couch, user: str, account: str | None) -> ListedUser:
    """A user by id or name, in one account (its id, name or realm) or in all of them.

    Raises:
        UnknownAccount: there is no such account.
        UnknownUser: no user has that id or name, or the users of several accounts have it.
    """
    if account is not None:
        account_id = (await find_account(couch, account))["_id"]
        return listed_user(account_id, await find_user(couch, account_id, user))
    limit = asyncio.Semaphore(_CONCURRENT_READS)

    async def look(account_id: str) -> ListedUser | None:
        async with limit:
            try:
                return listed_user(account_id, await find_user(couch, account_id, user))
            except (UnknownUser, DatabaseMissing):
                return None

    users = await asyncio.gather(*(look(each.id) for each in await list_accounts(couch)))
    found = [one for one in users if one is not None]
    if not found:
        raise UnknownUser(f"no account has a user {user!r}")
    if len(found) > 1:
        accounts = ", ".join(one.account_id for one in found)
        raise UnknownUser(f"{len(found)} accounts have a user {user!r}: {accounts}; name one of them with --account")
    return found[0]


async def set_password(couch: Couch, user: ListedUser, password: str, *, dry_run: bool = False) -> None:
    """Replace a user's password by hashes of this one; all tokens of the user become invalid.

    Raises AccountRefused if the password is too short, or the user has no name to log in with.
    """
    check_password(password)
    if not user.username:
        raise AccountRefused("username", "required", "the user has no user name, so no password can be set", user.id)
    md5, sha1 = password_hashes(user.username.lower(), password)
    fields = {"pvt_md5_auth": md5, "pvt_sha1_auth": sha1, "pvt_signature_secret": new_secret()}
    if not dry_run:
        # Old documents may hold the password in plain text.
        await _change(couch, user, lambda document: _without(document, "password") | fields)


async def set_level(couch: Couch, user: ListedUser, level: str, *, dry_run: bool = False) -> bool:
    """Make a user an administrator of the account or a plain user; False if it was one already."""
    if user.level != level and not dry_run:
        await _change(couch, user, lambda document: {**document, "priv_level": level})
    return user.level != level


async def administrators(couch: Couch, account_id: str) -> list[ListedUser]:
    """The enabled administrators of an account."""
    return [user for user in await list_users(couch, account_id) if user.level == ADMIN and user.enabled]


async def api_key(couch: Couch, account_id: str) -> str | None:
    """The API key of an account, None if it has none."""
    # KAZOO changes the key in this copy alone, by which a login finds the account.
    return nonempty_text_at(await stored(couch, ACCOUNTS, account_id), account_rules.KEY)


async def new_api_key(couch: Couch, account_id: str) -> str:
    """Give an account a new API key; the old one and its tokens become invalid. Returns the new one."""

    def change(newest: JsonObject | None) -> JsonObject:
        account = account_rules.with_new_key(of_type(newest, account_id, account_rules.ACCOUNT))
        return stamp_maintenance(account, account_id=account_id)

    storage = AccountStorage(AuthDocuments(Datastore(couch, feeds=False)))
    key: str = (await storage.change(account_id, change))[account_rules.KEY]
    return key


async def _change(couch: Couch, user: ListedUser, change: Callable[[JsonObject], JsonObject]) -> None:
    """Apply a change to the newest revision of a user and save it. Raises UnknownUser if it was deleted meanwhile."""
    database = account_db(user.account_id)

    async def attempt() -> None:
        document = await find_user(couch, user.account_id, user.id)
        changed = stamp_maintenance(change(document), account_id=user.account_id)
        await couch.save_doc(database, changed)
        record_change(database, user.id, document, changed)

    await retry_conflicts(attempt)


def _account(document: JsonObject) -> ListedAccount:
    return ListedAccount(
        id=document["_id"],
        name=string_at(document, "name") or "",
        realm=string_at(document, "realm") or "",
        enabled=_is_enabled(document, "pvt_enabled"),
        reseller=is_true(document.get("pvt_reseller")),
        superduper_admin=is_true(document.get("pvt_superduper_admin")),
        tree=tuple(each for each in list_at(document, "pvt_tree") if isinstance(each, str)),
    )


def _is_enabled(document: JsonObject, field: str) -> bool:
    return document.get(field) is None or is_true(document[field])


def _without(document: JsonObject, field: str) -> JsonObject:
    return {key: value for key, value in document.items() if key != field}
