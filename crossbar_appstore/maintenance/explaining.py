"""Why an app is visible to an account or a user, or is not: the service's own rules, asked for their reasons."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.appstore.allowed_apps import (
    BLACKLIST,
    HIDE_PORT,
    MASTER_ACCOUNT,
    OVERRIDE,
    PERMISSION,
    SERVICE_PLAN,
    SUPER_ADMIN,
    VENDOR_ACCOUNT,
    AllowedApp,
    Decision,
    allowed_apps,
)
from crossbar_appstore.appstore.apps_store_document import AccountUser
from crossbar_appstore.appstore.service_plans import mentions
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import ACCOUNTS_CONFIG
from crossbar_appstore.kazoo.documents import revision
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.maintenance.account_rules import AccountRules, account_rules, find_account, find_user
from crossbar_appstore.maintenance.master_catalogue import MasterCatalogue, UnknownApp
from crossbar_appstore.maintenance.system import SERVICES

RULES: Final = {
    MASTER_ACCOUNT: "catalogue",
    VENDOR_ACCOUNT: "plan",
    SERVICE_PLAN: "plan",
    OVERRIDE: "override",
    PERMISSION: "permission",
    BLACKLIST: "blacklist",
    HIDE_PORT: "whitelabel",
    SUPER_ADMIN: "master",
}
"""KAZOO's name of an authority → what operators call it."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What one rule said, and the document that it had it from."""

    rule: str
    authority: str
    visible: bool
    database: str
    document: str
    revision: str | None
    entry: Json

    def as_json(self) -> JsonObject:
        """For ``--json``."""
        return {
            "rule": self.rule,
            "authority": self.authority,
            "visible": self.visible,
            "database": self.database,
            "document": self.document,
            "revision": self.revision,
            "entry": self.entry,
        }


@dataclass(frozen=True, slots=True)
class ExplainedApp:
    """One app: whether it shows, and every rule that had a say, the last of which decided.

    An override has a say in how the app looks only.
    """

    app_id: str | None
    name: Json
    visible: bool
    installed: bool
    reasons: tuple[Reason, ...]

    @property
    def decided_by(self) -> str:
        """The rule that decided."""
        return next(reason.rule for reason in reversed(self.reasons) if reason.authority != OVERRIDE)

    def as_json(self) -> JsonObject:
        """For ``--json``."""
        return {
            "id": self.app_id,
            "name": self.name,
            "visible": self.visible,
            "installed": self.installed,
            "decided_by": self.decided_by,
            "reasons": [reason.as_json() for reason in self.reasons],
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an account, or a user of it, sees. ``plans_of`` is the account whose service plans count."""

    account_id: str
    account_name: Json
    user_id: str | None
    plans_of: str
    apps: tuple[ExplainedApp, ...]

    def as_json(self) -> JsonObject:
        """For ``--json``."""
        return {
            "account_id": self.account_id,
            "account_name": self.account_name,
            "user_id": self.user_id,
            "plans_of": self.plans_of,
            "apps": [app.as_json() for app in self.apps],
        }


async def explain(couch: Couch, account: str, app: str | None = None, user: str | None = None) -> Explanation:
    """Ask the rules about an account's apps.

    Args:
        couch: where the documents are.
        account: id, name or realm.
        app: id or name; all apps if left out.
        user: id or user name, whose permissions count; without one, permissions hide nothing.

    Raises:
        UnknownAccount, UnknownUser, UnknownApp: there is none.
        DatastoreError: CouchDB is away.
    """
    catalogue = await MasterCatalogue.of(couch)
    document = await find_account(couch, account)
    account_id: str = document["_id"]
    person = None if user is None else await find_user(couch, account_id, user)
    rules = await account_rules(couch, account_id, catalogue.account_id)
    found = allowed_apps(
        await catalogue.apps(), rules.state, None if person is None else AccountUser(person["_id"], person)
    )
    wanted = [one for one in found if app is None or app in (one.id, one.document.get("name"))]
    if app is not None and not wanted:
        raise UnknownApp(app)
    return Explanation(
        account_id,
        document.get("name"),
        None if person is None else person["_id"],
        rules.plans.account_id,
        tuple(_explained(one, rules) for one in wanted),
    )


def _explained(app: AllowedApp, rules: AccountRules) -> ExplainedApp:
    reasons = tuple(_reasons(app, rules))
    installed = any(reason.authority == PERMISSION for reason in reasons)
    return ExplainedApp(app.id, app.document.get("name"), app.published, installed, reasons)


def _reasons(app: AllowedApp, rules: AccountRules) -> Iterator[Reason]:
    """One reason a decision; before that of the service plans, each plan that names the app."""
    named_by = iter(mentions(app.id or "", rules.plans.references, rules.plans.documents))
    for decision in app.trail:
        if RULES[decision.rule] == RULES[SERVICE_PLAN]:
            for plan in named_by:
                where = account_db(plan.vendor_id), plan.plan_id, plan.revision
                yield Reason(RULES[SERVICE_PLAN], decision.rule, decision.published, *where, plan.entry)
        place = _place(decision, app, rules)
        yield Reason(RULES[decision.rule], decision.rule, decision.published, *place, decision.entry)


def _place(decision: Decision, app: AllowedApp, rules: AccountRules) -> tuple[str, str, str | None]:
    """Database, id and revision of the document that decided."""
    state = rules.state
    if decision.rule == MASTER_ACCOUNT:
        return account_db(state.master_account_id), decision.document, decision.revision
    if decision.rule == VENDOR_ACCOUNT:
        vendor_id = next(vendor_id for vendor_id, app_id in state.vendor_apps if app_id == app.id)
        return account_db(vendor_id), decision.document, decision.revision
    if decision.rule == SERVICE_PLAN:
        return SERVICES, rules.plans.account_id, revision(rules.plans.services or {})
    if decision.rule == SUPER_ADMIN:
        return "system_config", ACCOUNTS_CONFIG, revision(rules.master_config or {})
    return account_db(state.account_id), decision.document, decision.revision
