"""Why an account sees an app: the reasons behind the decisions of ``allowed_apps``, and their endpoint."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Final

from crossbar_appstore.appstore import allowed_apps as rules
from crossbar_appstore.appstore import service_plans
from crossbar_appstore.appstore.apps_store_document import AccountUser
from crossbar_appstore.auth.documents import SERVICES
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.auth.hierarchy import Identity, account_tree, is_in_account_hierarchy
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, Forbidden
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import ACCOUNTS_CONFIG
from crossbar_appstore.kazoo.documents import revision
from crossbar_appstore.kazoo.ids import account_db, parse_account_id
from crossbar_appstore.resources import documents
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
"""KAZOO's name of an authority → the rule's name in explanations."""

CONFIG: Final = "system_config"


@dataclass(frozen=True)
class Reason:
    """The decision of one rule, and the document that it is based on."""

    rule: str
    authority: str
    visible: bool
    database: str
    document: str
    revision: str | None
    entry: Json


@dataclass(frozen=True)
class ExplainedApp:
    """One app: whether it is visible, and every rule that applied, in order; the last that is no override decided."""

    id: str | None
    name: Json
    visible: bool
    installed: bool
    decided_by: str
    reasons: tuple[Reason, ...]


def explained(
    app: rules.AllowedApp, account_id: str, plans: AccountPlans, master_config: JsonObject | None
) -> ExplainedApp:
    """Collect the reasons of an app that the rules were applied to; ``master_config`` names the master account."""
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
                where = CONFIG, ACCOUNTS_CONFIG, revision(master_config or {})
            case rules.MASTER_ACCOUNT | rules.VENDOR_ACCOUNT:
                where = account_db(app.owner), decision.document, decision.revision
            case _:
                where = account_db(account_id), decision.document, decision.revision
        reasons.append(Reason(RULES[decision.rule], decision.rule, decision.published, *where, decision.entry))
    installed = any(reason.authority == rules.PERMISSION for reason in reasons)
    # An override changes only how the app looks.
    decided_by = next(reason.rule for reason in reversed(reasons) if reason.authority != rules.OVERRIDE)
    return ExplainedApp(app.id, app.document.get("name"), app.published, installed, decided_by, tuple(reasons))


class Explain(Resource):
    """``GET accounts/{A}/apps_store/{APP}/explain``: what the command ``explain`` prints about one app.

    KAZOO has no such endpoint. It is for administrators of the accounts above, as the blacklist is, and for superduper
    admins.
    """

    def __init__(self, store: Datastore, gatekeeper: AuthGatekeeper) -> None:
        self._store = store
        self._gatekeeper = gatekeeper

    def allowed_methods(self, *params: str) -> Methods | None:
        """An explanation is read."""
        return ("GET",)

    async def authorize(self, context: Context) -> bool:
        """Requires an administrator of an account above, or of the whole system."""
        identity = context.identity
        if not isinstance(identity, Identity) or not await self._gatekeeper.may_write(identity):
            raise Forbidden
        if not (identity.is_superduper or is_in_account_hierarchy(identity.account_id, context.account)):
            raise Forbidden
        return False

    async def validate(self, context: Context, *params: str) -> None:
        """Answer, for the user that ``user_id`` names, or for the account."""
        account_id, app_id = documents.account_of(context), params[0]
        reading = self._store.read()
        snapshot, state, plans = await account_state(reading, account_id)
        viewer = None
        if user_id := context.query.get("user_id"):
            user, _ = await documents.load(self._store, account_db(account_id), user_id, "user")
            viewer = AccountUser(user_id, user)
        # The rules look at each app by itself: one app need not ask for the others.
        listed = snapshot.by_id.get(app_id)
        among = rules.allowed_apps(() if listed is None else (listed,), state, viewer)
        app = next((one for one in among if one.id == app_id), None)
        if app is None:
            raise BadIdentifier(details=app_id)
        found = explained(app, account_id, plans, await reading.document(CONFIG, ACCOUNTS_CONFIG))
        may_see = _sight(documents.caller_of(context), account_id, context.account)
        context.reply.data = {
            "account_id": account_id,
            "user_id": user_id or None,
            "plans_of": plans.account_id if may_see(plans.account_id) else None,
            **asdict(found),
            "reasons": _shown(found.reasons, may_see),
        }
        context.reply.stale = reading.stale


Sight = Callable[[str | None], bool]
"""Whether the caller may see the documents of an account; those of no account are the system's."""


def _sight(caller: Identity, account_id: str, account: JsonObject | None) -> Sight:
    """Those of the caller's account and of the accounts down to the one in the path; a superduper admin's are all."""
    tree = [*account_tree(account), account_id]
    below = tree[tree.index(caller.account_id) :] if caller.account_id in tree else []
    return lambda owner: caller.is_superduper or owner in below


def _shown(reasons: Iterable[Reason], may_see: Sight) -> list[JsonObject]:
    """The reasons, without the documents of accounts that are none of the caller's business."""
    shown: list[JsonObject] = []
    has_secret_plan = False
    for reason in reasons:
        owner = reason.document if reason.database == SERVICES else parse_account_id(reason.database)
        each: JsonObject = asdict(reason)
        if not may_see(owner):
            has_secret_plan |= reason.rule == "plan"
            each |= {"database": None, "document": None, "revision": None, "entry": None}
        elif reason.authority == rules.SERVICE_PLAN and has_secret_plan:
            # It is combined from the plans before it.
            each["entry"] = None
        shown.append(each)
    return shown
