"""Endpoints beside the app store that the web client reads: telephony and billing, as a service without them has them.

``TABLE`` has a row for each path and method. What KAZOO stored is shown: a view or a database that is not there has no
rows. Reads never write. A row's function answers a GET; for a change it checks the request and returns what is done
once the preconditions hold.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import ClassVar, Final

from crossbar_appstore.appstore import ledgers
from crossbar_appstore.auth.documents import CROSSBAR_AUTH, SERVICES, SYSTEM_AUTH, AuthDocuments, AuthSettings
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.auth.hierarchy import is_account_admin, is_in_account_hierarchy
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, ValidationError
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import gregorian_seconds, public_fields
from crossbar_appstore.kazoo.months import next_month
from crossbar_appstore.kazoo.values import as_integer, get, is_true, list_at, object_at, string_at
from crossbar_appstore.resources import callflows, documents, monthly_ledgers
from crossbar_appstore.resources.account_state import account_state
from crossbar_appstore.resources.companion_calls import (
    Call,
    Handler,
    Work,
    changes,
    checked,
    configured,
    lists,
    require_reseller,
    shows,
)
from crossbar_appstore.resources.listings import AFTER_ALL, Listing
from crossbar_appstore.validation.validator import schema

# Limits (`cb_limits`) and services (`cb_services`)

_LIMITS: Final = "limits"
_NOT_IN_LIMITS: Final = ("allow_postpay", "max_postpay_amount")


async def _limits(call: Call) -> None:
    document = await call.read(call.database, _LIMITS)
    if document is None:
        call.context.reply.data = schema(_LIMITS).with_defaults({"id": _LIMITS})
        return
    data = documents.show(call.context, document, stale=call.context.reply.stale)
    data["allow_postpay"] = is_true(document.get("pvt_allow_postpay"))
    data["max_postpay_amount"] = abs(as_integer(document.get("pvt_max_postpay_amount")) or 0)


async def _set_limits(call: Call) -> Work:
    await require_reseller(call, or_direct=True)
    sent = documents.request_data(call.context)
    fields = {name: value for name, value in sent.items() if name not in _NOT_IN_LIMITS}
    return await changes(call, _LIMITS, lambda current: checked(_LIMITS, current, fields) | {"pvt_type": _LIMITS})


async def _plans(call: Call) -> Json:
    return object_at(await call.read(SERVICES, call.account_id), "plans")


async def _summary(call: Call) -> Json:
    """`kz_services:summary/1`, without invoices: they would need KAZOO's billing."""
    services = await call.read(SERVICES, call.account_id)
    limits = await call.read(call.database, _LIMITS)
    reading = call.store.read()
    _, _, plans = await account_state(reading, call.account_id)
    call.context.reply.stale |= reading.stale
    enforced = is_true(await call.store.config.get("services", "enforce_good_standing"))
    reason = "no service plans assigned" if enforced else "good standing not required"
    return {
        **{name: object_at(services, name) for name in ("plans", "overrides", "payment_tokens")},
        "quantities": {kind: object_at(services, "quantities", kind) for kind in ("account", "cascade", "manual")},
        "reseller": {
            "id": await call.documents.reseller_id(call.account_id),
            "is_reseller": await call.documents.is_reseller(call.account_id),
        },
        "ratedeck": {name: text for name in ("id", "name") if (text := string_at(services, f"ratedeck_{name}"))},
        "applications": plans.apps,
        "limits": public_fields(limits or {}) | {"id": _LIMITS},
        "invoices": [],
        "im": {},
        "billing_cycle": {"next": next_month(gregorian_seconds()), "period": 1, "unit": "month"},
        "status": {"acceptable": True, "reason": reason},
    }


# Alerts (`cb_alerts`)

_ALERTS: Final = "alerts"
_ALERT_FIELDS: Final = ("title", "message", "category", "level", "metadata", "from", "expiration_date", "created")
_DESCENDANTS: Final = "descendants"


