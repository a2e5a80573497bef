"""Installs and uninstalls an app in accounts, and edits their blacklists, by the rules of the API (`cb_apps_store`).

Only ``apps_store`` documents are written, as the API writes them, so that these commands also work beside KAZOO. What
is done already is left alone: a command that was interrupted is simply run again.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Final

from crossbar_appstore.appstore import permissions
from crossbar_appstore.appstore.allowed_apps import AccountState, AllowedApp, allowed_apps, apps_with_id
from crossbar_appstore.appstore.apps_store_document import (
    DOCUMENT_ID,
    LISTED_USERS,
    Permissions,
    listed_users,
    mergeable,
)
from crossbar_appstore.appstore.listing import shown_text
from crossbar_appstore.auth.documents import WHITELABEL
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import live, revision, stamp_crossbar
from crossbar_appstore.kazoo.ids import account_db, is_account_id, new_id
from crossbar_appstore.maintenance.lookup import AmbiguousName, MasterCatalogue, UnknownApp
from crossbar_appstore.maintenance.many_accounts import AccountName, unless_away
from crossbar_appstore.maintenance.reports import Report
from crossbar_appstore.resources.account_state import account_state
from crossbar_appstore.validation.errors import SchemaErrors

MAX_ENTRIES: Final = 500
"""Documents cached by ``bounded``: what the accounts share stays, and memory does not grow with their number."""


class Outcome(StrEnum):
    """What became of one account."""

    INSTALLED = "installed"
    UPDATED = "updated"
    UNINSTALLED = "uninstalled"
    BLACKLISTED = "blacklist set"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    """By the rules."""
    FAILED = "failed"
    """CouchDB did not do it."""


@dataclass(frozen=True)
class AccountChange(Report):
    """What became of one account; ``reason`` says why it was not changed, ``revision`` is what was saved."""

    account_id: str
    account_name: str
    outcome: Outcome
    reason: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class BlacklistChange(Report):
    """The app ids of a blacklist before and after; ``revision`` is ``None`` if nothing was saved."""

    account_id: str
    account_name: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    revision: str | None = None


class ChangeRefused(Exception):
    """The rules do not allow the change."""


class _NoChange(Exception):
    """The account is already as wanted."""


Edit = Callable[[JsonObject | None], tuple[JsonObject, Outcome]]
"""From the stored ``apps_store`` document to the one to save, and what that means; called again after a conflict."""


def bounded(couch: Couch) -> Datastore:
    """A datastore for a command over many accounts, to be entered; leaving it closes ``couch``, too."""
    return Datastore(couch, feeds=False, max_entries=MAX_ENTRIES)


async def find_app_id(couch: Couch, name_or_id: str) -> str:
    """The id of an app of the catalogue, by its id or name; another id is taken for that of a vendor's app.

    Raises UnknownApp or AmbiguousName.
    """
    try:
        document: JsonObject = await (await MasterCatalogue.of(couch)).open(name_or_id)
    except UnknownApp:
        # App ids look like account ids. Whether an account may have it, its service plan tells.
        if is_account_id(name_or_id):
            return name_or_id
        raise
    return str(document["_id"])


def grant(allowed_users: str, users: Sequence[str] = ()) -> JsonObject:
    """The data of an install or update; ``users`` as the App Exchange stores them. Raises ChangeRefused."""
    data: JsonObject = {"allowed_users": allowed_users, "users": [{"id": user_id} for user_id in users]}
    _raise_errors(permissions.validate_permission(data))
    return data


class PermissionChanges:
    """Changes the permissions of one account after the other; ``request_id`` is stored with each change of this run."""

    def __init__(self, store: Datastore, *, dry_run: bool = False) -> None:
        self._store = store
        self._dry_run = dry_run
        self.request_id = new_id()

    async def install(self, account: AccountName, app_id: str, data: JsonObject, *, update: bool) -> AccountChange:
        """Install an app for those whom ``data`` names (``grant``).

        Where it is installed, it is left as it is, or with ``update`` is for those from now on; other fields of the
        permission are kept. Raises Troubled if CouchDB does not answer any more.
        """

        def permission(document: JsonObject | None, owner: JsonObject | None) -> JsonObject | None:
            before = _permission(document, app_id, owner)
            if before is not None and _grants_same(before, data):
                raise _NoChange("it is installed already")
            if before is not None and not update:
                raise _NoChange("it is installed already, for others")
            return before

        def edit(app: AllowedApp, owner: JsonObject | None, document: JsonObject | None) -> tuple[JsonObject, Outcome]:
            before = permission(document, owner)
            entry = permissions.permission_entry({**mergeable(before or {}), **data}, app)
            _raise_errors(permissions.validate_permission(entry))
            change = permissions.install if before is None else permissions.reconfigure
            changed = change(document, app_id, entry, account_id=account.id, account=owner)
            return changed, Outcome.INSTALLED if before is None else Outcome.UPDATED

        return await self._change_app(account, app_id, permission, edit)

    async def uninstall(self, account: AccountName, app_id: str) -> AccountChange:
        """Uninstall an app. Raises Troubled if CouchDB does not answer any more."""

        def permission(document: JsonObject | None, owner: JsonObject | None) -> JsonObject:
            before = _permission(document, app_id, owner)
            if before is None:
                raise _NoChange("it is not installed")
            return before

        def edit(_: AllowedApp, owner: JsonObject | None, document: JsonObject | None) -> tuple[JsonObject, Outcome]:
            permission(document, owner)
            changed = permissions.uninstall(document, app_id, account_id=account.id, account=owner)
            return changed, Outcome.UNINSTALLED

        return await self._change_app(account, app_id, permission, edit)

    async def edit_blacklist(
        self, account: AccountName, names_or_ids: Sequence[str], edit: Callable[[list[str], list[str]], list[str]]
    ) -> BlacklistChange:
        """Change an account's blacklist: ``edit`` gets its ids and those of the apps given, and returns the new ids.

        An app is named by its id or name among those of the account, or by an id that is on the blacklist.

        Raises:
            UnknownApp, AmbiguousName: a name stands for no app, or for several.
            ChangeRefused: the new blacklist would not be valid.
            DatastoreError: it was not saved.
        """
        snapshot, state, _ = await account_state(self._store.read(), account.id)
        before = _blacklist(state.apps_store)
        listed = [_id_among(allowed_apps(snapshot.apps, state), before, wanted) for wanted in names_or_ids]
        seen: list[tuple[list[str], list[str]]] = []

        def change(document: JsonObject | None) -> tuple[JsonObject, Outcome]:
            old = _blacklist(document)
            new = edit(old, list(dict.fromkeys(listed)))
            seen.append((old, new))
            if new == permissions.blacklist(document):
                raise _NoChange
            _raise_errors(permissions.validate_blacklist({"blacklist": new}))
            changed = permissions.set_blacklist(document, new, account_id=account.id, account=live(state.account))
            return changed, Outcome.BLACKLISTED

        saved = None
        with suppress(_NoChange):
            saved, _ = await self._save(state, change)
        old, new = seen[-1]
        rev = None if saved is None or self._dry_run else revision(saved)
        return BlacklistChange(*account, tuple(old), tuple(new), rev)

    async def _change_app(
        self,
        account: AccountName,
        app_id: str,
        permission: Callable[[JsonObject | None, JsonObject | None], JsonObject | None],
        edit: Callable[[AllowedApp, JsonObject | None, JsonObject | None], tuple[JsonObject, Outcome]],
    ) -> AccountChange:
        """Apply ``edit`` to the account's permissions, unless ``permission`` raises for what is stored.

        Both get the ``apps_store`` and the account document, ``edit`` the app before.
        """
        database = account_db(account.id)

        async def change() -> AccountChange:
            reading = self._store.read()
            # All that the rules need of this database: an account that is done costs one request.
            needed = [(database, DOCUMENT_ID), (database, account.id), (database, WHITELABEL)]
            apps_store, owner, _ = await reading.documents(needed)
            owner = live(owner)
            if owner is None:
                raise ChangeRefused("the account is deleted")
            permission(apps_store, owner)
            snapshot, state, _ = await account_state(reading, account.id)
            app = next(iter(apps_with_id(app_id, snapshot.by_id.get(app_id), state)), None)
            if app is None:
                raise ChangeRefused("neither the catalogue nor the account's service plan has this app")
            saved, outcome = await self._save(state, partial(edit, app, owner))
            return AccountChange(*account, outcome, revision=None if self._dry_run else revision(saved))

        kept = AccountChange(*account, Outcome.UNCHANGED)
        try:
            done = await unless_away(self._store.couch, change())
        except _NoChange as error:
            return replace(kept, reason=str(error))
        except ChangeRefused as error:
            return replace(kept, outcome=Outcome.REFUSED, reason=str(error))
        if isinstance(done, DatastoreError):
            return replace(kept, outcome=Outcome.FAILED, reason=done.explained)
        return done

    async def _save(self, state: AccountState, edit: Edit) -> tuple[JsonObject, Outcome]:
        """Save a change of an ``apps_store`` document: the only place where these commands write."""
        outcomes: list[Outcome] = []

        def change(document: JsonObject | None) -> JsonObject:
            changed, outcome = edit(document)
            outcomes.append(outcome)
            return stamp_crossbar(changed, account_id=state.account_id, request_id=self.request_id, auth=None)

        if self._dry_run:
            saved = change(state.apps_store)
        else:
            saved = await self._store.update(account_db(state.account_id), DOCUMENT_ID, change)
        return saved, outcomes[-1]


def _permission(document: JsonObject | None, app_id: str, account: JsonObject | None) -> JsonObject | None:
    """The account's permission for an app, ``{}`` if it is malformed, ``None`` if the app is not installed."""
    if not permissions.is_installed(document, app_id, account=account):
        return None
    return Permissions.of(document, account).entry(app_id) or {}


