"""Lists which apps are installed in which accounts, and for whom."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from crossbar_appstore.appstore.apps_store_document import DOCUMENT_ID, LISTED_USERS, Permissions, listed_users
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.values import MISSING, as_text, get, string_at
from crossbar_appstore.maintenance.many_accounts import (
    CONCURRENCY,
    AccountName,
    in_order,
    unless_away,
)
from crossbar_appstore.maintenance.reports import Report


@dataclass(frozen=True)
class Installed(Report):
    """An app that is installed in an account.

    ``app_name`` is the catalogue's, else the stored one. ``allowed_users`` is ``all``, ``admins`` or ``specific``;
    ``users`` are the ids of those listed. ``blacklisted``: it is hidden from the account all the same.
    """

    account_id: str
    account_name: str
    app_id: str
    app_name: str
    allowed_users: str
    users: tuple[str, ...]
    blacklisted: bool


@dataclass(frozen=True)
class AccountInstalls(Report):
    """The apps that are installed in one account; ``error`` says why they could not be read."""

    account: AccountName
    apps: tuple[Installed, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Count(Report):
    """In how many of the accounts an app is installed; those that could not be read are ``unread``."""

    installed: int
    accounts: int
    unread: int = 0


async def list_installs(
    couch: Couch, accounts: Iterable[AccountName], app_names: Mapping[str, str], concurrency: int = CONCURRENCY
) -> AsyncGenerator[AccountInstalls, None]:
    """Yield the installed apps of each account, in the order of the accounts; one that cannot be read has an error.

    ``app_names`` are the names of the catalogue's apps by id. Raises Troubled if CouchDB does not answer any more.
    """

    async def read(account: AccountName) -> AccountInstalls:
        documents = await unless_away(couch, _permission_documents(couch, account.id))
        if isinstance(documents, DatastoreError):
            return AccountInstalls(account, error=documents.explained)
        return AccountInstalls(account, _installed(account, *documents, app_names))

    async with aclosing(in_order(accounts, read, concurrency)) as found:
        async for one in found:
            yield one


async def count_installs(
    couch: Couch, app_id: str, accounts: Sequence[AccountName], step: Callable[[], None] = lambda: None
) -> Count:
    """Count the accounts in which an app is installed; reads each account's permissions, and calls ``step`` then.

    Raises Troubled if CouchDB does not answer any more.
    """
    installed = unread = 0
    async with aclosing(list_installs(couch, accounts, {})) as found:
        async for one in found:
            installed += any(each.app_id == app_id for each in one.apps)
            unread += one.error is not None
            step()
    return Count(installed, len(accounts), unread)


async def _permission_documents(couch: Couch, account_id: str) -> tuple[JsonObject | None, JsonObject | None]:
    """The ``apps_store`` document, and the account document, which holds older permissions."""
    apps_store, document = await couch.open_docs(account_db(account_id), [DOCUMENT_ID, account_id])
    return apps_store, live(document)


def _installed(
    account: AccountName, apps_store: JsonObject | None, document: JsonObject | None, app_names: Mapping[str, str]
) -> tuple[Installed, ...]:
    permissions = Permissions.of(apps_store, document)
    return tuple(
        Installed(
            *account,
            app_id,
            app_names.get(app_id) or string_at(entry, "name") or "",
            _allowed_users(entry),
            tuple(sorted(listed_users(entry.get("users")))),
            app_id in permissions.blacklist,
        )
        for app_id, entry in ((app_id, permissions.entry(app_id) or {}) for app_id in permissions.apps)
    )


def _allowed_users(entry: JsonObject) -> str:
    stated = get(entry, "allowed_users")
    return LISTED_USERS if stated is MISSING else as_text(stated) or LISTED_USERS
