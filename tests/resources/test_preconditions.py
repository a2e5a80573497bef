"""``If-Match`` on changes while another writer changes the same document in CouchDB."""

from dataclasses import dataclass
from typing import Any

import pytest

from crossbar_appstore.json_codec import JsonObject
from tests.datastore.fault_proxy import FaultProxy
from tests.kit.accounts import Account
from tests.kit.fixtures import NewService
from tests.kit.outside import write_before_saves
from tests.kit.service import Service
from tests.kit.system import System
from tests.resources.family import Family

KINDS = ("account", "override", "user")


@dataclass(frozen=True)
class Target:
    """A document and the request that changes it; its caller may also delete it."""

    path: str
    database: str
    doc_id: str
    caller: Account
    change: tuple[str, Any]

    def request(self, method: str) -> tuple[str, Any]:
        return self.change if method == "change" else ("DELETE", {})


async def target_of(kind: str, system: System, family: Family) -> Target:
    sub = family.sub
    match kind:
        case "account":
            return Target(f"accounts/{sub.id}", sub.database, sub.id, family.reseller, ("PATCH", {"org": "x"}))
        case "user":
            path = f"accounts/{sub.id}/users/{sub.user.id}"
            return Target(path, sub.database, sub.user.id, sub, ("PATCH", {"note": 1}))
    app_id = system.apps["voip"]
    doc_id = f"app_whitelabel-{app_id}"
    await system.put(sub.database, {"_id": doc_id, "pvt_type": "app_whitelabel"})
    return Target(f"{sub.path}/{app_id}/override", sub.database, doc_id, sub, ("POST", {"author": "x"}))


def mark(document: JsonObject) -> JsonObject:
    return document | {"pvt_outside": document.get("pvt_outside", 0) + 1}


async def stored(system: System, target: Target) -> JsonObject:
    return await system.couch.open_doc(target.database, target.doc_id)


@pytest.fixture
def behind(new_service: NewService, proxy: FaultProxy) -> Service:
    """A service that reaches CouchDB through the proxy."""
    return new_service(proxy.url)


@pytest.mark.parametrize("method", ["change", "DELETE"])
@pytest.mark.parametrize("kind", KINDS)
async def test_if_match_accepts_the_newest_revision_right_after_an_outside_write(
    system: System, service: Service, family: Family, kind: str, method: str
) -> None:
    target = await target_of(kind, system, family)
    assert (await service.get(target.path, target.caller)).status == 200
    new = (await system.couch.save_doc(target.database, mark(await stored(system, target))))["_rev"]
    verb, data = target.request(method)
    answer = await service.call(verb, target.path, target.caller, data, headers={"If-Match": f'"{new}"'})
    assert answer.status == 200
    document = await stored(system, target)
    assert (document["pvt_outside"], document["_rev"]) == (1, answer.envelope["revision"])
    assert document.get("pvt_deleted", False) is (method == "DELETE")


@pytest.mark.parametrize("method", ["change", "DELETE"])
@pytest.mark.parametrize("kind", KINDS)
async def test_if_match_refuses_the_cached_revision_right_after_an_outside_write(
    system: System, service: Service, family: Family, kind: str, method: str
) -> None:
    target = await target_of(kind, system, family)
    old = (await service.get(target.path, target.caller)).envelope["revision"]
    new = (await system.couch.save_doc(target.database, mark(await stored(system, target))))["_rev"]
    verb, data = target.request(method)
    answer = await service.call(verb, target.path, target.caller, data, headers={"If-Match": f'"{old}"'})
    assert answer.status == 412
    assert (await stored(system, target))["_rev"] == new


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("method", ["change", "DELETE"])
@pytest.mark.parametrize("kind", KINDS)
async def test_if_match_star_is_re_applied_after_a_concurrent_write(
    system: System,
    behind: Service,
    proxy: FaultProxy,
    family: Family,
    kind: str,
    method: str,
    times: int,
) -> None:
    target = await target_of(kind, system, family)
    write_before_saves(proxy, target.database, target.doc_id, mark, times=times)
    verb, data = target.request(method)
    answer = await behind.call(verb, target.path, target.caller, data, headers={"If-Match": "*"})
    assert answer.status == 200
    document = await stored(system, target)
    assert document["pvt_outside"] == times
    assert document.get("pvt_deleted", False) is (method == "DELETE")
    assert data.items() <= document.items()


@pytest.mark.parametrize("method", ["change", "DELETE"])
@pytest.mark.parametrize("kind", KINDS)
async def test_if_match_refuses_after_a_concurrent_write(
    system: System,
    behind: Service,
    proxy: FaultProxy,
    family: Family,
    kind: str,
    method: str,
) -> None:
    target = await target_of(kind, system, family)
    revision = (await behind.get(target.path, target.caller)).envelope["revision"]
    write_before_saves(proxy, target.database, target.doc_id, mark)
    verb, data = target.request(method)
    answer = await behind.call(verb, target.path, target.caller, data, headers={"If-Match": f'"{revision}"'})
    assert answer.status == 412
    document = await stored(system, target)
    assert document["pvt_outside"] == 1
    assert "pvt_deleted" not in document
    assert not (target.change[1].keys() & document.keys())


@pytest.mark.parametrize("method", ["change", "DELETE"])
@pytest.mark.parametrize("kind", KINDS)
async def test_if_match_star_of_a_missing_document_is_404(
    system: System, service: Service, family: Family, kind: str, method: str
) -> None:
    target = await target_of(kind, system, family)
    await system.put(target.database, await stored(system, target) | {"pvt_deleted": True})
    verb, data = target.request(method)
    answer = await service.call(verb, target.path, target.caller, data, headers={"If-Match": "*"})
    assert answer.status == 404


@pytest.mark.parametrize("into", ["accounts", "services", "own"])
async def test_accounts_delete_checks_if_match_with_the_document_that_it_deletes(
    system: System, behind: Service, proxy: FaultProxy, family: Family, into: str
) -> None:
    target = await target_of("account", system, family)
    revision = (await behind.get(target.path, target.caller)).envelope["revision"]
    watched = None if into == "own" else into
    write_before_saves(proxy, target.database, target.doc_id, mark, into=watched)
    refused = await behind.delete(target.path, target.caller, headers={"If-Match": f'"{revision}"'})
    assert refused.status == 412
    await assert_deleted(system, family.sub, expected=False)
    assert (await behind.get(target.path, target.caller)).status == 200
    newest = (await stored(system, target))["_rev"]
    answer = await behind.delete(target.path, target.caller, headers={"If-Match": f'"{newest}"'})
    assert answer.status == 200
    await assert_deleted(system, family.sub, expected=True)


async def assert_deleted(system: System, account: Account, *, expected: bool) -> None:
    for database in ("accounts", "services", account.database):
        document = await system.couch.open_doc(database, account.id)
        assert document.get("pvt_deleted", False) is expected, database