async def _alerts(call: Call) -> Json:
    if not is_true(await call.store.config.get("crossbar.alerts", "check_system_alerts", True)):
        return []
    keys = await _audiences(call)
    rows = [*await call.rows(_ALERTS, "alerts/available", keys=keys)]
    below = await call.rows(_ALERTS, "alerts/available", startkey=[_DESCENDANTS], endkey=[_DESCENDANTS, AFTER_ALL])
    rows += [row for row in below if await _is_for(call, keys, row.key)]
    found = {row.id: _alert(row.id, row.value) for row in rows if row.id is not None and isinstance(row.value, dict)}
    alerts = [found[alert_id] for alert_id in sorted(found) if not _is_expired(found[alert_id])]
    call.context.reply.page_size = len(alerts)
    return alerts


async def _one_alert(call: Call) -> Json:
    alert_id = call.params[0]
    document = documents.of_type(await call.read(_ALERTS, alert_id), alert_id, "alert")
    alert = _alert(alert_id, {**document, "created": document.get("pvt_created")})
    keys = await _audiences(call)
    addressed = [[get(each, "type"), get(each, "value")] for each in list_at(document, "to")]
    if _is_expired(alert) or not any([await _is_for(call, keys, key) for key in addressed]):
        raise BadIdentifier(cause=alert_id)
    return alert


async def _audiences(call: Call) -> list[Json]:
    """The keys of the view ``alerts/available`` under which alerts for the caller are, but for descendants."""
    identity, account_id = documents.caller_of(call.context), call.account_id
    user_id = identity.owner_id if identity.account_id == account_id else None
    admin = user_id is not None and is_account_admin(await call.documents.in_account(account_id, user_id))
    groups = ["all", account_id, *(["resellers"] if await call.documents.is_reseller(account_id) else [])]
    keys: list[Json] = [[group, level] for group in groups for level in ("all", "users")]
    if admin:
        keys += [[group, "admins"] for group in ("all", account_id, "resellers")]
    return [*keys, [account_id, user_id]] if user_id is not None else keys


async def _is_for(call: Call, keys: Sequence[Json], key: Json) -> bool:
    """Whether a key is one of those, or names a descendant of the account."""
    match key:
        case ["descendants", [str(descendant_id), str(level)]]:
            descendant = await call.documents.account(descendant_id)
            return is_in_account_hierarchy(call.account_id, descendant) and ["all", level] in keys
    return key in keys


def _alert(alert_id: str, fields: JsonObject) -> JsonObject:
    shown = {name: fields[name] for name in _ALERT_FIELDS if fields.get(name) is not None}
    return {"id": alert_id, **shown, "clearable": True}


def _is_expired(alert: JsonObject) -> bool:
    expires = as_integer(alert.get("expiration_date"))
    return expires is not None and expires < gregorian_seconds()


# Security (`cb_security`, `cb_multi_factor`)

_AUTH_CONFIG: Final = f"configs_{CROSSBAR_AUTH}"
_MULTI_FACTOR: Final[JsonObject] = {"startkey": ["multi_factor"], "endkey": ["multi_factor", AFTER_ALL]}


async def _security(call: Call) -> Json:
    inherited = await call.settings.inherited_auth_modules(call.account_id)
    return {
        "account": documents.own_fields(await call.read(call.database, _AUTH_CONFIG) or {}),
        "inherited_config": {"auth_modules": inherited} if inherited else {},
    }


async def _auth_methods(call: Call) -> Json:
    methods = ["cb_api_auth", "cb_auth", "cb_ip_auth", "cb_user_auth"]
    return {"available_auth_methods": await call.store.config.get(CROSSBAR_AUTH, "available_auth_methods", methods)}


async def _set_security(call: Call) -> Work:
    sent = documents.request_data(call.context)
    # Whatever else a client sends would be taken for a setting by whoever reads the document.
    fields = {name: sent[name] for name in ("auth_modules",) if name in sent}
    for name, module in object_at(fields, "auth_modules").items():
        if is_true(get(module, "multi_factor", "enabled")):
            message = "a second factor cannot be required: this service does not check any"
            raise ValidationError({f"auth_modules.{name}.multi_factor.enabled": {"forbidden": {"message": message}}})

    def edit(current: JsonObject | None) -> JsonObject:
        return checked("account_config.crossbar.auth", current, fields) | {"pvt_type": "account_config"}

    return await changes(call, _AUTH_CONFIG, edit)


