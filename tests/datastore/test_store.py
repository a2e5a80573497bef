"""The promises of the datastore, against a real server: own writes at once, others in time, nothing lost."""

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.documents import CachedDocument
from crossbar_appstore.datastore.errors import (
    Conflict,
    DatabaseMissing,
    Misconfigured,
    TimedOut,
    Unreachable,
    ViewMissing,
)
from crossbar_appstore.datastore.freshness import WriteCounters
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject

from . import fault_proxy as broken
from .conftest import QUICK, eventually, within_the_promise
from .fault_proxy import FaultProxy, Status

ICON = {"icon.png": {"content_type": "image/png", "data": base64.b64encode(b"icon").decode()}}


def counting(doc: JsonObject | None) -> JsonObject:
    return {**(doc or {}), "n": (doc or {}).get("n", 0) + 1}


@pytest.fixture
async def store(couchdb_url: str) -> AsyncIterator[Datastore]:
    async with Datastore(Couch(couchdb_url), feeds=False) as datastore:
        yield datastore


@pytest.fixture
async def workers(couchdb_url: str) -> AsyncIterator[tuple[Datastore, Datastore]]:
    board = WriteCounters.shared(2)
    async with (
        Datastore(Couch(couchdb_url), board=board.for_worker(0)) as one,
        Datastore(Couch(couchdb_url), board=board.for_worker(1)) as two,
    ):
        yield one, two


@pytest.fixture
async def fragile(proxy: FaultProxy) -> AsyncIterator[Datastore]:
    """A store that reaches CouchDB through the proxy."""
    async with Datastore(Couch(proxy.url, timeouts=QUICK)) as datastore:
        yield datastore


# Reading


async def test_a_document_is_read_once_and_shared(couch: Couch, database: str, store: Datastore) -> None:
    saved = await couch.save_doc(database, {"_id": "x", "apps": {}})
    known = await store.open(database, "x")
    assert known == CachedDocument(saved)
    assert await store.open(database, "x") is known
    assert store.peek(database, "x") is known
    assert store.statistics.reads == 1


async def test_missing_documents_and_databases_are_known_to_be_missing(database: str, store: Datastore) -> None:
    for where in (database, "account/no/ne/0", "Not a name"):
        assert store.peek(where, "x") is None
        assert await store.open(where, "x") == CachedDocument(None)
        assert store.peek(where, "x") == CachedDocument(None)
    assert store.statistics.reads == 3


async def test_several_documents_are_asked_for_in_parallel(couch: Couch, database: str, store: Datastore) -> None:
    await couch.save_docs(database, [{"_id": str(n)} for n in range(4)])
    await store.open(database, "2")
    known = await store.open_many([(database, doc_id) for doc_id in ("0", "none", "2", "3")])
    assert [answer.document and answer.document["_id"] for answer in known] == ["0", None, "2", "3"]
    assert store.statistics.reads == 4
    assert await store.open_many([]) == []


async def test_the_rows_of_a_view_are_cached_until_the_database_is_written(
    couch: Couch, database: str, store: Datastore
) -> None:
    assert (await store.rows(database, "names/all")).rows is None
    assert (await store.rows("account/no/ne/0", "names/all")).rows is None
    views = {"all": {"map": "function (doc) { emit(doc.name, doc.name); }"}}
    await store.create(database, {"_id": "_design/names", "views": views})
    await store.create(database, {"_id": "x", "name": "b"})
    known = await store.rows(database, "names/all", startkey="a")
    assert [(row.id, row.value) for row in known.rows or ()] == [("x", "b")]
    assert await store.rows(database, "names/all", startkey="a") is known
    await store.create(database, {"_id": "y", "name": "a"})
    rows = (await store.rows(database, "names/all", startkey="a")).rows
    assert [row.id for row in rows or ()] == ["y", "x"]
    with pytest.raises(ViewMissing):
        await couch.view(database, "names/none")


async def test_ping_asks_couchdb(fragile: Datastore, proxy: FaultProxy) -> None:
    await fragile.ping()
    await proxy.refuse()
    with pytest.raises(Unreachable):
        await fragile.ping()


# Own writes


async def test_own_writes_are_read_at_once(database: str, store: Datastore) -> None:
    for number in range(1, 4):
        saved = await store.update(database, "x", counting)
        assert saved["n"] == number
        assert (await store.open(database, "x")).document == saved
        assert await store.couch.open_doc(database, "x") == saved
    assert await store.remove(database, "x")
    assert (await store.open(database, "x")).document is None
    assert not await store.remove(database, "x")


async def test_own_writes_are_read_at_once_by_every_worker(workers: tuple[Datastore, Datastore], database: str) -> None:
    one, two = workers
    for number in range(1, 9):
        writer, reader = (one, two) if number % 2 else (two, one)
        await writer.update(database, "x", counting)
        for worker in (reader, writer):
            document = (await worker.open(database, "x")).document
            assert document is not None
            assert document["n"] == number


