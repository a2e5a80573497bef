"""Changes on a cluster. PouchDB Server stores branches as CouchDB does; that there are several nodes is made up."""

from collections.abc import AsyncIterator, Callable
from urllib.parse import quote

import pytest

from crossbar_appstore.datastore import cluster as cluster_nodes
from crossbar_appstore.datastore import confirmation
from crossbar_appstore.datastore.couch import Couch, Written
from crossbar_appstore.datastore.errors import Conflict, OutcomeUnknown
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.datastore.updates import Change
from crossbar_appstore.json_codec import Json, JsonObject
from tests.kit.outside import ask

from .conftest import QUICK, eventually
from .fault_proxy import FaultProxy, Status, answering
from .test_updates import Rejected, adding

NODES = ["one@host", "two@host", "three@host"]


def setting(**fields: Json) -> Change:
    return lambda document: {**(document or {}), **fields}


def member(name: str, value: Json) -> Change:
    """Set one member of ``apps``."""
    return lambda document: {**(document or {}), "apps": {**(document or {}).get("apps", {}), name: value}}


@pytest.fixture
async def cluster(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Datastore]:
    """A datastore that believes that its server is one of three nodes, and looks soon at what it changed."""
    monkeypatch.setattr(confirmation, "LOOKS", (0.05, 0.1, 0.2))
    monkeypatch.setattr(cluster_nodes, "ASK_SECONDS_CHANGING", 0.0)
    proxy.scripts["/_membership"] = answering({"all_nodes": NODES, "cluster_nodes": NODES})
    async with Datastore(Couch(proxy.url, timeouts=QUICK), feeds=False) as datastore:
        yield datastore


@pytest.fixture
def rival(proxy: FaultProxy, database: str) -> Callable[..., None]:
    """Stores a branch of two revisions that wins, beside the newest revision: ``rival(change)``."""
    quoted = quote(database, safe="")

    def store(change: Change, *, letter: str = "f") -> None:
        newest = ask(proxy.target, "GET", f"{quoted}/x?revs=true")
        start, ids = newest["_revisions"]["start"], newest["_revisions"]["ids"]
        base = ask(proxy.target, "GET", f"{quoted}/x?rev={start - 1}-{ids[1]}") if start > 1 else None
        ids = [2 * letter, letter, *ids[1:]]
        branch = {**change(base), "_id": "x", "_rev": f"{start + 1}-{ids[0]}"}
        branch["_revisions"] = {"start": start + 1, "ids": ids}
        ask(proxy.target, "POST", f"{quoted}/_bulk_docs", {"docs": [branch], "new_edits": False})

    return store


def before_confirming(proxy: FaultProxy, act: Callable[[], None]) -> None:
    """Do something once after a change was saved, before it is read again."""

    def before(method: str, path: str) -> None:
        if method == "GET" and "revs=" in path:
            proxy.before = None
            act()

    proxy.before = before


async def stored(couch: Couch, database: str) -> JsonObject:
    return await couch.open_doc(database, "x", conflicts=True)


async def without_conflicts(couch: Couch, database: str) -> JsonObject:
    """The document as soon as no losing branch is left."""

    async def is_settled() -> bool:
        return "_conflicts" not in await stored(couch, database)

    await eventually(is_settled)
    return await stored(couch, database)


# A single server


async def test_updates_update_on_one_server_is_not_confirmed(
    proxy: FaultProxy, database: str, couch: Couch, couchdb_url: str
) -> None:
    async with Datastore(Couch(proxy.url), feeds=False) as store:
        for number in range(3):
            await store.update(database, "x", adding(number))
        assert (proxy.count("GET", "_membership"), proxy.count("GET", "revs=")) == (1, 0)
        assert store._updates._confirmation._task is None


@pytest.mark.parametrize("fault", [Status(503), Status(404), Status(401)])
async def test_updates_update_is_acknowledged_if_the_nodes_are_unknown(
    proxy: FaultProxy, database: str, fault: Status
) -> None:
    proxy.fail(fault, path="_membership")
    async with Datastore(Couch(proxy.url), feeds=False) as store:
        assert (await store.update(database, "x", adding(1)))["seen"] == [1]
        assert (await store.update(database, "x", adding(2)))["seen"] == [1, 2]


# Confirming


async def test_updates_update_on_cluster_is_read_from_all_copies(
    proxy: FaultProxy, cluster: Datastore, database: str
) -> None:
    saved = await cluster.update(database, "x", adding(1))
    assert proxy.count("GET", "r=3") == 1
    assert (await cluster.open(database, "x")).document is saved


async def test_updates_update_is_applied_again_if_another_branch_has_won(
    proxy: FaultProxy, cluster: Datastore, database: str, couch: Couch, rival: Callable[..., None]
) -> None:
    await cluster.update(database, "x", adding(1))
    before_confirming(proxy, lambda: rival(adding(7)))
    saved = await cluster.update(database, "x", adding(2))
    assert saved["seen"] == [1, 7, 2]
    assert (await without_conflicts(couch, database))["seen"] == [1, 7, 2]
    assert (cluster.statistics.changes_reapplied, cluster.statistics.branches_removed) == (1, 1)


async def test_updates_update_is_acknowledged_if_the_winner_has_its_values(
    proxy: FaultProxy, cluster: Datastore, database: str, couch: Couch, rival: Callable[..., None]
) -> None:
    await cluster.update(database, "x", setting(n=1))
    before_confirming(proxy, lambda: rival(setting(n=2, theirs=True)))
    assert (await cluster.update(database, "x", setting(n=2)))["theirs"] is True
    assert proxy.count("PUT") == 2
    await without_conflicts(couch, database)


