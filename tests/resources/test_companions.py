"""The endpoints of telephony and billing, as a service without them answers."""

import re
from typing import Any

import pytest

from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import gregorian_seconds
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.months import monthly_db_at, next_month, year_and_month
from tests.kit.accounts import Account
from tests.kit.fixtures import NewService
from tests.kit.service import Answer, Service
from tests.kit.system import System
from tests.resources.family import Family

DAY = 24 * 3600
USED: JsonObject = {"type": "voice", "quantity": 60, "unit": "sec"}
ADJUSTMENT: JsonObject = {
    "amount": 10,
    "source": {"service": "adjustments", "id": "x"},
    "usage": {"type": "credit", "quantity": 0, "unit": "USD"},
    "description": "A gift",
    "metadata": {"ui_request": True},
    "ui_metadata": {"origin": "accounts"},
}
TRANSACTIONS: JsonObject = {
    "_id": "_design/transactions",
    "views": {
        "list_by_timestamp": {
            "map": "function (doc) { if (doc.pvt_type === 'transaction') { emit(doc.pvt_created, {id: doc._id,"
            " amount: doc.amount * (doc.pvt_transaction_type === 'refund' ? -1 : 1), status: doc.status,"
            " description: doc.description, created: doc.pvt_created}); } }"
        }
    },
}
ALERTS: JsonObject = {
    "_id": "_design/alerts",
    "views": {
        "available": {
            "map": "function (doc) { if (doc.pvt_type === 'alert' && !doc.pvt_deleted) { doc.to.forEach(function (to) {"
            " emit([to.type, to.value], {id: doc._id, title: doc.title, message: doc.message, category: doc.category,"
            " metadata: doc.metadata, expiration_date: doc.expiration_date, created: doc.pvt_created}); }); } }"
        }
    },
}


def path_of(account: Account, path: str) -> str:
    return f"accounts/{account.id}/{path}"


async def data_of(service: Service, account: Account, path: str, caller: Any = None) -> Any:
    answer = await service.get(path_of(account, path), caller or account)
    assert answer.status == 200, answer.raw
    return answer.data


async def month_of(system: System, account: Account, moment: int, *documents: JsonObject, views: bool = True) -> str:
    """The account's database of the month of a time, with documents, and with the views that KAZOO has there."""
    database = monthly_db_at(account.id, moment)
    await system.couch.create_database(database, q=1)
    if views:
        await ensure(system.couch, database, names_for(DatabaseClass.MONTHLY))
        await system.put(database, TRANSACTIONS)
    await system.couch.save_docs(database, documents)
    return database


def ledger(moment: int, units: int, source: str = "per-minute-voip", kind: str = "credit", **fields: Any) -> JsonObject:
    return {
        "_id": f"{''.join(f'{part:02}' for part in year_and_month(moment))}-{source}{units}{kind}",
        "pvt_type": "ledger",
        "pvt_ledger_type": kind,
        "pvt_created": moment,
        "amount": units,
        "source": {"service": source, "id": "x"},
        "usage": USED,
        **fields,
    }


def month_before(moment: int, months: int = 1) -> int:
    """A time in the middle of an earlier month."""
    for _ in range(months):
        year, month = year_and_month(moment)
        moment -= 16 * DAY
        while year_and_month(moment) == (year, month):
            moment -= DAY
    return moment


# Ledgers


async def test_ledgers_without_any_are_empty(service: Service, family: Family, system: System) -> None:
    for path, wanted in (("ledgers", {}), ("ledgers/total", {"amount": 0.0}), ("ledgers/payments", [])):
        answer = await service.get(path_of(family.sub, path), family.sub.user)
        assert (answer.status, answer.data) == (200, wanted)
    assert b'"amount":0.0' in (await service.get(path_of(family.sub, "ledgers/total"), family.sub)).raw
    assert await system.couch.databases(f"{family.sub.database}-") == []


async def test_ledgers_credit_and_debit_are_stored_in_units(service: Service, family: Family, system: System) -> None:
    created = await service.put(path_of(family.sub, "ledgers/credit"), family.reseller, ADJUSTMENT)
    assert created.status == 201, created.raw
    assert created.data["amount"] == 10.0
    assert created.data["account"] == {"id": family.sub.id, "name": family.sub.name}
    now = gregorian_seconds()
    stored = await system.couch.open_doc(monthly_db_at(family.sub.id, now), created.data["id"])
    year, month = year_and_month(now)
    assert created.data["id"].startswith(f"{year}{month:02}-")
    assert (stored["amount"], stored["pvt_type"], stored["pvt_ledger_type"]) == (100_000, "ledger", "credit")
    assert stored["pvt_account_id"] == family.sub.id
    assert stored["pvt_account_db"].endswith(f"-{year}{month:02}")
    assert stored["executor"] == {"trigger": "crossbar", "module": "cb_ledgers"}
    location = created.headers["Location"]
    assert location == f"/v2/accounts/{family.sub.id}/ledgers/adjustments/{created.data['id']}"
    debit = await service.put(path_of(family.sub, "ledgers/debit"), family.master, {**ADJUSTMENT, "amount": 12.5})
    assert debit.data["amount"] == -12.5
    assert await data_of(service, family.sub, "ledgers/total") == {"amount": -2.5}
    sums = await data_of(service, family.sub, "ledgers")
    assert sums == {"adjustments": {"amount": -2.5, "usage": {"type": "credit", "quantity": 0, "unit": "USD"}}}
    listed = await data_of(service, family.sub, "ledgers/adjustments")
    assert sorted(each["amount"] for each in listed) == [-12.5, 10.0]
    one = await service.get(location.removeprefix("/v2/"), family.sub)
    assert one.data == created.data
    assert (await service.get(path_of(family.sub, f"ledgers/payments/{one.data['id']}"), family.sub)).status == 404


