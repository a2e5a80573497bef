"""Documents by prefix, and documents that are read ahead: what is asked of CouchDB, and when."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.datastore.freshness import WriteCounters
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject

from .fault_proxy import FaultProxy, Status


@pytest.fixture
async def store(couchdb_url: str) -> AsyncIterator[Datastore]:
    async with Datastore(Couch(couchdb_url), feeds=False) as made:
        yield made


async def by_prefix(store: Datastore, database: str, prefix: str) -> Sequence[JsonObject]:
    return await store.read().by_prefix(database, prefix)


async def save(store: Datastore, database: str, *ids: str) -> None:
    for doc_id in ids:
        await store.create(database, {"_id": doc_id})


def ids(documents: Sequence[JsonObject]) -> list[str]:
    return [document["_id"] for document in documents]


async def test_reading_by_prefix_gives_all_documents_whose_ids_begin_so(store: Datastore, database: str) -> None:
    await save(store, database, "a-2", "a-1", "a", "a.", "b-1", "aa-1", "a-", "A-1")
    assert ids(await by_prefix(store, database, "a-")) == ["a-", "a-1", "a-2"]
    assert await by_prefix(store, database, "c-") == ()
    assert await by_prefix(store, "nothing", "a-") == ()


async def test_reading_by_prefix_gives_the_same_object_until_one_of_them_changes(
    store: Datastore, database: str
) -> None:
    await save(store, database, "a-1")
    first = await by_prefix(store, database, "a-")
    await save(store, database, "b-1", "other")
    assert await by_prefix(store, database, "a-") is first
    await save(store, database, "a-2")
    assert ids(await by_prefix(store, database, "a-")) == ["a-1", "a-2"]
    await store.remove(database, "a-1")
    assert ids(await by_prefix(store, database, "a-")) == ["a-2"]


async def test_reading_by_prefix_sees_writes_of_another_worker_at_once(
    couchdb_url: str, database: str, tmp_path: Path
) -> None:
    counters = WriteCounters.in_file(tmp_path / "counters")
    async with (
        Datastore(Couch(couchdb_url), counters=counters, feeds=False) as one,
        Datastore(Couch(couchdb_url), counters=counters, feeds=False) as two,
    ):
        assert await by_prefix(two, database, "a-") == ()
        await save(one, database, "a-1")
        assert ids(await by_prefix(two, database, "a-")) == ["a-1"]


async def test_datastore_open_reads_prefetched_documents_with_the_same_request(store: Datastore, database: str) -> None:
    await save(store, database, "one", "two")
    async with Datastore(store.couch, feeds=False) as fresh:
        before = fresh.statistics.requests
        found = await fresh.open(database, "one", prefetch=("two", "three", "two", "one"))
        assert (found.document or {})["_id"] == "one"
        assert ((await fresh.open(database, "two")).document or {})["_id"] == "two"
        assert (await fresh.open(database, "three")).document is None
        assert fresh.statistics.requests == before + 1


async def test_datastore_open_gives_the_same_document_prefetched_or_not(store: Datastore, database: str) -> None:
    attached = {"x.txt": {"content_type": "text/plain", "data": "eA=="}}
    await store.create(database, {"_id": "one"})
    await store.create(database, {"_id": "two", "n": 1.5, "_attachments": attached})
    await store.create(database, {"_id": "gone"})
    await store.remove(database, "gone")
    documents: list[JsonObject | None] = []
    for prefetch in (("two", "gone"), ()):
        async with Datastore(store.couch, feeds=False) as fresh:
            await fresh.open(database, "one", prefetch=prefetch)
            documents += [(await fresh.open(database, doc_id)).document for doc_id in ("two", "gone")]
    assert documents[:2] == documents[2:]
    assert documents[1] is None


async def test_datastore_open_prefetches_what_no_list_of_documents_has(store: Datastore, database: str) -> None:
    await save(store, database, "one", "_local/mine", "_design/own")
    for doc_id, is_there in (("_local/mine", True), ("_design/own", True), ("_all_docs", False), ("", False)):
        for wanted in (("one", doc_id), (doc_id, "one"), (doc_id,)):
            async with Datastore(store.couch, feeds=False) as fresh:
                first, *prefetch = wanted
                await fresh.open(database, first, prefetch=prefetch)
                found = [(await fresh.open(database, each)).document is not None for each in (doc_id, "one")]
                assert found == [is_there, True], wanted


async def test_datastore_open_prefetches_nothing_of_a_missing_database(store: Datastore) -> None:
    assert (await store.open("nothing", "one", prefetch=("two",))).document is None
    before = store.statistics.requests
    assert (await store.open("nothing", "two")).document is None
    assert store.statistics.requests == before


async def test_datastore_open_does_not_prefetch_what_is_cached(store: Datastore, database: str) -> None:
    await save(store, database, "one", "two", "three")
    async with Datastore(store.couch, feeds=False) as fresh:
        await fresh.open(database, "two")
        reads = fresh.statistics.reads
        await fresh.open(database, "one", prefetch=("two",))
        await fresh.open(database, "two", prefetch=("three",))
        assert fresh.statistics.reads == reads + 1


async def test_datastore_open_does_not_take_an_unreadable_row_for_a_missing_document(
    couchdb_url: str, database: str
) -> None:
    async def unreadable(writer: asyncio.StreamWriter) -> None:
        body = b'{"rows":[{"key":"one","error":"timeout"},{"key":"two","error":"not_found"}]}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(body))
        writer.write(b"Connection: close\r\n\r\n" + body)
        await writer.drain()

    async with FaultProxy(couchdb_url) as proxy, Datastore(Couch(proxy.url), feeds=False) as behind:
        proxy.scripts[f"/{database.replace('/', '%2F')}/_all_docs"] = unreadable
        proxy.fail(Status(500), path="/two")
        # Each is read by itself then, which one of them cannot be either.
        assert (await behind.open(database, "one", prefetch=("two",))).document is None
        with pytest.raises(DatastoreError):
            await behind.open(database, "two")
