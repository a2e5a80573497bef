"""Explains why an app is visible to an account or a user: the reasons behind the decisions of ``allowed_apps``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.appstore import allowed_apps as rules
from crossbar_appstore.appstore import app_overrides, service_plans
from crossbar_appstore.appstore.apps_store_document import DOCUMENT_ID, AccountUser
from crossbar_appstore.appstore.resellers import ancestors, invented_services, is_reseller
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatabaseMissing
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import ACCOUNTS_CONFIG
from crossbar_appstore.kazoo.documents import live, revision
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.maintenance import lookup
from crossbar_appstore.maintenance.reports import Report

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
    """One app: whether it is visible, and every rule that applied, in order; the last one that is no override decided.

    An override changes only how the app looks.
    """

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


@dataclass(frozen=True, slots=True)
class _Plans:
    """The service plans of one account, with their documents and the apps that they name together."""

    account_id: str
    services: JsonObject | None
    references: tuple[service_plans.PlanReference, ...]
    documents: Mapping[service_plans.PlanKey, JsonObject | None]
    apps: JsonObject


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Everything that the rules take into account for one account.

    ``plans`` are the account's own or its reseller's. ``master_config`` names the master account.
    """

    state: rules.AccountState
    plans: _Plans
    master_config: JsonObject | None


async def explain(couch: Couch, account: str, app: str | None = None, user: str | None = None) -> Explanation:
    """Apply the rules to an account's apps and collect their reasons.

    Args:
        couch: where the documents are.
        account: id, name or realm.
        app: id or name; without one, all apps are explained.
        user: id or user name, whose permissions apply; without one, permissions hide nothing.

    Raises:
        UnknownAccount, UnknownUser, UnknownApp: it does not exist.
    """
    catalogue = await lookup.MasterCatalogue.of(couch)
    document = await lookup.find_account(couch, account)
    account_id: str = document["_id"]
    person = None if user is None else await lookup.find_user(couch, account_id, user)
    inputs = await _inputs(couch, account_id, catalogue.account_id)
    found = rules.allowed_apps(
        await catalogue.apps(), inputs.state, None if person is None else AccountUser(person["_id"], person)
    )
    wanted = [one for one in found if app is None or app in (one.id, one.document.get("name"))]
    if app is not None and not wanted:
        raise lookup.UnknownApp(f"the account has no app {app!r}")
    return Explanation(
        account_id,
        document.get("name"),
        None if person is None else person["_id"],
        inputs.plans.account_id,
        tuple(_explained(one, inputs) for one in wanted),
    )


async def _inputs(couch: Couch, account_id: str, master_account_id: str) -> _Inputs:
    """Read what ``resources/account_state.py`` reads, without caches, and with the documents of the plans."""
    database = account_db(account_id)
    account = await lookup.stored(couch, database, account_id)
    plans = await _plans(couch, account_id, account, master_account_id)
    own_services = plans.services
    fallback = service_plans.fallback_account(plans.apps, own_services)
    if fallback is not None and fallback != account_id:
        reseller = await lookup.stored(couch, account_db(fallback), fallback)
        # The reseller decides on plans, but whether the account is a reseller follows from its own services.
        plans = await _plans(couch, fallback, reseller, master_account_id)
    vendors = {
        (vendor_id, app_id): await lookup.stored(couch, account_db(vendor_id), app_id)
        for vendor_id, app_id in rules.needed_vendor_apps(plans.apps, master_account_id)
    }
    state = rules.AccountState(
        account_id=account_id,
        master_account_id=master_account_id,
        plan_apps=plans.apps,
        vendor_apps=vendors,
        apps_store=await lookup.stored(couch, database, DOCUMENT_ID),
        account=account,
        whitelabel=await lookup.stored(couch, database, "whitelabel"),
        is_reseller=is_reseller(own_services),
        overrides=await _overrides(couch, database),
    )
    return _Inputs(state, plans, await lookup.stored(couch, "system_config", ACCOUNTS_CONFIG))


async def _overrides(couch: Couch, database: str) -> Mapping[str, JsonObject]:
    try:
        return app_overrides.by_app(await couch.docs_by_prefix(database, app_overrides.OVERRIDE_PREFIX))
    except DatabaseMissing:
        return {}


async def _plans(couch: Couch, account_id: str, account: JsonObject | None, master_account_id: str) -> _Plans:
    services = await lookup.stored(couch, lookup.SERVICES, account_id)
    if live(services) is None and account is not None:
        # KAZOO derives a services document from those of the accounts above.
        lineage = {ancestor: await lookup.stored(couch, lookup.SERVICES, ancestor) for ancestor in ancestors(account)}
        services = invented_services(account, lineage, master_account_id)
    attached = await lookup.view_rows(couch, account_db(account_id), "services/object_plans")
    references = service_plans.plan_references(
        services, [(row.id, row.value) for row in attached if row.id is not None]
    )
    documents = {
        reference.key: await lookup.stored(couch, account_db(reference.vendor_id), reference.plan_id)
        for reference in references
    }
    weights = service_plans.merge_weights(await lookup.stored(couch, "system_config", "services"))
    return _Plans(
        account_id, services, references, documents, service_plans.applications(references, documents, weights)
    )


def _explained(app: rules.AllowedApp, inputs: _Inputs) -> ExplainedApp:
    reasons = tuple(_reasons(app, inputs))
    installed = any(reason.authority == rules.PERMISSION for reason in reasons)
    decided_by = next(reason.rule for reason in reversed(reasons) if reason.authority != rules.OVERRIDE)
    return ExplainedApp(app.id, app.document.get("name"), app.published, installed, decided_by, reasons)


def _reasons(app: rules.AllowedApp, inputs: _Inputs) -> Iterator[Reason]:
    """One reason per decision; each plan that names the app comes before the decision of the plans together."""
    # An iterator, so that the plans are listed once, before the first decision about plans.
    named_by = iter(service_plans.mentions(app.id or "", inputs.plans.references, inputs.plans.documents))
    for decision in app.trail:
        if RULES[decision.rule] == RULES[rules.SERVICE_PLAN]:
            for plan in named_by:
                where = account_db(plan.vendor_id), plan.plan_id, plan.revision
                yield Reason(RULES[rules.SERVICE_PLAN], decision.rule, decision.published, *where, plan.entry)
        place = _place(decision, app, inputs)
        yield Reason(RULES[decision.rule], decision.rule, decision.published, *place, decision.entry)


def _place(decision: rules.Decision, app: rules.AllowedApp, inputs: _Inputs) -> tuple[str, str, str | None]:
    """Database, id and revision of the document that a decision is based on."""
    state = inputs.state
    if decision.rule == rules.SERVICE_PLAN:
        return lookup.SERVICES, inputs.plans.account_id, revision(inputs.plans.services or {})
    if decision.rule == rules.SUPER_ADMIN:
        return "system_config", ACCOUNTS_CONFIG, revision(inputs.master_config or {})
    owner = state.account_id
    if decision.rule == rules.MASTER_ACCOUNT:
        owner = state.master_account_id
    elif decision.rule == rules.VENDOR_ACCOUNT:
        owner = next(vendor_id for vendor_id, app_id in state.vendor_apps if app_id == app.id)
    return account_db(owner), decision.document, decision.revision