async def test_ledgers_of_several_sources_and_months(service: Service, family: Family, system: System) -> None:
    now = gregorian_seconds()
    before = next_month(month_before(now)) - DAY
    await month_of(system, family.sub, now, ledger(now - 10, 15_000, kind="debit"), ledger(now, 70_000, "services"))
    await month_of(system, family.sub, before, ledger(before, 20_000, kind="debit"))
    span = f"?created_from={before - 10}&created_to={now}"
    sums = await data_of(service, family.sub, f"ledgers{span}&filter_description=nothing&page_size=1")
    assert sums["services"] == {"amount": 7.0, "usage": USED}
    assert sums["per-minute-voip"] == {"amount": -3.5, "usage": {**USED, "quantity": 120}}
    newest_first = await data_of(service, family.sub, f"ledgers/per-minute-voip{span}")
    assert [each["amount"] for each in newest_first] == [-1.5, -2.0]
    oldest_first = await data_of(service, family.sub, f"ledgers/per-minute-voip{span}&ascending=true&paginate=false")
    assert [each["amount"] for each in oldest_first] == [-2.0, -1.5]
    narrow = await data_of(service, family.sub, f"ledgers/per-minute-voip?created_from={now - 20}&created_to={now - 5}")
    assert [each["amount"] for each in narrow] == [-1.5]


async def test_ledgers_source_returns_pages_across_months(service: Service, family: Family, system: System) -> None:
    now = gregorian_seconds()
    before = next_month(month_before(now)) - DAY
    await month_of(system, family.sub, now, *(ledger(now - n, n) for n in (1, 2)))
    await month_of(system, family.sub, before, *(ledger(before - n, n) for n in (3, 4)))
    seen, start = [], ""
    for _ in range(4):
        path = f"ledgers/per-minute-voip?created_from={before - 10}&created_to={now}&page_size=1{start}"
        answer = await service.get(path_of(family.sub, path), family.sub)
        seen += [round(each["amount"] * 10_000) for each in answer.data]
        start = f"&start_key={answer.envelope.get('next_start_key')}"
    assert seen == [1, 2, 3, 4]
    assert start.endswith("=None")


async def test_ledgers_source_may_be_the_name_of_an_endpoint(service: Service, family: Family) -> None:
    data = {**ADJUSTMENT, "source": {"service": "services", "id": "x"}}
    assert (await service.put(path_of(family.sub, "ledgers/credit"), family.reseller, data)).status == 201
    assert len(await data_of(service, family.sub, "ledgers/services")) == 1


async def test_ledgers_source_can_be_filtered(service: Service, family: Family) -> None:
    await service.put(path_of(family.sub, "ledgers/credit"), family.reseller, ADJUSTMENT)
    manual = "filter_{}metadata.ui_request=true"
    assert len(await data_of(service, family.sub, f"ledgers/adjustments?{manual.format('')}")) == 1
    assert await data_of(service, family.sub, f"ledgers/adjustments?{manual.format('not_')}") == []


async def test_ledgers_total_carries_earlier_months_over(service: Service, family: Family, system: System) -> None:
    now = gregorian_seconds()
    await month_of(system, family.sub, now, ledger(now, 10_000))
    await month_of(system, family.sub, month_before(now), ledger(month_before(now), 20_000, kind="debit"))
    # Three months without a database in between.
    await month_of(system, family.sub, month_before(now, 5), ledger(month_before(now, 5), 500_000, "rollovers"))
    await month_of(system, family.sub, month_before(now, 6), ledger(month_before(now, 6), 9_000_000))
    await system.couch.create_database(f"{family.sub.database}-{year_and_month(now)[0]}")
    assert await data_of(service, family.sub, "ledgers/total") == {"amount": 49.0}


async def test_ledgers_total_of_a_month_with_a_rollover_is_its_sum(
    service: Service, family: Family, system: System
) -> None:
    now = gregorian_seconds()
    await month_of(system, family.sub, now, ledger(now, 30_000, "rollovers", "debit"), ledger(now, 10_000))
    await month_of(system, family.sub, month_before(now), ledger(month_before(now), 9_000_000))
    assert await data_of(service, family.sub, "ledgers/total") == {"amount": -2.0}


async def test_ledgers_in_a_database_without_views_are_none(service: Service, family: Family, system: System) -> None:
    now = gregorian_seconds()
    database = await month_of(system, family.sub, now, ledger(now, 10_000), views=False)
    for path, wanted in (("ledgers", {}), ("ledgers/total", {"amount": 0.0}), ("ledgers/per-minute-voip", [])):
        assert await data_of(service, family.sub, path) == wanted
    assert not [row for row in await system.couch.all_docs(database) if str(row.id).startswith("_design/")]


async def test_ledgers_get_is_503_if_the_databases_of_the_account_are_lost(
    service: Service, family: Family, system: System
) -> None:
    """Not an empty list: CouchDB says of a database whose shards it cannot find that it does not exist."""
    assert await data_of(service, family.sub, "limits") != {}
    await system.couch.delete_database(family.sub.database)
    for path in ("ledgers", "ledgers/total", "ledgers/payments", "transactions"):
        assert (await service.get(path_of(family.sub, path), family.reseller)).status == 503


