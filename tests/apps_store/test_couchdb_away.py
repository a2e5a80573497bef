"""While CouchDB is away: cached data is served, marked stale; nothing else is, and writes are refused."""

import asyncio
from typing import Final

import pytest

from crossbar_appstore.datastore.errors import DocumentMissing
from tests.datastore.fault_proxy import FaultProxy, Status
from tests.kit.accounts import Account
from tests.kit.apps import ICON, permission
from tests.kit.fixtures import NewService
from tests.kit.service import Answer, Client, Service
from tests.kit.system import System

AWAY: Final = (503, "datastore_unreachable", {"message": "datastore timeout"})
STALE: Final = '110 - "Response is stale"'


@pytest.fixture
async def sub(system: System) -> Account:
    return await system.account("Sub", below=system.master)


@pytest.fixture
def behind(new_service: NewService, proxy: FaultProxy) -> Service:
    """A service that reaches CouchDB through the proxy."""
    return new_service(proxy.url)


async def _until_stale(client: Client, path: str, caller: Account) -> Answer:
    """Data that was read recently is not marked as stale."""
    while "Warning" not in (answer := await client.get(path, caller)).headers:
        assert answer.status == 200
        await asyncio.sleep(0.05)
    return answer


async def _until_fresh(client: Client, path: str, caller: Account) -> Answer:
    while "Warning" in (answer := await client.get(path, caller)).headers:
        assert answer.status == 200
        await asyncio.sleep(0.05)
    return answer


async def test_apps_store_get_serves_cached_data_marked_stale_while_couchdb_is_away(
    system: System, behind: Service, proxy: FaultProxy, sub: Account
) -> None:
    voip, port = system.apps["voip"], system.apps["port"]
    await system.store(sub, apps={voip: permission("admins")}, blacklist=[port])
    reads = [
        (sub.path, sub),
        (f"{sub.path}/{voip}", sub),
        (f"{sub.path}/blacklist", system.master),
        (f"{sub.path}/{voip}/icon", sub),
    ]
    known = [await behind.get(*read) for read in reads]
    assert [answer.status for answer in known] == [200] * 4
    assert not any("Warning" in answer.headers for answer in known)
    await proxy.refuse()
    for read, before in zip(reads, known, strict=True):
        stale = await _until_stale(behind, *read)
        assert (stale.status, stale.headers["Warning"]) == (200, STALE)
        assert stale.etag == before.etag
        assert stale.raw == before.raw if read[0].endswith("icon") else stale.data == before.data
        again = await behind.get(*read, headers={"If-None-Match": stale.etag})
        assert (again.status, again.headers["Warning"]) == (304, STALE)
    writes = [
        ("PUT", f"{sub.path}/{port}", sub),
        ("POST", f"{sub.path}/{voip}", sub),
        ("DELETE", f"{sub.path}/{voip}", sub),
        ("POST", f"{sub.path}/blacklist", system.master),
    ]
    for method, path, caller in writes:
        answer = await behind.call(method, path, caller, {"blacklist": ["x"]})
        assert answer.refusal == AWAY
        assert int(answer.headers["Retry-After"]) > 0
    await proxy.accept()
    fresh = await _until_fresh(behind, sub.path, sub)
    assert fresh.data == known[0].data
    assert (await behind.post(f"{sub.path}/{voip}", sub, {"allowed_users": "all"})).status == 200
    stored = await system.stored(sub)
    assert stored["apps"] == {voip: permission("all", name="voip")}
    assert stored["blacklist"] == [port]


async def test_apps_store_get_uncached_account_is_503_while_couchdb_is_away(
    system: System, behind: Service, proxy: FaultProxy, sub: Account
) -> None:
    other = await system.account("Other", below=system.master)
    await system.store(other, apps={system.apps["voip"]: permission("admins")})
    assert (await behind.get(sub.path, sub)).status == 200
    await proxy.refuse()
    for path in (other.path, f"{other.path}/{system.apps['voip']}", f"apps_store/{system.apps['voip']}/icon"):
        answer = await behind.get(path, system.master)
        assert answer.refusal == AWAY, path
        assert int(answer.headers["Retry-After"]) > 0
    await proxy.accept()
    assert (await behind.get(f"{other.path}/{system.apps['voip']}", other)).data["allowed_users"] == "admins"
    assert (await behind.get(f"apps_store/{system.apps['voip']}/icon")).raw == ICON.body


