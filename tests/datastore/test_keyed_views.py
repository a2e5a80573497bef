"""A view that a write cannot concern stays as it is known; every other one is read again."""

from collections.abc import AsyncIterator

import pytest
from crossbar_appstore.datastore.keyed_views import KEYED_VIEWS

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.datastore.freshness import WriteCounters
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.datastore.views import ensure
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.package_data import load_couchdb_view

from . import fault_proxy as broken
from .conftest import QUICK
from .fault_proxy import FaultProxy

VIEW = "services/object_plans"
PLANS = {"plan": {"vendor_id": "x"}}


@pytest.fixture
async def workers(couch: Couch, database: str, proxy: FaultProxy) -> AsyncIterator[tuple[Datastore, Datastore]]:
    """The second one reaches CouchDB through the proxy."""
    await ensure(couch, database, ["services"])
    board = WriteCounters.shared(2)
    async with (
        Datastore(Couch(proxy.target), board=board.for_worker(0), feeds=False) as one,
        Datastore(Couch(proxy.url, timeouts=QUICK), board=board.for_worker(1), feeds=False) as two,
    ):
        yield one, two


async def plans(store: Datastore, database: str) -> list[tuple[str | None, JsonObject]]:
    return [(row.id, row.value) for row in (await store.rows(database, VIEW)).rows or ()]


def with_plans(doc: JsonObject | None) -> JsonObject:
    return {**(doc or {}), "service": {"plans": PLANS}}


def without(doc: JsonObject | None) -> JsonObject:
    return {name: value for name, value in (doc or {}).items() if name != "service"}


async def test_a_write_of_what_has_no_plans_leaves_object_plans_alone(
    workers: tuple[Datastore, Datastore], database: str
) -> None:
    for store in workers:
        await store.update(database, "x", lambda doc: {"n": 1})
        known = await store.rows(database, VIEW)
        await store.update(database, "x", lambda doc: {**(doc or {}), "n": 2})
        assert await store.rows(database, VIEW) is known
    assert workers[0].counters.refetches == workers[1].counters.refetches == 0


async def test_plans_that_come_and_go_are_seen_at_once_by_every_worker(
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


async def test_what_is_not_known_to_be_harmless_is_not_trusted(
    workers: tuple[Datastore, Datastore], couch: Couch, proxy: FaultProxy, database: str
) -> None:
    one, two = workers
    saved = await two.create(database, with_plans({"_id": "x"}))
    assert await plans(one, database) == [("x", PLANS)]
    # Past the store: nobody knows what was there before.
    saved = await two.couch.save_doc(database, without(saved))
    assert await plans(one, database) == []
    # Neither the new document nor the known one has plans, but the save fails: somebody else's has.
    await two.update(database, "x", without)
    known = (await two.open(database, "x")).document
    assert known is not None
    await couch.save_doc(database, with_plans(known))
    proxy.fail(broken.Fault.LOSE_REPLY, method="PUT", times=1)
    with pytest.raises(DatastoreError):
        await two.update(database, "x", without)
    assert await plans(one, database) == [("x", PLANS)]
    assert await one.remove(database, "x")
    assert await plans(two, database) == []


@pytest.mark.parametrize("view", KEYED_VIEWS)
def test_the_view_asks_for_the_key_first(view: str) -> None:
    design, _, name = view.partition("/")
    code = "\n".join(load_couchdb_view(design)["views"][name]["map"])
    assert f"!doc.{KEYED_VIEWS[view]} " in code.replace("||", " ||")
    assert code.index("return;") < code.index("emit(")