@pytest.mark.parametrize("path", ["ledgers", "ledgers/payments", "transactions"])
async def test_time_range_backwards_or_too_wide_is_400(
    service: Service, new_service: NewService, family: Family, system: System, path: str
) -> None:
    now = gregorian_seconds()
    wrong = (f"created_from={now}&created_to={now - 1}", f"created_from={now - 32 * DAY}&created_to={now}")
    for span, cause in zip(wrong, (now, now), strict=True):
        answer = await service.get(path_of(family.sub, f"{path}?{span}"), family.sub)
        assert answer.refusal[:2] == (400, "validation error")
        assert answer.data["created_from"]["date_range"]["cause"] == cause
    for value in ("yesterday", "-1", "9" * 40):
        answer = await service.get(path_of(family.sub, f"{path}?created_to={value}"), family.sub)
        assert "type" in answer.data["created_to"]
    await system.config("crossbar", maximum_range=40 * DAY)
    assert (await new_service().get(path_of(family.sub, f"{path}?{wrong[1]}"), family.sub)).status == 200


async def test_ledgers_available_are_kazoos_unless_configured(
    new_service: NewService, family: Family, system: System
) -> None:
    names = [each["name"] for each in await data_of(new_service(), family.sub, "ledgers/available")]
    assert names == ["per-minute-voip", "services", "payments", "rollovers"]
    await system.config("ledgers", registered_ledgers=[{"name": "system"}])
    assert await data_of(new_service(), family.sub, "ledgers/available") == [{"name": "system"}]
    for owner in (family.reseller, family.sub):
        registered = {"registered_ledgers": [{"name": owner.name}]}
        await system.put(owner.database, {"_id": "configs_ledgers", "pvt_type": "account_config", **registered})
        found = await data_of(new_service(), family.sub, "ledgers/available")
        assert found == registered["registered_ledgers"]


@pytest.mark.parametrize("kind", ["credit", "debit"])
async def test_ledgers_are_booked_by_the_reseller_alone(
    service: Service, family: Family, system: System, kind: str
) -> None:
    path = path_of(family.sub, f"ledgers/{kind}")
    for caller in (family.sub, family.other, family.reseller.user):
        assert (await service.put(path, caller, ADJUSTMENT)).status == 403
    masked = {"as": {"account_id": family.sub.id, "owner_id": family.sub.admin.id}}
    token = system.token(family.reseller.admin, **masked)
    assert (await service.put(path, None, ADJUSTMENT, token=token)).status == 403
    assert (await service.put(path_of(family.reseller, f"ledgers/{kind}"), family.reseller, ADJUSTMENT)).status == 403
    assert await data_of(service, family.sub, "ledgers") == {}


async def test_ledgers_are_not_booked_beside_kazoo(service: Service, family: Family, system: System) -> None:
    await system.couch.create_database("system_data")
    try:
        answer = await service.put(path_of(family.sub, "ledgers/credit"), family.master, ADJUSTMENT)
        assert answer.refusal == (403, "forbidden", {"message": "KAZOO keeps the ledgers of this system"})
        assert await data_of(service, family.sub, "ledgers/total") == {"amount": 0.0}
    finally:
        await system.couch.delete_database("system_data")


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("source", None, "source"),
        ("source", {"service": "x"}, "source.id"),
        ("usage", {"type": "x", "unit": "y"}, "usage.quantity"),
        ("amount", 0.5, "amount"),
        ("amount", 1e300, "amount"),
        ("period", {"start": "soon"}, "period.start"),
    ],
)
async def test_ledgers_credit_checks_the_schema(
    service: Service, family: Family, field: str, value: Json, error: str
) -> None:
    data = {name: each for name, each in {**ADJUSTMENT, field: value}.items() if each is not None}
    answer = await service.put(path_of(family.sub, "ledgers/credit"), family.reseller, data)
    assert answer.refusal[:2] == (400, "validation error")
    assert list(answer.data) == [error]


async def test_ledgers_credit_refuses_to_impact_the_reseller(service: Service, family: Family) -> None:
    body = b'{"impact_reseller": true, "data": {}}'
    path, headers = path_of(family.sub, "ledgers/credit"), {"Content-Type": "application/json"}
    assert (await service.call("PUT", path, family.reseller, headers=headers, body=body)).status == 403


# Transactions


async def test_transactions_list_amounts_in_the_currency(service: Service, family: Family, system: System) -> None:
    now = gregorian_seconds()
    month = "".join(f"{part:02}" for part in year_and_month(now))
    sale = {"_id": f"{month}-sale", "pvt_type": "transaction", "amount": 123_456, "status": "completed"}
    refund = {**sale, "_id": f"{month}-refund", "pvt_transaction_type": "refund", "amount": 5_000}
    await month_of(system, family.sub, now, sale | {"pvt_created": now - 9}, refund | {"pvt_created": now})
    query = f"?created_from={now - DAY}&created_to={now}&paginate=false&reason=no_calls"
    listed = await data_of(service, family.sub, f"transactions{query}")
    assert [(each["id"], each["amount"]) for each in listed] == [(f"{month}-refund", -0.5), (f"{month}-sale", 12.3456)]
    assert {each["status"] for each in listed} == {"completed"}
    one = await data_of(service, family.sub, f"transactions/{month}-refund")
    assert (one["id"], one["amount"], one["status"]) == (f"{month}-refund", -0.5, "completed")
    for unknown in (f"{month}-none", "200001-sale", "sale", f"{month[:4]}99-sale"):
        answer = await service.get(path_of(family.sub, f"transactions/{unknown}"), family.sub)
        assert answer.refusal == (404, "bad_identifier", {"cause": unknown, "message": "bad identifier"})
    assert (await service.put(path_of(family.sub, "transactions/sale"), family.master, {})).status == 405


