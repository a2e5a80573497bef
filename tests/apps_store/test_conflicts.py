"""Concurrent writers of one ``apps_store`` document: no write is lost."""

import asyncio

import pytest

from crossbar_appstore.json_codec import JsonObject
from tests.datastore.fault_proxy import FaultProxy, Status
from tests.kit.accounts import Account
from tests.kit.apps import permission
from tests.kit.fixtures import NewService
from tests.kit.outside import write_before_saves
from tests.kit.service import Service
from tests.kit.system import System

DOCUMENT = "apps_store"


@pytest.fixture
async def sub(system: System) -> Account:
    return await system.account("Sub", below=system.master)


@pytest.fixture
def behind(new_service: NewService, proxy: FaultProxy) -> Service:
    """A service that writes through the proxy."""
    return new_service(proxy.url)


async def test_apps_store_put_concurrent_changes_are_all_stored(system: System, service: Service, sub: Account) -> None:
    installs = [service.put(f"{sub.path}/{system.apps[app]}", sub, {"allowed_users": "all"}) for app in system.apps]
    blacklist = service.post(f"{sub.path}/blacklist", system.master, {"blacklist": ["x"]})
    answers = await asyncio.gather(*installs, blacklist)
    assert [answer.status for answer in answers] == [201, 201, 201, 201, 200]
    stored = await system.stored(sub)
    assert stored["apps"].keys() == set(system.apps.values())
    assert stored["blacklist"] == ["x"]
    # Those that were saved together were told revisions of their own, but for the last of them.
    revisions = {answer.envelope["revision"] for answer in answers}
    assert len(revisions) == 5
    assert stored["_rev"] in revisions


async def test_apps_store_put_concurrent_installs_of_one_app_succeed_once(
    system: System, service: Service, sub: Account
) -> None:
    path = f"{sub.path}/{system.apps['voip']}"
    answers = await asyncio.gather(*(service.put(path, sub, {"allowed_users": kind}) for kind in ("all", "admins")))
    assert sorted(answer.status for answer in answers) == [201, 400]
    winner = next(answer for answer in answers if answer.status == 201)
    assert (await system.stored(sub))["apps"] == {system.apps["voip"]: winner.data}


@pytest.mark.parametrize("times", [1, 3])
async def test_apps_store_put_is_re_applied_on_conflict(
    system: System, behind: Service, proxy: FaultProxy, sub: Account, times: int
) -> None:
    voip, port = system.apps["voip"], system.apps["port"]
    await system.store(sub, apps={port: permission("admins")}, count=0)
    assert (await behind.get(f"{sub.path}/{port}", sub)).data["allowed_users"] == "admins"

    def count(stored: JsonObject) -> JsonObject:
        return stored | {"count": stored["count"] + 1, "apps": stored["apps"] | {"new": permission()}}

    write_before_saves(proxy, sub.database, DOCUMENT, count, times=times)
    answer = await behind.put(f"{sub.path}/{voip}", sub, {"allowed_users": "all"})
    assert answer.status == 201
    stored = await system.stored(sub)
    assert answer.envelope["revision"] == stored["_rev"]
    assert stored["count"] == times
    assert stored["apps"] == {port: permission("admins"), "new": permission(), voip: answer.data}


async def test_apps_store_put_keeps_a_document_created_concurrently(
    system: System, behind: Service, proxy: FaultProxy, sub: Account
) -> None:
    write_before_saves(
        proxy, sub.database, DOCUMENT, lambda stored: stored | {"apps": {"x": permission()}, "made": "elsewhere"}
    )
    assert (await behind.put(f"{sub.path}/{system.apps['voip']}", sub, {})).status == 201
    stored = await system.stored(sub)
    assert stored["apps"].keys() == {"x", system.apps["voip"]}
    assert stored["made"] == "elsewhere"