async def test_service_starts_before_couchdb(system: System, behind: Service, proxy: FaultProxy, sub: Account) -> None:
    await proxy.refuse()
    assert (await behind.get(sub.path, sub)).refusal == AWAY
    assert (await behind.get(f"apps_store/{system.apps['voip']}/icon")).refusal == AWAY
    assert (await behind.call("OPTIONS", sub.path, headers={"Origin": "https://ui.example.org"})).status == 200
    await proxy.accept()
    assert await behind.names(sub) == ["voip", "port", "numbers"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        *((code, "timeout") for code in (500, 502, 503, 504, 401)),
        (403, "Account is temporarily locked due to multiple authentication failures"),
    ],
)
async def test_apps_store_put_refused_by_couchdb_changes_nothing(
    system: System, behind: Service, proxy: FaultProxy, sub: Account, code: int, reason: str
) -> None:
    path = f"{sub.path}/{system.apps['voip']}"
    assert (await behind.get(path, sub)).status == 200
    proxy.fail(Status(code, reason), method="PUT", path="apps_store")
    answer = await behind.put(path, sub, {"allowed_users": "all"})
    assert answer.refusal == AWAY
    assert ("Warning" in answer.headers) == (code in (500, 502, 504))
    assert int(answer.headers["Retry-After"]) > 0
    with pytest.raises(DocumentMissing):
        await system.stored(sub)
    assert "allowed_users" not in (await behind.get(path, sub)).data
    proxy.heal()
    if code not in (401, 403):  # these pause requests, so that CouchDB does not lock the account
        assert (await behind.put(path, sub, {"allowed_users": "all"})).status == 201


async def test_apps_store_get_denied_for_one_accounts_database_is_503_for_that_account_only(
    system: System, behind: Service, proxy: FaultProxy, sub: Account
) -> None:
    other = await system.account("Other", below=system.master)
    reason = "You are not allowed to access this db."
    proxy.fail(Status(403, reason, "forbidden"), path=sub.database.replace("/", "%2F"))
    denied = await behind.get(sub.path, system.master)
    assert denied.refusal == (503, "datastore_fault", {"cause": reason, "message": "datastore fatal error"})
    assert "Retry-After" not in denied.headers
    assert await behind.names(other) == ["voip", "port", "numbers"]
    # Other accounts' requests neither wait for it nor end it.
    assert (await behind.get(sub.path, system.master)).refusal == denied.refusal
    proxy.heal()
    assert await behind.names(sub, system.master) == ["voip", "port", "numbers"]


async def test_apps_store_put_forbidden_by_a_validation_function_is_503_and_logged(
    system: System, behind: Service, proxy: FaultProxy, sub: Account, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"{sub.path}/{system.apps['voip']}"
    # As a validate_doc_update function answers.
    proxy.fail(Status(403, "only administrators may do this", "forbidden"), method="PUT", path="apps_store")
    answer = await behind.put(path, sub, {"allowed_users": "all"})
    cause = "only administrators may do this"
    assert answer.refusal == (503, "datastore_fault", {"cause": cause, "message": "datastore fatal error"})
    warnings = [record.__dict__ for record in caplog.records if record.levelname == "WARNING"]
    assert [(each["message"], each["code"], each["reason"]) for each in warnings] == [
        ("refused", 503, f"AccessDenied: {cause}")
    ]
    with pytest.raises(DocumentMissing):
        await system.stored(sub)
    # It concerns that document only.
    assert (await behind.get(path, sub)).status == 200
    proxy.heal()
    assert (await behind.put(path, sub, {"allowed_users": "all"})).status == 201


async def test_apps_store_pictures_get_is_503_where_the_attachment_cannot_be_read(
    system: System, behind: Service, proxy: FaultProxy
) -> None:
    proxy.fail(Status(500, "timeout"), path="icon.png")
    answer = await behind.get(f"apps_store/{system.apps['voip']}/icon")
    assert answer.refusal == AWAY
    proxy.heal()
    assert (await behind.get(f"apps_store/{system.apps['voip']}/icon")).raw == ICON.body


async def test_apps_store_put_without_account_database_is_500(system: System, service: Service, sub: Account) -> None:
    assert (await service.get(sub.path, sub)).status == 200
    await system.couch.delete_database(sub.database)
    answer = await service.put(f"{sub.path}/{system.apps['voip']}", sub, {})
    assert answer.refusal == (500, "datastore_missing", {"cause": sub.database, "message": "unknown failure"})


async def test_apps_store_get_without_any_account_is_404(system: System, service: Service) -> None:
    await system.config("accounts")
    await system.remove("accounts", system.master.id)
    answer = await service.get(f"apps_store/{system.apps['voip']}/icon")
    assert answer.refusal == (404, "bad_identifier", {"message": "bad identifier"})