# Limits and services


async def test_limits_without_a_document_are_the_defaults(service: Service, family: Family, system: System) -> None:
    found = await data_of(service, family.sub, "limits", family.sub.user)
    assert found == {"id": "limits", "allow_prepay": True, "authz_resource_types": []}
    assert not [row for row in await system.couch.all_docs(family.sub.database) if row.id == "limits"]


async def test_limits_show_two_private_fields(service: Service, family: Family, system: System) -> None:
    private = {"pvt_allow_postpay": True, "pvt_max_postpay_amount": -50_000, "pvt_secret": 1}
    await system.put(family.sub.database, {"_id": "limits", "pvt_type": "limits", "inbound_trunks": 3, **private})
    found = await data_of(service, family.sub, "limits")
    assert found == {"id": "limits", "inbound_trunks": 3, "allow_postpay": True, "max_postpay_amount": 50_000}
    sent = {**found, "inbound_trunks": 4, "call_restriction": {"did_us": {"action": "deny"}}, "pvt_secret": 2}
    answer = await service.post(path_of(family.sub, "limits"), family.reseller, sent)
    assert answer.status == 200, answer.raw
    stored = await system.couch.open_doc(family.sub.database, "limits")
    assert stored.items() >= {**private, "inbound_trunks": 4, "call_restriction": sent["call_restriction"]}.items()
    assert not {"allow_postpay", "max_postpay_amount", "id"} & set(stored)


async def test_limits_post_is_for_the_reseller(service: Service, family: Family) -> None:
    limits: JsonObject = {"twoway_trunks": 2}
    for caller in (family.sub, family.other, family.reseller.user):
        answer = await service.post(path_of(family.sub, "limits"), caller, limits)
        assert answer.refusal == (403, "forbidden", {"message": "forbidden"})
    for caller in (family.reseller, family.master):
        assert (await service.post(path_of(family.sub, "limits"), caller, limits)).status == 200
    # The master account is the reseller: its customers may do it themselves.
    assert (await service.post(path_of(family.other, "limits"), family.other, limits)).status == 200
    assert (await service.post(path_of(family.other, "limits"), family.other.user, limits)).status == 403
    assert (await service.get(path_of(family.sub, "limits"), family.other)).status == 403


async def test_limits_post_checks_schema_and_precondition(service: Service, family: Family) -> None:
    path = path_of(family.sub, "limits")
    wrong = await service.post(path, family.reseller, {"inbound_trunks": -1, "allow_prepay": "perhaps"})
    assert {field: list(rules) for field, rules in wrong.data.items()} == {
        "inbound_trunks": ["minimum"],
        "allow_prepay": ["type"],
    }
    first = await service.post(path, family.reseller, {"inbound_trunks": 1})
    await service.post(path, family.reseller, {"inbound_trunks": 2})
    old = {"If-Match": f'"{first.envelope["revision"]}"'}
    assert (await service.post(path, family.reseller, {"inbound_trunks": 3}, headers=old)).status == 412
    assert (await data_of(service, family.sub, "limits"))["inbound_trunks"] == 2


async def test_services_summary_of_a_new_account(service: Service, family: Family, system: System) -> None:
    assert await data_of(service, family.sub, "services") == {}
    found = await data_of(service, family.sub, "services/summary", family.sub.user)
    assert found == {
        "plans": {},
        "overrides": {},
        "invoices": [],
        "quantities": {"account": {}, "cascade": {}, "manual": {}},
        "reseller": {"id": family.reseller.id, "is_reseller": False},
        "ratedeck": {},
        "applications": {},
        "limits": {"id": "limits"},
        "im": {},
        "payment_tokens": {},
        "billing_cycle": {"next": next_month(gregorian_seconds()), "period": 1, "unit": "month"},
        "status": {"acceptable": True, "reason": "good standing not required"},
    }
    assert not [row for row in await system.couch.all_docs(family.sub.database) if row.id == "limits"]


async def test_services_show_plans_and_their_apps(service: Service, family: Family, system: System) -> None:
    app_id = system.apps["voip"]
    plan = await system.plan(family.reseller, {app_id: {"enabled": True}})
    quantities = {"account": {"users": {"admin": 2}}}
    await system.plans(family.sub, plan, quantities=quantities, ratedeck_id="r", overrides={"x": 1})
    await system.config("services", enforce_good_standing=True)
    plans = await data_of(service, family.sub, "services")
    assert list(plans) == [plan[1]]
    found = await data_of(service, family.sub, "services/summary")
    assert (found["plans"], found["ratedeck"], found["overrides"]) == (plans, {"id": "r"}, {"x": 1})
    assert found["quantities"] == {**quantities, "cascade": {}, "manual": {}}
    assert list(found["applications"]) == [app_id]
    assert found["status"]["reason"] == "no service plans assigned"