async def test_apps_store_put_and_delete_are_refused_after_a_concurrent_change(
    system: System, behind: Service, proxy: FaultProxy, sub: Account
) -> None:
    voip = system.apps["voip"]
    path = f"{sub.path}/{voip}"
    write_before_saves(proxy, sub.database, DOCUMENT, lambda stored: stored | {"apps": {voip: permission("admins")}})
    assert (await behind.put(path, sub, {"allowed_users": "all"})).refusal == (400, "Application already installed", {})
    assert (await system.stored(sub))["apps"] == {voip: permission("admins")}
    write_before_saves(proxy, sub.database, DOCUMENT, lambda stored: stored | {"apps": {}})
    assert (await behind.delete(path, sub)).refusal == (400, "Application is not installed", {})


async def test_apps_store_put_answers_409_after_repeated_conflicts(
    system: System, behind: Service, proxy: FaultProxy, sub: Account
) -> None:
    proxy.fail(Status(409, "Document update conflict.", "conflict"), method="PUT", path=DOCUMENT)
    answer = await behind.put(f"{sub.path}/{system.apps['voip']}", sub, {})
    assert answer.refusal == (409, "datastore_conflict", {"message": "conflicting documents"})
    assert proxy.count("PUT", DOCUMENT) > 2
    proxy.heal()
    assert (await behind.put(f"{sub.path}/{system.apps['voip']}", sub, {})).status == 201


async def test_apps_store_post_if_match_is_not_re_applied_on_conflict(
    system: System, behind: Service, proxy: FaultProxy, sub: Account
) -> None:
    voip = system.apps["voip"]
    stored = await system.store(sub, apps={voip: permission("admins")})
    write_before_saves(proxy, sub.database, DOCUMENT, lambda found: found | {"other": True})
    headers = {"If-Match": f'"{stored["_rev"]}"'}
    answer = await behind.post(f"{sub.path}/{voip}", sub, {"allowed_users": "all"}, headers=headers)
    assert answer.status == 412
    assert (await system.stored(sub))["apps"] == {voip: permission("admins")}


async def test_apps_store_post_if_match_star_is_re_applied_on_conflict(
    system: System, behind: Service, proxy: FaultProxy, sub: Account
) -> None:
    voip = system.apps["voip"]
    await system.store(sub, apps={voip: permission("admins")})
    write_before_saves(proxy, sub.database, DOCUMENT, lambda found: found | {"other": True})
    answer = await behind.post(f"{sub.path}/{voip}", sub, {"allowed_users": "all"}, headers={"If-Match": "*"})
    assert answer.status == 200
    assert (await system.stored(sub))["other"] is True


async def test_apps_store_post_if_match_accepts_the_newest_revision_after_an_outside_write(
    system: System, service: Service, sub: Account
) -> None:
    """The client may know the revision before the cache does."""
    path = f"{sub.path}/{system.apps['voip']}"
    old = (await service.put(path, sub, {})).envelope["revision"]
    etag = (await service.get(path, sub)).etag
    change = {"apps": {system.apps["voip"]: permission("admins")}, "other": 1}
    new = (await system.put(sub.database, (await system.couch.open_doc(sub.database, DOCUMENT)) | change))["_rev"]
    for tag in (f'"{old}"', etag):
        assert (await service.post(path, sub, {}, headers={"If-Match": tag})).status == 412
    answer = await service.post(path, sub, {"allowed_users": "all"}, headers={"If-Match": f'"{new}"'})
    assert answer.status == 200
    stored = await system.stored(sub)
    assert (stored["other"], stored["_rev"]) == (1, answer.envelope["revision"])


async def test_apps_store_delete_if_match_without_document_is_412(
    system: System, service: Service, sub: Account
) -> None:
    path = f"{sub.path}/{system.apps['voip']}"
    await system.change(sub, apps={system.apps["voip"]: permission()})
    assert (await service.delete(path, sub, headers={"If-Match": '"1-0"'})).status == 412
    assert (await service.delete(path, sub)).status == 200
