"""GET accounts/{A}/apps_store/{APP}."""

import pytest

from tests.kit.apps import permission
from tests.kit.service import Service
from tests.kit.system import System


async def test_apps_store_get_app_shows_all_public_fields(system: System, service: Service) -> None:
    sub = await system.account("Sub", below=system.master)
    answer = await service.get(f"{sub.path}/{system.apps['voip']}", sub)
    assert answer.data == {
        "id": system.apps["voip"],
        "name": "voip",
        "i18n": {"en-US": {"label": "Voip", "description": "What voip does", "features": ["one", "two"]}},
        "tags": ["telephony"],
        "icon": "icon.png",
        "screenshots": ["first.png", "second.jpg"],
        "api_url": "https://api.example.org/v2/",
        "author": "Somebody",
        "version": "1.2",
        "license": "-",
        "price": 0,
        "account_id": system.master.id,
        "authority": "master_account",
    }
    assert "revision" not in answer.envelope


async def test_apps_store_get_app_has_the_accounts_permission(system: System, service: Service) -> None:
    sub = await system.account("Sub", below=system.master)
    users = [{"id": sub.user.id}]
    entry = permission("specific", *users, ui_metadata={"ui": "monster-ui"})
    await system.store(sub, apps={system.apps["voip"]: entry})
    app = (await service.get(f"{sub.path}/{system.apps['voip']}", sub)).data
    assert (app["allowed_users"], app["users"]) == ("specific", users)
    assert app["ui_metadata"] == {"ui": "monster-ui"}
    assert (app["authority"], app["published"]) == ("app_store", True)


async def test_apps_store_get_app_ignores_catalogue_fields_in_the_permission(system: System, service: Service) -> None:
    sub = await system.account("Sub", below=system.master)
    spoof = {
        "_id": "evil",
        "account_id": "evil",
        "api_url": "https://evil.example.org",
        "i18n": {"en-US": {"label": "evil"}},
        "icon": "evil.png",
        "id": "evil",
        "name": "evil",
        "published": True,
        "pvt_account_id": "evil",
        "source_url": "https://evil.example.org",
    }
    await system.store(sub, apps={system.apps[name]: permission("all", **spoof) for name in ("voip", "hidden")})
    for name in ("voip", "hidden"):
        answer = await service.get(f"{sub.path}/{system.apps[name]}", sub)
        assert b"evil" not in answer.raw
        assert (answer.data["name"], answer.data["account_id"]) == (name, system.master.id)
    assert await service.names(sub) == ["voip", "port", "numbers"]


async def test_apps_store_get_app_shows_a_hidden_app(system: System, service: Service) -> None:
    sub = await system.account("Sub", below=system.master)
    await system.store(sub, blacklist=[system.apps["voip"]])
    assert await service.names(sub) == ["port", "numbers"]
    hidden = (await service.get(f"{sub.path}/{system.apps['hidden']}", sub)).data
    assert (hidden["published"], hidden["authority"]) == (False, "master_account")
    blacklisted = (await service.get(f"{sub.path}/{system.apps['voip']}", sub)).data
    assert (blacklisted["published"], blacklisted["authority"]) == (False, "app_store_blacklist")


@pytest.mark.parametrize(
    ("path", "shown"), [("nothing", "nothing"), ("a%2Fb", "a/b"), ("%C3%A9+", "é+"), ("schemas", "schemas")]
)
async def test_apps_store_get_unknown_app_is_404(system: System, service: Service, path: str, shown: str) -> None:
    answer = await service.get(f"{system.master.path}/{path}", system.master)
    assert answer.refusal == (404, "bad_identifier", {"details": shown, "message": "bad identifier"})


@pytest.mark.parametrize("rest", ["icons", "screenshot", "screenshot/0/large", "icon/large"])
async def test_apps_store_get_unknown_part_of_an_app_is_404(system: System, service: Service, rest: str) -> None:
    answer = await service.get(f"{system.master.path}/{system.apps['voip']}/{rest}")
    assert answer.refusal == (404, "not_found", {"message": "not found"})
    assert answer.headers["Access-Control-Allow-Methods"] == "OPTIONS"


async def test_apps_store_patch_is_405(system: System, service: Service) -> None:
    answer = await service.call("PATCH", f"{system.master.path}/{system.apps['voip']}", system.master, {})
    assert answer.refusal == (405, "invalid_method", {"message": "method not allowed"})
    assert answer.headers["Access-Control-Allow-Methods"] == "OPTIONS, POST, PUT, GET, DELETE"
