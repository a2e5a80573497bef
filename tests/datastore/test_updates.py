"""Updates of documents: read, apply, save; on a conflict once more. Against a real server, through a proxy."""

import asyncio
import base64
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from crossbar_appstore.datastore import updates as updates_module
from crossbar_appstore.datastore.couch import Couch, Written
from crossbar_appstore.datastore.errors import (
    AccessDenied,
    Conflict,
    DatabaseMissing,
    DocumentRefused,
    OutcomeUnknown,
    TimedOut,
    Unavailable,
)
from crossbar_appstore.datastore.freshness import WriteCounters
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.datastore.updates import Change
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.request_scope import RequestScope
from tests.kit.outside import ask, write_at_once

from . import fault_proxy as broken
from .conftest import QUICK
from .fault_proxy import FaultProxy, Status

CONFLICT = Status(409, "Document update conflict.", "conflict")
ICON = {"icon.png": {"content_type": "image/png", "data": base64.b64encode(b"icon").decode()}}

Result = JsonObject | BaseException


class Rejected(Exception):
    """What a change may raise."""


def counting(doc: JsonObject | None) -> JsonObject:
    return {**(doc or {}), "n": (doc or {}).get("n", 0) + 1}


def adding(number: int) -> Change:
    """Add a number once, as an app is installed once only."""

    def add(doc: JsonObject | None) -> JsonObject:
        seen = (doc or {}).get("seen", [])
        if number in seen:
            raise Rejected(number)
        return {**(doc or {}), "seen": [*seen, number]}

    return add


@pytest.fixture
async def store(proxy: FaultProxy) -> AsyncIterator[Datastore]:
    async with Datastore(Couch(proxy.url, timeouts=QUICK), feeds=False) as datastore:
        yield datastore


async def update_all(store: Datastore, database: str, *changes: Change) -> list[Result]:
    """Apply changes to the document at the same time."""
    updates = (store.update(database, "x", each) for each in changes)
    return await asyncio.gather(*updates, return_exceptions=True)


async def cached(store: Datastore, database: str, doc_id: str = "x") -> JsonObject:
    """The document as the store gives it; fails if that is stale or missing."""
    answer = await store.open(database, doc_id)
    assert not answer.stale
    assert answer.document is not None
    return answer.document


# Own changes


async def test_updates_update_caches_what_was_saved(proxy: FaultProxy, database: str, store: Datastore) -> None:
    for number in range(1, 4):
        saved = await store.update(database, "x", counting)
        assert saved["n"] == number
        requests = len(proxy.requests)
        assert await cached(store, database) is saved
        assert len(proxy.requests) == requests
        assert await store.couch.open_doc(database, "x") == saved
    # A current document is not read before it is changed.
    assert (proxy.count("GET", "/x"), proxy.count("PUT")) == (4, 3)


async def test_updates_update_serializes_changes_of_one_document(
    proxy: FaultProxy, couch: Couch, database: str, store: Datastore
) -> None:
    results = await update_all(store, database, *map(adding, range(30)))
    stored = await couch.open_doc(database, "x")
    assert sorted(stored["seen"]) == list(range(30))
    assert all(isinstance(result, dict) for result in results)
    assert results[-1] == stored
    # No update met another one of this process.
    assert store.statistics.conflicts == 0
    assert (proxy.count("GET", "/x"), proxy.count("PUT")) == (1, 30)


async def test_updates_update_gives_each_change_the_revision_that_it_saved(
    couch: Couch, store: Datastore, database: str
) -> None:
    await store.update(database, "x", adding(0))
    results = await update_all(store, database, adding(1), adding(2), adding(3))
    revisions = [result["_rev"] for result in results if isinstance(result, dict)]
    assert len(set(revisions)) == 3
    assert (await couch.open_doc(database, "x"))["_rev"] == revisions[-1]
    for revision in revisions[:-1]:
        with pytest.raises(Conflict):
            await couch.save_doc(database, {"_id": "x", "_rev": revision})


