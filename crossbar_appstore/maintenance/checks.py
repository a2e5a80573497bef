"""The checks of ``doctor``: the apps of a catalogue, and an account's permissions and service plans. No I/O."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from crossbar_appstore.appstore.app_addresses import (
    ADDRESS_KEYS,
    fault_of_address,
    is_harmless,
    is_relative,
    trimmed,
    without_credentials,
)
from crossbar_appstore.appstore.apps_store_document import ALLOWED_USERS, DOCUMENT_ID, LISTED_USERS, listed_users
from crossbar_appstore.appstore.listing import has_markup, shown_text
from crossbar_appstore.appstore.metadata import validate_app
from crossbar_appstore.appstore.picture_types import SVG, type_by_name
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import DEFAULT_LANGUAGE, is_soft_deleted
from crossbar_appstore.kazoo.ids import account_db, encoded_account_db
from crossbar_appstore.kazoo.values import MISSING, get, object_at, string_at
from crossbar_appstore.maintenance.app_files import named_pictures
from crossbar_appstore.maintenance.metadata_rules import NOT_ROUTABLE, is_routable, no_default_texts
from crossbar_appstore.maintenance.reports import DocumentChange, Finding, Repair, Severity, setting

SAMPLE_HOST: Final = "10.26.0.41"
"""The host in the metadata of KAZOO's own apps, one of 2600Hz's machines."""

_REFRESH: Final = "refresh-app FOLDER"
_CHECKED_FIELDS: Final = ("api_url", "source_url", "i18n", "icon", "name")
"""Fields with checks of their own, whose schema errors are not reported."""


@dataclass(frozen=True, slots=True)
class CheckedApp:
    """An app document, and the account whose catalogue contains it."""

    document: JsonObject
    account_id: str

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.document["_id"])

    @property
    def subject(self) -> str:
        """Its name and id."""
        return f"app {shown_text(self.document.get('name')) or '(no name)'} ({self.id})"

    def found(
        self,
        severity: Severity,
        check: str,
        message: str,
        command: str | None = None,
        value: Json = None,
        repair: Repair | None = None,
    ) -> Finding:
        """A finding about this app; ``command`` without the program's name."""
        command = command and f"crossbar-appstore {command}"
        return Finding(severity, check, self.subject, message, command, repair, value)

    def repair(self, words: str, change: DocumentChange) -> Repair:
        """A safe change to the app document."""
        return Repair(account_db(self.account_id), self.id, words, change)


def catalogue_findings(apps: Iterable[CheckedApp]) -> Iterator[Finding]:
    """The findings about each app, and about apps that share a name."""
    by_name: defaultdict[str, list[CheckedApp]] = defaultdict(list)
    for app in apps:
        yield from app_findings(app)
        name = string_at(app.document, "name")
        if name is not None:
            by_name[name].append(app)
    for name, sharing in by_name.items():
        if len(sharing) > 1:
            ids = ", ".join(app.id for app in sharing)
            called = f"{len(sharing)} apps are called {name!r} ({ids})"
            message = f"{called}; rename or remove all but one, none can be loaded"
            command = f"set-app-field {sharing[-1].id} name NAME"
            yield sharing[0].found(Severity.ERROR, "duplicate_name", message, command, name)


def app_findings(app: CheckedApp) -> Iterator[Finding]:
    """The findings about one app."""
    name = app.document.get("name")
    rename = f"set-app-field {app.id} name NAME"
    if not shown_text(name):
        message = "the app has no name and is left out of every list"
        yield app.found(Severity.ERROR, "name", message, rename, name)
    elif not is_routable(name):
        yield app.found(Severity.WARNING, "name", NOT_ROUTABLE, rename, name)
    yield from _texts(app)
    for key in ADDRESS_KEYS:
        if key in app.document:
            yield from _address(app, key, app.document[key])
    yield from _pictures(app)
    yield from _other_fields(app)
    yield from _owner(app)


