"""Explains why an app is visible to an account or a user: the reasons behind the decisions of ``allowed_apps``."""

from dataclasses import dataclass
from typing import Final

from crossbar_appstore.appstore import allowed_apps as rules
from crossbar_appstore.appstore import service_plans
from crossbar_appstore.appstore.apps_store_document import AccountUser
from crossbar_appstore.auth.documents import SERVICES
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import ACCOUNTS_CONFIG
from crossbar_appstore.kazoo.documents import revision
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.maintenance import lookup
from crossbar_appstore.maintenance.reports import Report
from crossbar_appstore.resources.account_state import AccountPlans, account_state

RULES: Final = {
    rules.MASTER_ACCOUNT: "catalogue",
    rules.VENDOR_ACCOUNT: "plan",
    rules.SERVICE_PLAN: "plan",
    rules.OVERRIDE: "override",
    rules.PERMISSION: "permission",
    rules.BLACKLIST: "blacklist",
    rules.HIDE_PORT: "whitelabel",
    rules.SUPER_ADMIN: "master",
}
"""KAZOO's name of an authority → the rule's name in the output."""


@dataclass(frozen=True)
class Reason(Report):
    """The decision of one rule, and the document that it is based on."""

    rule: str
    authority: str
    visible: bool
    database: str
    document: str
    revision: str | None
    entry: Json


@dataclass(frozen=True)
class ExplainedApp(Report):
    """One app: whether it is visible, and every rule that applied, in order; the last that is no override decided."""

    id: str | None
    name: Json
    visible: bool
    installed: bool
    decided_by: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Explanation(Report):
    """What an account, or one of its users, sees. ``plans_of`` is the account whose service plans apply."""

    account_id: str
    account_name: Json
    user_id: str | None
    plans_of: str
    apps: tuple[ExplainedApp, ...]


async def explain(couch: Couch, account: str, app: str | None = None, user: str | None = None) -> Explanation:
    """Apply the rules to an account's apps and collect their reasons.

    ``account`` is an id, name or realm; ``app`` an id or name, without which all apps are explained; ``user`` an id or
    user name, without which permissions hide nothing. Raises UnknownAccount, UnknownUser or UnknownApp.
    """
    reading = Datastore(couch, feeds=False).read()
    # Read first: a system without a master account has no accounts to look for.
    await reading.catalogue()
    document = await lookup.find_account(couch, account)
    account_id: str = document["_id"]
    viewer = None
    if user is not None:
        person = await lookup.find_user(couch, account_id, user)
        viewer = AccountUser(person["_id"], person)
    snapshot, state, plans = await account_state(reading, account_id)
    found = rules.allowed_apps(snapshot.apps, state, viewer)
    wanted = [one for one in found if app is None or app in (one.id, one.document.get("name"))]
    if app is not None and not wanted:
        raise lookup.UnknownApp(f"the account has no app {app!r}")
    master_config = await reading.document("system_config", ACCOUNTS_CONFIG)
    apps = tuple(_explained(one, account_id, plans, master_config) for one in wanted)
    user_id = None if viewer is None else viewer.user_id
    return Explanation(account_id, document.get("name"), user_id, plans.account_id, apps)


def _explained(
    app: rules.AllowedApp, account_id: str, plans: AccountPlans, master_config: JsonObject | None
) -> ExplainedApp:
    reasons: list[Reason] = []
    # An iterator, so that the plans are listed once, before the first decision about plans.
    named_by = iter(service_plans.mentions(app.id or "", plans.references, plans.documents))
    for decision in app.trail:
        if RULES[decision.rule] == "plan":
            for plan in named_by:
                where = account_db(plan.vendor_id), plan.plan_id, plan.revision
                reasons.append(Reason("plan", decision.rule, decision.published, *where, plan.entry))
        # A combined decision has no document of its own: what leads to it is named.
        match decision.rule:
            case rules.SERVICE_PLAN:
                where = SERVICES, plans.account_id, revision(plans.services or {})
            case rules.SUPER_ADMIN:
                where = "system_config", ACCOUNTS_CONFIG, revision(master_config or {})
            case rules.MASTER_ACCOUNT | rules.VENDOR_ACCOUNT:
                where = account_db(app.owner), decision.document, decision.revision
            case _:
                where = account_db(account_id), decision.document, decision.revision
        reasons.append(Reason(RULES[decision.rule], decision.rule, decision.published, *where, decision.entry))
    installed = any(reason.authority == rules.PERMISSION for reason in reasons)
    # An override changes only how the app looks.
    decided_by = next(reason.rule for reason in reversed(reasons) if reason.authority != rules.OVERRIDE)
    return ExplainedApp(app.id, app.document.get("name"), app.published, installed, decided_by, tuple(reasons))
