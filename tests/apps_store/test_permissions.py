"""Permissions of users: they decide which apps a login lists, not which apps the API shows."""

from typing import Any

import pytest

from tests.kit.accounts import Account, User
from tests.kit.apps import permission
from tests.kit.service import Service
from tests.kit.system import System


@pytest.fixture
async def sub(system: System) -> Account:
    return await system.account("Sub", below=system.master)


async def _login_names(service: Service, user: User) -> list[str]:
    answer = await service.login(user)
    assert answer.status == 201, answer.raw
    return [app["name"] for app in answer.data["apps"]]


def _entry(kind: str, sub: Account) -> dict[str, Any]:
    return {
        "all": permission("all"),
        "admins": permission("admins"),
        "nobody": permission("specific"),
        "ids": permission("specific", sub.user.id),
        "objects": permission("specific", {"id": sub.user.id}),
        "both forms": permission("specific", "someone", {"id": sub.admin.id}, sub.user.id),
        "not said": {"users": [sub.user.id]},
        "unknown": permission("bogus", sub.user.id, sub.admin.id),
        "null": {"allowed_users": None, "users": [sub.admin.id]},
        "users no list": {"allowed_users": "specific", "users": sub.user.id},
    }[kind]


@pytest.mark.parametrize(
    ("kind", "admin", "user"),
    [
        ("all", True, True),
        ("admins", True, False),
        ("nobody", False, False),
        ("ids", False, True),
        ("objects", False, True),
        ("both forms", True, True),
        ("not said", False, True),
        ("unknown", False, False),
        ("null", False, False),
        ("users no list", False, False),
    ],
)
async def test_login_lists_the_apps_that_the_user_may_use(
    system: System, service: Service, sub: Account, kind: str, admin: bool, user: bool
) -> None:
    await system.store(sub, apps={system.apps["voip"]: _entry(kind, sub)})
    assert ("voip" in await _login_names(service, sub.admin)) is admin
    assert ("voip" in await _login_names(service, sub.user)) is user
    # The API shows it to both, with the permission itself.
    for who in (sub.admin, sub.user):
        assert await service.names(sub, who) == ["voip", "port", "numbers"]
        assert (await service.get(f"{sub.path}/{system.apps['voip']}", who)).data["published"] is True


async def test_login_lists_an_app_without_permission_for_everybody(
    system: System, service: Service, sub: Account
) -> None:
    assert await _login_names(service, sub.user) == ["numbers", "port", "voip"]


async def test_login_shows_ids_urls_and_labels_in_the_users_language(
    system: System, service: Service, sub: Account
) -> None:
    i18n = {"en-US": {"label": "Teapot"}, "de-DE": {"label": "Teekanne"}}
    app = await system.app("teapot", i18n=i18n, source_url="https://apps.example.org/teapot", api_url="")
    await system.change_user(sub.user, language="de-DE")
    shown = {
        who: next(each for each in (await service.login(user)).data["apps"] if each["id"] == app)
        for who, user in (("admin", sub.admin), ("user", sub.user))
    }
    entry = {"id": app, "name": "teapot", "source_url": "https://apps.example.org/teapot"}
    assert shown == {"admin": entry | {"label": "Teapot"}, "user": entry | {"label": "Teekanne"}}


async def test_login_omits_hidden_apps(system: System, service: Service, sub: Account) -> None:
    await system.store(sub, blacklist=[system.apps["voip"]], apps={system.apps["voip"]: permission("all")})
    assert await _login_names(service, sub.admin) == ["numbers", "port"]


async def test_login_with_an_api_key_lists_every_published_app(system: System, service: Service, sub: Account) -> None:
    await system.store(sub, apps={system.apps["voip"]: permission("specific")})
    answer = await service.put("api_auth", None, {"api_key": sub.document["pvt_api_key"]})
    assert [app["name"] for app in answer.data["apps"]] == ["numbers", "port", "voip"]


async def test_login_shows_a_changed_permission(system: System, service: Service, sub: Account) -> None:
    path = f"{sub.path}/{system.apps['voip']}"
    for sent, seen in (
        ({"allowed_users": "specific", "users": [{"id": sub.admin.id}]}, False),
        ({"allowed_users": "all"}, True),
    ):
        write = service.post if seen else service.put
        assert (await write(path, sub, sent)).status in (200, 201)
        assert ("voip" in await _login_names(service, sub.user)) is seen
