"""Which apps an account, or a user of it, may use: ``cb_apps_util:allowed_apps/2``.

The apps of the master account pass four rules in order, each of which may publish or hide an app: service plan,
the account's permissions, whitelabel, master account. Behind the first, KAZOO 5's overrides change how an app looks.
Each app keeps the trail of what was decided and why.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from crossbar_appstore.appstore import app_overrides
from crossbar_appstore.appstore.apps_store_document import Permissions, User, is_authorized, mergeable
from crossbar_appstore.json_codec import Json, JsonObject, dumps
from crossbar_appstore.kazoo.documents import document_id, live, revision
from crossbar_appstore.kazoo.ids import encoded_account_db, format_account_id, is_account_id
from crossbar_appstore.kazoo.merging import merge
from crossbar_appstore.kazoo.values import MISSING, as_boolean, as_text, get, is_true, nonempty_text_at

MASTER_ACCOUNT: Final = "master_account"
VENDOR_ACCOUNT: Final = "vendor_account"
SERVICE_PLAN: Final = "service_plan"
BLACKLIST: Final = "app_store_blacklist"
PERMISSION: Final = "app_store"
HIDE_PORT: Final = "whitelabel_hide_port"
SUPER_ADMIN: Final = "super_admin"
OVERRIDE: Final = "app_whitelabel"
"""Stands in the trail; it publishes and hides nothing, so it is nobody's authority."""

VendorKey = tuple[str, str]
"""Raw vendor account id and app id."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One rule that looked at an app and had something to say."""

    rule: str
    """One of the authorities, for example ``app_store_blacklist``; or ``OVERRIDE``."""
    published: bool
    """Whether the app showed after this."""
    document: str
    """Id of the document that decided."""
    revision: str | None
    """Its revision, ``None`` where it is made of several documents or was never saved."""
    entry: Json = None
    """The part of the document that decided."""