async def test_what_was_saved_is_known_without_a_read(database: str, store: Datastore) -> None:
    await store.create(database, {"_id": "x", "n": 1})
    requests = store.statistics.requests
    assert (await store.open(database, "x")).document is not None
    await store.update(database, "x", counting)
    assert (await store.open(database, "x")).document is not None
    assert store.statistics.requests == requests + 1


async def test_a_write_past_the_store_is_told_of_too(database: str, store: Datastore) -> None:
    assert (await store.open(database, "x")).document is None
    await store.couch.save_doc(database, {"_id": "x"})
    assert (await store.open(database, "x")).document is not None


async def test_a_document_is_created_once(database: str, store: Datastore) -> None:
    created = await store.create(database, {"_id": "x", "_rev": "7-old", "n": 1})
    assert created["_rev"].startswith("1-")
    with pytest.raises(Conflict):
        await store.create(database, {"_id": "x"})


async def test_a_write_into_a_missing_database_is_an_error(store: Datastore) -> None:
    with pytest.raises(DatabaseMissing):
        await store.update("account/no/ne/0", "x", counting)


# Writes of others


@pytest.mark.parametrize("feeds", [True, False])
async def test_a_write_from_outside_is_seen_in_time(couch: Couch, couchdb_url: str, database: str, feeds: bool) -> None:
    async with Datastore(Couch(couchdb_url), feeds=feeds) as store:
        for doc_id in ("known", "missing"):
            saved = await couch.save_doc(database, {"_id": doc_id}) if doc_id == "known" else {"_id": doc_id}
            await store.open(database, doc_id)
            newest = await couch.save_doc(database, {**saved, "n": 1})

            async def is_seen(doc_id: str = doc_id, newest: JsonObject = newest) -> bool:
                return (await store.open(database, doc_id)).document == newest

            await within_the_promise(is_seen)