async def test_updates_update_shows_each_change_the_revision_before_it(store: Datastore, database: str) -> None:
    first = await store.update(database, "x", adding(0))

    def only_over_the_first(doc: JsonObject | None) -> JsonObject:
        assert doc is not None
        if doc["_rev"] != first["_rev"]:
            raise Rejected("precondition failed")
        return {**doc, "over": "first"}

    results = await update_all(store, database, only_over_the_first, only_over_the_first)
    assert isinstance(results[0], dict)
    assert isinstance(results[1], Rejected)


async def test_updates_update_saves_other_changes_if_one_is_rejected(
    proxy: FaultProxy, couch: Couch, store: Datastore, database: str
) -> None:
    await store.update(database, "x", adding(0))
    results = await update_all(store, database, adding(0), adding(1), adding(1), adding(2))
    assert [type(result) for result in results] == [Rejected, dict, Rejected, dict]
    assert (await couch.open_doc(database, "x"))["seen"] == [0, 1, 2]
    assert proxy.count("PUT") == 3
    results = await update_all(store, database, adding(0), adding(1))
    assert [type(result) for result in results] == [Rejected, Rejected]
    assert proxy.count("PUT") == 3


async def test_updates_update_of_one_document_does_not_wait_for_another(
    proxy: FaultProxy, store: Datastore, database: str
) -> None:
    proxy.fail(broken.Fault.STALL, method="PUT", path="/slow")
    slow = asyncio.ensure_future(store.update(database, "slow", adding(1)))
    assert await store.update(database, "quick", adding(1))
    assert not slow.done()
    with pytest.raises(OutcomeUnknown):
        await slow


async def test_updates_update_that_is_cancelled_lets_the_next_one_go(
    proxy: FaultProxy, couch: Couch, store: Datastore, database: str
) -> None:
    proxy.fail(broken.Fault.STALL, method="PUT", times=1)
    updates = [asyncio.ensure_future(store.update(database, "x", adding(n))) for n in range(3)]
    while not proxy.count("PUT"):
        await asyncio.sleep(0.01)
    updates[0].cancel()
    results = await asyncio.gather(*updates, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError, dict, dict]
    assert (await couch.open_doc(database, "x"))["seen"] == [1, 2]


async def test_updates_update_keeps_no_unused_lock(store: Datastore, database: str) -> None:
    await update_all(store, database, *map(adding, range(5)))
    assert len(store._updates._locks) == 0


# Conflicts with other writers


async def test_updates_update_reapplies_change_after_conflict(couch: Couch, store: Datastore, database: str) -> None:
    first = await store.update(database, "x", adding(0))
    await couch.save_doc(database, {**first, "seen": [0, 3], "theirs": True})
    results = await update_all(store, database, adding(1), adding(2), adding(3))
    assert [type(result) for result in results] == [dict, dict, Rejected]
    stored = await couch.open_doc(database, "x")
    assert (stored["seen"], stored["theirs"]) == ([0, 3, 1, 2], True)
    assert store.statistics.conflicts == 1


async def test_updates_update_creates_a_document_that_another_writer_removed(
    couch: Couch, store: Datastore, database: str
) -> None:
    saved = await store.update(database, "x", counting)
    await couch.delete_doc(database, "x", saved["_rev"])
    assert (await store.update(database, "x", counting))["n"] == 1
    assert store.statistics.conflicts == 1


async def test_updates_update_is_a_conflict_after_repeated_conflicts(
    proxy: FaultProxy, store: Datastore, database: str
) -> None:
    proxy.fail(CONFLICT, method="PUT", times=4)
    assert (await store.update(database, "x", counting))["n"] == 1
    assert (proxy.count("PUT"), store.statistics.conflicts) == (5, 4)
    proxy.fail(CONFLICT, method="PUT")
    with pytest.raises(Conflict):
        await store.update(database, "x", counting)
    assert (proxy.count("PUT"), store.statistics.conflicts) == (10, 9)
    assert (await store.couch.open_doc(database, "x"))["n"] == 1


