"""Entity tags of ``apps_store``: ``If-None-Match`` on reads, ``If-Match`` on changes."""

import pytest

from tests.kit.accounts import Account
from tests.kit.apps import permission
from tests.kit.fixtures import NewService
from tests.kit.service import Service
from tests.kit.system import System


@pytest.fixture
async def sub(system: System) -> Account:
    return await system.account("Sub", below=system.master)


READABLE = {
    "list": ("{sub}", "sub"),
    "app": ("{sub}/{voip}", "sub"),
    "icon": ("{sub}/{voip}/icon", "sub"),
    "screenshot": ("{sub}/{voip}/screenshot/1", "sub"),
    "public icon": ("apps_store/{voip}/icon", None),
    "blacklist": ("{sub}/blacklist", "master"),
}


@pytest.mark.parametrize("what", READABLE)
async def test_apps_store_get_if_none_match_is_304(
    system: System, new_service: NewService, sub: Account, what: str
) -> None:
    template, who = READABLE[what]
    path = template.format(sub=sub.path, **system.apps)
    caller = {"sub": sub, "master": system.master, None: None}[who]
    await system.store(sub, apps={system.apps["port"]: permission()}, blacklist=["x"])
    service = new_service()
    first = await service.get(path, caller)
    assert first.status == 200
    assert first.etag.startswith('"')
    for match in (first.etag, f"W/{first.etag}", f'"x", {first.etag}', "*"):
        answer = await service.get(path, caller, headers={"If-None-Match": match, "Origin": "https://ui.example.org"})
        assert (answer.status, answer.raw, answer.etag) == (304, b"", first.etag)
        assert answer.headers["Cache-Control"] == first.headers["Cache-Control"]
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Content-Type" not in answer.headers
    assert (await service.get(path, caller, headers={"If-None-Match": '"x"'})).raw != b""
    assert (await service.get(path, caller, headers={"If-Match": '"x"'})).status == 412
    assert (await service.get(path, caller, headers={"If-Match": first.etag})).status == 200
    assert (await service.get(path, caller, headers={"If-None-Match": "x"})).status == 400
    # Another worker, or this one after a restart, sends the same entity tag.
    assert (await new_service().get(path, caller)).etag == first.etag


async def test_apps_store_put_and_delete_change_the_entity_tags_of_their_app(
    system: System, service: Service, sub: Account
) -> None:
    async def tags() -> dict[str, str]:
        paths = {
            "list": sub.path,
            "voip": f"{sub.path}/{system.apps['voip']}",
            "port": f"{sub.path}/{system.apps['port']}",
        }
        return {name: (await service.get(path, sub)).etag for name, path in paths.items()}

    before = await tags()
    await service.put(f"{sub.path}/{system.apps['voip']}", sub, {"allowed_users": "all"})
    installed = await tags()
    assert installed["port"] == before["port"]
    assert {name for name in before if installed[name] != before[name]} == {"list", "voip"}
    await service.delete(f"{sub.path}/{system.apps['voip']}", sub)
    assert await tags() == before


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_apps_store_post_and_delete_check_if_match(
    system: System, service: Service, sub: Account, method: str
) -> None:
    """By the revision of the document, or by the entity tag of the app (deviation D22)."""
    path = f"{sub.path}/{system.apps['voip']}"
    await service.put(path, sub, {"allowed_users": "all"})
    for match in ('"1-0123456789abcdef0123456789abcdef"', '"x"'):
        answer = await service.call(method, path, sub, {"allowed_users": "admins"}, headers={"If-Match": match})
        assert answer.status == 412
    weak = f"W/{(await service.get(path, sub)).etag}"
    assert (await service.call(method, path, sub, {}, headers={"If-Match": weak})).status == 412
    assert (await service.call(method, path, sub, {}, headers={"If-Match": "x"})).status == 400
    assert (await system.stored(sub))["apps"][system.apps["voip"]]["allowed_users"] == "all"
    etag = (await service.get(path, sub)).etag
    changed = await service.post(path, sub, {"allowed_users": "admins"}, headers={"If-Match": etag})
    assert changed.status == 200
    assert (await service.call(method, path, sub, {}, headers={"If-Match": etag})).status == 412
    revision = f'"{changed.envelope["revision"]}"'
    assert (await service.call(method, path, sub, {}, headers={"If-Match": revision})).status == 200


async def test_apps_store_put_if_match_is_412(system: System, service: Service, sub: Account) -> None:
    path = f"{sub.path}/{system.apps['voip']}"
    await system.store(sub)
    for match in ("*", '"x"'):
        assert (await service.put(path, sub, {}, headers={"If-Match": match})).status == 412
    assert (await service.put(path, sub, {}, headers={"If-None-Match": "*"})).status == 201


async def test_apps_store_blacklist_post_checks_if_match(system: System, service: Service, sub: Account) -> None:
    path, data = f"{sub.path}/blacklist", {"blacklist": ["y"]}
    await system.store(sub, blacklist=["x"])
    etag = (await service.get(path, system.master)).etag
    assert (await service.post(path, system.master, data, headers={"If-Match": '"x"'})).status == 412
    assert (await service.post(path, system.master, data, headers={"If-Match": etag})).status == 200
    assert (await service.post(path, system.master, data, headers={"If-Match": etag})).status == 412