def _grants_same(entry: JsonObject, data: JsonObject) -> bool:
    """Whether a stored permission is for the same users as the data of ``grant``."""
    allowed = data["allowed_users"]
    if entry.get("allowed_users", LISTED_USERS) != allowed:
        return False
    return allowed != LISTED_USERS or listed_users(entry.get("users")) == listed_users(data["users"])


def _blacklist(document: JsonObject | None) -> list[str]:
    return list(dict.fromkeys(each for each in permissions.blacklist(document) if isinstance(each, str)))


def _id_among(apps: Sequence[AllowedApp], blacklisted: Sequence[str], wanted: str) -> str:
    """The id of an account's app, named by its id or name, or an id that is on the blacklist."""
    if wanted in blacklisted or any(app.id == wanted for app in apps):
        return wanted
    found = {app.id for app in apps if app.id is not None and shown_text(app.document.get("name")) == wanted}
    if len(found) > 1:
        raise AmbiguousName(f"{len(found)} apps are called {wanted!r}: {', '.join(sorted(found))}; name one by its id")
    if not found:
        raise UnknownApp(f"the account has no app {wanted!r}")
    return found.pop()


def _raise_errors(errors: SchemaErrors) -> None:
    for field, rules in errors.items():
        for rule, details in rules.items():
            raise ChangeRefused(f"{field}: {rule}: {details.get('message')}")
