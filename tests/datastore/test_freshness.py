"""Write counters, change feeds with connections that a test makes one by one, and maximum ages."""

import asyncio
import json
import logging
import multiprocessing
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.datastore import freshness as freshness_module
from crossbar_appstore.datastore import store as store_module
from crossbar_appstore.datastore.client import Statistics
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import (
    AccessDenied,
    DatabaseMissing,
    DatastoreError,
    Misconfigured,
    TimedOut,
    Unreachable,
)
from crossbar_appstore.datastore.freshness import ROWS, ChangeFeed, Freshness, WriteCounters, row_of
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject

from .conftest import NewDatabase
from .fault_proxy import FaultProxy, answering

# Write counters


def test_write_counters_increment_shows_in_its_row_for_every_worker(tmp_path: Path) -> None:
    workers = [WriteCounters.in_file(tmp_path / "counters") for _ in range(3)]
    before = [workers[0].read(row) for row in (7, 8)]
    for worker in workers:
        worker.increment(7)
    assert all(worker.read(7) == before[0] + 3 for worker in workers)
    assert all(worker.read(8) == before[1] for worker in workers)


@given(st.lists(st.integers(0, 2), max_size=30))
def test_write_counters_read_never_gives_an_older_number_again(writes: list[int]) -> None:
    counters = WriteCounters.alone()
    seen = {row: {counters.read(row)} for row in range(3)}
    for row in writes:
        counters.increment(row)
        assert counters.read(row) not in seen[row]
        seen[row].add(counters.read(row))


FORKING = """
import os
import sys
from pathlib import Path
from crossbar_appstore.datastore.freshness import WriteCounters

counters = WriteCounters.in_file(Path(sys.argv[1]))
child = os.fork()
if child == 0:
    counters.increment(WriteCounters.CATALOGUE)
    os._exit(0)
os.waitpid(child, 0)
print(counters.read(WriteCounters.CATALOGUE))
"""


def test_write_counters_are_shared_by_forked_processes(tmp_path: Path) -> None:
    # In a process of its own: this one has threads, which do not go together with forking.
    command = [sys.executable, "-c", FORKING, str(tmp_path / "counters")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "1\n"


def _increment_in_file(path: Path, times: int) -> None:
    counters = WriteCounters.in_file(path)
    for _ in range(times):
        counters.increment(row_of("accounts", "x"))


def test_write_counters_in_file_lose_nothing_when_processes_increment_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    counters = WriteCounters.in_file(path)
    size = path.stat().st_size
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_increment_in_file, args=(path, 5_000)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert counters.read(row_of("accounts", "x")) == counters.read(WriteCounters.TOTAL) == 15_000
    assert path.stat().st_size == size == 8 * (ROWS + 2)


def test_write_counters_in_file_keep_what_was_counted(tmp_path: Path) -> None:
    first = WriteCounters.in_file(tmp_path / "counters")
    first.increment(3)
    assert WriteCounters.in_file(tmp_path / "counters").read(3) == 1


@given(st.text(), st.text())
def test_row_of_is_a_row_of_documents(database: str, doc_id: str) -> None:
    try:
        (database + doc_id).encode()
    except UnicodeEncodeError:
        return
    assert 0 <= row_of(database, doc_id) < ROWS == WriteCounters.CATALOGUE


def test_row_of_is_the_same_in_every_process() -> None:
    assert row_of("accounts", "x") == 12766
    assert len({row_of("accounts", ""), row_of("accounts", "x"), row_of("accounts", "y"), row_of("services", "x")}) == 4


def test_write_counters_total_counts_the_writes_of_all_rows(counters: WriteCounters) -> None:
    counters.increment(1, 2)
    counters.increment(WriteCounters.CATALOGUE)
    assert counters.read(WriteCounters.TOTAL) == 2
    assert (counters.read(1), counters.read(2)) == (1, 1)


def test_write_counters_alone_have_all_rows() -> None:
    counters = WriteCounters.alone()
    counters.increment(0)
    counters.increment(WriteCounters.CATALOGUE)
    read = counters.read
    assert (read(0), read(1), read(WriteCounters.CATALOGUE), read(WriteCounters.TOTAL)) == (1, 0, 1, 2)


# Change feeds


class Line:
    """What feeds connect to: each connection gives its batches, then raises its end (None: ends); the last hangs."""

    def __init__(self, *connections: tuple[list[list[str]], Exception | None]) -> None:
        self.connections = list(connections)
        self.connected = 0
        self.handled: list[str] = []
        self.trouble: list[Exception] = []
        self.done = asyncio.Event()
        self.statistics = Statistics()

    async def connect(self) -> AsyncGenerator[list[str], None]:
        self.connected += 1
        if not self.connections:
            self.done.set()
            yield []
            await asyncio.Event().wait()
        batches, end = self.connections.pop(0)
        for batch in batches:
            yield batch
        if end is not None:
            raise end

    async def handle(self, batch: list[str]) -> None:
        if batch and self.trouble:
            raise self.trouble.pop()
        self.handled += batch

    def feed(self, refused_pause: float = 0.0) -> ChangeFeed[str]:
        return ChangeFeed("a test", self.connect, self.handle, self.statistics, refused_pause=refused_pause)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness_module, "FIRST_PAUSE", 0.0)


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    "end", [None, Unreachable("reset"), TimedOut("silent"), DatabaseMissing("accounts"), Misconfigured("no")]
)
async def test_change_feed_connects_again_after_any_end(end: DatastoreError | None) -> None:
    line = Line(([["a"], [], ["b", "c"]], end), ([["d"]], end))
    feed = line.feed()
    feed.start()
    feed.start()
    await line.done.wait()
    await feed.stop()
    assert line.handled == ["a", "b", "c", "d"]
    assert line.connected == 3
    assert line.statistics.feed_restarts == 2


