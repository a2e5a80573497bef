"""Changes of one document that come together are saved together, and each is as safe as if it were alone."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable

import pytest

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import Conflict, Fault, TimedOut, Unreachable
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.datastore.updates import Change, _Caller, _Queue
from crossbar_appstore.json_codec import JsonObject

from . import fault_proxy as broken
from .conftest import QUICK
from .fault_proxy import FaultProxy, Status


class Refused(Exception):
    """What a change may raise."""


def adding(number: int) -> Change:
    """Once only, as an app is installed once only."""

    def add(doc: JsonObject | None) -> JsonObject:
        seen = (doc or {}).get("seen", [])
        if number in seen:
            raise Refused(number)
        return {**(doc or {}), "seen": [*seen, number]}

    return add


@pytest.fixture
async def store(proxy: FaultProxy) -> AsyncIterator[Datastore]:
    async with Datastore(Couch(proxy.url, timeouts=QUICK), feeds=False) as datastore:
        yield datastore


Outcome = JsonObject | BaseException


@pytest.fixture
async def together(store: Datastore, database: str) -> Callable[..., "asyncio.Future[list[Outcome]]"]:
    def update(*changes: Change) -> "asyncio.Future[list[Outcome]]":
        return asyncio.gather(*(store.update(database, "x", each) for each in changes), return_exceptions=True)

    return update


Together = Callable[..., "asyncio.Future[list[Outcome]]"]


async def test_they_take_one_save(proxy: FaultProxy, couch: Couch, database: str, together: Together) -> None:
    outcomes = await together(*map(adding, range(20)))
    assert proxy.count("PUT") == 1
    stored = await couch.open_doc(database, "x")
    assert stored["seen"] == list(range(20))
    for number, outcome in enumerate(outcomes):
        assert isinstance(outcome, dict)
        assert outcome["seen"] == list(range(number + 1))
    assert outcomes[-1] == stored


async def test_those_that_come_meanwhile_take_the_next_one(
    proxy: FaultProxy, couch: Couch, database: str, store: Datastore
) -> None:
    later: list[asyncio.Task[JsonObject]] = []

    def come(method: str, path: str) -> None:
        if method == "PUT" and not later:
            later.extend(asyncio.ensure_future(store.update(database, "x", adding(n))) for n in range(1, 9))

    proxy.before = come
    await store.update(database, "x", adding(0))
    await asyncio.gather(*later)
    assert proxy.count("PUT") == 2
    assert (await couch.open_doc(database, "x"))["seen"] == list(range(9))


async def test_who_was_answered_and_comes_again_takes_the_next_one_with_all_others(
    proxy: FaultProxy, couch: Couch, store: Datastore, database: str
) -> None:
    async def change_twice(number: int) -> None:
        await store.update(database, "x", adding(number))
        # The others come a little later than the first one: nobody is to go without them.
        for _ in range(number):
            await asyncio.sleep(0)
        await store.update(database, "x", adding(number + 100))

    await asyncio.gather(*map(change_twice, range(20)))
    assert proxy.count("PUT") == 2
    assert (await couch.open_doc(database, "x"))["seen"] == [*range(20), *range(100, 120)]


async def test_only_the_last_one_is_told_the_stored_revision(
    couch: Couch, store: Datastore, database: str, together: Together
) -> None:
    await store.update(database, "x", adding(0))
    told = [outcome["_rev"] for outcome in await together(adding(1), adding(2), adding(3)) if isinstance(outcome, dict)]
    assert len(set(told)) == 3
    assert (await couch.open_doc(database, "x"))["_rev"] == told[-1]
    for revision in told[:-1]:
        with pytest.raises(Conflict):
            await couch.save_doc(database, {"_id": "x", "_rev": revision})


async def test_each_sees_the_revision_of_the_one_before(store: Datastore, database: str, together: Together) -> None:
    first = await store.update(database, "x", adding(0))

    def only_over_the_first(doc: JsonObject | None) -> JsonObject:
        assert doc is not None
        if doc["_rev"] != first["_rev"]:
            raise Refused("precondition failed")
        return {**doc, "over": "first"}

    outcomes = await together(only_over_the_first, only_over_the_first)
    assert isinstance(outcomes[0], dict)
    assert isinstance(outcomes[1], Refused)


async def test_one_that_is_refused_does_not_keep_others_from_being_saved(
    proxy: FaultProxy, couch: Couch, store: Datastore, database: str, together: Together
) -> None:
    await store.update(database, "x", adding(0))
    outcomes = await together(adding(0), adding(1), adding(1), adding(2))
    assert [type(outcome) for outcome in outcomes] == [Refused, dict, Refused, dict]
    assert (await couch.open_doc(database, "x"))["seen"] == [0, 1, 2]
    assert proxy.count("PUT") == 2
    assert [type(outcome) for outcome in await together(adding(0), adding(1))] == [Refused, Refused]
    assert proxy.count("PUT") == 2


async def test_who_is_refused_for_what_was_not_saved_hears_of_the_failure(
    proxy: FaultProxy, store: Datastore, database: str, together: Together
) -> None:
    await store.update(database, "x", adding(0))
    proxy.fail(Status(503), method="PUT")
    outcomes = await together(adding(0), adding(1), adding(1))
    assert [type(outcome) for outcome in outcomes] == [Refused, Unreachable, Unreachable]


async def test_a_change_of_somebody_else_is_kept_and_all_are_applied_to_it(
    couch: Couch, store: Datastore, database: str, together: Together
) -> None:
    first = await store.update(database, "x", adding(0))
    await couch.save_doc(database, {**first, "seen": [0, 3], "theirs": True})
    outcomes = await together(adding(1), adding(2), adding(3))
    assert [type(outcome) for outcome in outcomes] == [dict, dict, Refused]
    stored = await couch.open_doc(database, "x")
    assert (stored["seen"], stored["theirs"]) == ([0, 3, 1, 2], True)
    assert store.statistics.conflicts == 1


async def test_after_many_conflicts_it_is_a_conflict_for_all(
    proxy: FaultProxy, together: Together, couch: Couch, database: str
) -> None:
    proxy.fail(Status(409, "Document update conflict.", "conflict"), method="PUT")
    outcomes = await together(adding(1), adding(2))
    assert [type(outcome) for outcome in outcomes] == [Conflict, Conflict]
    assert proxy.count("PUT") == 5


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (broken.Fault.STALL, TimedOut),
        (broken.Fault.RESET, Unreachable),
        (broken.Fault.TRUNCATE, Unreachable),
        (Status(503), Unreachable),
    ],
)
async def test_a_failure_of_the_connection_is_told_to_all_and_nothing_is_repeated(
    proxy: FaultProxy, store: Datastore, database: str, together: Together, fault: broken.Fault, error: type[Exception]
) -> None:
    await store.update(database, "x", adding(0))
    proxy.fail(fault, method="PUT", times=1)
    outcomes = await together(adding(1), adding(2))
    assert [type(outcome) for outcome in outcomes] == [error, error]
    assert proxy.count("PUT") == 2
    assert isinstance((await together(adding(3)))[0], dict)


async def test_a_fault_that_may_be_of_one_is_told_to_that_one(
    proxy: FaultProxy, couch: Couch, store: Datastore, database: str, together: Together
) -> None:
    # The whole is refused, then each by itself: the first once more.
    proxy.fail(Status(413, "too large"), method="PUT", times=2)
    outcomes = await together(adding(1), adding(2), adding(3))
    assert [type(outcome) for outcome in outcomes] == [Fault, dict, dict]
    assert (await couch.open_doc(database, "x"))["seen"] == [2, 3]


async def test_while_couchdb_is_away_all_hear_of_it(
    proxy: FaultProxy, together: Together, store: Datastore, database: str
) -> None:
    await proxy.refuse()
    assert [type(outcome) for outcome in await together(adding(1), adding(2))] == [Unreachable, Unreachable]
    await proxy.accept()
    assert await store.update(database, "x", adding(1))


async def test_who_came_first_may_go(proxy: FaultProxy, couch: Couch, store: Datastore, database: str) -> None:
    tasks = [asyncio.ensure_future(store.update(database, "x", adding(n))) for n in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert tasks[0].cancelled()
    assert (await couch.open_doc(database, "x"))["seen"] == [1, 2]


async def test_pictures_end_a_group_so_that_the_next_change_sees_stubs(
    proxy: FaultProxy, couch: Couch, database: str, together: Together
) -> None:
    icon = {"content_type": "image/png", "data": base64.b64encode(b"icon").decode()}
    seen: list[JsonObject] = []

    def look(doc: JsonObject | None) -> JsonObject:
        assert doc is not None
        seen.append(doc["_attachments"]["icon"])
        return {**doc, "looked": True}

    outcomes = await together(adding(1), lambda doc: {**(doc or {}), "_attachments": {"icon": icon}}, look, adding(2))
    assert all(isinstance(outcome, dict) for outcome in outcomes)
    assert [stub["stub"] for stub in seen] == [True]
    assert proxy.count("PUT") == 2
    assert (await couch.open_attachment(database, "x", "icon")).body == b"icon"
    assert (await couch.open_doc(database, "x"))["seen"] == [1, 2]


async def test_a_group_is_bounded(
    proxy: FaultProxy, couch: Couch, database: str, together: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbar_appstore.datastore.updates._MOST", 8)
    await together(*map(adding, range(20)))
    assert proxy.count("PUT") == 3
    assert (await couch.open_doc(database, "x"))["seen"] == list(range(20))


@pytest.mark.parametrize(("waiting", "coming"), [(0, 3), (6, 3), (8, 3), (20, 0)])
async def test_nobody_is_waited_for_once_there_are_enough(
    waiting: int, coming: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbar_appstore.datastore.updates._MOST", 8)
    callers = [_Caller(adding(number), asyncio.get_running_loop().create_future()) for number in range(23)]
    queue = _Queue(callers[:waiting])
    gathering = asyncio.ensure_future(queue.gather(3, 3_600))
    await asyncio.sleep(0)
    for caller in callers[waiting : waiting + coming]:
        queue.join(caller)
    async with asyncio.timeout(60):
        await gathering
    assert queue.callers == callers[: waiting + coming]


async def test_documents_do_not_wait_for_each_other(proxy: FaultProxy, store: Datastore, database: str) -> None:
    proxy.fail(broken.Fault.STALL, method="PUT", path="/slow")
    slow = asyncio.ensure_future(store.update(database, "slow", adding(1)))
    assert await store.update(database, "quick", adding(1))
    assert not slow.done()
    with pytest.raises(TimedOut):
        await slow


async def test_leaving_the_store_ends_what_is_under_way(proxy: FaultProxy, database: str) -> None:
    proxy.fail(broken.Fault.STALL, method="PUT")
    async with Datastore(Couch(proxy.url), feeds=False) as store:
        waiting = [asyncio.ensure_future(store.update(database, "x", adding(n))) for n in range(2)]
        while not proxy.count("PUT"):
            await asyncio.sleep(0.01)
    await asyncio.wait(waiting)
    assert all(each.cancelled() for each in waiting)