async def test_updates_update_pauses_longer_before_each_repetition(
    proxy: FaultProxy, store: Datastore, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(updates_module, "backoff", pause)
    proxy.fail(CONFLICT, method="PUT", times=4)
    await store.update(database, "x", counting)
    assert pauses == [0.01, 0.02, 0.04, 0.08]


async def test_updates_update_is_a_success_if_the_conflict_is_with_its_own_request(
    couch: Couch, database: str, store: Datastore
) -> None:
    # aiohttp repeats a PUT whose connection closed before the reply: the second one then meets the first.
    await store.open(database, "x")
    first = await couch.save_doc(database, {"_id": "x", "n": 1})
    assert await store.update(database, "x", counting) == first
    assert await couch.open_doc(database, "x") == first


@pytest.mark.parametrize("inline", [False, True])
async def test_updates_create_is_a_success_if_its_request_was_repeated(
    proxy: FaultProxy, couch: Couch, database: str, store: Datastore, inline: bool
) -> None:
    proxy.fail(broken.Fault.LOSE_REPLY, method="PUT", times=1)
    document: JsonObject = {"_id": "x", "n": 1} | ({"_attachments": ICON} if inline else {})
    created = await store.create(database, document)
    assert proxy.count("PUT") == 2
    assert created == await couch.open_doc(database, "x")
    assert await cached(store, database) is created
    assert store.statistics.conflicts == 0


async def test_updates_update_is_a_success_if_its_request_was_repeated(
    proxy: FaultProxy, couch: Couch, database: str, store: Datastore
) -> None:
    await store.update(database, "x", counting)
    proxy.fail(broken.Fault.LOSE_REPLY, method="PUT", times=1)
    saved = await store.update(database, "x", counting)
    assert saved["n"] == 2
    assert saved == await couch.open_doc(database, "x")
    assert proxy.count("PUT") == 3


@pytest.mark.parametrize("also_refused", [False, True])
async def test_updates_update_is_a_success_if_its_repeated_request_met_a_change_of_what_it_saved(
    proxy: FaultProxy, couch: Couch, database: str, store: Datastore, also_refused: bool
) -> None:
    await store.update(database, "x", adding(0))

    def overwrite(method: str, path: str) -> None:
        if method == "PUT" and proxy.count("PUT") == 3:
            proxy.before = None
            write_at_once(proxy.target, database, "x", lambda doc: {**doc, "theirs": True})
            if also_refused:
                proxy.fail(CONFLICT, method="PUT")

    proxy.before = overwrite
    proxy.fail(broken.Fault.LOSE_REPLY, method="PUT", times=1)
    saved = await store.update(database, "x", counting if also_refused else adding(1))
    assert saved == await couch.open_doc(database, "x")
    assert saved["theirs"] is True
    assert saved.get("n") == 1 if also_refused else saved["seen"] == [0, 1]


async def test_updates_update_of_two_workers_loses_nothing(
    proxy: FaultProxy, couchdb_url: str, database: str, counters: WriteCounters
) -> None:
    async with (
        Datastore(Couch(couchdb_url), counters=counters) as one,
        Datastore(Couch(proxy.url), counters=counters) as two,
    ):
        workers = (one, two)
        updates = (workers[number % 2].update(database, "x", adding(number)) for number in range(16))
        await asyncio.gather(*updates)
        document = await cached(one, database)
        assert sorted(document["seen"]) == list(range(16))
        assert await cached(two, database) == document


# Failures


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (broken.Fault.STALL, OutcomeUnknown),
        (broken.Fault.RESET, OutcomeUnknown),
        (broken.Fault.TRUNCATE, OutcomeUnknown),
        (Status(500, "badmatch"), OutcomeUnknown),
        (Status(504), OutcomeUnknown),
        (Status(413, "too large"), DocumentRefused),
        (Status(403, "only administrators may do this"), AccessDenied),
    ],
)
async def test_updates_update_repeats_no_save_that_failed(
    proxy: FaultProxy, store: Datastore, database: str, fault: broken.Fault, error: type[Exception]
) -> None:
    await store.update(database, "x", adding(0))
    proxy.fail(fault, method="PUT", times=1)
    with pytest.raises(error):
        await store.update(database, "x", adding(1))
    assert proxy.count("PUT") == 2
    assert isinstance(await store.update(database, "x", adding(3)), dict)