async def test_an_unchanged_document_stays_the_same_object(
    couch: Couch, database: str, store: Datastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await couch.save_doc(database, {"_id": "x"})
    known = await store.open(database, "x")
    monkeypatch.setattr("crossbar_appstore.datastore.ages.UNWATCHED_SECONDS", -1.0)
    assert await store.open(database, "x") is known
    assert store.statistics.unchanged == 1
    assert await store.open(database, "none") is await store.open(database, "none")


# Nothing is lost


async def test_concurrent_changes_are_all_kept(workers: tuple[Datastore, Datastore], database: str) -> None:
    async def add(worker: Datastore, number: int) -> None:
        await worker.update(database, "x", lambda doc: {**(doc or {}), "seen": [*(doc or {}).get("seen", []), number]})

    await asyncio.gather(*(add(workers[number % 2], number) for number in range(16)))
    document = (await workers[0].open(database, "x")).document
    assert document is not None
    assert sorted(document["seen"]) == list(range(16))
    assert (await workers[1].open(database, "x")).document == document


async def test_a_change_is_applied_again_to_what_another_writer_stored(
    couch: Couch, database: str, store: Datastore
) -> None:
    saved = await store.update(database, "x", counting)
    await couch.save_doc(database, {**saved, "n": 10, "theirs": True})
    newest = await store.update(database, "x", counting)
    assert (newest["n"], newest["theirs"]) == (11, True)
    assert store.statistics.conflicts == 1


async def test_after_many_conflicts_it_is_a_conflict(fragile: Datastore, proxy: FaultProxy, database: str) -> None:
    conflict = Status(409, "Document update conflict.", "conflict")
    proxy.fail(conflict, method="PUT", times=4)
    assert (await fragile.update(database, "x", counting))["n"] == 1
    proxy.fail(conflict, method="PUT")
    with pytest.raises(Conflict):
        await fragile.update(database, "x", counting)
    assert proxy.count("PUT") == 10
    assert (await fragile.couch.open_doc(database, "x"))["n"] == 1


async def test_a_conflict_with_our_own_repeated_request_is_a_success(
    couch: Couch, database: str, store: Datastore
) -> None:
    # aiohttp repeats a PUT whose connection closed before the reply: the second one then meets the first.
    await store.open(database, "x")
    first = await couch.save_doc(database, {"_id": "x", "n": 1})
    assert await store.update(database, "x", counting) == first
    assert await couch.open_doc(database, "x") == first


async def test_attachments_survive_unless_the_change_gives_its_own(
    couch: Couch, database: str, store: Datastore
) -> None:
    await store.create(database, {"_id": "app", "_attachments": ICON})
    # What was sent inline comes back as a stub, so it is read, not remembered.
    known = (await store.open(database, "app")).document
    assert known is not None
    assert known["_attachments"]["icon.png"]["stub"] is True
    await store.update(database, "app", lambda doc: {"name": "VoIP"})
    assert (await couch.open_attachment(database, "app", "icon.png")).body == b"icon"
    await store.update(database, "app", lambda doc: {"name": "VoIP", "_attachments": {}})
    assert not (await couch.open_doc(database, "app")).get("_attachments")


async def test_a_change_gets_a_copy_that_it_may_spoil(database: str, store: Datastore) -> None:
    await store.create(database, {"_id": "x", "apps": {"1": [{"a": 1}]}})
    known = (await store.open(database, "x")).document
    assert known is not None

    def spoil(doc: JsonObject | None) -> JsonObject:
        assert doc is not None
        doc["apps"]["1"][0]["a"] = 2
        raise LookupError("refused")

    with pytest.raises(LookupError):
        await store.update(database, "x", spoil)
    assert known["apps"] == {"1": [{"a": 1}]}


async def test_a_removal_meets_other_writers(fragile: Datastore, proxy: FaultProxy, database: str) -> None:
    await fragile.create(database, {"_id": "x"})
    proxy.fail(Status(409, "Document update conflict."), method="DELETE", times=2)
    assert await fragile.remove(database, "x")
    await fragile.create(database, {"_id": "x"})
    proxy.fail(Status(409, "Document update conflict."), method="DELETE")
    with pytest.raises(Conflict):
        await fragile.remove(database, "x")
    assert fragile.counters.conflicts == 7


async def test_what_somebody_else_removed_is_removed(
    couch: Couch, fragile: Datastore, proxy: FaultProxy, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = await fragile.create(database, {"_id": "x"})
    delete = fragile.couch.delete_doc

    async def too_late(database: str, doc_id: str, rev: str) -> None:
        await couch.delete_doc(database, doc_id, rev)
        await delete(database, doc_id, rev)

    monkeypatch.setattr(fragile.couch, "delete_doc", too_late)
    assert not await fragile.remove(database, "x")
    assert (await fragile.open(database, "x")).document is None
    assert saved["_rev"]


async def test_what_is_told_of_a_whole_database_concerns_its_views(
    couch: Couch, store: Datastore, database: str
) -> None:
    assert (await store.rows(database, "names/all")).rows is None
    await store.couch.delete_database(database)
    reads = store.statistics.refetches
    assert (await store.rows(database, "names/all")).rows is None
    assert store.statistics.refetches == reads + 1
    await couch.create_database(database)


# CouchDB is away


async def test_while_couchdb_is_away_reads_are_stale_and_writes_fail(
    couch: Couch, fragile: Datastore, proxy: FaultProxy, database: str
) -> None:
    saved = await couch.save_doc(database, {"_id": "x", "n": 1})
    await fragile.open(database, "x")
    await fragile.open(database, "none")
    await proxy.refuse()

    async def are_stale() -> bool:
        known = await fragile.open_many([(database, "x"), (database, "none")])
        return all(answer.stale for answer in known)

    await eventually(are_stale)
    assert [fragile.away] == [True]
    assert await fragile.open(database, "x") == CachedDocument(saved, stale=True)
    assert await fragile.open(database, "none") == CachedDocument(None, stale=True)
    assert fragile.counters.stale_answers >= 3
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
    assert [fragile.away] == [False]
    assert (await fragile.update(database, "x", counting))["n"] == 2


@pytest.mark.parametrize("fault", [broken.Fault.STALL, broken.Fault.RESET, broken.Fault.TRUNCATE, Status(503)])
async def test_whatever_is_wrong_with_couchdb_what_is_known_is_given(
    fragile: Datastore, proxy: FaultProxy, database: str, fault: broken.Fault | Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbar_appstore.datastore.ages.UNWATCHED_SECONDS", -1.0)
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


async def test_a_save_that_times_out_says_so_and_is_looked_up_afterwards(
    couch: Couch, fragile: Datastore, proxy: FaultProxy, database: str
) -> None:
    await fragile.create(database, {"_id": "x", "n": 1})
    proxy.fail(broken.Fault.STALL, method="PUT")
    with pytest.raises(TimedOut):
        await fragile.update(database, "x", counting)
    proxy.heal()
    proxy.fail(broken.Fault.LOSE_REPLY, method="PUT")
    with pytest.raises(Unreachable):
        await fragile.update(database, "x", counting)
    # The second one was saved, though nobody was told.
    known = (await fragile.open(database, "x")).document
    assert known is not None
    assert known["n"] == 2
    assert known == await couch.open_doc(database, "x")


async def test_a_changed_password_leaves_what_is_known_and_asks_once(
    fragile: Datastore, proxy: FaultProxy, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fragile.create(database, {"_id": "x"})
    monkeypatch.setattr("crossbar_appstore.datastore.ages.UNWATCHED_SECONDS", -1.0)
    proxy.fail(Status(401, "Name or password is incorrect."))
    proxy.requests.clear()
    for _ in range(20):
        assert (await fragile.open(database, "x")).stale
    with pytest.raises(Misconfigured):
        await fragile.update(database, "y", counting)
    assert proxy.count(path=database.replace("/", "%2F")) == 1