async def test_updates_update_is_refused_if_it_does_not_apply_to_the_winner(
    proxy: FaultProxy, cluster: Datastore, database: str, couch: Couch, rival: Callable[..., None]
) -> None:
    await cluster.update(database, "x", adding(1))
    before_confirming(proxy, lambda: rival(setting(seen=[3, 2])))
    with pytest.raises(Rejected):
        await cluster.update(database, "x", adding(2))
    assert (await without_conflicts(couch, database))["seen"] == [3, 2]


async def test_updates_create_is_a_conflict_if_another_branch_has_won(
    proxy: FaultProxy, cluster: Datastore, database: str, couch: Couch, rival: Callable[..., None]
) -> None:
    before_confirming(proxy, lambda: rival(setting(n=2)))
    with pytest.raises(Conflict):
        await cluster.create(database, {"_id": "x", "n": 1})
    assert (await without_conflicts(couch, database))["n"] == 2


async def test_updates_update_is_of_unknown_outcome_if_it_cannot_be_read_again(
    proxy: FaultProxy, cluster: Datastore, database: str
) -> None:
    await cluster.update(database, "x", adding(1))
    proxy.fail(Status(500), method="GET", path="revs=")
    with pytest.raises(OutcomeUnknown):
        await cluster.update(database, "x", adding(2))


async def test_updates_remove_removes_every_branch(
    proxy: FaultProxy, cluster: Datastore, database: str, rival: Callable[..., None]
) -> None:
    await cluster.update(database, "x", adding(1))
    rival(adding(2))
    assert await cluster.remove(database, "x")
    assert (await cluster.open_newest(database, "x")).document is None
    assert not await cluster.remove(database, "x")


# Looking again


async def test_confirmation_restores_a_change_that_is_lost_later(
    cluster: Datastore, database: str, couch: Couch, rival: Callable[..., None]
) -> None:
    await cluster.update(database, "x", setting(apps={"a": 1, "b": 1}))
    await cluster.update(database, "x", setting(apps={"a": 1, "c": 2}))
    rival(member("d", 3))
    assert (await stored(couch, database))["apps"] == {"a": 1, "b": 1, "d": 3}
    told: list[Written] = []
    cluster.couch.on_write.append(told.append)
    assert (await without_conflicts(couch, database))["apps"] == {"a": 1, "c": 2, "d": 3}
    assert cluster.statistics.changes_reapplied == 1
    assert cluster.statistics.branches_removed == 1
    # Of the losing branch that was removed, too.
    assert [None if each.document is None else each.document["apps"] for each in told] == 2 * [{"a": 1, "c": 2, "d": 3}]


async def test_confirmation_leaves_an_entry_that_the_winner_has_changed(
    cluster: Datastore, database: str, couch: Couch, rival: Callable[..., None]
) -> None:
    await cluster.update(database, "x", setting(n=1))
    await cluster.update(database, "x", setting(n=2, own=True))
    rival(setting(n=3))

    async def is_left() -> bool:
        return cluster.statistics.branches_left == 1

    await eventually(is_left)
    document = await stored(couch, database)
    assert (document["n"], document["own"], len(document["_conflicts"])) == (3, True, 1)


async def test_confirmation_does_not_undo_a_later_change(
    cluster: Datastore, database: str, couch: Couch, rival: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirmation, "LOOKS", (0.5, 0.5, 0.5))
    await cluster.update(database, "x", member("a", 1))
    await cluster.update(database, "x", member("b", 1))
    rival(member("c", 1))
    await cluster.open_newest(database, "x")
    await cluster.update(database, "x", member("b", 2))
    # As before our first change of it.
    await cluster.update(database, "x", setting(apps={"a": 1, "c": 1}))

    async def is_left() -> bool:
        return cluster.statistics.branches_left == 1

    await eventually(is_left)
    assert (await stored(couch, database))["apps"] == {"a": 1, "c": 1}


async def test_confirmation_looks_again_when_a_node_comes_back(
    proxy: FaultProxy, cluster: Datastore, database: str, couch: Couch, rival: Callable[..., None]
) -> None:
    proxy.scripts["/_membership"] = answering({"all_nodes": NODES[:2], "cluster_nodes": NODES})
    await cluster.update(database, "x", setting(n=1))
    await cluster.update(database, "x", setting(n=2))

    async def is_looked_at_for_the_last_time() -> bool:
        return cluster._updates._confirmation._changed[("document", database, "x")].looks == 2

    await eventually(is_looked_at_for_the_last_time)
    rival(setting(n=1, theirs=True))
    proxy.scripts["/_membership"] = answering({"all_nodes": NODES, "cluster_nodes": NODES})
    document = await without_conflicts(couch, database)
    assert (document["n"], document["theirs"]) == (2, True)


async def test_confirmation_forgets_changes(cluster: Datastore, database: str) -> None:
    await cluster.update(database, "x", adding(1))

    async def is_forgotten() -> bool:
        return not cluster._updates._confirmation._changed

    await eventually(is_forgotten)


async def test_couch_open_docs_on_a_cluster_reads_no_single_copy(
    proxy: FaultProxy, couch: Couch, cluster: Datastore, database: str
) -> None:
    saved = [await couch.save_doc(database, {"_id": name}) for name in "abc"]
    await cluster.couch.cluster.exists()
    proxy.requests.clear()
    assert await cluster.couch.open_docs(database, ["c", "none", "a", "b"]) == [saved[2], None, *saved[:2]]
    assert [document.document for document in await cluster.open_many((database, name) for name in "abc")] == saved
    assert proxy.count(path="_all_docs") == 0
