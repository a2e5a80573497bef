"""Decides which apps an account, or a user of it, may use: ``cb_apps_util:allowed_apps/2``.

Four rules apply in order to each app of the master account, and each may publish or hide it: service plan, the
account's permissions, whitelabel, master account. After the first, KAZOO 5's overrides change the app's appearance.
Each app records the decisions on it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from crossbar_appstore.appstore import app_overrides
from crossbar_appstore.appstore.apps_store_document import AccountUser, Permissions, is_authorized, mergeable
from crossbar_appstore.json_codec import Json, JsonObject, dumps
from crossbar_appstore.kazoo.documents import account_fields, document_id, live, revision
from crossbar_appstore.kazoo.ids import is_account_id, parse_account_id
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
"""In the trail only: an override neither publishes nor hides an app."""

VendorKey = tuple[str, str]
"""Raw vendor account id and app id."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of one rule on an app."""

    rule: str
    """One of the authorities, for example ``app_store_blacklist``; or ``OVERRIDE``."""
    published: bool
    """Whether the app is published after this decision."""
    document: str
    """Id of the document that the decision is based on."""
    revision: str | None
    """Its revision, ``None`` if several documents were combined or it was never saved."""
    entry: Json = None
    """The relevant part of the document."""


@dataclass(frozen=True, slots=True)
class AllowedApp:
    """An app after all rules. ``document`` is shared and must not be changed."""

    id: str | None
    document: JsonObject
    """The app document with the account's permission merged over it, private fields and ``authority`` included."""
    published: bool
    authority: str
    """The rule of the last decision."""
    trail: tuple[Decision, ...]
    permission: JsonObject | None = None
    """The account's permission as stored; ``None`` if the app is not installed, or blacklisted."""
    override: JsonObject | None = None
    """The account's override as stored, ``None`` without one."""
    owner: str = ""
    """The account in whose database the app document is stored."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """The input of the rules for one account. Documents are as stored, ``None`` if missing."""

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
    """Returns the addresses of the apps that a plan adds from other accounts than the master, in plan order."""
    found = []
    for app_id, entry in plan_apps.items():
        vendor, enabled = _vendor(entry, master_account_id), get(entry, "enabled")
        if vendor is not None and (enabled is MISSING or is_true(enabled)):
            found.append((vendor, app_id))
    return tuple(found)


def allowed_apps(
    default_apps: Iterable[JsonObject], state: AccountState, user: AccountUser | None = None
) -> tuple[AllowedApp, ...]:
    """Returns every app of the master account and of the plan's vendors, published or not.

    Vendor apps come in reverse plan order, then the default apps in theirs. An id may occur twice; the first applies.

    Args:
        default_apps: app documents of the master account, in the order of the view.
        state: of the account.
        user: whose permissions apply; without one, permissions hide no app.
    """
    master = state.master_account_id
    owner = account_fields(master) if is_account_id(master) else {"pvt_account_id": master, "pvt_account_db": master}
    catalogue = [_started({**document, **owner}, MASTER_ACCOUNT, master) for document in default_apps]
    vendor_apps = []
    for key in reversed(needed_vendor_apps(state.plan_apps, master)):
        document = live(state.vendor_apps.get(key))
        if document is not None:
            vendor_apps.append(_started(document, VENDOR_ACCOUNT, key[0]))
    rules = _Rules(catalogue, state, user)
    return tuple(rules.applied(app) for app in (*vendor_apps, *catalogue))


def apps_with_id(app_id: str, listed: JsonObject | None, state: AccountState) -> list[AllowedApp]:
    """Returns the apps of one id, a vendor's before the catalogue's: the first is ``cb_apps_util:allowed_app/2``.

    ``listed`` is the catalogue's app of that id, ``None`` if there is none: the rules look at each app by itself.
    """
    return [app for app in allowed_apps(() if listed is None else (listed,), state) if app.id == app_id]


def policy_fingerprint(state: AccountState) -> bytes | None:
    """Returns a digest that is equal for accounts to which the rules apply alike, ``None`` if nested too deeply.

    For two states with the same fingerprint, ``allowed_apps`` without a user returns the same app documents in the
    same order, published alike and with the same permissions. Only the trails, which name the account's documents,
    and the parts of overrides that have no effect may differ.
    """
    permissions = Permissions.of(state.apps_store, state.account)
    # Exactly what the rules read of the account: what is missing here would leak one account's list to another.
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


def _started(document: JsonObject, authority: str, owner: str) -> AllowedApp:
    app_id = document_id(document)
    published = is_published(document)
    decision = Decision(authority, published, app_id or "", revision(document), document.get("published"))
    return AllowedApp(app_id, {**document, "authority": authority}, published, authority, (decision,), owner=owner)


def is_published(document: JsonObject) -> bool:
    """Whether an app document is published by default: unless ``published`` is false (``kzd_app:published/1``)."""
    return as_boolean(document.get("published", MISSING)) is not False


class _Rules:
    """The four rules for one account and user."""

    def __init__(self, catalogue: Iterable[AllowedApp], state: AccountState, user: AccountUser | None) -> None:
        self.state = state
        self.is_master = state.account_id == state.master_account_id
        self.permissions = Permissions.of(state.apps_store, state.account)
        self.user = user
        self.names = {app.id: app.document.get("name") for app in catalogue}
        self.whitelabel = state.whitelabel if _hides_port(state) else None

    def applied(self, app: AllowedApp) -> AllowedApp:
        decided = self._by_whitelabel(self._by_permission(self._by_override(self._by_plan(app))), app)
        if not self.is_master:
            return decided
        # The master account sees every app, whatever was decided before.
        return _decided(decided, decided.document, True, SUPER_ADMIN, self.state.account_id, None, None)

    def _by_plan(self, app: AllowedApp) -> AllowedApp:
        entry = self.state.plan_apps.get(app.id) if app.id is not None else None
        enabled = get(entry, "enabled")
        if enabled is MISSING:
            return app
        return _decided(app, app.document, is_true(enabled), SERVICE_PLAN, "services", None, entry)

    def _by_override(self, app: AllowedApp) -> AllowedApp:
        stored = self.state.overrides.get(app.id) if app.id is not None else None
        if stored is None or self.is_master:
            return app
        entry = app_overrides.overriding(stored)
        where = app_overrides.override_id(app.id or ""), revision(stored)
        trail = (*app.trail, Decision(OVERRIDE, app.published, *where, entry))
        return replace(app, document=_merged(app.document, entry), trail=trail, override=stored)

    def _by_permission(self, app: AllowedApp) -> AllowedApp:
        where = self.permissions.document_id, self.permissions.revision
        if app.id in self.permissions.blacklist:
            return _decided(app, app.document, False, BLACKLIST, *where, app.id)
        entry = self.permissions.entry(app.id)
        if entry is None:
            return app
        counting, name = mergeable(entry), entry.get("name")
        # The stored name applies only if it is the catalogue's: a vendor's copy of the app keeps its own name.
        if isinstance(name, str) and self.names.get(app.id) == name:
            counting["name"] = name
        merged = _merged(app.document, counting)
        authorized = is_authorized(entry, self.user)
        # A permission hides an app from a user, but does not publish one that the plan or the catalogue hides.
        if authorized and not app.published:
            return replace(app, document=merged, permission=entry)
        return replace(_decided(app, merged, authorized, PERMISSION, *where, entry), permission=entry)

    def _by_whitelabel(self, app: AllowedApp, started: AllowedApp) -> AllowedApp:
        names = (app.document.get("name", MISSING), started.document.get("name", MISSING))
        if self.whitelabel is None or "port" not in (as_text(name) for name in names):
            return app
        hidden = self.whitelabel["hide_port"]
        return _decided(app, app.document, False, HIDE_PORT, "whitelabel", revision(self.whitelabel), hidden)


def _merged(document: JsonObject, entry: JsonObject) -> JsonObject:
    try:
        return merge(document, entry)
    except RecursionError:
        # The permission is nested too deeply; the account must still be able to list and uninstall the app.
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
    """Returns the raw id of the account that holds a plan entry's app, ``None`` for the master or a malformed one."""
    named = nonempty_text_at(entry, "vendor_id")
    return None if named == master_account_id else parse_account_id(named)
