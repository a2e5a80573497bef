"""Whether what an answer was made of still is as it was, against a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from crossbar_appstore.datastore.reading import Reading, Sources

from crossbar_appstore.datastore import ages
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.datastore.store import Datastore

from .conftest import within_the_promise
from .fault_proxy import FaultProxy, Status

VIEW = "apps_store/crossbar_listing"


@pytest.fixture
async def store(behind: Couch, master: str) -> AsyncIterator[Datastore]:
    """Behind the proxy, and without feeds: everything is found by asking."""
    async with Datastore(behind, feeds=False) as datastore:
        await datastore.create(master, {"_id": "one", "n": 1})
        await datastore.create(master, {"_id": "a-1"})
        yield datastore


async def read_all(store: Datastore, database: str) -> Reading:
    reading = store.readings.begin()
    await reading.document(database, "one")
    await reading.document(database, "nothing")
    await reading.rows(database, VIEW)
    await reading.family(database, "a-")
    await reading.catalogue()
    return reading


def sources_of(reading: Reading) -> Sources:
    sources = reading.sources()
    assert sources is not None
    return sources


async def test_what_is_read_is_what_is_there(store: Datastore, master: str) -> None:
    reading = store.readings.begin()
    assert (await reading.document(master, "one") or {})["n"] == 1
    assert await reading.document(master, "nothing") is None
    assert await reading.rows(master, VIEW) == ()
    assert await reading.rows(master, "no/view") is None
    assert [document["_id"] for document in await reading.family(master, "a-")] == ["a-1"]
    assert (await reading.catalogue()).apps == ()
    assert not reading.stale


async def test_it_holds_while_nothing_changes(store: Datastore, master: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = sources_of(await read_all(store, master))
    assert (len(sources.documents), len(sources.views), len(sources.families)) == (2, 1, 1)
    assert sources_of(await read_all(store, master)) == sources
    requests = store.statistics.requests
    assert store.readings.hold(sources)
    assert await store.readings.still_hold(sources)
    assert store.statistics.requests == requests
    # What is too old is asked for again, and is the same: two documents together, a view, and a family.
    monkeypatch.setattr(ages, "UNWATCHED_SECONDS", 0.3)
    await asyncio.sleep(0.35)
    assert not store.readings.hold(sources)
    assert await store.readings.still_hold(sources)
    assert store.statistics.requests == requests + 3


async def test_what_is_read_next_is_asked_for_at_once(store: Datastore, master: str) -> None:
    await store.catalogue.snapshot()
    async with Datastore(store.couch, feeds=False) as fresh:
        reading = fresh.readings.begin()
        requests = fresh.counters.requests
        await reading.ahead(
            documents=[(master, "one"), (master, "nothing"), (master, "one")],
            views=[(master, VIEW)],
            families=[(master, "a-")],
        )
        assert fresh.counters.requests == requests + 3
        assert reading.sources() is None
        assert (await reading.document(master, "one") or {})["n"] == 1
        assert await reading.document(master, "nothing") is None
        assert await reading.rows(master, VIEW) == ()
        assert [document["_id"] for document in await reading.family(master, "a-")] == ["a-1"]
        await reading.ahead(documents=[(master, "one")], views=[(master, VIEW)], families=[(master, "a-")])
        assert fresh.counters.requests == requests + 3


async def test_many_documents_take_few_requests(store: Datastore, master: str) -> None:
    keys = [(master, f"none-{number}") for number in range(120)]
    reading, requests = store.readings.begin(), store.statistics.requests
    documents = await reading.documents([*keys, (master, "one"), keys[0]])
    assert [document is None for document in documents] == [*[True] * 120, False, True]
    assert store.statistics.requests == requests + 3


async def test_where_couchdb_is_away_nothing_unknown_is_read_ahead(
    store: Datastore, master: str, proxy: FaultProxy
) -> None:
    reading = await read_all(store, master)
    proxy.fail(Status(503))
    with pytest.raises(DatastoreError):
        await reading.ahead(documents=[(master, "one"), (master, "unknown")])
    await reading.ahead(documents=[(master, "one")])
    assert (await reading.document(master, "one") or {})["n"] == 1


CHANGES: dict[str, Callable[[Datastore, str], Awaitable[object]]] = {
    "a document": lambda store, database: store.update(database, "one", lambda _: {"_id": "one", "n": 2}),
    "a document that was missing": lambda store, database: store.create(database, {"_id": "nothing"}),
    "a document that is removed": lambda store, database: store.remove(database, "one"),
    "a family": lambda store, database: store.create(database, {"_id": "a-2"}),
    "the catalogue": lambda store, database: store.create(database, {"_id": "x", "pvt_type": "app", "name": "x"}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_it_holds_no_more_after_a_change(
    store: Datastore, master: str, change: Callable[[Datastore, str], Awaitable[object]]
) -> None:
    sources = sources_of(await read_all(store, master))
    await change(store, master)
    assert not store.readings.hold(sources)
    assert not await store.readings.still_hold(sources)
    assert store.readings.hold(sources_of(await read_all(store, master)))


async def test_a_change_from_outside_is_noticed_in_time(store: Datastore, couch: Couch, master: str) -> None:
    sources = sources_of(await read_all(store, master))
    document = await couch.open_doc(master, "one")
    await couch.save_doc(master, {**document, "n": 2})

    async def is_noticed() -> bool:
        return not await store.readings.still_hold(sources)

    await within_the_promise(is_noticed)


async def test_what_others_wrote_does_not_concern_it(store: Datastore, master: str) -> None:
    reading = store.readings.begin()
    await reading.document(master, "one")
    await reading.catalogue()
    sources = sources_of(reading)
    await store.create(master, {"_id": "other"})
    assert await store.readings.still_hold(sources)


async def test_what_may_be_old_is_not_to_be_remembered(
    store: Datastore, master: str, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = sources_of(await read_all(store, master))
    proxy.fail(Status(503))
    monkeypatch.setattr(ages, "UNWATCHED_SECONDS", -1.0)
    reading = await read_all(store, master)
    assert reading.stale
    assert reading.sources() is None
    assert not await store.readings.still_hold(sources)
    with pytest.raises(DatastoreError):
        await reading.document(master, "unknown")


async def test_without_the_catalogue_it_cannot_be_told(store: Datastore, master: str) -> None:
    reading = store.readings.begin()
    await reading.document(master, "one")
    assert reading.sources() is None


@pytest.mark.parametrize("again", [True, False])
async def test_what_was_replaced_between_two_reads_does_not_last(store: Datastore, master: str, again: bool) -> None:
    reading = await read_all(store, master)
    await store.update(master, "one", lambda _: {"_id": "one", "n": 2})
    if again:
        assert (await reading.document(master, "one") or {})["n"] == 2
        assert reading.sources() is None
    else:
        assert not store.readings.hold(sources_of(reading))


async def test_what_was_dropped_meanwhile_is_another_one(store: Datastore, master: str) -> None:
    reading = await read_all(store, master)
    store._documents._entries.clear()
    sources = sources_of(reading)
    assert not store.readings.hold(sources)
    assert not await store.readings.still_hold(sources)
    assert sources_of(await read_all(store, master)).version > sources.version
