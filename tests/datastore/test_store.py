"""The promises of the datastore, against a real server: own writes at once, others in time, nothing lost."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.documents import CachedDocument
from crossbar_appstore.datastore.errors import (
    Closed,
    Misconfigured,
    Unreachable,
    ViewMissing,
)
from crossbar_appstore.datastore.freshness import WriteCounters
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject

from . import fault_proxy as broken
from .conftest import QUICK, eventually, within_the_promise
from .fault_proxy import FaultProxy, Status


def counting(doc: JsonObject | None) -> JsonObject:
    return {**(doc or {}), "n": (doc or {}).get("n", 0) + 1}


@pytest.fixture
async def store(couchdb_url: str) -> AsyncIterator[Datastore]:
    async with Datastore(Couch(couchdb_url), feeds=False) as datastore:
        yield datastore


@pytest.fixture
async def workers(couchdb_url: str, counters: WriteCounters) -> AsyncIterator[tuple[Datastore, Datastore]]:
    async with (
        Datastore(Couch(couchdb_url), counters=counters) as one,
        Datastore(Couch(couchdb_url), counters=counters) as two,
    ):
        yield one, two


@pytest.fixture
async def fragile(proxy: FaultProxy) -> AsyncIterator[Datastore]:
    """A store that reaches CouchDB through the proxy."""
    async with Datastore(Couch(proxy.url, timeouts=QUICK)) as datastore:
        yield datastore


# Reading


async def test_datastore_open_reads_a_document_once(couch: Couch, database: str, store: Datastore) -> None:
    saved = await couch.save_doc(database, {"_id": "x", "apps": {}})
    known = await store.open(database, "x")
    assert known == CachedDocument(saved)
    assert (await store.open(database, "x")).document is known.document
    assert (store.statistics.reads, store.statistics.hits) == (1, 1)


async def test_datastore_open_caches_that_documents_and_databases_are_missing(database: str, store: Datastore) -> None:
    for where in (database, "account/no/ne/0", "Not a name"):
        for _ in range(2):
            assert await store.open(where, "x") == CachedDocument(None)
    assert (store.statistics.reads, store.statistics.hits) == (3, 3)


async def test_datastore_open_many_reads_only_what_is_not_cached(couch: Couch, database: str, store: Datastore) -> None:
    await couch.save_docs(database, [{"_id": str(n)} for n in range(4)])
    await store.open(database, "2")
    known = await store.open_many([(database, doc_id) for doc_id in ("0", "none", "2", "3")])
    assert [answer.document and answer.document["_id"] for answer in known] == ["0", None, "2", "3"]
    assert store.statistics.reads == 4
    assert await store.open_many([]) == []


async def test_datastore_rows_are_cached_until_the_database_is_written(
    couch: Couch, database: str, store: Datastore
) -> None:
    assert (await store.rows(database, "names/all")).rows is None
    assert (await store.rows("account/no/ne/0", "names/all")).rows is None
    views = {"all": {"map": "function (doc) { emit(doc.name, doc.name); }"}}
    await store.create(database, {"_id": "_design/names", "views": views})
    await store.create(database, {"_id": "x", "name": "b"})
    known = await store.rows(database, "names/all", startkey="a")
    assert [(row.id, row.value) for row in known.rows or ()] == [("x", "b")]
    assert (await store.rows(database, "names/all", startkey="a")).rows is known.rows
    await store.create(database, {"_id": "y", "name": "a"})
    rows = (await store.rows(database, "names/all", startkey="a")).rows
    assert [row.id for row in rows or ()] == ["y", "x"]
    with pytest.raises(ViewMissing):
        await couch.view(database, "names/none")


# Own writes


async def test_datastore_open_gives_own_writes_at_once(database: str, store: Datastore) -> None:
    for number in range(1, 4):
        saved = await store.update(database, "x", counting)
        assert saved["n"] == number
        assert (await store.open(database, "x")).document == saved
        assert await store.couch.open_doc(database, "x") == saved
    assert await store.remove(database, "x")
    assert (await store.open(database, "x")).document is None
    assert not await store.remove(database, "x")


async def test_datastore_open_gives_own_writes_at_once_in_every_worker(
    workers: tuple[Datastore, Datastore], database: str
) -> None:
    one, two = workers
    for number in range(1, 9):
        writer, reader = (one, two) if number % 2 else (two, one)
        await writer.update(database, "x", counting)
        for worker in (reader, writer):
            document = (await worker.open(database, "x")).document
            assert document is not None
            assert document["n"] == number


async def test_datastore_open_gives_writes_of_its_couch_at_once(database: str, store: Datastore) -> None:
    assert (await store.open(database, "x")).document is None
    await store.couch.save_doc(database, {"_id": "x"})
    assert (await store.open(database, "x")).document is not None


# Writes of others


@pytest.mark.parametrize("feeds", [True, False])
async def test_datastore_open_gives_writes_of_others_in_time(
    couch: Couch, couchdb_url: str, database: str, feeds: bool
) -> None:
    async with Datastore(Couch(couchdb_url), feeds=feeds) as store:
        for doc_id in ("known", "missing"):
            saved = await couch.save_doc(database, {"_id": doc_id}) if doc_id == "known" else {"_id": doc_id}
            await store.open(database, doc_id)
            newest = await couch.save_doc(database, {**saved, "n": 1})

            async def is_seen(doc_id: str = doc_id, newest: JsonObject = newest) -> bool:
                return (await store.open(database, doc_id)).document == newest

            await within_the_promise(is_seen)


async def test_datastore_open_gives_the_same_object_while_it_is_unchanged(
    couch: Couch, database: str, store: Datastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await couch.save_doc(database, {"_id": "x"})
    known = await store.open(database, "x")
    monkeypatch.setattr(store._freshness, "_unwatched", -1.0)
    assert (await store.open(database, "x")).document is known.document
    assert (store.statistics.reads, store.statistics.refetches, store.statistics.unchanged) == (1, 1, 1)


async def test_datastore_rows_are_read_again_after_the_database_was_deleted(
    couch: Couch, store: Datastore, database: str
) -> None:
    assert (await store.rows(database, "names/all")).rows is None
    await store.couch.delete_database(database)
    reads = store.statistics.refetches
    assert (await store.rows(database, "names/all")).rows is None
    assert store.statistics.refetches == reads + 1
    await couch.create_database(database)


# CouchDB does not answer


async def test_datastore_reads_are_stale_and_writes_fail_while_couchdb_is_unavailable(
    couch: Couch, fragile: Datastore, proxy: FaultProxy, database: str
) -> None:
    saved = await couch.save_doc(database, {"_id": "x", "n": 1})
    await fragile.open(database, "x")
    await fragile.open(database, "none")
    await proxy.refuse()

    async def are_stale() -> bool:
        known = await fragile.open_many([(database, "x"), (database, "none")])
        return all(answer.stale for answer in known)

    async def is_away() -> bool:
        return fragile.away

    await eventually(are_stale)
    await eventually(is_away)
    assert await fragile.open(database, "x") == CachedDocument(saved, stale=True)
    assert await fragile.open(database, "none") == CachedDocument(None, stale=True)
    assert fragile.statistics.stale_answers >= 3
    with pytest.raises(Unreachable):
        await fragile.open(database, "never read")
    with pytest.raises(Unreachable):
        await fragile.update(database, "x", counting)
    with pytest.raises(Unreachable):
        await fragile.create(database, {"_id": "y"})
    await proxy.accept()

    async def is_back() -> bool:
        return not (await fragile.open(database, "x")).stale

    await eventually(is_back)
    assert not await is_away()
    assert (await fragile.update(database, "x", counting))["n"] == 2


@pytest.mark.parametrize("fault", [broken.Fault.STALL, broken.Fault.RESET, broken.Fault.TRUNCATE, Status(503)])
async def test_datastore_open_gives_the_cached_document_after_any_fault(
    fragile: Datastore, proxy: FaultProxy, database: str, fault: broken.Fault | Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fragile._freshness, "_unwatched", -1.0)
    await fragile.create(database, {"_id": "x", "n": 1})
    proxy.fail(fault)
    for _ in range(3):
        known = await fragile.open(database, "x")
        assert known.stale
        assert known.document is not None
        assert known.document["n"] == 1
    proxy.heal()

    async def is_back() -> bool:
        return not (await fragile.open(database, "x")).stale

    await eventually(is_back)


async def test_datastore_after_a_rejected_password_serves_cached_documents_and_makes_one_request(
    fragile: Datastore, proxy: FaultProxy, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fragile.create(database, {"_id": "x"})
    monkeypatch.setattr(fragile._freshness, "_unwatched", -1.0)
    proxy.fail(Status(401, "Name or password is incorrect."))
    proxy.requests.clear()
    for _ in range(20):
        assert (await fragile.open(database, "x")).stale
    with pytest.raises(Misconfigured):
        await fragile.update(database, "y", counting)
    assert proxy.count(path=database.replace("/", "%2F")) == 1


async def test_datastore_open_of_a_slow_document_does_not_make_couchdb_unavailable(
    fragile: Datastore, couch: Couch, proxy: FaultProxy, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbar_appstore.datastore.cache.PATIENCE", 0.2)
    slow, quick = await couch.save_doc(database, {"_id": "slow"}), await couch.save_doc(database, {"_id": "quick"})
    await fragile.open(database, "slow")
    await fragile.open(database, "quick")
    monkeypatch.setattr(fragile._freshness, "_unwatched", -1.0)
    monkeypatch.setattr(fragile._freshness, "_watched", -1.0)
    proxy.fail(broken.Fault.STALL, path="/slow")
    await couch.save_doc(database, {**slow, "n": 1})
    newest = quick
    for number in range(5):
        assert await fragile.open(database, "slow") == CachedDocument(slow, stale=True)
        newest = await couch.save_doc(database, {**newest, "n": number})
        assert await fragile.open(database, "quick") == CachedDocument(newest)
        assert (await fragile.update(database, "other", counting))["n"] == number + 1
        assert not fragile.away


async def test_datastore_open_with_an_unreadable_prefetch_gives_the_cached_document(
    fragile: Datastore, couch: Couch, proxy: FaultProxy, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = await couch.save_doc(database, {"_id": "x"})
    await fragile.open(database, "x")
    monkeypatch.setattr(fragile._freshness, "_unwatched", -1.0)
    await proxy.refuse()
    assert await fragile.open(database, "x", prefetch=["never read"]) == CachedDocument(saved, stale=True)
    with pytest.raises(Unreachable):
        await fragile.open(database, "never read", prefetch=["x"])


async def test_datastore_open_reads_prefetched_documents_with_the_same_request(
    fragile: Datastore, couch: Couch, proxy: FaultProxy, database: str
) -> None:
    saved = [await couch.save_doc(database, {"_id": doc_id}) for doc_id in ("x", "y")]
    assert (await fragile.open(database, "x", prefetch=["y", "none", "x"])).document == saved[0]
    assert (await fragile.open(database, "y", prefetch=["z"])).document == saved[1]
    assert (await fragile.open(database, "none")).document is None
    assert proxy.count(path=database.replace("/", "%2F")) == 1


async def test_datastore_open_newest_reads_whatever_is_cached(couch: Couch, database: str, store: Datastore) -> None:
    saved = await couch.save_doc(database, {"_id": "x"})
    await store.open(database, "x")
    newest = await couch.save_doc(database, {**saved, "n": 1})
    assert await store.open_newest(database, "x") == CachedDocument(newest)
    assert await store.open(database, "x") == CachedDocument(newest)


async def test_datastore_writes_changes_with_the_writes_of_every_worker(
    workers: tuple[Datastore, Datastore], database: str
) -> None:
    one, two = workers
    before = one.writes
    assert before == one.writes == two.writes
    await two.update(database, "x", counting)
    assert one.writes == two.writes > before


async def test_datastore_left_leaves_no_task_and_no_connection(proxy: FaultProxy, database: str) -> None:
    proxy.fail(broken.Fault.STALL, path="/slow")
    before = asyncio.all_tasks()
    async with Datastore(Couch(proxy.url, timeouts=QUICK)) as store:
        await store.open(database, "x")
        reading = asyncio.ensure_future(store.open(database, "slow"))
        await proxy_got(proxy, "/slow")
        store._availability.suspect()
    with pytest.raises(asyncio.CancelledError):
        await reading
    left = asyncio.all_tasks() - before
    assert {task.get_coro().__qualname__ for task in left} <= {"FaultProxy._accept"}  # type: ignore[union-attr]
    with pytest.raises(Closed):
        await store.open(database, "other")


async def proxy_got(proxy: FaultProxy, path: str) -> None:
    while not proxy.count(path=path):
        await asyncio.sleep(0.01)


# Logs


async def test_datastore_logs_once_that_couchdb_is_away_and_once_that_it_is_back(
    fragile: Datastore, proxy: FaultProxy, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await fragile.create(database, {"_id": "x"})
    caplog.clear()
    # One that starts answers now and then.
    for _ in range(4):
        await proxy.refuse()

        async def is_away() -> bool:
            await fragile.open(database, "x")
            return fragile.away

        async def is_back() -> bool:
            return not fragile.away

        await eventually(is_away)
        await asyncio.sleep(0.5)
        await proxy.accept()
        await eventually(is_back)
    messages = [record.message for record in caplog.records if record.message.startswith("CouchDB")]
    assert messages == ["CouchDB is unavailable, cached data is served", "CouchDB is available again"]


async def test_datastore_logs_again_while_couchdb_is_away_and_when_it_is_away_later(
    fragile: Datastore, proxy: FaultProxy, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbar_appstore.datastore.client.REMINDER_SECONDS", 0.9)
    monkeypatch.setattr("crossbar_appstore.datastore.client._UNSETTLED_SECONDS", 0.0)
    await proxy.refuse()
    for expected in (3, 5):
        while sum(record.message.startswith("CouchDB is unavailable") for record in caplog.records) < expected:
            fragile._availability.suspect()
            await asyncio.sleep(0.05)
        if expected == 3:
            await proxy.accept()
            while fragile.away:
                await asyncio.sleep(0.05)
            await proxy.refuse()
    assert [record.message for record in caplog.records if "available again" in record.message] == [
        "CouchDB is available again"
    ]
    assert not any(record.message == "change feed disconnected" for record in caplog.records)


async def test_change_feed_that_is_lost_alone_is_logged_once(
    proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    proxy.fail(broken.Fault.RESET_FIRST, path="_db_updates")
    async with Datastore(Couch(proxy.url, timeouts=QUICK)) as store:
        while proxy.count(path="_db_updates") < 5:
            await asyncio.sleep(0.05)
        assert not store.away
    lost = [record for record in caplog.records if record.message == "change feed disconnected"]
    assert [record.feed for record in lost if record.feed == "database updates"] == ["database updates"]  # type: ignore[attr-defined]  # what extra= gave