@pytest.mark.parametrize("status", [412, 429, 503])
async def test_updates_update_repeats_a_save_that_was_not_done(
    proxy: FaultProxy, store: Datastore, database: str, status: int
) -> None:
    proxy.fail(Status(status), method="PUT", times=2)
    assert (await store.update(database, "x", adding(1)))["seen"] == [1]
    assert proxy.count("PUT") == 3
    proxy.fail(Status(status), method="PUT")
    with pytest.raises(Unavailable):
        await store.update(database, "x", adding(2))


async def test_updates_update_that_waits_for_another_change_ends_at_the_requests_deadline(
    proxy: FaultProxy, store: Datastore, database: str
) -> None:
    proxy.fail(broken.Fault.STALL, method="PUT", times=1)
    slow = asyncio.ensure_future(store.update(database, "x", adding(1)))
    while not proxy.count("PUT"):
        await asyncio.sleep(0.01)
    with RequestScope(0.05, accepts_stale=False), pytest.raises(TimedOut):
        await store.update(database, "x", adding(2))
    assert not slow.done()
    with pytest.raises(OutcomeUnknown):
        await slow
    assert (await store.update(database, "x", adding(3)))["seen"][-1] == 3


async def test_updates_update_that_failed_does_not_stop_the_next_one(
    proxy: FaultProxy, couch: Couch, store: Datastore, database: str
) -> None:
    proxy.fail(Status(413, "too large"), method="PUT", times=1)
    results = await update_all(store, database, adding(1), adding(2), adding(3))
    assert [type(result) for result in results] == [DocumentRefused, dict, dict]
    assert (await couch.open_doc(database, "x"))["seen"] == [2, 3]


async def test_updates_update_fails_while_couchdb_is_unavailable(
    proxy: FaultProxy, store: Datastore, database: str
) -> None:
    await proxy.refuse()
    results = await update_all(store, database, adding(1), adding(2))
    assert [type(result) for result in results] == [Unavailable, Unavailable]
    await proxy.accept()
    assert await store.update(database, "x", adding(1))


async def test_updates_update_whose_outcome_is_unknown_is_read_again(
    couch: Couch, store: Datastore, proxy: FaultProxy, database: str
) -> None:
    await store.create(database, {"_id": "x", "n": 1})
    proxy.fail(broken.Fault.STALL, method="PUT")
    with pytest.raises(OutcomeUnknown):
        await store.update(database, "x", counting)
    proxy.heal()
    proxy.fail(broken.Fault.LOSE_REPLY, method="PUT")
    with pytest.raises(OutcomeUnknown):
        await store.update(database, "x", counting)
    # The second one was saved, though its reply was lost.
    document = await cached(store, database)
    assert document["n"] == 2
    assert document == await couch.open_doc(database, "x")


async def test_updates_update_in_a_missing_database_is_an_error(store: Datastore) -> None:
    with pytest.raises(DatabaseMissing):
        await store.update("account/no/ne/0", "x", counting)


# An older answer never overwrites an own write