# Alerts


async def alerts_of(system: System, *documents: JsonObject) -> None:
    await system.couch.create_database("alerts")
    await system.couch.save_docs("alerts", [ALERTS, *documents])


def alert(alert_id: str, *to: tuple[Json, Json], **fields: Any) -> JsonObject:
    addressed = [{"type": kind, "value": value} for kind, value in to]
    return {"_id": alert_id, "pvt_type": "alert", "category": "news", "title": alert_id, "to": addressed, **fields}


async def test_alerts_without_any_are_none(service: Service, family: Family) -> None:
    answer = await service.get(path_of(family.sub, "alerts"), family.sub)
    assert (answer.status, answer.data, answer.envelope["page_size"]) == (200, [], 0)


async def test_alerts_reach_those_that_they_are_for(
    service: Service, new_service: NewService, family: Family, system: System
) -> None:
    sub, reseller = family.sub, family.reseller
    await alerts_of(
        system,
        alert("a-all", ("all", "all"), (sub.id, "all"), pvt_created=5, metadata={"available": 1}),
        alert("b-users", ("all", "users")),
        alert("c-admins", (sub.id, "admins")),
        alert("d-user", (sub.id, sub.user.id)),
        alert("e-other", (family.other.id, "all")),
        alert("f-resellers", ("resellers", "all")),
        alert("g-below", ("descendants", [sub.id, "all"])),
        alert("h-old", ("all", "all"), expiration_date=gregorian_seconds() - 5),
        alert("i-new", ("all", "all"), expiration_date=gregorian_seconds() + 500),
        alert("j-deleted", ("all", "all"), pvt_deleted=True),
    )
    try:
        listed = await data_of(service, sub, "alerts")
        assert [each["id"] for each in listed] == ["a-all", "b-users", "c-admins", "i-new"]
        first = {"id": "a-all", "title": "a-all", "category": "news", "metadata": {"available": 1}, "created": 5}
        assert listed[0] == {**first, "clearable": True}
        plain = await data_of(service, sub, "alerts", sub.user)
        assert [each["id"] for each in plain] == ["a-all", "b-users", "d-user", "i-new"]
        above = await data_of(service, reseller, "alerts")
        assert [each["id"] for each in above] == ["a-all", "b-users", "f-resellers", "g-below", "i-new"]
        assert await data_of(service, sub, "alerts/a-all") == listed[0]
        assert (await data_of(service, reseller, "alerts/g-below"))["title"] == "g-below"
        for hidden in ("d-user", "e-other", "f-resellers", "g-below", "h-old", "j-deleted", "none"):
            answer = await service.get(path_of(sub, f"alerts/{hidden}"), sub)
            assert answer.refusal == (404, "bad_identifier", {"cause": hidden, "message": "bad identifier"})
        assert (await service.delete(path_of(sub, "alerts/a-all"), family.master)).status == 405
        await system.config("crossbar.alerts", check_system_alerts=False)
        assert await data_of(new_service(), sub, "alerts") == []
    finally:
        await system.couch.delete_database("alerts")


# Callflows

NO_MATCH: JsonObject = {"numbers": ["no_match"], "flow": {"children": {}, "data": {}, "module": "offnet"}}


async def create_callflow(service: Service, account: Account, **fields: Any) -> Answer:
    answer = await service.put(path_of(account, "callflows"), account, {**NO_MATCH, **fields})
    assert answer.status == 201, answer.raw
    return answer


async def test_callflows_are_created_listed_changed_and_deleted(
    service: Service, family: Family, system: System
) -> None:
    sub = family.sub
    assert await data_of(service, sub, "callflows?filter_numbers=no_match") == []
    made = await create_callflow(service, sub, ui_metadata={"ui": "monster-ui"})
    path = path_of(sub, f"callflows/{made.data['id']}")
    assert made.headers["Location"] == f"/v2/{path}"
    assert made.data["flow"] == NO_MATCH["flow"]
    await create_callflow(service, sub, numbers=["1000", "no_match2"])
    [entry] = await data_of(service, sub, "callflows?filter_numbers=no_match")
    assert entry["id"] == made.data["id"]
    flow = {"module": "resources", "data": {"hunt_account_id": family.reseller.id}}
    changed = await service.post(path, sub, {"numbers": ["no_match"], "flow": flow})
    assert changed.data["flow"]["data"] == flow["data"]
    assert (await service.patch(path, sub, {"name": "Rest"})).data["flow"] == flow
    one = await service.get(path, sub)
    assert (one.data["name"], one.data["metadata"]) == ("Rest", {})
    gone = await service.delete(path, sub)
    assert gone.data["_read_only"] == {"deleted": True}
    assert (await service.get(path, sub)).status == 404
    assert (await system.couch.open_doc(sub.database, made.data["id"]))["pvt_deleted"] is True
    assert await data_of(service, sub, "callflows?filter_numbers=no_match") == []


