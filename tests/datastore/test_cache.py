"""The cache's rules: values that a test gives one by one, and CouchDB behind a proxy that stalls."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from crossbar_appstore.datastore import cache as cache_module
from crossbar_appstore.datastore import client as client_module
from crossbar_appstore.datastore import freshness as freshness_module
from crossbar_appstore.datastore.cache import Answer, Cache, Key, SingleFlight
from crossbar_appstore.datastore.client import Availability, Statistics
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.documents import CouchSource
from crossbar_appstore.datastore.errors import (
    AccessDenied,
    DatastoreError,
    Fault,
    MalformedReply,
    Misconfigured,
    NoMasterAccount,
    TimedOut,
    Troubled,
    Unreachable,
)
from crossbar_appstore.datastore.freshness import ChangeFeed, Freshness, WriteCounters, row_of
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.request_scope import RequestScope

from . import fault_proxy as broken
from .fault_proxy import FaultProxy

KEY: Key = ("document", "accounts", "x")
OTHER: Key = ("document", "accounts", "y")


@dataclass
class Values:
    """A source whose values all are ``text``; records what is read; waits while ``gate`` is closed."""

    text: str = "one"
    trouble: DatastoreError | None = None
    read_keys: list[Key] = field(default_factory=list)
    batches_read: list[list[str]] = field(default_factory=list)
    unreadable: dict[str, DatastoreError] = field(default_factory=dict)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def row(self, key: Key) -> int:
        return row_of(key[1], key[2])

    def batches(self, keys: Iterable[Key]) -> list[list[Key]]:
        by_database: dict[str, list[Key]] = {}
        for key in keys:
            by_database.setdefault(key[1], []).append(key)
        return list(by_database.values())

    async def read(self, keys: Sequence[Key]) -> Sequence[Any]:
        self.read_keys += keys
        self.batches_read.append([name for _, _, name in keys])
        text, trouble = self.text, self.trouble
        await self.gate.wait()
        for key in keys:
            trouble = self.unreadable.get(key[2], trouble)
        if trouble is not None:
            raise trouble
        return [[text] for _ in keys]

    def is_same(self, key: Key, old: Any, new: Any) -> bool:
        return bool(old == new)


async def _nothing(batch: list[str]) -> None:
    """Handles no batch."""


def never_connected() -> ChangeFeed[str]:
    async def connect() -> AsyncGenerator[list[str], None]:
        yield []

    return ChangeFeed("a test", connect, _nothing, Statistics())


class Caching:
    """A cache with everything that it needs; its values stay current for ``seconds``."""

    def __init__(self, source: Values | None = None, seconds: float = 1000.0, max_entries: int = 100) -> None:
        self.source = source or Values()
        self.counters = WriteCounters.alone()
        self.outside = WriteCounters.alone()
        self.statistics = Statistics()
        self.server_trouble: DatastoreError | None = None
        self.freshness = Freshness(self.counters, self.outside, never_connected(), unwatched=seconds)
        self.availability = Availability(self.ask)
        self.cache = Cache(self.source, self.freshness, self.availability, self.statistics, max_entries)

    async def ask(self) -> None:
        if self.server_trouble is not None:
            raise self.server_trouble

    def write(self, text: str, key: Key = KEY) -> None:
        self.source.text = text
        self.counters.increment(row_of(key[1], key[2]))

    def expire(self) -> None:
        """Make every value too old that was read until now."""
        self.freshness._unwatched = -1.0

    async def value(self, key: Key = KEY) -> str:
        answer = await self.cache.get(key)
        assert not answer.stale
        return str(answer.entry.value[0])

    async def is_away(self) -> bool:
        """Whether CouchDB counts as unavailable, once the question that is under way was answered."""
        await _settle()
        return self.availability.away


@pytest.fixture
async def caching(monkeypatch: pytest.MonkeyPatch) -> Caching:
    monkeypatch.setattr(client_module, "_PROBE_SECONDS", 0.0)
    monkeypatch.setattr(cache_module, "_GATHERED_SECONDS", 0.0)
    return Caching()


async def _settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(10):
        await asyncio.sleep(0)


# Current values


async def test_cache_get_reads_a_missing_value_once(caching: Caching) -> None:
    first = (await caching.cache.get(KEY)).entry
    assert (await caching.cache.get(KEY)).entry is first
    assert caching.cache.peek(KEY) is first
    assert caching.source.read_keys == [KEY]
    assert (caching.statistics.reads, caching.statistics.hits) == (1, 2)
    assert len(caching.cache) == 1


async def test_cache_get_shares_one_read(caching: Caching) -> None:
    caching.source.gate.clear()
    requests = [asyncio.ensure_future(caching.cache.get(KEY)) for _ in range(1000)]
    await _settle()
    caching.source.gate.set()
    answers = await asyncio.gather(*requests)
    assert caching.source.read_keys == [KEY]
    assert all(answer.entry is answers[0].entry for answer in answers)


async def test_cache_get_goes_on_if_another_request_is_cancelled(caching: Caching) -> None:
    caching.source.gate.clear()
    first, second = (asyncio.ensure_future(caching.cache.get(KEY)) for _ in range(2))
    await _settle()
    first.cancel()
    await _settle()
    caching.source.gate.set()
    assert (await second).entry.value == ["one"]
    assert first.cancelled()
    assert caching.source.read_keys == [KEY]


async def test_cache_get_logs_no_error_without_waiting_request(caching: Caching) -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    caching.source.gate.clear()
    caching.source.trouble = Unreachable("away")
    request = asyncio.ensure_future(caching.cache.get(KEY))
    await _settle()
    request.cancel()
    await _settle()
    caching.source.gate.set()
    await _settle()
    gc.collect()
    assert request.cancelled()
    assert reported == []


async def test_cache_get_reads_again_after_a_write(caching: Caching) -> None:
    await caching.cache.get(KEY)
    caching.write("two")
    assert caching.cache.peek(KEY) is None
    assert await caching.value() == "two"
    assert caching.statistics.refetches == 1


async def test_cache_get_joins_no_read_that_began_before_a_write(caching: Caching) -> None:
    caching.source.gate.clear()
    early = asyncio.ensure_future(caching.cache.get(KEY))
    await _settle()
    caching.write("two")
    late = asyncio.ensure_future(caching.cache.get(KEY))
    await _settle()
    caching.source.gate.set()
    assert (await late).entry.value == ["two"]
    await early
    entry = caching.cache.peek(KEY)
    assert entry is not None
    assert entry.value == ["two"]


async def test_cache_keeps_the_newer_value_if_an_older_read_ends_later(caching: Caching) -> None:
    caching.source.gate.clear()
    early = asyncio.ensure_future(caching.cache.get(KEY))
    await _settle()
    old_gate, caching.source.gate = caching.source.gate, asyncio.Event()
    caching.source.gate.set()
    caching.write("two")
    assert await caching.value() == "two"
    old_gate.set()
    await early
    entry = caching.cache.peek(KEY)
    assert entry is not None
    assert entry.value == ["two"]


async def test_cache_get_reads_again_if_a_feed_named_the_database(caching: Caching) -> None:
    await caching.cache.get(KEY)
    caching.outside.increment(row_of("accounts", ""))
    caching.source.text = "two"
    assert await caching.value() == "two"
    caching.outside.increment(row_of("other", ""))
    assert caching.cache.peek(KEY) is not None


async def test_cache_get_keeps_the_entry_of_an_unchanged_value(caching: Caching) -> None:
    first = (await caching.cache.get(KEY)).entry
    caching.expire()
    assert caching.cache.peek(KEY) is None
    assert (await caching.cache.get(KEY)).entry is first
    assert caching.statistics.unchanged == 1
    caching.source.text = "two"
    assert (await caching.cache.get(KEY)).entry is not first
    assert first.value == ["one"]


async def test_cache_are_current_tells_changed_entries_for_ever(caching: Caching) -> None:
    entries = [(await caching.cache.get(key)).entry for key in (KEY, OTHER)]
    assert caching.cache.are_current(entries)
    caching.write("one")
    assert not caching.cache.are_current(entries)
    # Read again, and the same: current again.
    await caching.cache.get(KEY)
    assert caching.cache.are_current(entries)
    caching.source.text = "two"
    await caching.cache.newest(KEY)
    assert not caching.cache.are_current(entries)
    # The same text as at first is another value than the one in between.
    caching.source.text = "one"
    await caching.cache.newest(KEY)
    assert not caching.cache.are_current(entries)
    assert caching.cache.are_current(entries[1:])
    assert caching.cache.are_current([])


# Reads in the background


async def test_cache_peek_reads_an_aging_value_once_in_the_background(
    caching: Caching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness_module, "REFRESH_AT", -1.0)
    await caching.cache.get(KEY)
    caching.source.gate.clear()
    assert caching.cache.peek(KEY) is not None
    assert caching.cache.peek(KEY) is not None
    await _settle()
    assert caching.source.read_keys == [KEY, KEY]
    caching.source.gate.set()
    await caching.cache.close()


async def test_cache_are_current_reads_aging_values_together(caching: Caching, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[Key] = [("document", "accounts", "0"), ("document", "services", "1"), ("document", "accounts", "2")]
    entries = [(await caching.cache.get(key)).entry for key in keys]
    caching.source.batches_read.clear()
    monkeypatch.setattr(freshness_module, "REFRESH_AT", -1.0)
    assert caching.cache.are_current(entries)
    await _settle()
    assert caching.source.batches_read == [["0", "2"], ["1"]]


async def test_cache_are_current_reads_nothing_in_the_background_while_couchdb_is_unavailable(
    caching: Caching, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = (await caching.cache.get(KEY)).entry
    monkeypatch.setattr(freshness_module, "REFRESH_AT", -1.0)
    caching.availability.away = True
    assert caching.cache.are_current([entry])
    await _settle()
    assert caching.source.read_keys == [KEY]


async def test_cache_are_current_pauses_background_reads_after_a_failure(
    caching: Caching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "RETRY_SECONDS", 1000.0)
    entry = (await caching.cache.get(KEY)).entry
    monkeypatch.setattr(freshness_module, "REFRESH_AT", -1.0)
    caching.source.trouble = AccessDenied("You are not allowed to access this db.")
    for _ in range(3):
        assert caching.cache.are_current([entry])
        await _settle()
    assert caching.source.read_keys == [KEY, KEY]


# Bounds


async def test_cache_drops_the_least_recently_used() -> None:
    caching = Caching(max_entries=3)
    for doc_id in "abc":
        await caching.cache.get(("document", "accounts", doc_id))
    assert caching.cache.peek(("document", "accounts", "a")) is not None
    await caching.cache.get(("document", "accounts", "d"))
    kept = [caching.cache.peek(("document", "accounts", doc_id)) is not None for doc_id in "abcd"]
    assert kept == [True, False, True, True]
    assert len(caching.cache) == 3


@pytest.mark.parametrize("trouble", [None, Unreachable("away")])
async def test_cache_get_survives_eviction_while_it_waits(trouble: Troubled | None) -> None:
    caching = Caching(max_entries=1)
    await caching.cache.get(KEY)
    caching.write("two")
    caching.source.gate.clear()
    caching.source.trouble = trouble
    waiting = asyncio.ensure_future(caching.cache.get(KEY))
    await _settle()
    slow_gate, caching.source.gate = caching.source.gate, asyncio.Event()
    caching.source.gate.set()
    caching.source.trouble = None
    await caching.cache.get(OTHER)
    assert caching.cache.peek(KEY) is None
    slow_gate.set()
    answer = await waiting
    assert (answer.entry.value, answer.stale) == ((["two"], False) if trouble is None else (["one"], True))


async def test_cache_get_survives_eviction_while_couchdb_stalls(
    behind: Couch, proxy: FaultProxy, couch: Couch, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "PATIENCE", 0.3)
    saved = await couch.save_docs(database, [{"_id": "x"}, {"_id": "y"}])
    assert all(result.error is None for result in saved)
    freshness = Freshness(WriteCounters.alone(), WriteCounters.alone(), never_connected(), unwatched=-1.0)
    availability = Availability(behind.server)
    cache = Cache(CouchSource(behind), freshness, availability, behind.statistics, max_entries=1)
    await cache.get(("document", database, "x"))
    proxy.fail(broken.Fault.STALL, path="/x")
    waiting = [asyncio.ensure_future(cache.get(("document", database, "x"))) for _ in range(3)]
    await _requested(proxy, "/x", 2)
    assert (await cache.get(("document", database, "y"))).entry.value["_id"] == "y"
    answers: list[Answer] = await asyncio.gather(*waiting)
    assert [(answer.entry.value["_id"], answer.stale) for answer in answers] == [("x", True)] * 3
    await availability.close()
    await cache.close()


async def _requested(proxy: FaultProxy, path: str, times: int) -> None:
    while proxy.count(path=path) < times:
        await asyncio.sleep(0.01)


# CouchDB does not answer


@pytest.mark.parametrize(
    "trouble", [Unreachable("x"), TimedOut("x"), Misconfigured("x"), Fault("x"), AccessDenied("x"), MalformedReply("x")]
)
@pytest.mark.parametrize("server_answers", [True, False])
async def test_cache_get_serves_the_cached_value_marked_stale_after_a_failure(
    caching: Caching, trouble: Troubled, server_answers: bool
) -> None:
    await caching.cache.get(KEY)
    caching.write("two")
    caching.source.trouble = trouble
    caching.server_trouble = None if server_answers else trouble
    answer = await caching.cache.get(KEY)
    assert (answer.entry.value, answer.stale) == (["one"], True)
    assert caching.statistics.stale_answers == 1
    # Whether all of CouchDB is unavailable is asked of the server, not concluded from one value.
    assert await caching.is_away() is not server_answers
    await caching.availability.close()


async def test_cache_get_raises_where_nothing_is_cached(caching: Caching) -> None:
    caching.source.trouble = Unreachable("away")
    with pytest.raises(Unreachable):
        await caching.cache.get(KEY)
    caching.source.trouble = None
    assert await caching.value() == "one"


async def test_cache_get_raises_what_is_no_trouble_though_a_value_is_cached(caching: Caching) -> None:
    await caching.cache.get(KEY)
    caching.expire()
    caching.source.trouble = NoMasterAccount("there is no account")
    with pytest.raises(NoMasterAccount):
        await caching.cache.get(KEY)


async def test_cache_get_pauses_reads_of_a_failed_value(caching: Caching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "RETRY_SECONDS", 1000.0)
    await caching.cache.get(KEY)
    await caching.cache.get(OTHER)
    caching.expire()
    caching.source.unreadable["x"] = Fault("broken")
    for _ in range(5):
        assert (await caching.cache.get(KEY)).stale
        await _settle()
    assert caching.source.read_keys == [KEY, OTHER, KEY]
    # Other values are read as ever.
    assert await caching.value(OTHER) == "one"
    assert caching.source.read_keys[3:] == [OTHER]


async def test_cache_get_reads_nothing_while_couchdb_is_unavailable(caching: Caching) -> None:
    await caching.cache.get(KEY)
    await caching.cache.get(OTHER)
    caching.expire()
    caching.source.trouble = caching.server_trouble = Unreachable("away")
    assert (await caching.cache.get(KEY)).stale
    assert await caching.is_away()
    for _ in range(5):
        for key in (KEY, OTHER):
            assert (await caching.cache.get(key)).stale
        await _settle()
    assert caching.source.read_keys == [KEY, OTHER, KEY]
    # It is asked in the background until it answers.
    caching.source.trouble = caching.server_trouble = None
    caching.source.text = "two"
    while await caching.is_away():
        await asyncio.sleep(0)
    assert await caching.value(OTHER) == "two"


async def test_cache_get_waits_only_so_long_for_a_slow_value(caching: Caching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "PATIENCE", 0.01)
    await caching.cache.get(KEY)
    caching.write("two")
    caching.source.gate.clear()
    answer = await caching.cache.get(KEY)
    assert (answer.entry.value, answer.stale) == (["one"], True)
    # One slow value says nothing about CouchDB.
    assert not await caching.is_away()
    caching.source.gate.set()
    while caching.cache.peek(KEY) is None:
        await asyncio.sleep(0)
    assert await caching.value() == "two"


async def test_availability_asks_until_the_server_answers(caching: Caching, caplog: pytest.LogCaptureFixture) -> None:
    caching.server_trouble = Unreachable("connection failed: ClientConnectorError")
    caching.availability.suspect()
    caching.availability.suspect()
    assert await caching.is_away()
    caching.server_trouble = None
    while await caching.is_away():
        await asyncio.sleep(0)
    assert [record.message for record in caplog.records] == [
        "CouchDB is unavailable, cached data is served",
        "CouchDB is available again",
    ]
    await caching.availability.close()


async def test_availability_takes_a_silent_server_for_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_PROBE_TIMEOUT", 0.01)
    availability = Availability(asyncio.Event().wait)
    availability.suspect()
    while not availability.away:
        await asyncio.sleep(0.01)
    await availability.close()
    await availability.close()


# Own writes


async def test_cache_put_is_used_without_a_read(caching: Caching) -> None:
    before = caching.cache.stamp(KEY)
    caching.write("own")
    caching.cache.put(KEY, ["own"], before)
    assert await caching.value() == "own"
    assert caching.source.read_keys == []


async def test_cache_put_is_read_again_if_another_wrote_meanwhile(caching: Caching) -> None:
    before = caching.cache.stamp(KEY)
    caching.write("theirs")
    caching.write("own")
    caching.source.text = "merged"
    caching.cache.put(KEY, ["own"], before)
    assert await caching.value() == "merged"


async def test_cache_put_is_read_again_if_a_feed_named_the_database_meanwhile(caching: Caching) -> None:
    before = caching.cache.stamp(KEY)
    caching.outside.increment(row_of("accounts", ""))
    caching.write("own")
    caching.source.text = "merged"
    caching.cache.put(KEY, ["own"], before)
    assert await caching.value() == "merged"


@pytest.mark.parametrize("start", ["get", "newest", "prefetch"])
async def test_cache_put_is_not_overwritten_by_a_read_that_began_before(caching: Caching, start: str) -> None:
    caching.source.gate.clear()
    reads: dict[str, Callable[[], Awaitable[object]]] = {
        "get": lambda: caching.cache.get(KEY),
        "newest": lambda: caching.cache.newest(KEY),
        "prefetch": lambda: caching.cache.prefetch([KEY, OTHER]),
    }
    reading = asyncio.ensure_future(reads[start]())
    await _settle()
    before = caching.cache.stamp(KEY)
    caching.write("own")
    caching.cache.put(KEY, ["own"], before)
    caching.source.gate.set()
    await reading
    assert await caching.value() == "own"
    # Also when it can no longer be confirmed.
    caching.expire()
    caching.source.trouble = caching.server_trouble = Unreachable("away")
    answer = await caching.cache.get(KEY)
    assert (answer.entry.value, answer.stale) == (["own"], True)
    await caching.availability.close()


async def test_cache_newest_reads_whatever_is_cached(caching: Caching) -> None:
    first = (await caching.cache.get(KEY)).entry
    assert await caching.cache.newest(KEY) is first
    assert len(caching.source.read_keys) == 2
    caching.source.trouble = Unreachable("away")
    with pytest.raises(Unreachable):
        await caching.cache.newest(KEY)


async def test_cache_newest_joins_no_read_that_is_running(caching: Caching) -> None:
    caching.source.gate.clear()
    early = asyncio.ensure_future(caching.cache.get(KEY))
    await _settle()
    caching.source.text = "two"
    late = asyncio.ensure_future(caching.cache.newest(KEY))
    await _settle()
    caching.source.gate.set()
    assert (await late).value == ["two"]
    await early
    assert await caching.value() == "two"


# Batches


async def test_cache_prefetch_reads_what_is_not_current_in_batches(caching: Caching) -> None:
    keys: list[Key] = [KEY, OTHER, ("document", "services", "x"), ("document", "accounts", "z")]
    for key in keys:
        await caching.cache.get(key)
    caching.source.read_keys.clear()
    caching.source.batches_read.clear()
    await caching.cache.prefetch(keys)
    assert caching.source.read_keys == []
    for key in keys[1:]:
        caching.write("two", key)
    await caching.cache.prefetch([*keys, *keys])
    assert caching.source.batches_read == [["y", "z"], ["x"]]
    assert [await caching.value(key) for key in keys] == ["one", "two", "two", "two"]
    assert sorted(caching.source.read_keys) == sorted(keys[1:])


async def test_cache_prefetch_waits_for_reads_that_are_running(caching: Caching) -> None:
    caching.source.gate.clear()
    reading = asyncio.ensure_future(caching.cache.get(KEY))
    await _settle()
    prefetching = asyncio.ensure_future(caching.cache.prefetch([KEY, OTHER]))
    await _settle()
    assert not prefetching.done()
    caching.source.gate.set()
    await prefetching
    await reading
    assert caching.source.batches_read == [["x"], ["y"]]


@pytest.mark.parametrize("trouble", [Fault("one of them"), MalformedReply("one of them")])
async def test_cache_prefetch_reads_singly_if_one_of_a_batch_cannot_be_read(
    caching: Caching, trouble: Troubled
) -> None:
    caching.source.unreadable["y"] = trouble
    await caching.cache.prefetch([KEY, OTHER, ("document", "accounts", "z")])
    assert caching.source.batches_read == [["x", "y", "z"], ["x"], ["y"], ["z"]]
    assert caching.cache.peek(KEY) is not None
    assert caching.cache.peek(("document", "accounts", "z")) is not None
    with pytest.raises(type(trouble)):
        await caching.cache.get(OTHER)


@pytest.mark.parametrize("trouble", [AccessDenied("no"), TimedOut("slow"), Unreachable("away"), Misconfigured("no")])
async def test_cache_prefetch_tries_a_batch_once_if_the_failure_concerns_all(
    caching: Caching, trouble: Troubled
) -> None:
    caching.source.trouble = trouble
    with pytest.raises(type(trouble)):
        await caching.cache.prefetch([KEY, OTHER])
    assert caching.source.batches_read == [["x", "y"]]


async def test_cache_prefetch_raises_only_for_what_is_not_cached(caching: Caching) -> None:
    await caching.cache.get(KEY)
    caching.expire()
    caching.source.trouble = caching.server_trouble = Unreachable("away")
    await caching.cache.prefetch([KEY])
    with pytest.raises(Unreachable):
        await caching.cache.prefetch([KEY, OTHER])
    assert (await caching.cache.get(KEY)).stale
    await caching.availability.close()


async def test_cache_prefetch_waits_only_so_long_for_slow_values(
    caching: Caching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "PATIENCE", 0.01)
    monkeypatch.setattr(cache_module, "RETRY_SECONDS", 1000.0)
    await caching.cache.get(KEY)
    caching.expire()
    caching.source.gate.clear()
    await caching.cache.prefetch([KEY, OTHER])
    # It is not waited for once more.
    monkeypatch.setattr(cache_module, "PATIENCE", 1000.0)
    assert (await caching.cache.get(KEY)).stale
    caching.source.gate.set()
    assert await caching.value(OTHER) == "one"


async def test_cache_close_cancels_reads(caching: Caching) -> None:
    caching.source.gate.clear()
    request = asyncio.ensure_future(caching.cache.get(KEY))
    await _settle()
    await caching.cache.close()
    with pytest.raises(asyncio.CancelledError):
        await request


# SingleFlight


async def test_single_flight_run_shares_work_that_is_running() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    gate, runs = asyncio.Event(), []

    async def work() -> int:
        runs.append(1)
        await gate.wait()
        return len(runs)

    requests = [asyncio.ensure_future(flights.run("a", work)) for _ in range(5)]
    other = asyncio.ensure_future(flights.run("b", work))
    await _settle()
    requests[0].cancel()
    gate.set()
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [2, 2, 2, 2]
    assert await other == 2
    # What is done is not shared any more.
    assert flights.running("a") is None
    assert await flights.run("a", work) == 3


async def test_single_flight_run_raises_what_the_work_raises() -> None:
    flights: SingleFlight[str, JsonObject] = SingleFlight()

    async def work() -> JsonObject:
        raise LookupError("nothing")

    requests = [asyncio.ensure_future(flights.run("a", work)) for _ in range(3)]
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3


async def test_availability_is_asked_after_the_deadline_of_the_request_that_failed(
    behind: Couch, proxy: FaultProxy
) -> None:
    availability = Availability(behind.server)
    await proxy.refuse()
    with RequestScope(0.1, accepts_stale=True):
        availability.suspect()
    for away in (True, False):
        while availability.away is not away:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        await proxy.accept()
    await availability.close()