def _texts(app: CheckedApp) -> Iterator[Finding]:
    i18n = app.document.get("i18n")
    name = shown_text(app.document.get("name"))
    if not isinstance(i18n, dict) or not i18n:
        message = "the app has no texts, which empties the page of KAZOO's web client"
        made = {DEFAULT_LANGUAGE: {"label": name, "description": name}}
        repair = app.repair(f"makes the label from the name: {name}", setting(made, "i18n")) if name else None
        yield app.found(Severity.ERROR, "label", message, f"set-app-label {app.id} LABEL", i18n, repair)
        return
    if DEFAULT_LANGUAGE not in i18n:
        message = f"the app {no_default_texts(i18n)}"
        yield app.found(Severity.WARNING, "language", message, f"set-app-label {app.id} LABEL", sorted(i18n))
    for locale, texts in i18n.items():
        if not isinstance(texts, dict):
            yield app.found(Severity.ERROR, "label", f"i18n.{locale} contains no texts", value=texts)
            continue
        label = texts.get("label")
        command = f"set-app-label {app.id} LABEL --language {locale}"
        if not isinstance(label, str) or not label:
            message = f"the label is missing in {locale}, which empties the page of KAZOO's web client"
            words = f"makes the label in {locale} from the name: {name}"
            repair = app.repair(words, setting(name, "i18n", locale, "label")) if name else None
            yield app.found(Severity.ERROR, "label", message, command, label, repair)
        elif has_markup(label):
            message = f"the label in {locale} contains markup, which the web client runs as HTML"
            yield app.found(Severity.ERROR, "markup", message, command, label)


def _address(app: CheckedApp, key: str, value: Json) -> Iterator[Finding]:
    command = f"set-app-field {app.id} {key} https://HOST/{'v2/' if key == 'api_url' else 'apps/NAME'}"
    if value in ("", None):
        consequence = (
            "so the web client sends the app's requests to itself" if value == "" else "which KAZOO makes a text"
        )
        repair = app.repair(f"removes {key}", setting(MISSING, key))
        message = f"{key} is {'empty' if value == '' else 'null'}, {consequence}"
        yield app.found(Severity.ERROR, key, message, f"set-app-field {app.id} {key} null", value, repair)
        return
    if not isinstance(value, str):
        yield app.found(Severity.ERROR, key, f"{key} is not a text", command, value)
        return
    address, shown = trimmed(value), without_credentials(value)
    fault = fault_of_address(key, address)
    left_out = "" if is_harmless(value) else "; it is left out of every response"
    if fault is not None:
        rule, message = fault
        # The web client can open such an address, although not as it is meant.
        severity = Severity.WARNING if rule in ("path", "suffix") else Severity.ERROR
        yield app.found(severity, key, f"{key} {message}{left_out}", command, shown)
        return
    if address != value:
        message = f"{key} has blanks or control characters around it{left_out}"
        repair = app.repair(f"removes what is around {key}", setting(address, key))
        yield app.found(Severity.ERROR, key, message, command, shown, repair)
    if is_relative(address):
        message = f"{key} is relative: browsers complete it by the address of the web client's page"
        yield app.found(Severity.INFO, key, message, None, shown)
    parts = urlsplit(address)
    if parts.scheme == "http":
        message = f"{key} is http: browsers block it in a web client that was loaded over https"
        yield app.found(Severity.WARNING, key, message, command, value)
    if parts.hostname == SAMPLE_HOST:
        message = f"{key} names the host in the metadata of KAZOO's own apps, a machine of 2600Hz"
        yield app.found(Severity.WARNING, key, message, command, value)