async def test_callflows_list_is_the_same_without_a_view(service: Service, family: Family, system: System) -> None:
    flow = {
        "module": "menu",
        "data": {"id": "m"},
        "children": {
            "1": {"module": "user", "data": {"id": family.sub.user.id}},
            "2": {"module": "menu", "data": {"skip_module": True}},
            "3": {"module": "device", "data": {}, "children": {"_": {"module": "menu", "data": {}}}},
        },
    }
    sub = family.sub
    await create_callflow(service, sub, name="Menu", flow=flow, flags=["x"], owner_id="o", featurecode={"name": "f"})
    await create_callflow(service, sub, numbers=[], patterns=["^1$"])
    await service.delete(
        path_of(sub, f"callflows/{(await create_callflow(service, sub, numbers=['7'])).data['id']}"), sub
    )
    with_view = await data_of(service, sub, "callflows")
    design = await system.couch.open_doc(sub.database, "_design/callflows")
    await system.couch.delete_doc(sub.database, "_design/callflows", design["_rev"])
    taken = await service.put(path_of(sub, "callflows"), sub, NO_MATCH)
    assert list(taken.data) == ["numbers"]
    await create_callflow(service, sub, numbers=["8"], name="later")
    assert await data_of(service, sub, "callflows?filter_not_name=later") == with_view
    menu = next(each for each in with_view if each.get("name") == "Menu")
    assert set(menu["modules"]) == {"menu", "user", "device"}
    assert (menu["owner_id"], menu["flags"], menu["featurecode"]) == ("o", ["x"], {"name": "f"})
    assert next(each for each in with_view if each != menu)["featurecode"] is False


async def test_callflows_one_names_the_documents_of_its_flow(service: Service, family: Family, system: System) -> None:
    sub = family.sub
    await system.put(sub.database, {"_id": "m" * 32, "name": "Menu", "pvt_type": "menu", "secret": 1})
    other = await create_callflow(service, sub, numbers=["1"], name="Other")
    children = {"m" * 32: {"module": "callflow", "data": {"id": other.data["id"]}}}
    flow = {"module": "x", "data": {"media_id": "gone", "id": 5}, "children": children}
    made = await create_callflow(service, sub, numbers=["2"], flow=flow)
    found = await data_of(service, sub, f"callflows/{made.data['id']}")
    assert found["metadata"] == {
        "m" * 32: {"name": "Menu", "pvt_type": "menu"},
        other.data["id"]: {"name": "Other", "pvt_type": "callflow", "numbers": ["1"]},
    }


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"numbers": "1"}, "numbers", "type"),
        ({"numbers": []}, "numbers", "required"),
        ({"numbers": ["1", "1"]}, "numbers", "uniqueItems"),
        ({"numbers": ["1" * 37]}, "numbers.0", "maxLength"),
        ({"flow": {"data": {}}}, "flow.module", "required"),
        (
            {"flow": {"module": "x", "data": {}, "children": {"_": {"module": "", "data": {}}}}},
            "flow.children._.module",
            "minLength",
        ),
        ({"numbers": ["taken"]}, "numbers", "unique"),
        ({"numbers": [], "patterns": ["^taken$"]}, "patterns", "unique"),
    ],
)
async def test_callflows_put_and_post_check_the_data(
    service: Service, family: Family, fields: JsonObject, field: str, rule: str
) -> None:
    await create_callflow(service, family.sub, numbers=["taken"], patterns=["^taken$"])
    own = await create_callflow(service, family.sub, numbers=["own"])
    created = await service.put(path_of(family.sub, "callflows"), family.sub, {**NO_MATCH, **fields})
    assert created.refusal[:2] == (400, "validation error")
    assert {name: list(rules) for name, rules in created.data.items()} == {field: [rule]}
    path = path_of(family.sub, f"callflows/{own.data['id']}")
    changed = await service.post(path, family.sub, {**NO_MATCH, **fields})
    assert {name: list(rules) for name, rules in changed.data.items()} == {field: [rule]}


async def test_callflows_are_the_accounts_own_documents(service: Service, family: Family) -> None:
    made = await create_callflow(service, family.sub)
    path = path_of(family.sub, f"callflows/{made.data['id']}")
    assert (await service.get(path, family.sub.user)).status == 200
    for method in ("POST", "PATCH", "DELETE"):
        assert (await service.call(method, path, family.sub.user, NO_MATCH)).status == 403
        assert (
            await service.call(method, path_of(family.sub, f"callflows/{family.sub.user.id}"), family.sub, NO_MATCH)
        ).status == 404
    assert (await service.get(path, family.other)).status == 403
    old = {"If-Match": '"1-old"'}
    assert (await service.patch(path, family.sub, {"name": "x"}, headers=old)).status == 412


# Security


async def test_security_without_settings(service: Service, family: Family) -> None:
    assert await data_of(service, family.sub, "security") == {"account": {}, "inherited_config": {}}
    answer = await service.get("security", family.sub.user)
    assert answer.data == {"available_auth_methods": ["cb_api_auth", "cb_auth", "cb_ip_auth", "cb_user_auth"]}
    assert (await service.get("security")).status == 401
    assert (await service.post("security", family.sub, {})).status == 403


async def test_security_shows_own_and_inherited_settings(service: Service, family: Family, system: System) -> None:
    await system.config("crossbar.auth", auth_modules={"cb_user_auth": {"enabled": True}}, available_auth_methods=["x"])
    own = {"cb_user_auth": {"token_auth_expiry_s": 60}}
    config = {"_id": "configs_crossbar.auth", "pvt_type": "account_config"}
    await system.put(family.reseller.database, {**config, "auth_modules": own})
    found = await data_of(service, family.sub, "security")
    inherited = {"auth_modules": {"cb_user_auth": {"enabled": True, "token_auth_expiry_s": 60}}}
    assert found == {"account": {}, "inherited_config": inherited}
    above = await data_of(service, family.reseller, "security")
    system_wide = {"auth_modules": {"cb_user_auth": {"enabled": True}}}
    assert above == {"account": {"auth_modules": own}, "inherited_config": system_wide}
    assert (await service.get("security", family.sub)).data == {"available_auth_methods": ["x"]}