async def _providers(call: Call) -> Json:
    configured = await call.rows(call.database, "auth/providers_by_type", **_MULTI_FACTOR)
    offered = await call.rows(SYSTEM_AUTH, "providers/list_by_type", **_MULTI_FACTOR)
    # None is enabled, since none is asked here.
    return {
        name: [{**row.value, "enabled": False} for row in rows if isinstance(row.value, dict)]
        for name, rows in (("configured", configured), ("multi_factor_providers", offered))
    }


# Phone numbers (`cb_phone_numbers`), webhooks (`cb_webhooks`), access lists (`cb_access_lists`)

_CARIBBEAN: Final = (
    "684|264|268|242|246|441|284|345|767|809|829|849|473|671|876|664|670|787|939|869|758|784|721|868|649|340"
)
_PRETTY: Final[JsonObject] = {"pretty_print": "SS(###) ### - ####"}
CLASSIFIERS: Final[JsonObject] = {
    name: {"regex": regex, "friendly_name": friendly_name, **more}
    for name, friendly_name, regex, more in (
        ("tollfree_us", "US TollFree", r"^\+1((?:800|88\d|877|866|855|844|833|822)\d{7})$", _PRETTY),
        ("toll_us", "US Toll", r"^\+1(900\d{7})$", _PRETTY),
        ("emergency", "Emergency Dispatcher", r"^(911|922|933|833|811|711|999)$", {"emergency": True}),
        ("caribbean", "Caribbean", rf"^\+?1((?:{_CARIBBEAN})\d{{7}})$", _PRETTY),
        ("did_us", "US DID", r"^\+?1?([2-9]\d{2}[2-9]\d{6})$", _PRETTY),
        ("international", "International", r"^(\+[2-9]\d{7,})$", {}),
        ("unknown", "Unknown", r"^(.*)$", {}),
    )
}
"""Kinds of numbers, where ``number_manager``, ``classifiers`` names none; the first whose pattern matches counts."""


async def _classifiers(call: Call) -> Json:
    stored = await call.store.config.get("number_manager", "classifiers")
    found = stored if isinstance(stored, dict) else CLASSIFIERS
    # The web client stores restrictions of calls by ``name``.
    return {name: {"name": name, **_classifier(name, entry)} for name, entry in found.items()}


def _classifier(name: str, entry: Json) -> JsonObject:
    return entry if isinstance(entry, dict) else {"regex": entry, "friendly_name": name}


async def _webhooks(call: Call) -> Listing:
    key = [call.account_id]
    return Listing("webhooks", "webhooks/crossbar_listing", start=key, end=[*key, AFTER_ALL])


async def _webhook_kinds(call: Call) -> Listing:
    def entry(row: ViewRow) -> JsonObject | None:
        return row.doc and public_fields(row.doc) | {"id": row.doc["_id"].removeprefix("webhooks_")}

    view = "webhooks/webhook_meta_listing"
    return Listing(await call.store.master.database(), view, entry=entry, include_docs=True)


async def _access_lists(call: Call) -> Json:
    return object_at(await call.read(call.database, call.account_id), "access_lists")


# The table

ANY: Final = ""
"""Any token of a path."""
Routes = Mapping[tuple[str, ...], Mapping[str, Handler]]