@pytest.mark.usefixtures("no_pauses")
async def test_change_feed_survives_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    line = Line(([["a"]], None), ([["b"]], None))
    line.trouble = [ZeroDivisionError()]
    feed = line.feed()
    feed.start()
    await line.done.wait()
    await feed.stop()
    assert line.handled == ["b"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("refusal", [AccessDenied("no"), DatabaseMissing("_db_updates")])
async def test_change_feed_pauses_after_a_refusal(refusal: DatastoreError, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    paused = asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        paused.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(freshness_module, "backoff", pause)
    line = Line(([], refusal))
    feed = line.feed(refused_pause=1000.0)
    feed.start()
    await paused.wait()
    await feed.stop()
    assert (line.connected, pauses) == (1, [1000.0])


async def test_change_feed_pauses_longer_until_it_was_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(freshness_module, "backoff", pause)
    line = Line(*[([], Unreachable("refused"))] * 6, ([["a"]], Unreachable("reset")), ([], Unreachable("refused")))
    feed = line.feed()
    feed.start()
    await line.done.wait()
    await feed.stop()
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 0.05]


async def test_change_feed_is_healthy_while_batches_come(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line()
    feed = line.feed()
    assert not feed.is_healthy()
    feed.start()
    await line.done.wait()
    await asyncio.sleep(0)
    assert feed.is_healthy()
    assert feed.connected_at <= feed.handled_at
    monkeypatch.setattr(freshness_module, "SILENCE", -1.0)
    assert not feed.is_healthy()
    monkeypatch.undo()
    await feed.stop()
    await feed.stop()
    assert not feed.is_healthy()
    assert feed.connected_at == float("inf")


async def test_change_feed_is_not_healthy_before_a_batch_was_handled() -> None:
    handling, handled = asyncio.Event(), asyncio.Event()

    async def handle(batch: list[str]) -> None:
        handling.set()
        await handled.wait()

    line = Line(([["a"], []], None))
    line.handle = handle  # type: ignore[method-assign]  # to stop in the middle of it
    feed = line.feed()
    feed.start()
    await handling.wait()
    assert not feed.is_healthy()
    handled.set()
    while not feed.is_healthy():
        await asyncio.sleep(0)
    await feed.stop()


# Maximum ages


@dataclass
class FixedFeed:
    """A feed in a state that the test gives."""

    healthy: bool = True
    connected_at: float = float("-inf")

    def is_healthy(self) -> bool:
        return self.healthy


def fresh(feed: FixedFeed, *, trusted: bool = True) -> Freshness:
    return Freshness(WriteCounters.alone(), WriteCounters.alone(), feed, watched=60.0, unwatched=1.5, trusted=trusted)  # type: ignore[arg-type]  # all that is used of a feed


@pytest.mark.parametrize(
    ("feed", "trusted", "expected"),
    [
        (FixedFeed(), True, (-60.0, -42.0)),
        (FixedFeed(), False, (-1.5, pytest.approx(-1.05))),
        (FixedFeed(healthy=False), True, (-1.5, pytest.approx(-1.05))),
        # Values read before the feed was connected may have changed unnoticed, and are not for long.
        (FixedFeed(connected_at=-20.0), True, (-20.0, -20.0)),
        (FixedFeed(connected_at=-0.1), True, (-1.5, pytest.approx(-1.05))),
    ],
)
def test_freshness_limits_depend_on_the_feed(
    feed: FixedFeed, trusted: bool, expected: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    assert fresh(feed, trusted=trusted).limits() == expected


# The feed of databases, as CouchDB 2 and newer send it; PouchDB Server has none

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"


@dataclass
class DbUpdates:
    """A server's ``_db_updates``: sends what it is told to, and heartbeats."""

    lines: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    sent: int = 0

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        while True:
            try:
                line = await asyncio.wait_for(self.lines.get(), 0.1)
            except TimeoutError:
                line = b"\n"
            writer.write(line)
            await writer.drain()
            self.sent += 1

    async def send(self, line: bytes) -> None:
        """Send a line, and wait until heartbeats followed it."""
        await self.lines.put(line)
        goal = self.sent + 3
        while self.sent < goal:
            await asyncio.sleep(0.02)

    async def name(self, database: str) -> None:
        update = {"db_name": database, "type": "updated", "seq": "7-abc"}
        await self.send(json.dumps(update).encode() + b"\n")


@pytest.fixture
async def updates(proxy: FaultProxy) -> DbUpdates:
    server = DbUpdates()
    proxy.scripts["/_db_updates"] = server.answer
    return server


@pytest.fixture
async def watching(proxy: FaultProxy, updates: DbUpdates, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Datastore]:
    async with Datastore(Couch(proxy.url)) as store:
        # Without the feed every document is read again each time.
        monkeypatch.setattr(store._freshness, "_unwatched", -1.0)
        await updates.send(b"\n")
        yield store


async def is_read_again(store: Datastore, database: str) -> bool:
    """Whether CouchDB is asked when the document is opened."""
    requests = store.statistics.requests
    await store.open(database, "x")
    return store.statistics.requests > requests


async def test_datastore_open_trusts_no_feed_that_never_named_anything(watching: Datastore, database: str) -> None:
    await watching.open(database, "x")
    assert await is_read_again(watching, database)


async def test_datastore_open_trusts_a_feed_until_it_names_the_database(
    couch: Couch, watching: Datastore, updates: DbUpdates, database: str
) -> None:
    saved = await couch.save_doc(database, {"_id": "x"})
    await updates.name("another")
    assert (await watching.open(database, "x")).document == saved
    assert not await is_read_again(watching, database)
    newest: JsonObject = await couch.save_doc(database, {**saved, "n": 1})
    await updates.name("another")
    assert not await is_read_again(watching, database)
    await updates.name(database)
    assert (await watching.open(database, "x")).document == newest
    assert not await is_read_again(watching, database)


async def test_datastore_open_on_a_cluster_reads_again_when_all_copies_have_the_change(
    proxy: FaultProxy,
    watching: Datastore,
    updates: DbUpdates,
    database: str,
    new_database: NewDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy.scripts["/_membership"] = answering({"all_nodes": ["a@b", "c@d"], "cluster_nodes": ["a@b", "c@d"]})
    monkeypatch.setattr(store_module, "SETTLED_SECONDS", 0.5)
    other = await new_database()
    await updates.name(other)
    await asyncio.sleep(0.6)
    await watching.open(database, "x")
    assert not await is_read_again(watching, database)
    await updates.name(database)
    await watching.open(database, "x")
    await asyncio.sleep(0.6)
    # This change was seen at once, perhaps on a copy that did not have it yet.
    assert await is_read_again(watching, database)
    assert not await is_read_again(watching, database)


async def test_datastore_open_trusts_no_value_from_before_the_feed_connected(
    proxy: FaultProxy, watching: Datastore, updates: DbUpdates, database: str
) -> None:
    await updates.name("another")
    await watching.open(database, "x")
    assert not await is_read_again(watching, database)
    # A broken connection may have missed something.
    proxy.heal()
    restarts = watching.statistics.feed_restarts
    while watching.statistics.feed_restarts == restarts:
        await asyncio.sleep(0.01)
    assert await is_read_again(watching, database)
    while not watching._updates_feed.is_healthy():
        await asyncio.sleep(0.01)
    await updates.send(b"\n")
    await watching.open(database, "x")
    assert not await is_read_again(watching, database)
