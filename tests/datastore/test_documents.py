"""What is cached of CouchDB, in which requests it is read, and which writes concern it. Against a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from crossbar_appstore.datastore.cache import Key
from crossbar_appstore.datastore.couch import Couch, Written
from crossbar_appstore.datastore.documents import (
    DOCUMENT,
    PREFIX,
    CachedDocument,
    CouchSource,
    Reading,
    count_write,
    view_key,
)
from crossbar_appstore.datastore.errors import AccessDenied, DatastoreError, MalformedReply
from crossbar_appstore.datastore.freshness import WriteCounters
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.datastore.views import DatabaseClass, design_document, ensure, names_for
from crossbar_appstore.json_codec import JsonObject

from . import fault_proxy as broken
from .conftest import QUICK, NewDatabase, within_the_promise
from .fault_proxy import FaultProxy, Status

VIEW = "apps_store/crossbar_listing"
PLANS_VIEW = "services/object_plans"
PLANS = {"plan": {"vendor_id": "x"}}


def tell(store: Datastore, written: Written) -> None:
    """Let a store know of a write as if it had made it."""
    for listener in store.couch.on_write:
        listener(written)


# CouchSource


@pytest.fixture
def source(behind: Couch) -> CouchSource:
    return CouchSource(behind)


def document_keys(database: str, ids: Sequence[str]) -> list[Key]:
    return [(DOCUMENT, database, doc_id) for doc_id in ids]


def test_couch_source_batches_documents_by_database_and_fifties() -> None:
    source = CouchSource(Couch("http://127.0.0.1:9"))
    first = document_keys("accounts", [str(number) for number in range(120)])
    second = document_keys("services", ["a", "b"])
    interleaved = [first[0], second[0], *first[1:], second[1]]
    assert source.batches(interleaved) == [first[:50], second, first[50:100], first[100:]]


def test_couch_source_batches_reads_everything_else_singly() -> None:
    source = CouchSource(Couch("http://127.0.0.1:9"))
    keys = [
        (DOCUMENT, "accounts", "x"),
        view_key("accounts", VIEW),
        (PREFIX, "accounts", "a-"),
        # What _all_docs cannot give, or must not be asked for.
        (DOCUMENT, "accounts", "_local/x"),
        (DOCUMENT, "accounts", "_all_docs"),
        (DOCUMENT, "accounts", "y"),
    ]
    assert source.batches(keys) == [[keys[0], keys[5]], [keys[1]], [keys[2]], [keys[3]], [keys[4]]]


async def test_couch_source_read_gives_a_batch_in_its_order(source: CouchSource, couch: Couch, database: str) -> None:
    await couch.save_docs(database, [{"_id": doc_id} for doc_id in ("a", "b", "_design/c")])
    gone = await couch.save_doc(database, {"_id": "gone"})
    await couch.delete_doc(database, "gone", gone["_rev"])
    found = await source.read(document_keys(database, ["b", "none", "_design/c", "gone", "a"]))
    assert [document and document["_id"] for document in found] == ["b", None, "_design/c", None, "a"]
    assert found[0] == await couch.open_doc(database, "b")


@pytest.mark.parametrize("missing", ["account/no/ne/0", "Not a name"])
async def test_couch_source_read_takes_a_missing_database_for_missing_values(source: CouchSource, missing: str) -> None:
    assert await source.read(document_keys(missing, ["a", "b"])) == [None, None]
    assert await source.read(document_keys(missing, ["a"])) == [None]
    assert await source.read([view_key(missing, VIEW)]) == [None]
    assert await source.read([(PREFIX, missing, "a-")]) == [()]


async def test_couch_source_read_takes_no_id_of_another_resource(
    source: CouchSource, proxy: FaultProxy, database: str
) -> None:
    for doc_id in ("_all_docs", "_changes", "", ".."):
        assert await source.read(document_keys(database, [doc_id])) == [None]
    assert proxy.requests == []


def test_couch_source_is_same_compares_revisions_and_rows() -> None:
    source = CouchSource(Couch("http://127.0.0.1:9"))
    key: Key = (DOCUMENT, "accounts", "x")
    one, two = {"_id": "x", "_rev": "1-a"}, {"_id": "x", "_rev": "2-b"}
    assert source.is_same(key, one, dict(one))
    assert not source.is_same(key, one, two)
    assert not source.is_same(key, one, None)
    assert not source.is_same(key, None, one)
    assert source.is_same(key, None, None)
    prefix: Key = (PREFIX, "accounts", "x-")
    assert source.is_same(prefix, (one,), (dict(one),))
    assert not source.is_same(prefix, (one,), (two,))
    assert not source.is_same(prefix, (one,), ())
    view = view_key("accounts", VIEW)
    assert source.is_same(view, (), ())
    assert not source.is_same(view, (), None)
    assert not source.is_same(view, (one,), (two,))


@pytest.fixture
async def behind_store(behind: Couch) -> AsyncIterator[Datastore]:
    async with Datastore(behind, feeds=False) as datastore:
        yield datastore


@pytest.mark.parametrize(
    "document", [["_id", "x"], {"_id": "x"}, {"_rev": "1-a"}, {"_id": "y", "_rev": "1-a"}, {"_id": "x", "_rev": 1}]
)
async def test_datastore_never_caches_what_is_not_the_document(
    behind_store: Datastore, proxy: FaultProxy, couch: Couch, database: str, document: object
) -> None:
    saved = await couch.save_doc(database, {"_id": "x"})
    endpoint = f"/{database.replace('/', '%2F')}"
    row = {"id": "x", "key": "x", "value": {"rev": "1-a"}, "doc": document}
    proxy.scripts[f"{endpoint}/x"] = broken.answering(document)
    proxy.scripts[f"{endpoint}/_all_docs"] = broken.answering({"rows": [row], "offset": 0, "total_rows": 1})
    with pytest.raises(MalformedReply):
        await behind_store.open(database, "x")
    with pytest.raises(MalformedReply):
        await behind_store.open_many([(database, "x"), (database, "other")])
    with pytest.raises(MalformedReply):
        await behind_store.read().by_prefix(database, "x-")
    # A cached document stays the one that it was.
    proxy.scripts.clear()
    known = (await behind_store.open(database, "x")).document
    assert known == saved
    behind_store._freshness._unwatched = -1.0
    proxy.scripts[f"{endpoint}/x"] = broken.answering(document)
    assert await behind_store.open(database, "x") == CachedDocument(known, stale=True)


async def test_datastore_open_many_reads_the_others_if_one_of_a_batch_is_unreadable(
    behind_store: Datastore, proxy: FaultProxy, couch: Couch, database: str
) -> None:
    saved = [await couch.save_doc(database, {"_id": doc_id}) for doc_id in ("a", "b", "c")]
    endpoint = f"/{database.replace('/', '%2F')}"
    rows = [
        {"id": doc["_id"], "key": doc["_id"], "value": {"rev": doc["_rev"]}, "doc": doc}
        if doc["_id"] != "b"
        else {"key": "b", "error": "badmatch"}
        for doc in saved
    ]
    proxy.scripts[f"{endpoint}/_all_docs"] = broken.answering({"rows": rows, "offset": 0, "total_rows": 3})
    proxy.fail(Status(500, "badmatch"), path=f"{endpoint}/b")
    reading = behind_store.read()
    await reading.prefetch(documents=[(database, doc_id) for doc_id in "abc"])
    assert [await reading.document(database, doc_id) for doc_id in "ac"] == [saved[0], saved[2]]
    with pytest.raises(DatastoreError, match="badmatch"):
        await reading.document(database, "b")


# Which writes concern what


def rows_changed(written: Written) -> Callable[[Key], bool]:
    """Whether a write increments the row of a key."""
    counters, source = WriteCounters.alone(), CouchSource(Couch("http://127.0.0.1:9"))
    count_write(counters, written)
    return lambda key: counters.read(source.row(key)) > 0


def test_count_write_concerns_the_document_its_prefix_and_all_views() -> None:
    changed = rows_changed(Written("accounts", "a-1-2", {"_id": "a-1-2"}))
    assert changed((DOCUMENT, "accounts", "a-1-2"))
    assert changed((PREFIX, "accounts", "a-"))
    assert changed(view_key("accounts", VIEW))
    assert changed(view_key("accounts", PLANS_VIEW, key="x"))
    others: list[Key] = [
        (DOCUMENT, "accounts", "a-1"),
        (PREFIX, "accounts", "b-"),
        (DOCUMENT, "services", "a-1-2"),
        view_key("services", VIEW),
    ]
    assert not any(changed(key) for key in others)


def test_count_write_of_a_whole_database_concerns_its_views() -> None:
    changed = rows_changed(Written("accounts", ""))
    assert changed(view_key("accounts", VIEW))
    assert not changed((PREFIX, "accounts", "-"))


def test_count_write_of_apps_store_concerns_no_view() -> None:
    changed = rows_changed(Written("accounts", "apps_store", {"_id": "apps_store"}))
    assert changed((DOCUMENT, "accounts", "apps_store"))
    assert not changed(view_key("accounts", PLANS_VIEW))


@pytest.fixture
async def workers(
    couch: Couch, database: str, proxy: FaultProxy, counters: WriteCounters
) -> AsyncIterator[tuple[Datastore, Datastore]]:
    """The second one reaches CouchDB through the proxy."""
    await ensure(couch, database, ["services"])
    async with (
        Datastore(Couch(proxy.target), counters=counters, feeds=False) as one,
        Datastore(Couch(proxy.url, timeouts=QUICK), counters=counters, feeds=False) as two,
    ):
        yield one, two


async def plans(store: Datastore, database: str) -> list[tuple[str | None, JsonObject]]:
    return [(row.id, row.value) for row in (await store.rows(database, PLANS_VIEW)).rows or ()]


def with_plans(doc: JsonObject | None) -> JsonObject:
    return {**(doc or {}), "service": {"plans": PLANS}}


def counting(doc: JsonObject | None) -> JsonObject:
    return {"n": (doc or {}).get("n", 0) + 1}


def without(doc: JsonObject | None) -> JsonObject:
    return {name: value for name, value in (doc or {}).items() if name != "service"}


async def test_datastore_rows_are_not_read_again_after_a_write_of_apps_store(
    workers: tuple[Datastore, Datastore], database: str
) -> None:
    for store in workers:
        await store.update(database, "apps_store", lambda doc: {**(doc or {}), "n": 1})
        before = await store.rows(database, PLANS_VIEW)
        await store.update(database, "apps_store", lambda doc: {**(doc or {}), "n": 2})
        assert (await store.rows(database, PLANS_VIEW)).rows is before.rows
    # Another worker's document is read again, its rows are not.
    assert [store.statistics.unchanged for store in workers] == [0, 0]
    assert workers[0].statistics.refetches == workers[1].statistics.refetches == 0


async def test_datastore_rows_are_read_again_by_every_worker_after_a_write(
    workers: tuple[Datastore, Datastore], database: str
) -> None:
    one, two = workers
    for store in workers:
        assert await plans(store, database) == []
    for writer in workers:
        await writer.update(database, "x", with_plans)
        assert await plans(one, database) == await plans(two, database) == [("x", PLANS)]
        await writer.update(database, "x", without)
        assert await plans(one, database) == await plans(two, database) == []


async def test_datastore_rows_are_read_again_after_any_write_that_may_concern_them(
    workers: tuple[Datastore, Datastore], couch: Couch, proxy: FaultProxy, database: str
) -> None:
    one, two = workers
    saved = await two.create(database, with_plans({"_id": "x"}))
    assert await plans(one, database) == [("x", PLANS)]
    # Not through the store: what was there before is not known.
    saved = await two.couch.save_doc(database, without(saved))
    assert await plans(one, database) == []
    # Neither the new document nor the cached one has plans, but the save fails: another writer's has.
    await two.update(database, "x", without)
    known = (await two.open(database, "x")).document
    assert known is not None
    await couch.save_doc(database, with_plans(known))
    proxy.fail(broken.Fault.LOSE_REPLY, method="PUT", times=2)
    with pytest.raises(DatastoreError):
        await two.update(database, "x", without)
    assert await plans(one, database) == [("x", PLANS)]
    assert await one.remove(database, "x")
    assert await plans(two, database) == []


@pytest.mark.parametrize("kind", DatabaseClass)
async def test_views_have_no_row_that_depends_on_apps_store(couch: Couch, database: str, kind: DatabaseClass) -> None:
    async def rows() -> list[list[ViewRow]]:
        views = [(design["_id"].removeprefix("_design/"), each) for design in designs for each in design["views"]]
        return [list(await couch.view(database, "/".join(names))) for names in views]

    await ensure(couch, database, names_for(kind))
    designs = [design_document(name) for name in names_for(kind)]
    document = {"_id": "apps_store", "pvt_type": "apps_store", "pvt_account_id": "aa" * 16, "pvt_tree": ["bb" * 16]}
    saved = await couch.save_doc(database, document)
    before = await rows()
    await couch.save_doc(database, {**saved, "apps": {"1": {"name": "x"}}, "blacklist": ["2"]})
    assert await rows() == before


# Reading


@pytest.fixture
async def store(behind: Couch, master: str) -> AsyncIterator[Datastore]:
    """Behind the proxy, and without feeds: everything is found by asking."""
    async with Datastore(behind, feeds=False) as datastore:
        await datastore.create(master, {"_id": "one", "n": 1})
        await datastore.create(master, {"_id": "a-1"})
        yield datastore


async def read_all(store: Datastore, database: str) -> Reading:
    reading = store.read()
    await reading.document(database, "one")
    await reading.document(database, "nothing")
    await reading.rows(database, VIEW)
    await reading.by_prefix(database, "a-")
    await reading.catalogue()
    return reading


async def test_reading_gives_what_is_stored(store: Datastore, master: str) -> None:
    reading = store.read()
    assert (await reading.document(master, "one") or {})["n"] == 1
    assert await reading.document(master, "nothing") is None
    assert await reading.rows(master, VIEW) == ()
    assert await reading.rows(master, "no/view") is None
    assert [document["_id"] for document in await reading.by_prefix(master, "a-")] == ["a-1"]
    assert (await reading.catalogue()).apps == ()
    assert not reading.stale


async def test_reading_is_current_while_nothing_changes(store: Datastore, master: str) -> None:
    reading = await read_all(store, master)
    requests = store.statistics.requests
    assert store.are_current(reading.sources())
    assert (await read_all(store, master)).sources() == reading.sources()
    assert store.statistics.requests == requests
    # What is too old is read again, and is the same: the reading is current again, and so are its sources.
    tell(store, Written(master, "one"))
    tell(store, Written(master, "a-1"))
    assert not store.are_current(reading.sources())
    assert store.statistics.requests == requests
    again = await read_all(store, master)
    assert again.sources() == reading.sources()
    assert store.are_current(reading.sources())
    assert store.are_current(again.sources())


async def test_reading_prefetch_reads_together_what_is_not_cached(store: Datastore, master: str) -> None:
    await store.catalogue.snapshot()
    async with Datastore(store.couch, feeds=False) as fresh:
        reading = fresh.read()
        requests = fresh.statistics.requests
        prefetch = {
            "documents": [(master, "one"), (master, "nothing"), (master, "one")],
            "views": [(master, VIEW)],
            "prefixes": [(master, "a-")],
        }
        await reading.prefetch(**prefetch)
        assert fresh.statistics.requests == requests + 3
        assert (await reading.document(master, "one") or {})["n"] == 1
        assert await reading.document(master, "nothing") is None
        assert await reading.rows(master, VIEW) == ()
        assert [document["_id"] for document in await reading.by_prefix(master, "a-")] == ["a-1"]
        await reading.prefetch(**prefetch)
        assert fresh.statistics.requests == requests + 3


async def test_reading_documents_of_one_database_take_few_requests(
    store: Datastore, master: str, new_database: NewDatabase
) -> None:
    other = await new_database()
    keys = [(master, f"none-{number}") for number in range(120)]
    reading, requests = store.read(), store.statistics.requests
    documents = await reading.documents([*keys, (master, "one"), keys[0], (other, "none"), (other, "nothing")])
    assert [document is None for document in documents] == [*[True] * 120, False, True, True, True]
    # Of the first database three (one document is cached), of the other one.
    assert store.statistics.requests == requests + 4


async def test_reading_prefetch_fails_only_for_what_is_not_cached(
    store: Datastore, master: str, proxy: FaultProxy
) -> None:
    reading = await read_all(store, master)
    proxy.fail(Status(503))
    with pytest.raises(DatastoreError):
        await reading.prefetch(documents=[(master, "one"), (master, "unknown")])
    await reading.prefetch(documents=[(master, "one")])
    assert (await reading.document(master, "one") or {})["n"] == 1


CHANGES: dict[str, Callable[[Datastore, str], Awaitable[object]]] = {
    "a document": lambda store, database: store.update(database, "one", lambda _: {"_id": "one", "n": 2}),
    "a document that was missing": lambda store, database: store.create(database, {"_id": "nothing"}),
    "a document that is removed": lambda store, database: store.remove(database, "one"),
    "a prefix": lambda store, database: store.create(database, {"_id": "a-2"}),
    "the catalogue": lambda store, database: store.create(database, {"_id": "x", "pvt_type": "app", "name": "x"}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_reading_is_not_current_after_a_change(
    store: Datastore, master: str, change: Callable[[Datastore, str], Awaitable[object]]
) -> None:
    reading = await read_all(store, master)
    sources = reading.sources()
    await change(store, master)
    assert not store.are_current(reading.sources())
    newer = await read_all(store, master)
    assert newer.sources() != sources
    assert store.are_current(newer.sources())
    # Reading the new values does not make the old ones current.
    assert not store.are_current(reading.sources())


async def test_reading_is_not_current_in_time_after_a_write_of_another_program(
    store: Datastore, couch: Couch, master: str
) -> None:
    reading = await read_all(store, master)
    document = await couch.open_doc(master, "one")
    await couch.save_doc(master, {**document, "n": 2})

    async def is_noticed() -> bool:
        return (
            not store.are_current(reading.sources()) and (await read_all(store, master)).sources() != reading.sources()
        )

    await within_the_promise(is_noticed)


async def test_reading_is_current_after_a_write_of_something_else(store: Datastore, master: str) -> None:
    reading = store.read()
    await reading.document(master, "one")
    await reading.catalogue()
    await store.create(master, {"_id": "other"})
    assert store.are_current(reading.sources())


async def test_reading_with_stale_values_is_never_current(
    store: Datastore, master: str, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await read_all(store, master)
    proxy.fail(Status(503))
    monkeypatch.setattr(store._freshness, "_unwatched", -1.0)
    reading = await read_all(store, master)
    assert reading.stale
    assert not store.are_current(before.sources())
    monkeypatch.undo()
    # Even though the same values may be used again.
    assert not store.are_current(reading.sources())
    with pytest.raises(DatastoreError):
        await reading.document(master, "unknown")


async def test_reading_with_a_stale_catalogue_is_never_current(
    store: Datastore, master: str, proxy: FaultProxy
) -> None:
    await read_all(store, master)
    proxy.fail(Status(503))
    tell(store, Written(master, "x", {"pvt_type": "app"}))
    reading = store.read()
    snapshot = await reading.catalogue()
    assert snapshot.stale
    assert reading.stale
    assert not store.are_current(reading.sources())


async def test_reading_without_the_catalogue_can_be_current(store: Datastore, master: str) -> None:
    reading = store.read()
    await reading.document(master, "one")
    assert store.are_current(reading.sources())
    await store.create(master, {"_id": "x", "pvt_type": "app", "name": "x"})
    assert store.are_current(reading.sources())


async def test_reading_gives_the_same_values_again_though_a_document_was_replaced(
    store: Datastore, master: str
) -> None:
    reading = await read_all(store, master)
    first = await reading.document(master, "one")
    await store.update(master, "one", lambda _: {"_id": "one", "n": 2})
    assert await reading.document(master, "one") is first
    assert not store.are_current(reading.sources())
    newest = await read_all(store, master)
    assert (await newest.document(master, "one") or {})["n"] == 2
    assert store.are_current(newest.sources())
    assert reading.sources() != newest.sources()


async def test_reading_of_the_catalogue_is_not_current_after_a_change(store: Datastore, master: str) -> None:
    reading = store.read()
    before = await reading.catalogue()
    assert store.are_current(reading.sources())
    await store.create(master, {"_id": "x", "pvt_type": "app", "name": "x"})
    assert not store.are_current(reading.sources())
    assert await store.read().catalogue() is not before
    assert not store.are_current(reading.sources())


async def test_reading_gives_the_same_catalogue_again_though_an_app_was_added(store: Datastore, master: str) -> None:
    reading = store.read()
    first = await reading.catalogue()
    await store.create(master, {"_id": "x", "pvt_type": "app", "name": "x"})
    assert await reading.catalogue() is first
    assert not store.are_current(reading.sources())


async def test_reading_of_what_was_evicted_has_other_sources(store: Datastore, master: str) -> None:
    reading = await read_all(store, master)
    store._cache._entries.clear()
    again = await read_all(store, master)
    assert store.are_current(again.sources())
    assert again.sources() != reading.sources()


# One database that may not be read


async def test_datastore_403_of_one_database_concerns_that_database_only(
    behind_store: Datastore, couch: Couch, proxy: FaultProxy, new_database: NewDatabase
) -> None:
    denied, allowed = await new_database(), await new_database()
    known = await couch.save_doc(denied, {"_id": "known"})
    newest = await couch.save_doc(allowed, {"_id": "x", "n": 0})
    await behind_store.open(denied, "known")
    proxy.fail(Status(403, "You are not allowed to access this db.", "forbidden"), path=denied.replace("/", "%2F"))
    behind_store._freshness._unwatched = -1.0
    for number in range(1, 4):
        with pytest.raises(AccessDenied):
            await behind_store.open(denied, "unknown")
        with pytest.raises(AccessDenied):
            await behind_store.update(denied, "known", lambda doc: doc or {})
        assert await behind_store.open(denied, "known") == CachedDocument(known, stale=True)
        # The other database is read and written at once, and what is read of it is the newest.
        newest = await couch.save_doc(allowed, {**newest, "n": number})
        assert await behind_store.open(allowed, "x") == CachedDocument(newest)
        assert (await behind_store.update(allowed, "y", counting))["n"] == number
        await asyncio.sleep(0)
        assert not behind_store.away
