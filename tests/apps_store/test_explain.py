"""GET accounts/{A}/apps_store/{APP}/explain."""

import pytest

from tests.kit.accounts import Account
from tests.kit.apps import permission
from tests.kit.service import Service
from tests.kit.system import System


@pytest.fixture
async def reseller(system: System) -> Account:
    return await system.account("Reseller", below=system.master, reseller=True)


@pytest.fixture
async def sub(system: System, reseller: Account) -> Account:
    return await system.account("Sub", below=reseller)


async def test_apps_store_explain_names_every_rule_and_its_document(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    voip = system.apps["voip"]
    stored = await system.store(sub, blacklist=[voip])
    answer = await service.get(f"{sub.path}/{voip}/explain", reseller)
    assert answer.status == 200
    published, hidden = answer.data.pop("reasons")
    assert answer.data == {
        "account_id": sub.id,
        "user_id": None,
        "plans_of": reseller.id,
        "id": voip,
        "name": "voip",
        "visible": False,
        "installed": False,
        "decided_by": "blacklist",
    }
    assert hidden == {
        "rule": "blacklist",
        "authority": "app_store_blacklist",
        "visible": False,
        "database": sub.database,
        "document": "apps_store",
        "revision": stored["_rev"],
        "entry": voip,
    }
    # The catalogue is the master account's.
    assert published == {
        "rule": "catalogue",
        "authority": "master_account",
        "visible": True,
        "database": None,
        "document": None,
        "revision": None,
        "entry": None,
    }


async def test_apps_store_explain_hides_plans_of_accounts_above_the_caller(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    voip = system.apps["voip"]
    plan = await system.plan(system.master, {voip: {"enabled": False, "rate": 7}})
    await system.plans(sub, plan)
    for caller, seen in ((reseller, False), (system.master, True)):
        answer = await service.get(f"{sub.path}/{voip}/explain", caller)
        assert (answer.data["visible"], answer.data["decided_by"]) == (False, "plan")
        named, decided = answer.data["reasons"][1:]
        assert (named["database"] == system.master.database) is seen
        assert (decided["database"], decided["document"]) == ("services", sub.id)
        assert (b'"rate"' in answer.raw) is seen


async def test_apps_store_explain_hides_whose_plans_apply_if_it_is_an_account_above_the_caller(
    system: System, service: Service, reseller: Account
) -> None:
    customer = await system.account("Customer", below=system.master)
    below = await system.account("Below", below=customer)
    voip = system.apps["voip"]
    await system.plans(system.master, await system.plan(system.master, {voip: {"enabled": True}}))
    answer = await service.get(f"{below.path}/{voip}/explain", system.master)
    assert answer.data["plans_of"] == system.master.id
    answer = await service.get(f"{below.path}/{voip}/explain", customer)
    assert answer.data["plans_of"] is None
    assert [reason["document"] for reason in answer.data["reasons"] if reason["rule"] == "plan"] == [None, None]


async def test_apps_store_explain_of_a_user_counts_permissions(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    voip = system.apps["voip"]
    await system.store(sub, apps={voip: permission("admins")})
    path = f"{sub.path}/{voip}/explain"
    for user, visible in ((sub.admin, True), (sub.user, False)):
        answer = await service.get(f"{path}?user_id={user.id}", reseller)
        assert (answer.data["user_id"], answer.data["visible"]) == (user.id, visible)
        assert (answer.data["installed"], answer.data["decided_by"]) == (True, "permission")
    answer = await service.get(f"{path}?user_id=nobody", reseller)
    assert answer.refusal == (404, "bad_identifier", {"cause": "nobody", "message": "bad identifier"})


async def test_apps_store_explain_of_unknown_app_is_404(service: Service, reseller: Account, sub: Account) -> None:
    answer = await service.get(f"{sub.path}/unknown/explain", reseller)
    assert answer.refusal == (404, "bad_identifier", {"details": "unknown", "message": "bad identifier"})


async def test_apps_store_explain_is_for_administrators_above(
    system: System, service: Service, reseller: Account, sub: Account
) -> None:
    path = f"{sub.path}/{system.apps['voip']}/explain"
    for caller in (sub.admin, sub.user, reseller.user, system.master.user):
        assert (await service.get(path, caller)).refusal == (403, "forbidden", {"message": "forbidden"})
    for account in (reseller, system.master):
        assert (await service.get(path, account.admin)).status == 200
