"""GET accounts/{A}/apps_store."""

import asyncio

import pytest

from tests.kit.accounts import Account
from tests.kit.apps import illustrated, permission
from tests.kit.service import Service
from tests.kit.system import System


async def test_apps_store_get_list_has_published_apps_in_descending_order(system: System, service: Service) -> None:
    sub = await system.account("Sub", below=system.master)
    assert await service.names(sub) == ["voip", "port", "numbers"]


async def test_apps_store_get_list_of_the_master_account_has_every_app(system: System, service: Service) -> None:
    await system.store(system.master, blacklist=[system.apps["voip"]])
    assert await service.names(system.master) == ["voip", "port", "numbers", "hidden"]


async def test_apps_store_get_list_entry_has_public_fields_and_owner(system: System, service: Service) -> None:
    app = illustrated("teapot", urls={"howto": "https://docs.example.org"}, extends=["voip"], phase="beta")
    await system.put(system.master.database, app | {"pvt_secret": "no", "_attachments": {}})
    entry = next(
        each for each in (await service.get(system.master.path, system.master)).data if each["id"] == app["_id"]
    )
    public = {key: value for key, value in app.items() if not key.startswith(("_", "pvt_"))}
    assert entry == public | {
        "id": app["_id"],
        "account_id": system.master.id,
        "users": [],
        "masqueradable": True,
        "published": True,
        "authority": "super_admin",
    }


async def test_apps_store_get_list_shows_allowed_users_of_installed_apps_only(system: System, service: Service) -> None:
    sub = await system.account("Sub", below=system.master)
    users = [{"id": sub.user.id}, sub.admin.id]
    await system.store(sub, apps={system.apps["voip"]: permission("specific", *users, name="voip")})
    entries = {app["name"]: app for app in (await service.get(sub.path, sub)).data}
    assert (entries["voip"]["allowed_users"], entries["voip"]["users"]) == ("specific", users)
    assert "allowed_users" not in entries["numbers"]
    assert entries["numbers"]["users"] == []


@pytest.mark.parametrize(
    "query",
    ["paginate=false", "paginate=true&page_size=1", "start_key=x", "filter_name=voip", "_=1700000000000", "fields=id"],
)
async def test_apps_store_get_list_ignores_paging_and_filters(system: System, service: Service, query: str) -> None:
    plain = await service.get(system.master.path, system.master)
    asked = await service.get(f"{system.master.path}?{query}", system.master)
    assert asked.data == plain.data
    assert asked.envelope.keys() & {"page_size", "start_key", "next_start_key", "revision"} == set()


async def test_apps_store_get_list_below_user_or_device_is_the_accounts(system: System, service: Service) -> None:
    sub = await system.account("Sub", below=system.master)
    await system.put(sub.database, {"_id": "phone", "pvt_type": "device"})
    await system.store(sub, apps={system.apps["voip"]: permission("admins")})
    plain = await service.get(sub.path, sub)
    for middle in (f"users/{sub.user.id}", "devices/phone"):
        assert (await service.get(f"accounts/{sub.id}/{middle}/apps_store", sub)).data == plain.data


@pytest.mark.parametrize("noun", ["users", "devices"])
async def test_apps_store_get_list_below_unknown_user_or_device_is_404(
    system: System, service: Service, noun: str
) -> None:
    answer = await service.get(f"accounts/{system.master.id}/{noun}/nobody/apps_store", system.master)
    assert answer.refusal == (404, "bad_identifier", {"cause": "nobody", "message": "bad identifier"})


async def test_apps_store_get_list_of_the_callers_account_by_singular_path(system: System, service: Service) -> None:
    sub = await system.account("Sub", below=system.master)
    assert (await service.get("account/apps_store/", sub)).data == (await service.get(sub.path, sub)).data


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
async def test_apps_store_list_other_methods_are_405(system: System, service: Service, method: str) -> None:
    answer = await service.call(method, system.master.path, system.master, {})
    assert answer.refusal == (405, "invalid_method", {"message": "method not allowed"})
    assert answer.headers["Access-Control-Allow-Methods"] == "OPTIONS, GET"


async def test_apps_store_get_list_as_csv(system: System, service: Service) -> None:
    answer = await service.get(f"{system.master.path}?accept=csv", system.master)
    assert answer.headers["Content-Type"] == "text/csv"
    assert "ETag" not in answer.headers
    assert "Voip" in answer.raw.decode()


async def test_apps_store_get_list_follows_the_catalogue(system: System, service: Service) -> None:
    """Apps that are added, renamed, hidden or deleted in CouchDB change the list without a restart."""
    sub = await system.account("Sub", below=system.master)
    await service.names(sub)
    added = await system.app("teapot")
    await _until(service, sub, ["voip", "teapot", "port", "numbers"])
    await system.change_app(added, name="zebra")
    await _until(service, sub, ["zebra", "voip", "port", "numbers"])
    await system.change_app(system.apps["voip"], published=False)
    await system.remove(system.master.database, added)
    await _until(service, sub, ["port", "numbers"])


async def test_apps_store_get_list_follows_outside_writes_within_two_seconds(system: System, service: Service) -> None:
    sub = await system.account("Sub", below=system.master)
    assert await service.names(sub) == ["voip", "port", "numbers"]
    await system.store(sub, blacklist=[system.apps["voip"]])
    await _until(service, sub, ["port", "numbers"])
    await system.put(sub.database, {"_id": "whitelabel", "pvt_type": "whitelabel", "hide_port": True})
    await _until(service, sub, ["numbers"])


async def _until(service: Service, account: Account, wanted: list[str]) -> None:
    while await service.names(account) != wanted:
        await asyncio.sleep(0.05)