TABLE: Final[Mapping[str, Routes]] = {
    "access_lists": {(): {"GET": shows(_access_lists)}},
    "alerts": {(): {"GET": shows(_alerts)}, (ANY,): {"GET": shows(_one_alert)}},
    "callflows": {
        (): {"GET": lists(callflows.list_callflows), "PUT": callflows.create_callflow},
        (ANY,): {
            "GET": callflows.one_callflow,
            **dict.fromkeys(("POST", "PATCH"), callflows.change_callflow),
            "DELETE": callflows.delete_callflow,
        },
    },
    "ledgers": {
        (): {"GET": shows(monthly_ledgers.by_source)},
        ("total",): {"GET": shows(monthly_ledgers.balance)},
        ("available",): {"GET": configured("ledgers", "registered_ledgers", list(ledgers.AVAILABLE))},
        ("credit",): {"PUT": partial(monthly_ledgers.book, "credit")},
        ("debit",): {"PUT": partial(monthly_ledgers.book, "debit")},
        (ANY,): {"GET": lists(monthly_ledgers.of_source)},
        (ANY, ANY): {"GET": shows(monthly_ledgers.one_ledger)},
    },
    "limits": {(): {"GET": _limits, "POST": _set_limits}},
    "multi_factor": {(): {"GET": shows(_providers)}},
    "phone_numbers": {("classifiers",): {"GET": shows(_classifiers)}},
    "security": {(): {"GET": shows(_security), "POST": _set_security}},
    "services": {(): {"GET": shows(_plans)}, ("summary",): {"GET": shows(_summary)}},
    "transactions": {
        (): {"GET": lists(monthly_ledgers.list_transactions)},
        (ANY,): {"GET": shows(monthly_ledgers.one_transaction)},
    },
    "webhooks": {(): {"GET": lists(_webhooks)}},
}
"""Noun → params → method → what answers below an account."""

WITHOUT_ACCOUNT: Final[Mapping[str, Handler]] = {
    "security": shows(_auth_methods),
    "webhooks": lists(_webhook_kinds),
}
"""Noun → what answers a GET without an account in the path, to every caller."""
PUBLIC: Final = frozenset({"webhooks"})
"""Those that need no login."""

_WORK: Final = "work"


class Companion(Resource):
    """The rows of one noun."""

    greedy: ClassVar[bool] = True

    def __init__(self, auth_documents: AuthDocuments, settings: AuthSettings, gatekeeper: AuthGatekeeper) -> None:
        self._documents = auth_documents
        self._settings = settings
        self._gatekeeper = gatekeeper
        self._routes = TABLE[self.noun]

    def allowed_methods(self, *params: str) -> Methods | None:
        """Those of the row."""
        return tuple(self._row(params)) or None

    async def authenticate(self, context: Context) -> bool:
        """Whether the noun is public without an account."""
        return self.noun in PUBLIC and self._is_without_account(context)

    async def authorize(self, context: Context) -> bool:
        """Requires an administrator for writes; the rest follows the hierarchy, if there is an account."""
        await documents.require_write_permission(self._gatekeeper, context)
        return self._is_without_account(context)

    async def validate(self, context: Context, *params: str) -> None:
        """Answer a GET, or check a change."""
        alone = self._is_without_account(context)
        handler = WITHOUT_ACCOUNT[self.noun] if alone else self._row(params)[context.verb]
        account_id = "" if alone else documents.account_of(context)
        context.stored[_WORK] = await handler(Call(context, account_id, params, self._documents, self._settings))

    async def put(self, context: Context, *params: str) -> None:
        """Make the change that was checked."""
        await context.stored[_WORK]()

    post = patch = delete = put

    def _row(self, params: tuple[str, ...]) -> Mapping[str, Handler]:
        if params in self._routes:
            return self._routes[params]
        return self._routes.get((ANY,) * len(params), {}) if params else {}

    def _is_without_account(self, context: Context) -> bool:
        return (
            self.noun in WITHOUT_ACCOUNT
            and context.verb == "GET"
            and [(each.name, each.params) for each in context.nouns] == [(self.noun, ())]
        )


def companions(
    auth_documents: AuthDocuments, settings: AuthSettings, gatekeeper: AuthGatekeeper
) -> Iterable[Companion]:
    """A resource for each noun of the table."""
    for name in TABLE:

        class Named(Companion):
            noun: ClassVar[str] = name

        yield Named(auth_documents, settings, gatekeeper)
