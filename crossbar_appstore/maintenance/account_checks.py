"""The checks of ``doctor`` for an account's permissions and service plans. No I/O."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from crossbar_appstore.appstore.apps_store_document import ALLOWED_USERS, DOCUMENT_ID, LISTED_USERS, listed_users
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_soft_deleted
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.values import MISSING, get, object_at
from crossbar_appstore.maintenance.app_checks import conflict_findings
from crossbar_appstore.maintenance.reports import DocumentChange, Finding, Repair, Severity, setting

_UI_APPS: Final = "ui_apps"


@dataclass(frozen=True, slots=True)
class CheckedAccount:
    """An account's documents as stored, ``None`` if there are none.

    ``plans`` are the service plans that it offers to other accounts, ``app_names`` the names of the catalogue's apps
    by id, ``users`` the ids of its users. ``apps_store`` has its losing revisions in ``_conflicts``.
    """

    account_id: str
    name: str
    apps_store: JsonObject | None = None
    services: JsonObject | None = None
    plans: tuple[JsonObject, ...] = ()
    app_names: Mapping[str, str] = field(default_factory=dict)
    users: Collection[str] = ()

    @property
    def subject(self) -> str:
        """Its name and id."""
        return f"account {self.name} ({self.account_id})"

    def found(
        self, severity: Severity, check: str, message: str, value: Json = None, repair: Repair | None = None
    ) -> Finding:
        """A finding about this account."""
        command = f"crossbar-appstore doctor --account {self.account_id} --fix" if repair else None
        return Finding(severity, check, self.subject, message, command, repair, value)

    def repair(self, words: str, change: DocumentChange) -> Repair:
        """A safe change to the account's ``apps_store`` document."""
        return Repair(account_db(self.account_id), DOCUMENT_ID, words, change)


def account_findings(account: CheckedAccount) -> Iterator[Finding]:
    """The findings about one account."""
    if account.apps_store is not None:
        yield from _document(account, account.apps_store)
        yield from conflict_findings(account.subject, account_db(account.account_id), account.apps_store)
    yield from _plans(account)


def _document(account: CheckedAccount, document: JsonObject) -> Iterator[Finding]:
    if is_soft_deleted(document):
        message = "apps_store is soft-deleted: KAZOO answers every install with a conflict"
        repair = account.repair("removes pvt_deleted", setting(MISSING, "pvt_deleted"))
        yield account.found(Severity.ERROR, "apps_store", message, document.get("pvt_deleted"), repair)
    if "pvt_type" in document:
        message = "apps_store has a pvt_type, so KAZOO's billing does not count its apps"
        repair = account.repair("removes pvt_type", setting(MISSING, "pvt_type"))
        yield account.found(Severity.ERROR, "apps_store", message, document["pvt_type"], repair)
    for key, kind, empty in (("apps", dict, {}), ("blacklist", list, [])):
        value = document.get(key, empty)
        if isinstance(value, kind):
            continue
        message = f"{key} is not {'an object' if kind is dict else 'a list'}, on which KAZOO crashes"
        # Replacing an empty value loses nothing; any other value needs a decision by the operator.
        emptied = account.repair(f"makes {key} empty", setting(empty, key))
        yield account.found(Severity.ERROR, "apps_store", message, value, emptied if value in (None, "", []) else None)
    for app_id, entry in object_at(document, "apps").items():
        yield from _permission(account, app_id, entry)


def _permission(account: CheckedAccount, app_id: str, entry: Json) -> Iterator[Finding]:
    called = f"the permission of {account.app_names.get(app_id, 'an unknown app')} ({app_id})"
    if not isinstance(entry, dict):
        message = f"{called} is not an object, on which KAZOO crashes"
        yield account.found(Severity.ERROR, "permission", message, entry)
        return
    # Permissions of removed apps are harmless, and apply again if the app returns.
    if app_id not in account.app_names:
        yield account.found(Severity.INFO, "permission", f"{called} is for an app that the catalogue does not have")
    yield from _billing(account, app_id, entry, called)
    yield from _users(account, entry, called)


def _billing(account: CheckedAccount, app_id: str, entry: JsonObject, called: str) -> Iterator[Finding]:
    """What keeps KAZOO from counting the permission: one such entry blocks every later write to the document."""
    allowed = entry.get("allowed_users")
    if allowed is None:
        message = f"{called} has no allowed_users, which stops KAZOO's billing"
        words = f"sets allowed_users of {app_id} to {LISTED_USERS}"
        repair = account.repair(words, _in_entry(app_id, "allowed_users", LISTED_USERS))
        yield account.found(Severity.ERROR, "billing", message, allowed, repair)
    elif allowed not in ALLOWED_USERS:
        message = f"{called} has allowed_users {allowed!r}, which stops KAZOO's billing; install the app again"
        yield account.found(Severity.ERROR, "billing", message, allowed)
    # Only permissions for specific users need the list.
    if not isinstance(entry.get("users", [] if allowed != LISTED_USERS else None), list):
        message = f"{called} has no list of users, which stops KAZOO's billing"
        users = entry.get("users")
        repair = account.repair(f"gives {app_id} an empty list of users", _in_entry(app_id, "users", []))
        yield account.found(Severity.ERROR, "billing", message, users, repair if users is None else None)
    if not isinstance(entry.get("name"), str):
        name = account.app_names.get(app_id)
        message = f"{called} has no name, by which KAZOO bills it"
        repair = account.repair(f"names the permission {name}", _in_entry(app_id, "name", name))
        yield account.found(Severity.ERROR, "billing", message, entry.get("name"), repair if name else None)


def _users(account: CheckedAccount, entry: JsonObject, called: str) -> Iterator[Finding]:
    users = entry.get("users")
    if not isinstance(users, list):
        return
    objects = sum(isinstance(user, dict) for user in users)
    texts = sum(isinstance(user, str) for user in users)
    if objects:
        message = f"{called} lists {objects} users as objects, as the web client saves them; KAZOO 4.3 ignores those"
        yield account.found(Severity.INFO, "users", message, users)
    if texts:
        message = f"{called} lists {texts} users as texts; the web client shows none of them as selected"
        yield account.found(Severity.INFO, "users", message, users)
    if objects + texts < len(users):
        message = f"{called} lists users that are neither ids nor objects with one"
        yield account.found(Severity.WARNING, "users", message, users)
    gone = sorted(listed_users(users) - set(account.users))
    if gone:
        yield account.found(Severity.INFO, "users", f"{called} lists users that the account does not have", gone)


def _plans(account: CheckedAccount) -> Iterator[Finding]:
    """Service plans and their overrides that name apps where only old versions of KAZOO look."""
    named = [
        (f"the service plan {plan['_id']} names apps under plan.ui_apps", object_at(plan, "plan", _UI_APPS))
        for plan in account.plans
    ]
    named += [
        (f"the overrides of plan {plan_id} name apps under ui_apps", object_at(entry, "overrides", _UI_APPS))
        for plan_id, entry in object_at(account.services, "plans").items()
    ]
    for what, apps in named:
        if apps:
            message = f"{what}, which KAZOO reads up to 4.2 only; they belong under applications, by id"
            yield account.found(Severity.WARNING, _UI_APPS, message, sorted(apps))


def _in_entry(app_id: str, key: str, value: Json) -> DocumentChange:
    """The change that sets a member of a permission, if that still exists."""
    change = setting(value, "apps", app_id, key)
    return lambda document: change(document) if isinstance(get(document, "apps", app_id), dict) else document