async def test_security_post_stores_auth_modules_alone(service: Service, family: Family, system: System) -> None:
    modules = {"cb_user_auth": {"multi_factor": {}, "token_auth_expiry_s": 600}}
    sent = {"auth_modules": modules, "accountId": family.sub.id, "ui_metadata": {"ui": "monster-ui"}}
    answer = await service.post(path_of(family.sub, "security"), family.sub, sent)
    assert (answer.status, answer.data["auth_modules"]) == (200, modules)
    stored = await system.couch.open_doc(family.sub.database, "configs_crossbar.auth")
    assert stored["pvt_type"] == "account_config"
    assert {name for name in stored if not name.startswith(("_", "pvt_"))} == {"auth_modules"}
    assert (await data_of(service, family.sub, "security"))["account"] == {"auth_modules": modules}
    assert (await service.login(family.sub.user)).status == 201
    off = {"auth_modules": {"cb_user_auth": {"enabled": False}}}
    assert (await service.post(path_of(family.sub, "security"), family.sub, off)).status == 200
    assert (await service.login(family.sub.user)).status != 201


@pytest.mark.parametrize(
    ("data", "field", "rule"),
    [
        ({}, "auth_modules", "required"),
        ({"auth_modules": {"cb_other": {}}}, "auth_modules.cb_other", "additionalProperties"),
        (
            {"auth_modules": {"cb_auth": {"token_auth_expiry_s": "x"}}},
            "auth_modules.cb_auth.token_auth_expiry_s",
            "type",
        ),
        (
            {"auth_modules": {"cb_user_auth": {"multi_factor": {"enabled": True}}}},
            "auth_modules.cb_user_auth.multi_factor.enabled",
            "forbidden",
        ),
        (
            {"auth_modules": {"cb_user_auth": {"multi_factor": {"configuration_id": "x"}}}},
            "auth_modules.cb_user_auth.multi_factor",
            "dependencies",
        ),
    ],
)
async def test_security_post_refuses(service: Service, family: Family, data: Json, field: str, rule: str) -> None:
    answer = await service.post(path_of(family.sub, "security"), family.sub, data)
    assert answer.refusal[:2] == (400, "validation error")
    assert {name: list(rules) for name, rules in answer.data.items()} == {field: [rule]}
    assert (await data_of(service, family.sub, "security"))["account"] == {}


async def test_security_and_multi_factor_other_changes_are_refused(service: Service, family: Family) -> None:
    assert (await service.post(path_of(family.sub, "security"), family.sub.user, {"auth_modules": {}})).status == 403
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        assert (await service.call(method, path_of(family.sub, "multi_factor"), family.sub, {})).status == 405


async def test_multi_factor_shows_no_enabled_provider(
    service: Service, new_service: NewService, family: Family, system: System
) -> None:
    empty: JsonObject = {"configured": [], "multi_factor_providers": []}
    assert await data_of(new_service(), family.sub, "multi_factor") == empty
    emitted = (
        "function (doc) { if (doc.pvt_type === 'provider') { emit(['multi_factor', doc.provider_name], {id: doc._id,"
    )
    emitted += " enabled: doc.enabled, name: doc.name, provider_name: doc.provider_name}); } }"
    provider = {"pvt_type": "provider", "enabled": True, "name": "Ours", "provider_name": "otp"}
    await system.put(family.sub.database, {"_id": "_design/auth", "views": {"providers_by_type": {"map": emitted}}})
    await system.put(family.sub.database, {"_id": "p" * 32, **provider})
    await system.put("system_auth", {"_id": "_design/providers", "views": {"list_by_type": {"map": emitted}}})
    await system.put("system_auth", {"_id": "duo", **provider, "enabled": False, "provider_name": "duo"})
    try:
        found = await data_of(service, family.other, "multi_factor")
        assert found["multi_factor_providers"] == [
            {"id": "duo", "enabled": False, "name": "Ours", "provider_name": "duo"}
        ]
        assert found["configured"] == []
        [own] = (await data_of(service, family.sub, "multi_factor"))["configured"]
        assert (own["provider_name"], own["enabled"]) == ("otp", False)
    finally:
        await system.remove("system_auth", "_design/providers")


# Phone numbers, webhooks, access lists

NUMBERS = {
    "+18005550123": "tollfree_us",
    "+18885550123": "tollfree_us",
    "+19005550123": "toll_us",
    "911": "emergency",
    "+12425550123": "caribbean",
    "13405550123": "caribbean",
    "+14155550123": "did_us",
    "4155550123": "did_us",
    "+4930123456": "international",
    "1000": "unknown",
    "+1": "unknown",
}


async def test_phone_numbers_classifiers_by_default(service: Service, family: Family) -> None:
    found = await data_of(service, family.sub, "phone_numbers/classifiers?paginate=false", family.sub.user)
    assert list(found) == [
        "tollfree_us", "toll_us", "emergency", "caribbean", "did_us", "international", "unknown"
    ]  # fmt: skip
    assert all(each["name"] == name and each["friendly_name"] for name, each in found.items())
    assert found["emergency"]["emergency"] is True
    assert found["did_us"]["pretty_print"] == "SS(###) ### - ####"
    first = {
        number: next(name for name, each in found.items() if re.search(each["regex"], number)) for number in NUMBERS
    }
    assert first == NUMBERS
    for path in ("phone_numbers", "phone_numbers/x", "phone_numbers/classifiers/x"):
        assert (await service.get(path_of(family.sub, path), family.sub)).status == 404