async def test_updates_update_is_not_overwritten_by_a_read_that_began_before(
    proxy: FaultProxy, couch: Couch, store: Datastore, database: str
) -> None:
    old = await couch.save_doc(database, {"_id": "x", "n": 1})
    answering, answer = asyncio.Event(), asyncio.Event()

    async def old_reply_at_last(writer: asyncio.StreamWriter) -> None:
        proxy.scripts.clear()
        answering.set()
        await answer.wait()
        await broken.answering(old)(writer)

    path = f"/{database.replace('/', '%2F')}/x"
    proxy.scripts[path] = old_reply_at_last
    reading = asyncio.ensure_future(store.open(database, "x"))
    await answering.wait()
    # The write begins after the read, and is acknowledged before the read ends.
    saved = await store.update(database, "x", counting)
    assert saved["n"] == 2
    answer.set()
    await reading
    assert await cached(store, database) is saved
    # Nor does it while nothing can be confirmed any more.
    await proxy.refuse()
    store._freshness._unwatched = -1.0
    answer_now = await store.open(database, "x")
    assert (answer_now.document, answer_now.stale) == (saved, True)


async def test_updates_remove_is_not_forgotten_while_couchdb_is_unavailable(
    proxy: FaultProxy, store: Datastore, database: str
) -> None:
    await store.create(database, {"_id": "x"})
    assert await store.remove(database, "x")
    requests = len(proxy.requests)
    assert (await store.open(database, "x")).document is None
    assert len(proxy.requests) == requests
    await proxy.refuse()
    store._freshness._unwatched = -1.0
    answer = await store.open(database, "x")
    assert (answer.document, answer.stale) == (None, True)


# Attachments


async def test_updates_update_keeps_attachments_unless_the_change_gives_its_own(
    couch: Couch, database: str, store: Datastore
) -> None:
    await store.create(database, {"_id": "app", "_attachments": ICON})
    # What was sent inline comes back as a stub, so it is read, not remembered.
    assert (await cached(store, database, "app"))["_attachments"]["icon.png"]["stub"] is True
    await store.update(database, "app", lambda doc: {"name": "VoIP"})
    assert (await couch.open_attachment(database, "app", "icon.png")).body == b"icon"
    await store.update(database, "app", lambda doc: {"name": "VoIP", "_attachments": {}})
    assert not (await couch.open_doc(database, "app")).get("_attachments")


async def test_updates_update_shows_stubs_to_the_change_after_inline_attachments(
    couch: Couch, database: str, store: Datastore
) -> None:
    seen: list[JsonObject] = []

    def look(doc: JsonObject | None) -> JsonObject:
        assert doc is not None
        seen.append(doc["_attachments"]["icon.png"])
        return {**doc, "looked": True}

    results = await update_all(
        store, database, adding(1), lambda doc: {**(doc or {}), "_attachments": ICON}, look, adding(2)
    )
    assert all(isinstance(result, dict) for result in results)
    assert [stub["stub"] for stub in seen] == [True]
    assert (await couch.open_attachment(database, "x", "icon.png")).body == b"icon"
    assert (await couch.open_doc(database, "x"))["seen"] == [1, 2]


# Creating and removing


async def test_updates_create_saves_a_document_once(database: str, store: Datastore) -> None:
    created = await store.create(database, {"_id": "x", "_rev": "7-old", "n": 1})
    assert created["_rev"].startswith("1-")
    with pytest.raises(Conflict):
        await store.create(database, {"_id": "x"})


async def test_updates_remove_removes_the_newest_revision(couch: Couch, database: str, store: Datastore) -> None:
    saved = await store.create(database, {"_id": "x"})
    await couch.save_doc(database, {**saved, "theirs": True})
    assert await store.remove(database, "x")
    assert (await store.open(database, "x")).document is None
    assert not await store.remove(database, "x")


