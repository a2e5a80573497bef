"""A CouchDB that is slow, lies, or has lost a database: one deadline, and no wrong answer."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from crossbar_appstore.datastore.errors import DocumentMissing
from tests.datastore.fault_proxy import Fault, FaultProxy, Status, answering
from tests.kit.accounts import Account
from tests.kit.apps import ICON, permission
from tests.kit.fixtures import NewService
from tests.kit.service import Answer, Service
from tests.kit.system import System

DEADLINE = 2.0
AWAY = (503, "datastore_unreachable", {"message": "datastore timeout"})
UNKNOWN = '199 - "The change may have been saved or not"'


@pytest.fixture
async def sub(system: System) -> Account:
    return await system.account("Sub", below=system.master)


@pytest.fixture
def behind(new_service: NewService, proxy: FaultProxy) -> Service:
    """A service that reaches CouchDB through the proxy, and answers each request within ``DEADLINE``."""
    return new_service(proxy.url, CROSSBAR_REQUEST_SECONDS=str(DEADLINE))


async def _in_time(request: Awaitable[Answer]) -> Answer:
    # Far less than two time limits one after the other, however slow the machine is.
    async with asyncio.timeout(DEADLINE + 4):
        return await request


async def _drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("fault", ["stall", "drip"])
async def test_every_request_is_answered_at_its_deadline_while_couchdb_stalls_or_drips(
    system: System, behind: Service, proxy: FaultProxy, sub: Account, fault: str
) -> None:
    if fault == "drip":
        proxy.scripts["/"] = _drip
    else:
        proxy.fail(Fault.STALL)
    for request in (
        behind.login(sub.admin),
        behind.get(sub.path, sub),
        behind.get(f"apps_store/{system.apps['voip']}/icon"),
        behind.put(f"{sub.path}/{system.apps['voip']}", sub, {"allowed_users": "all"}),
        # The token of a large body is checked before it is read.
        behind.put(f"{sub.path}/{system.apps['voip']}", sub, {"x": "a" * 10_000}),
        behind.put(f"{sub.path}/{system.apps['voip']}", sub, {"x": "a" * 100_000}),
    ):
        answer = await _in_time(request)
        assert answer.refusal == AWAY
        assert int(answer.headers["Retry-After"]) > 0
    proxy.scripts.clear()
    proxy.heal()
    assert await behind.names(sub) == ["voip", "port", "numbers"]
    assert (await behind.login(sub.admin)).status == 201


async def test_apps_store_put_says_that_the_outcome_of_its_save_is_unknown(
    system: System, behind: Service, proxy: FaultProxy, sub: Account
) -> None:
    path = f"{sub.path}/{system.apps['voip']}"
    assert (await behind.get(path, sub)).status == 200
    proxy.fail(Fault.STALL, method="PUT", path="apps_store")
    answer = await _in_time(behind.put(path, sub, {"allowed_users": "all"}))
    assert (answer.refusal, answer.headers["Warning"]) == (AWAY, UNKNOWN)
    assert int(answer.headers["Retry-After"]) > 0
    proxy.heal()
    assert (await behind.put(path, sub, {"allowed_users": "all"})).status == 201


async def test_apps_store_put_of_an_installed_app_is_503_while_couchdb_is_away(
    system: System, behind: Service, proxy: FaultProxy, sub: Account
) -> None:
    voip = system.apps["voip"]
    await system.store(sub, apps={voip: permission("admins")})
    requests: list[Callable[[], Awaitable[Answer]]] = [
        lambda: behind.put(f"{sub.path}/{voip}", sub, {"allowed_users": "all"}),
        lambda: behind.post(f"{sub.path}/{system.apps['port']}", sub, {"allowed_users": "all"}),
        lambda: behind.put(f"{sub.path}/{voip}", sub, {"allowed_users": "some"}),
    ]
    assert [(await request()).status for request in requests] == [400, 400, 400]
    await proxy.refuse()
    while "Warning" not in (await behind.get(sub.path, sub)).headers:
        await asyncio.sleep(0.05)
    # What is cached would say that it is installed, and may be wrong.
    assert [(await request()).refusal for request in requests] == [AWAY] * 3
    await proxy.accept()
    # A change waits until CouchDB was asked again.
    assert [(await request()).status for request in requests] == [400, 400, 400]


@pytest.mark.parametrize("found", [{}, [], {"_id": "other", "_rev": "1-a"}, {"rows": []}, {"total_rows": 0}, 7])
async def test_apps_store_get_is_503_while_couchdb_replies_with_something_else(
    system: System, behind: Service, proxy: FaultProxy, sub: Account, found: object
) -> None:
    proxy.scripts["/"] = answering(found)
    for caller in (sub, sub.user):
        assert (await behind.get(sub.path, caller)).refusal == AWAY
    assert (await behind.login(sub.admin)).refusal == AWAY
    proxy.scripts.clear()
    # Nothing of it was cached.
    assert await behind.names(sub, sub.user) == ["voip", "port", "numbers"]


@pytest.mark.parametrize("found", ["image/png", "text/html"])
async def test_apps_store_icon_whose_bytes_or_type_are_not_those_of_its_digest_is_503_and_not_cached(
    system: System, behind: Service, proxy: FaultProxy, found: str
) -> None:
    path = f"apps_store/{system.apps['voip']}/icon"
    stub = (await system.couch.open_doc(system.master.database, system.apps["voip"]))["_attachments"]["icon.png"]
    digest = stub["digest"].removeprefix("md5-")

    async def garbled(writer: asyncio.StreamWriter) -> None:
        body = bytes(len(ICON.body))
        head = f'HTTP/1.1 200 OK\r\nContent-Type: {found}\r\nETag: "{digest}"\r\nContent-Length: {len(body)}\r\n\r\n'
        writer.write(head.encode() + body)
        await writer.drain()

    proxy.scripts[f"/{system.master.database.replace('/', '%2F')}/{system.apps['voip']}/icon.png"] = garbled
    assert (await behind.get(path)).refusal == AWAY
    proxy.scripts.clear()
    assert (await behind.get(path)).raw == ICON.body


async def test_apps_store_icon_in_a_database_that_is_said_to_be_missing_is_503(
    system: System, behind: Service, proxy: FaultProxy
) -> None:
    path = f"apps_store/{system.apps['voip']}/icon"
    # The app is known, its picture is not.
    assert await behind.names(system.master)
    proxy.fail(Status(404, "Database does not exist.", "not_found"), path="icon.png")
    assert (await behind.get(path)).refusal == AWAY
    proxy.heal()
    assert (await behind.get(path)).raw == ICON.body


async def test_users_get_without_its_view_is_503_for_odd_documents_and_for_a_lost_database(
    behind: Service, proxy: FaultProxy, sub: Account
) -> None:
    path, search = f"accounts/{sub.id}/users", f"/{sub.database.replace('/', '%2F')}/_find"
    expected = (await behind.get(path, sub)).data
    assert len(expected) == len(sub.users)
    proxy.scripts[search] = answering({"docs": [5]})
    assert (await behind.get(path, sub)).refusal == AWAY
    proxy.scripts.clear()
    proxy.fail(Status(404, "Database does not exist.", "not_found"), path="_find")
    assert (await behind.get(path, sub)).refusal == AWAY
    proxy.heal()
    assert (await behind.get(path, sub)).data == expected


async def test_apps_store_of_an_account_whose_database_is_said_to_be_missing_is_503(
    system: System, behind: Service, proxy: FaultProxy, sub: Account, caplog: pytest.LogCaptureFixture
) -> None:
    missing = Status(404, "Database does not exist.", "not_found")
    voip = system.apps["voip"]
    proxy.fail(missing, path=sub.database.replace("/", "%2F"))
    for answer in (
        await behind.get(sub.path, sub),
        await behind.get(sub.path, system.master),
        await behind.put(f"{sub.path}/{voip}", sub, {"allowed_users": "all"}),
        await behind.login(sub.admin),
    ):
        assert answer.refusal == AWAY
    assert (await behind.get(system.master.path, system.master)).status == 200
    assert "the database of an account is missing" in caplog.messages
    proxy.heal()
    assert await behind.names(sub) == ["voip", "port", "numbers"]
    with pytest.raises(DocumentMissing):
        await system.stored(sub)


async def test_apps_store_of_a_deleted_account_is_404(system: System, behind: Service, sub: Account) -> None:
    await system.couch.delete_database(sub.database)
    await system.put("accounts", sub.document | {"pvt_deleted": True})
    assert (await behind.get(sub.path, system.master)).status == 404