async def test_phone_numbers_classifiers_as_configured(service: Service, family: Family, system: System) -> None:
    await system.config("number_manager", classifiers={"a": "^1$", "b": {"regex": "^2$", "name": "own"}})
    found = await data_of(service, family.sub, "phone_numbers/classifiers")
    assert found == {
        "a": {"name": "a", "regex": "^1$", "friendly_name": "a"},
        "b": {"name": "own", "regex": "^2$"},
    }


async def test_webhooks_of_the_account_and_their_kinds(
    service: Service, new_service: NewService, family: Family, system: System
) -> None:
    assert await data_of(new_service(), family.sub, "webhooks") == []
    public = await new_service().get("webhooks", headers={"X-Auth-Token": "undefined"})
    assert (public.status, public.data) == (200, [])
    listing = "function (doc) { if (doc.pvt_type === 'webhook') { emit([doc.pvt_account_id, doc._id], {id: doc._id,"
    listing += " name: doc.name, enabled: doc.enabled !== false}); } }"
    hooks = [
        {"_id": account.id[::-1], "pvt_type": "webhook", "pvt_account_id": account.id, "name": account.name}
        for account in (family.sub, family.other)
    ]
    kinds = "function (doc) { if (doc.pvt_type === 'webhook_meta') { emit(doc._id, null); } }"
    await system.couch.create_database("webhooks")
    try:
        design = {"_id": "_design/webhooks", "views": {"crossbar_listing": {"map": listing}}}
        await system.couch.save_docs("webhooks", [design, *hooks])
        shown = {"id": family.sub.id[::-1], "name": family.sub.name, "enabled": True}
        assert await data_of(service, family.sub, "webhooks") == [shown]
        design = {"_id": "_design/webhooks", "views": {"webhook_meta_listing": {"map": kinds}}}
        await system.put(family.master.database, design)
        kind = {"_id": "webhooks_channel_answer", "pvt_type": "webhook_meta", "name": "Answered", "pvt_x": 1}
        await system.put(family.master.database, kind)
        found = await service.get("webhooks")
        assert found.data == [{"id": "channel_answer", "name": "Answered"}]
    finally:
        await system.couch.delete_database("webhooks")
    assert (await service.put(path_of(family.sub, "webhooks"), family.sub, {})).status == 405


async def test_access_lists_are_a_member_of_the_account(
    service: Service, new_service: NewService, family: Family, system: System
) -> None:
    assert await data_of(new_service(), family.sub, "access_lists") == {}
    lists = {"order": "allow,deny", "cidrs": ["127.0.0.1/32"], "user_agent": ""}
    await system.change(family.sub, access_lists=lists)
    assert await data_of(service, family.sub, "access_lists", family.reseller) == lists


# All of them


@pytest.mark.parametrize(
    "path",
    [
        "access_lists", "alerts", "callflows", "ledgers", "ledgers/total", "limits", "multi_factor", "services/summary",
        "phone_numbers/classifiers", "security", "transactions", "webhooks",
    ],
)  # fmt: skip
async def test_companions_get_follows_the_hierarchy(
    service: Service, family: Family, system: System, path: str
) -> None:
    masked = {"as": {"account_id": family.sub.id, "owner_id": family.sub.user.id}}
    token = system.token(family.reseller.admin, **masked)
    answer = await service.get(path_of(family.sub, path), token=token)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert (await service.get(path_of(family.sub, path), family.master.user)).status == 200
    assert (await service.get(path_of(family.sub, path), family.other)).status == 403
    assert (await service.get(path_of(family.sub, path))).status == 401
    if path not in ("security", "webhooks"):
        assert (await service.get(path, family.master)).refusal[:2] == (400, "validation error")
        assert (await service.get(path, family.sub)).status == 403


async def test_companions_reads_write_nothing(service: Service, family: Family, system: System) -> None:
    before = await system.couch.all_docs(family.sub.database)
    databases = await system.couch.databases("account/")
    for path in ("ledgers/total", "ledgers", "limits", "services/summary", "security", "alerts", "transactions"):
        await data_of(service, family.sub, path)
    assert await system.couch.all_docs(family.sub.database) == before
    assert await system.couch.databases("account/") == databases


async def test_companions_writes_need_no_administrator_where_the_setting_says_so(
    new_service: NewService, family: Family
) -> None:
    service = new_service(CROSSBAR_WRITES_NEED_ADMIN="false")
    assert (await service.put(path_of(family.sub, "callflows"), family.sub.user, NO_MATCH)).status == 201
    assert (await service.put(path_of(family.sub, "ledgers/credit"), family.sub.user, ADJUSTMENT)).status == 403


async def test_accounts_put_installs_the_view_of_callflows(service: Service, family: Family, system: System) -> None:
    created = await family.create_account(family.reseller, "New")
    design = await system.couch.open_doc(account_db(created.data["id"]), "_design/callflows")
    assert set(design["views"]) == {"crossbar_listing", "listing_by_number", "listing_by_pattern"}