async def test_updates_remove_checks_the_revision_that_it_deletes(
    proxy: FaultProxy, couch: Couch, database: str, store: Datastore
) -> None:
    await couch.save_doc(database, {"_id": "x"})
    await store.open(database, "x")
    checked: list[JsonObject] = []

    def check(document: JsonObject) -> None:
        checked.append(document)
        if "outside" in document:
            raise Rejected

    def write(method: str, path: str) -> None:
        if method == "DELETE":
            proxy.before = None
            write_at_once(proxy.target, database, "x", lambda each: each | {"outside": 1})

    proxy.before = write
    with pytest.raises(Rejected):
        await store.remove(database, "x", check)
    assert [each.get("outside") for each in checked] == [None, 1]
    assert (await couch.open_doc(database, "x"))["outside"] == 1
    assert await store.remove(database, "x", lambda _: None)


async def test_updates_remove_removes_every_branch_of_one_server(
    couch: Couch, database: str, store: Datastore, proxy: FaultProxy
) -> None:
    await store.create(database, {"_id": "x"})
    rivals = [{"_id": "x", "_rev": f"1-{letter * 32}", "letter": letter} for letter in "0f"]
    ask(proxy.target, "POST", f"{quote(database, safe='')}/_bulk_docs", {"docs": rivals, "new_edits": False})
    assert len((await couch.open_doc(database, "x", conflicts=True))["_conflicts"]) == 2
    assert await store.remove(database, "x")
    assert (await store.open_newest(database, "x")).document is None
    assert (await store.open(database, "x")).document is None


async def test_updates_remove_tells_of_one_deletion_and_what_was_there(
    store: Datastore, database: str, proxy: FaultProxy
) -> None:
    """KAZOO's caches and webhooks go by the type of the document, and a losing branch is none."""
    created = await store.create(database, {"_id": "x", "pvt_type": "app"})
    rival = {"_id": "x", "_rev": f"1-{'0' * 32}"}
    ask(proxy.target, "POST", f"{quote(database, safe='')}/_bulk_docs", {"docs": [rival], "new_edits": False})
    told: list[Written] = []
    store.couch.on_write.append(told.append)
    assert await store.remove(database, "x")
    branch, whole = told
    assert branch.document is not None
    assert "_deleted" not in branch.document
    assert (branch.document["_rev"], branch.document["pvt_type"]) == (created["_rev"], "app")
    assert whole.document is not None
    assert whole.document["_deleted"] is True
    assert whole.document["pvt_type"] == "app"
    assert "_rev" not in whole.document


async def test_updates_remove_is_a_conflict_after_repeated_conflicts(
    store: Datastore, proxy: FaultProxy, database: str
) -> None:
    await store.create(database, {"_id": "x"})
    proxy.fail(CONFLICT, method="DELETE", times=2)
    assert await store.remove(database, "x")
    await store.create(database, {"_id": "x"})
    proxy.fail(CONFLICT, method="DELETE")
    with pytest.raises(Conflict):
        await store.remove(database, "x")
    assert store.statistics.conflicts == 7


async def test_updates_remove_is_false_if_another_writer_removed_it(
    couch: Couch, store: Datastore, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.create(database, {"_id": "x"})
    delete = store.couch.delete_doc

    async def too_late(database: str, doc_id: str, rev: str, **_: object) -> None:
        await couch.delete_doc(database, doc_id, rev)
        await delete(database, doc_id, rev)

    monkeypatch.setattr(store.couch, "delete_doc", too_late)
    assert not await store.remove(database, "x")
    assert (await store.open(database, "x")).document is None


async def test_updates_end_when_the_store_is_left(proxy: FaultProxy, database: str) -> None:
    proxy.fail(broken.Fault.STALL, method="PUT")
    async with Datastore(Couch(proxy.url), feeds=False) as store:
        waiting = [asyncio.ensure_future(store.update(database, "x", adding(n))) for n in range(2)]
        while not proxy.count("PUT"):
            await asyncio.sleep(0.01)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, Exception) for result in results)
    assert proxy.count("PUT") == 1