def _pictures(app: CheckedApp) -> Iterator[Finding]:
    document, stubs = app.document, object_at(app.document, "_attachments")
    if not string_at(document, "icon"):
        message = "the app names no icon"
        yield app.found(Severity.WARNING, "icon", message, f"set-app-icon {app.id} FILE", document.get("icon"))
    for name in named_pictures(document):
        check = "icon" if name == document.get("icon") else "screenshot"
        stored, named = object_at(stubs, name).get("content_type"), type_by_name(name)
        if name not in stubs:
            elsewhere = name in object_at(document, "pvt_attachments")
            where = "stored outside of CouchDB by a storage plan, which we cannot read" if elsewhere else "not attached"
            yield app.found(Severity.WARNING, check, f"the {check} {name} is {where}", _REFRESH, name)
        elif stored is not None and SVG in (stored, named):
            message = f"the picture {name} is an SVG, which can contain scripts"
            yield app.found(Severity.WARNING, "picture_type", message, value=stored)
        elif stored not in (None, named):
            message = f"the picture {name} is stored as {stored}, which does not match its name"
            yield app.found(Severity.WARNING, "picture_type", message, _REFRESH, stored)
    # An empty name is not in named_pictures, but the web client requests it.
    screenshots = document.get("screenshots")
    if isinstance(screenshots, list) and "" in screenshots:
        message = "screenshots contains empty names, which the web client shows as broken pictures"
        names = [name for name in screenshots if name != ""]
        repair = app.repair("removes empty names", setting(names, "screenshots"))
        yield app.found(Severity.WARNING, "screenshot", message, _REFRESH, screenshots, repair)


def _other_fields(app: CheckedApp) -> Iterator[Finding]:
    for field, rules in validate_app(app.document).items():
        if field in _CHECKED_FIELDS or (field.startswith("i18n") and field.endswith("label")):
            continue
        for details in rules.values():
            message = f"{field}: {details.get('message')}"
            command = f"set-app-field {app.id} {field} VALUE"
            yield app.found(Severity.WARNING, "schema", message, command, details.get("value"))


def _owner(app: CheckedApp) -> Iterator[Finding]:
    owner = {"pvt_account_id": app.account_id, "pvt_account_db": encoded_account_db(app.account_id)}
    if all(app.document.get(key) == value for key, value in owner.items()):
        return
    message = "the owner is not the master account, so KAZOO saves the document each time it reads it"
    repair = app.repair("sets the master account as owner", lambda document: {**document, **owner})
    yield app.found(Severity.WARNING, "owner", message, "doctor --fix", app.document.get("pvt_account_id"), repair)


@dataclass(frozen=True, slots=True)
class CheckedAccount:
    """An account's documents as stored, ``None`` if there are none.

    ``plans`` are the service plans that it offers to other accounts, ``app_names`` the names of the catalogue's apps
    by id, ``users`` the ids of its users.
    """

    account_id: str
    name: str
    apps_store: JsonObject | None
    app_names: Mapping[str, str]
    users: Collection[str]
    services: JsonObject | None = None
    plans: tuple[JsonObject, ...] = ()

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
        yield from _apps_store(account, account.apps_store)
    yield from _service_plans(account)


def _apps_store(account: CheckedAccount, document: JsonObject) -> Iterator[Finding]:
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
    yield from _listed_users(account, entry, called)


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


def _listed_users(account: CheckedAccount, entry: JsonObject, called: str) -> Iterator[Finding]:
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


def _service_plans(account: CheckedAccount) -> Iterator[Finding]:
    """Service plans and their overrides that name apps where only old versions of KAZOO look."""
    named = [
        (f"the service plan {plan['_id']} names apps under plan.ui_apps", object_at(plan, "plan", "ui_apps"))
        for plan in account.plans
    ]
    named += [
        (f"the overrides of plan {plan_id} name apps under ui_apps", object_at(entry, "overrides", "ui_apps"))
        for plan_id, entry in object_at(account.services, "plans").items()
    ]
    for what, apps in named:
        if apps:
            message = f"{what}, which KAZOO reads up to 4.2 only; they belong under applications, by id"
            yield account.found(Severity.WARNING, "ui_apps", message, sorted(apps))


def _in_entry(app_id: str, key: str, value: Json) -> DocumentChange:
    """The change that sets a member of a permission, if that still exists."""
    change = setting(value, "apps", app_id, key)
    return lambda document: change(document) if isinstance(get(document, "apps", app_id), dict) else document
