"""What service plans add, hide and publish."""

import pytest

from crossbar_appstore.datastore.errors import DocumentMissing
from tests.kit.accounts import Account
from tests.kit.service import Service
from tests.kit.system import System

ALL = ["voip", "port", "numbers"]


@pytest.fixture
async def reseller(system: System) -> Account:
    return await system.account("Reseller", below=system.master, reseller=True)


@pytest.fixture
async def sub(system: System, reseller: Account) -> Account:
    return await system.account("Sub", below=reseller)


async def test_an_app_that_the_plan_disables_is_hidden_and_the_others_stay(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    apps = {system.apps["voip"]: {"enabled": False}, system.apps["port"]: {"enabled": True}}
    await system.plans(sub, await system.plan(reseller, apps))
    assert await service.names(sub) == ["port", "numbers"]
    voip = (await service.get(f"{sub.path}/{system.apps['voip']}", sub)).data
    assert (voip["published"], voip["authority"]) == (False, "service_plan")


async def test_a_plan_publishes_what_the_catalogue_hides(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    await system.plans(sub, await system.plan(reseller, {system.apps["hidden"]: {"enabled": True}}))
    assert await service.names(sub) == [*ALL, "hidden"]


async def test_an_account_without_plans_has_its_reseller_s(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    await system.plans(reseller, await system.plan(system.master, {system.apps["voip"]: {"enabled": False}}))
    assert await service.names(sub) == ["port", "numbers"]


async def test_an_account_with_a_plan_does_not_have_its_reseller_s(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    await system.plans(reseller, await system.plan(system.master, {system.apps["voip"]: {"enabled": False}}))
    await system.plans(sub, await system.plan(reseller, {system.apps["port"]: {"enabled": False}}))
    assert await service.names(sub) == ["voip", "numbers"]


async def test_the_reseller_is_asked_and_nobody_above_it(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    await system.plans(system.master, await system.plan(system.master, {system.apps["voip"]: {"enabled": False}}))
    assert await service.names(sub) == ALL
    assert await service.names(reseller) == ALL


async def test_without_a_services_document_the_next_reseller_above_counts(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    await system.plans(reseller, await system.plan(system.master, {system.apps["voip"]: {"enabled": False}}))
    await system.remove("services", sub.id)
    assert await service.names(sub) == ["port", "numbers"]
    with pytest.raises(DocumentMissing):
        await system.couch.open_doc("services", sub.id)


async def test_a_plan_brings_a_vendor_s_app(system: System, service: Service, reseller: Account, sub: Account) -> None:
    zebra, teapot = await system.app("zebra", reseller), await system.app("teapot", reseller)
    apps = {zebra: {"vendor_id": reseller.id}, teapot: {"vendor_id": reseller.id, "enabled": True}}
    await system.plans(sub, await system.plan(reseller, apps))
    assert await service.names(sub) == [*ALL, "zebra", "teapot"]
    shown = {app["name"]: app for app in (await service.get(sub.path, sub)).data}
    assert (shown["teapot"]["authority"], shown["zebra"]["authority"]) == ("service_plan", "vendor_account")
    assert await service.names(reseller) == ALL


async def test_a_vendor_s_app_can_be_installed_by_whom_the_plan_gives_it(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    teapot = await system.app("teapot", reseller)
    await system.plans(sub, await system.plan(reseller, {teapot: {"vendor_id": reseller.id}}))
    answer = await service.put(f"{sub.path}/{teapot}", sub, {"allowed_users": "all"})
    assert answer.data == {"allowed_users": "all", "users": [], "name": "teapot"}
    assert (await service.put(f"{reseller.path}/{teapot}", reseller, {})).status == 403


async def test_a_vendor_s_app_that_is_disabled_or_missing_is_not_there(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    off, there = await system.app("off", reseller), await system.app("there", reseller)
    apps = {
        off: {"vendor_id": reseller.id, "enabled": False},
        "missing": {"vendor_id": reseller.id},
        "nowhere": {"vendor_id": "0" * 32},
        "nonsense": {"vendor_id": "me"},
        there: {"vendor_id": reseller.id},
    }
    await system.plans(sub, await system.plan(reseller, apps))
    assert await service.names(sub) == [*ALL, "there"]


async def test_overrides_change_what_a_plan_says(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    vendor, plan_id = await system.plan(reseller, {system.apps["voip"]: {"enabled": False}})
    overrides = {"applications": {system.apps["port"]: {"enabled": False}}}
    await system.plans(sub, (vendor, plan_id), overrides=overrides)
    assert await service.names(sub) == ["numbers"]


async def test_of_two_plans_that_contradict_each_other_the_first_counts(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    first = await system.plan(reseller, {system.apps["voip"]: {"enabled": True}})
    second = await system.plan(reseller, {system.apps["voip"]: {"enabled": False}})
    await system.plans(sub, second, first)
    assert await service.names(sub) == ["port", "numbers"]
    higher = await system.plan(
        reseller, {system.apps["voip"]: {"enabled": True}}, merge={"strategy": "cumulative", "priority": 1}
    )
    await system.plans(sub, second, higher)
    while await service.names(sub) != ALL:
        pass


async def test_a_plan_that_is_missing_says_nothing(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    await system.plans(sub, (reseller, "gone"))
    assert await service.names(sub) == ALL


OBJECT_PLANS = {
    "_id": "_design/services",
    "language": "javascript",
    "views": {
        "object_plans": {
            "map": "function (doc) { if (doc.service && doc.service.plans) emit(null, doc.service.plans); }"
        }
    },
}


async def test_plans_of_an_account_s_objects_count_where_kazoo_has_its_view(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    _, plan_id = await system.plan(reseller, {system.apps["voip"]: {"enabled": False}})
    device = {"_id": "phone", "pvt_type": "device", "service": {"plans": {plan_id: {"vendor_id": reseller.id}}}}
    await system.put(sub.database, device)
    assert await service.names(sub) == ALL
    await system.put(sub.database, OBJECT_PLANS)
    await system.put(system.master.database, OBJECT_PLANS)
    while await service.names(sub) != ["port", "numbers"]:
        pass
    master = {"_id": "phone", "pvt_type": "device", "service": {"plans": {}}}
    await system.put(system.master.database, master)
    assert await service.names(system.master) == [*ALL, "hidden"]
