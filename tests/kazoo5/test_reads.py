"""What overrides cost: how often CouchDB is asked, and when."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import unquote

import pytest
from crossbar_appstore.datastore.families import KnownFamily, family_of

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.datastore.freshness import WriteCounters
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.datastore.views import design_document
from crossbar_appstore.json_codec import JsonObject
from tests.datastore.fault_proxy import FaultProxy, Status
from tests.kit.accounts import Account
from tests.kit.fixtures import NewService
from tests.kit.system import System

FAMILY = "app_whitelabel-"


def asked_of(proxy: FaultProxy, account: Account) -> list[str]:
    paths = [f"{method} {unquote(path)}" for method, path in proxy.requests]
    return [path for path in paths if account.database in path or account.id in path]


@pytest.mark.parametrize("clients", [1, 50])
@pytest.mark.parametrize("own_token", [False, True])
async def test_a_cold_account_costs_four_reads_however_many_ask(
    system: System, new_service: NewService, proxy: FaultProxy, own_token: bool, clients: int
) -> None:
    # Where KAZOO's view is installed, an account is asked for it as well.
    await system.put(system.master.database, design_document("services"))
    sub = await system.account("Sub", below=system.master)
    service = new_service(couchdb_url=proxy.url)
    await service.names(system.master)
    proxy.requests.clear()
    await asyncio.gather(*(service.names(sub, sub if own_token else system.master) for _ in range(clients)))
    asked = asked_of(proxy, sub)
    assert len(asked) == 4, asked
    assert sum(FAMILY in path for path in asked) == 1


async def test_a_change_of_permissions_does_not_ask_for_overrides_again(
    system: System, new_service: NewService, proxy: FaultProxy
) -> None:
    sub = await system.account("Sub", below=system.master)
    service = new_service(couchdb_url=proxy.url)
    path = f"{sub.path}/{system.apps['voip']}"
    await service.put(path, sub, {"allowed_users": "all"})
    proxy.requests.clear()
    assert (await service.post(path, sub, {"allowed_users": "admins"})).status == 200
    assert (await service.get(path, sub)).data["allowed_users"] == "admins"
    assert not [path for path in asked_of(proxy, sub) if FAMILY in path]


async def test_overrides_that_cannot_be_read_are_not_taken_for_none(
    system: System, new_service: NewService, proxy: FaultProxy
) -> None:
    known, unknown = [await system.account("Sub", below=system.master) for _ in range(2)]
    for sub in (known, unknown):
        await system.put(sub.database, {"_id": f"{FAMILY}{system.apps['voip']}", "author": "Us"})
    service = new_service(couchdb_url=proxy.url)
    path = f"{known.path}/{system.apps['voip']}"
    assert (await service.get(path, known)).data["author"] == "Us"
    proxy.fail(Status(503), path=FAMILY)
    answer = await service.get(f"{unknown.path}/{system.apps['voip']}", unknown)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    await asyncio.sleep(1.6)
    answer = await service.get(path, known)
    assert (answer.data["author"], answer.headers["Warning"]) == ("Us", '110 - "Response is stale"')


# The datastore


@pytest.fixture
async def database(couchdb_url: str, account_id: str) -> AsyncIterator[str]:
    name = f"families-{account_id}"
    async with Couch(couchdb_url) as couch:
        await couch.create_database(name, q=1)
        yield name
        await couch.delete_database(name)


@pytest.fixture
async def store(couchdb_url: str) -> AsyncIterator[Datastore]:
    async with Datastore(Couch(couchdb_url), feeds=False) as made:
        yield made


async def read_family(store: Datastore, database: str, prefix: str) -> KnownFamily:
    return await store._families.get((database, prefix))


async def save(store: Datastore, database: str, *ids: str) -> None:
    for doc_id in ids:
        await store.create(database, {"_id": doc_id})


def ids(family: KnownFamily) -> list[str]:
    return [document["_id"] for document in family.documents]


async def test_a_family_is_whoever_begins_alike(store: Datastore, database: str) -> None:
    await save(store, database, "a-2", "a-1", "a", "a.", "b-1", "aa-1", "a-", "A-1")
    assert ids(await read_family(store, database, "a-")) == ["a-", "a-1", "a-2"]
    assert (await read_family(store, database, "c-")).documents == ()
    assert (await read_family(store, "nothing", "a-")).documents == ()


async def test_a_family_is_the_same_object_until_one_of_it_changes(store: Datastore, database: str) -> None:
    await save(store, database, "a-1")
    first = await read_family(store, database, "a-")
    await save(store, database, "b-1", "other")
    assert (await read_family(store, database, "a-")).documents is first.documents
    await save(store, database, "a-2")
    assert ids(await read_family(store, database, "a-")) == ["a-1", "a-2"]
    await store.remove(database, "a-1")
    assert ids(await read_family(store, database, "a-")) == ["a-2"]


async def test_a_family_read_again_is_the_same_object_if_nothing_changed(store: Datastore, database: str) -> None:
    await save(store, database, "a-1")
    first = await read_family(store, database, "a-")
    store._board.count_up(store._families._kind.row((database, "a-")))
    assert (await read_family(store, database, "a-")).documents is first.documents
    assert store.statistics.unchanged == 1


async def test_another_worker_hears_of_a_change_at_once(couchdb_url: str, database: str) -> None:
    board = WriteCounters.shared(2)
    async with (
        Datastore(Couch(couchdb_url), board=board.for_worker(0), feeds=False) as one,
        Datastore(Couch(couchdb_url), board=board.for_worker(1), feeds=False) as two,
    ):
        assert (await read_family(two, database, "a-")).documents == ()
        await save(one, database, "a-1")
        assert ids(await read_family(two, database, "a-")) == ["a-1"]


async def test_a_family_survives_being_packed(store: Datastore, database: str) -> None:
    await save(store, database, "a-1")
    first = await read_family(store, database, "a-")
    store._families._unpacked.clear()
    assert (await read_family(store, database, "a-")).documents == first.documents
    assert (await read_family(store, database, "b-")).documents == ()
    store._families._unpacked.clear()
    assert (await read_family(store, database, "b-")).documents == ()


@pytest.mark.parametrize(
    ("doc_id", "family"), [("a-1", "a-"), ("a-b-c", "a-"), ("a-", "a-"), ("a", None), ("-a", None), ("", None)]
)
def test_the_family_of_an_id(doc_id: str, family: str | None) -> None:
    assert family_of(doc_id) == family


async def test_documents_that_are_asked_for_next_come_along(store: Datastore, database: str) -> None:
    await save(store, database, "one", "two")
    async with Datastore(store.couch, feeds=False) as fresh:
        before = fresh.statistics.requests
        known = await fresh.open(database, "one", along=("two", "three", "two", "one", "_all_docs"))
        assert (known.document or {})["_id"] == "one"
        assert ((await fresh.open(database, "two")).document or {})["_id"] == "two"
        assert (await fresh.open(database, "three")).document is None
        assert fresh.statistics.requests == before + 1


async def test_what_came_along_is_what_a_read_of_its_own_gives(store: Datastore, database: str) -> None:
    attached = {"x.txt": {"content_type": "text/plain", "data": "eA=="}}
    await store.create(database, {"_id": "one"})
    await store.create(database, {"_id": "two", "n": 1.5, "_attachments": attached})
    await store.create(database, {"_id": "gone"})
    await store.remove(database, "gone")
    documents: list[JsonObject | None] = []
    for along in (("two", "gone"), ()):
        async with Datastore(store.couch, feeds=False) as fresh:
            await fresh.open(database, "one", along=along)
            documents += [(await fresh.open(database, doc_id)).document for doc_id in ("two", "gone")]
    assert documents[:2] == documents[2:]
    assert documents[1] is None


async def test_what_has_no_place_in_a_list_of_documents_is_read_as_it_is_alone(store: Datastore, database: str) -> None:
    await save(store, database, "one", "_local/mine", "_design/own")
    for doc_id, is_there in (("_local/mine", True), ("_design/own", True), ("_all_docs", False), ("", False)):
        for wanted in (("one", doc_id), (doc_id, "one"), (doc_id,)):
            async with Datastore(store.couch, feeds=False) as fresh:
                first, *along = wanted
                await fresh.open(database, first, along=along)
                known = [(await fresh.open(database, each)).document is not None for each in (doc_id, "one")]
                assert known == [is_there, True], wanted


async def test_in_a_database_that_is_not_there_nothing_comes_along(store: Datastore) -> None:
    assert (await store.open("nothing", "one", along=("two",))).document is None
    assert store.peek("nothing", "two") is not None


async def test_what_is_known_already_is_not_read_again(store: Datastore, database: str) -> None:
    await save(store, database, "one", "two", "three")
    async with Datastore(store.couch, feeds=False) as fresh:
        await fresh.open(database, "two")
        reads = fresh.statistics.reads
        await fresh.open(database, "one", along=("two",))
        await fresh.open(database, "two", along=("three",))
        assert fresh.statistics.reads == reads + 1


async def test_a_row_that_could_not_be_read_is_not_taken_for_a_missing_document(
    couchdb_url: str, database: str
) -> None:
    async def unreadable(writer: asyncio.StreamWriter) -> None:
        body = b'{"rows":[{"key":"one","error":"timeout"},{"key":"two","error":"not_found"}]}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(body))
        writer.write(b"Connection: close\r\n\r\n" + body)
        await writer.drain()

    async with FaultProxy(couchdb_url) as proxy, Datastore(Couch(proxy.url), feeds=False) as behind:
        proxy.scripts[f"/{database}/_all_docs"] = unreadable
        proxy.fail(Status(500), path="/two")
        # Each is asked for alone then, which one of them cannot be either.
        assert (await behind.open(database, "one", along=("two",))).document is None
        with pytest.raises(DatastoreError):
            await behind.open(database, "two")
        assert behind.peek(database, "two") is None
