"""Apps that service plans add, hide and publish."""

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


async def test_apps_store_get_plan_hides_a_disabled_app(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    apps = {system.apps["voip"]: {"enabled": False}, system.apps["port"]: {"enabled": True}}
    await system.plans(sub, await system.plan(reseller, apps))
    assert await service.names(sub) == ["port", "numbers"]
    voip = (await service.get(f"{sub.path}/{system.apps['voip']}", sub)).data
    assert (voip["published"], voip["authority"]) == (False, "service_plan")


async def test_apps_store_get_plan_publishes_a_hidden_app(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    await system.plans(sub, await system.plan(reseller, {system.apps["hidden"]: {"enabled": True}}))
    assert await service.names(sub) == [*ALL, "hidden"]


async def test_apps_store_get_without_plan_uses_the_resellers(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    await system.plans(reseller, await system.plan(system.master, {system.apps["voip"]: {"enabled": False}}))
    assert await service.names(sub) == ["port", "numbers"]


async def test_apps_store_get_with_plan_does_not_use_the_resellers(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    await system.plans(reseller, await system.plan(system.master, {system.apps["voip"]: {"enabled": False}}))
    await system.plans(sub, await system.plan(reseller, {system.apps["port"]: {"enabled": False}}))
    assert await service.names(sub) == ["voip", "numbers"]


async def test_apps_store_get_uses_plans_of_the_nearest_reseller_only(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    await system.plans(system.master, await system.plan(system.master, {system.apps["voip"]: {"enabled": False}}))
    assert await service.names(sub) == ALL
    assert await service.names(reseller) == ALL


async def test_apps_store_get_without_services_document_uses_the_next_reseller_above(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    await system.plans(reseller, await system.plan(system.master, {system.apps["voip"]: {"enabled": False}}))
    await system.remove("services", sub.id)
    assert await service.names(sub) == ["port", "numbers"]
    with pytest.raises(DocumentMissing):
        await system.couch.open_doc("services", sub.id)


async def test_apps_store_get_plan_adds_a_vendors_app(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    zebra, teapot = await system.app("zebra", reseller), await system.app("teapot", reseller)
    apps = {zebra: {"vendor_id": reseller.id}, teapot: {"vendor_id": reseller.id, "enabled": True}}
    await system.plans(sub, await system.plan(reseller, apps))
    assert await service.names(sub) == [*ALL, "zebra", "teapot"]
    shown = {app["name"]: app for app in (await service.get(sub.path, sub)).data}
    assert (shown["teapot"]["authority"], shown["zebra"]["authority"]) == ("service_plan", "vendor_account")
    assert await service.names(reseller) == ALL


async def test_apps_store_put_installs_a_vendors_app(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    teapot = await system.app("teapot", reseller)
    await system.plans(sub, await system.plan(reseller, {teapot: {"vendor_id": reseller.id}}))
    answer = await service.put(f"{sub.path}/{teapot}", sub, {"allowed_users": "all"})
    assert answer.data == {"allowed_users": "all", "users": [], "name": "teapot"}
    assert (await service.put(f"{reseller.path}/{teapot}", reseller, {})).status == 403


async def test_apps_store_get_vendors_app_disabled_or_missing_is_404(
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


async def test_apps_store_get_plan_overrides_are_merged(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    vendor, plan_id = await system.plan(reseller, {system.apps["voip"]: {"enabled": False}})
    overrides = {"applications": {system.apps["port"]: {"enabled": False}}}
    await system.plans(sub, (vendor, plan_id), overrides=overrides)
    assert await service.names(sub) == ["numbers"]


async def test_apps_store_get_first_of_two_contradicting_plans_wins(
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


async def test_apps_store_get_missing_plan_is_ignored(
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


async def test_apps_store_get_object_plans_count_where_the_view_exists(
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