@dataclass(frozen=True, slots=True)
class AllowedApp:
    """An app after the rules. ``document`` is shared: never change it."""

    id: str | None
    document: JsonObject
    """The app document with the account's permission merged over it, private fields and ``authority`` included."""
    published: bool
    authority: str
    """The rule that decided last."""
    trail: tuple[Decision, ...]
    permission: JsonObject | None = None
    """The account's permission as stored; ``None`` where the app is not installed, or blacklisted."""
    override: JsonObject | None = None
    """The account's override as stored, ``None`` where it has none."""
    owner: str = ""
    """The account in whose database the app document is."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """What the rules need to know of an account. Documents are as stored, ``None`` where there are none."""

    account_id: str
    master_account_id: str
    plan_apps: JsonObject = field(default_factory=dict)
    """From ``service_plans.applications``, of the account or of its reseller."""
    vendor_apps: Mapping[VendorKey, JsonObject | None] = field(default_factory=dict)
    """Documents for ``needed_vendor_apps``."""
    apps_store: JsonObject | None = None
    account: JsonObject | None = None
    whitelabel: JsonObject | None = None
    is_reseller: bool = False
    overrides: Mapping[str, JsonObject] = field(default_factory=dict)
    """Override documents by app id, from ``app_overrides.by_app``."""


def needed_vendor_apps(plan_apps: JsonObject, master_account_id: str) -> tuple[VendorKey, ...]:
    """Where the documents are of the apps that a plan adds from other accounts than the master, in plan order."""
    found = []
    for app_id, entry in plan_apps.items():
        vendor = _vendor(entry, master_account_id)
        if vendor is not None and is_true(get(entry, "enabled")) | (get(entry, "enabled") is MISSING):
            found.append((vendor, app_id))
    return tuple(found)


def allowed_apps(
    default_apps: Iterable[JsonObject], state: AccountState, user: User | None = None
) -> tuple[AllowedApp, ...]:
    """Every app of the master account and of the plan's vendors, published or not.

    Args:
        default_apps: app documents of the master account, in the order of the view.
        state: of the account.
        user: whose permissions count; without one, permissions hide nothing.

    Returns:
        Vendor apps in reverse plan order, then the default apps in theirs. An id may occur twice; the first counts.
    """
    catalogue = [_default_app(app, state.master_account_id) for app in default_apps]
    rules = _Rules.of(catalogue, state, user)
    return tuple(rules.applied(app) for app in (*_vendor_apps(state), *catalogue))


def likeness(state: AccountState) -> bytes | None:
    """What accounts have in common that see the same apps of one catalogue in the same way.

    For two states with the same likeness ``allowed_apps`` without a user gives apps with the same documents, published
    or not alike, in the same order, with the same permissions. Only trails, which name the account's own documents, and
    override documents, of which no more than what counts is compared, may differ.

    Returns:
        A digest; ``None`` where a document is nested so deeply that it cannot be told.
    """
    permissions = Permissions.of(state.apps_store, state.account)
    deciding = [
        state.master_account_id,
        state.account_id == state.master_account_id,
        state.plan_apps,
        [[*key, live(document)] for key, document in state.vendor_apps.items()],
        permissions.apps,
        sorted(permissions.blacklist),
        _hides_port(state),
        [[app_id, app_overrides.overriding(document)] for app_id, document in state.overrides.items()],
    ]
    try:
        return hashlib.blake2b(dumps(deciding), digest_size=16).digest()
    except ValueError:
        return None


def find_app(apps: Iterable[AllowedApp], app_id: str) -> AllowedApp | None:
    """The first app of that id, ``None`` if there is none (``cb_apps_util:allowed_app/2``)."""
    return next((app for app in apps if app.id == app_id), None)


def _vendor_apps(state: AccountState) -> list[AllowedApp]:
    found = []
    for key in reversed(needed_vendor_apps(state.plan_apps, state.master_account_id)):
        document = live(state.vendor_apps.get(key))
        if document is not None:
            found.append(_started(document, VENDOR_ACCOUNT, key[0]))
    return found


def _default_app(document: JsonObject, master_account_id: str) -> AllowedApp:
    owner = {
        "pvt_account_id": master_account_id,
        "pvt_account_db": _encoded_db(master_account_id),
    }
    return _started(document | owner, MASTER_ACCOUNT, master_account_id)


def _started(document: JsonObject, authority: str, owner: str) -> AllowedApp:
    app_id = document_id(document)
    published = is_published(document)
    decision = Decision(authority, published, app_id or "", revision(document), document.get("published"))
    return AllowedApp(app_id, {**document, "authority": authority}, published, authority, (decision,), owner=owner)


def is_published(document: JsonObject) -> bool:
    """Whether an app document by itself shows: unless ``published`` is false (``kzd_app:published/1``)."""
    return as_boolean(document.get("published", MISSING)) is not False


@dataclass(frozen=True, slots=True)
class _Rules:
    """The four rules for one account and user, ready to be applied to each app."""

    plan_apps: JsonObject
    overrides: Mapping[str, JsonObject]
    permissions: Permissions
    user: User | None
    names: Mapping[str | None, Json]
    """The names that the catalogue has for app ids; a vendor's copy of an app may have another."""
    whitelabel: JsonObject | None
    """The whitelabel document if it hides the port app."""
    master_account_id: str | None
    """The master account's id if it is the one that asks."""

    @classmethod
    def of(cls, catalogue: Iterable[AllowedApp], state: AccountState, user: User | None) -> "_Rules":
        is_master = state.account_id == state.master_account_id
        return cls(
            state.plan_apps,
            {} if is_master else state.overrides,
            Permissions.of(state.apps_store, state.account),
            user,
            {app.id: app.document.get("name") for app in catalogue},
            state.whitelabel if _hides_port(state) else None,
            state.master_account_id if is_master else None,
        )

    def applied(self, app: AllowedApp) -> AllowedApp:
        return self._by_master(self._by_whitelabel(self._by_permission(self._by_override(self._by_plan(app))), app))

    def _by_plan(self, app: AllowedApp) -> AllowedApp:
        entry = self.plan_apps.get(app.id) if app.id is not None else None
        enabled = get(entry, "enabled")
        if enabled is MISSING:
            return app
        return _decided(app, app.document, is_true(enabled), SERVICE_PLAN, "services", None, entry)

    def _by_override(self, app: AllowedApp) -> AllowedApp:
        stored = self.overrides.get(app.id) if app.id is not None else None
        if stored is None:
            return app
        entry = app_overrides.overriding(stored)
        where = app_overrides.document_id(app.id or ""), revision(stored)
        decision = Decision(OVERRIDE, app.published, *where, entry)
        merged = _merged(app.document, entry)
        return replace(app, document=merged, trail=(*app.trail, decision), override=stored)

    def _by_permission(self, app: AllowedApp) -> AllowedApp:
        where = self.permissions.document_id, self.permissions.revision
        if app.id in self.permissions.blacklist:
            return _decided(app, app.document, False, BLACKLIST, *where, app.id)
        entry = self.permissions.entry(app.id)
        if entry is None:
            return app
        merged = _merged(app.document, self._mergeable(entry, app.id))
        authorized = is_authorized(entry, self.user)
        if authorized and not app.published:
            return replace(app, document=merged, permission=entry)
        return replace(_decided(app, merged, authorized, PERMISSION, *where, entry), permission=entry)

    def _mergeable(self, entry: JsonObject, app_id: str | None) -> JsonObject:
        """What of a permission counts; its name only if it is the one that the catalogue has."""
        counting = mergeable(entry)
        name = entry.get("name")
        return {**counting, "name": name} if isinstance(name, str) and self.names.get(app_id) == name else counting

    def _by_whitelabel(self, app: AllowedApp, started: AllowedApp) -> AllowedApp:
        names = (app.document.get("name", MISSING), started.document.get("name", MISSING))
        if self.whitelabel is None or "port" not in (as_text(name) for name in names):
            return app
        hidden = self.whitelabel["hide_port"]
        return _decided(app, app.document, False, HIDE_PORT, "whitelabel", revision(self.whitelabel), hidden)

    def _by_master(self, app: AllowedApp) -> AllowedApp:
        if self.master_account_id is None:
            return app
        return _decided(app, app.document, True, SUPER_ADMIN, self.master_account_id, None, None)


def _merged(document: JsonObject, entry: JsonObject) -> JsonObject:
    try:
        return merge(document, entry)
    except RecursionError:
        # A permission nested without end is malformed: its account must still be able to list and remove the app.
        return document


def _hides_port(state: AccountState) -> bool:
    whitelabel = live(state.whitelabel)
    return not state.is_reseller and whitelabel is not None and is_true(whitelabel.get("hide_port"))


def _decided(
    app: AllowedApp, document: JsonObject, published: bool, rule: str, where: str, rev: str | None, entry: Json
) -> AllowedApp:
    decision = Decision(rule, published, where, rev, entry)
    stated = {**document, "published": published, "authority": rule}
    return replace(app, document=stated, published=published, authority=rule, trail=(*app.trail, decision))


def _vendor(entry: Json, master_account_id: str) -> str | None:
    """The raw id of the account that a plan entry takes its app from, ``None`` for the master and for nonsense."""
    if not isinstance(entry, dict):
        return None
    named = nonempty_text_at(entry, "vendor_id")
    if named is None or named == master_account_id:
        return None
    try:
        return format_account_id(named)
    except ValueError:
        return None


def _encoded_db(account_id: str) -> str:
    return encoded_account_db(account_id) if is_account_id(account_id) else account_id
