"""A bounded cache of parsed values, read once for all who ask at the same time.

A cached value is used without asking CouchDB as long as ``Freshness`` says that it may be. While CouchDB does not
answer, the value read last is used and marked stale; what was never read is an error.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Hashable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from cachetools import LRUCache

from crossbar_appstore.request_scope import accepts_stale, remaining, shared_context, time_limit

from .client import Availability, Statistics
from .errors import DatastoreError, Fault, MalformedReply, TimedOut, Troubled
from .freshness import Freshness, Stamp, row_of

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_ENTRIES: Final = 20_000
PATIENCE: Final = 2.5
"""Seconds that a request waits for a slow CouchDB where an older value is cached."""
_GATHERED_SECONDS: Final = 0.05
RETRY_SECONDS: Final = 0.5
"""Seconds after a failed read in which the cached value is used, marked stale, without another try."""

Key = tuple[str, str, str]
"""Kind of value, database, and what of it: a document id, for example."""


class SingleFlight(Generic[K, V]):
    """Runs one piece of work for all who ask for the same key meanwhile; it goes on if those who asked are gone."""

    def __init__(self) -> None:
        self._tasks: dict[K, tuple[asyncio.Task[V], float]] = {}
        """The task, and when (monotonic) it began."""

    async def run(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Return or raise what the running work of that key does; where there is none, that of ``work``.

        Raises:
            TimedOut: it is not done at the request's deadline.
        """
        return await within_request(self.running(key) or self.start([key], work()))

    def running(self, key: K) -> "asyncio.Task[V] | None":
        """The task of that key, None if there is none, or if it seems to be stuck."""
        task, begun = self._tasks.get(key, (None, 0.0))
        return task if time.monotonic() - begun < PATIENCE else None

    def start(self, keys: Sequence[K], work: Coroutine[Any, Any, V]) -> "asyncio.Task[V]":
        """Start work for some keys; who asks for one of them from now on gets this."""
        task = asyncio.get_running_loop().create_task(work, context=shared_context())
        self._tasks.update(dict.fromkeys(keys, (task, time.monotonic())))
        task.add_done_callback(partial(self._done, keys))
        return task

    async def close(self) -> None:
        """Cancel what is running."""
        tasks = {task for task, _ in self._tasks.values()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, keys: Sequence[K], task: "asyncio.Task[V]") -> None:
        for key in keys:
            if self._tasks.get(key, (None,))[0] is task:
                del self._tasks[key]
        if not task.cancelled():
            task.exception()  # retrieved, or asyncio would log it where no request waits any more


class Entry:
    """One cached value, with the state of its rows of the write counters from before it was read.

    An entry is updated in place when its value was read again and had not changed, and never current again after it
    had. So who keeps entries can tell with ``Cache.are_current`` whether what was made of their values still holds.
    """

    __slots__ = ("database_row", "key", "outside", "own", "read_at", "retry_at", "row", "value")

    def __init__(self, key: Key, value: Any, row: int, database_row: int, stamp: Stamp) -> None:
        self.key = key
        self.value = value
        self.row = row
        self.database_row = database_row
        self.retry_at = 0.0
        self.own, self.outside, self.read_at = stamp


class Answer(NamedTuple):
    """An entry, and whether its value may be outdated since CouchDB did not answer."""

    entry: Entry
    stale: bool


Found = dict[Key, Entry | DatastoreError]
"""What became of the keys that were read together."""


class Source(Protocol):
    """Where the values of a cache are read from."""

    def row(self, key: Key) -> int:
        """The row of the write counters that is incremented when the value may have changed."""
        ...

    def batches(self, keys: Iterable[Key]) -> list[list[Key]]:
        """The same keys in groups that can be read together."""
        ...

    async def read(self, keys: Sequence[Key]) -> Sequence[Any]:
        """Read the values of one group of keys; what does not exist is a value, too. Raises DatastoreError."""
        ...

    def is_same(self, key: Key, old: Any, new: Any) -> bool:
        """Whether the value has not changed."""
        ...


class Cache:
    """Values by key; the least recently used are dropped.

    Args:
        source: reads values.
        freshness: tells how long they may be used.
        availability: tells whether CouchDB answers at all.
        statistics: counts what happens.
        max_entries: how many values are kept.
    """

    def __init__(
        self,
        source: Source,
        freshness: Freshness,
        availability: Availability,
        statistics: Statistics,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        self._source = source
        self._freshness = freshness
        self._availability = availability
        self._statistics = statistics
        self._entries: LRUCache[Key, Entry] = LRUCache(max_entries)
        # By key and the number of writes of its row: no request joins a read that began before a write.
        self._reads: SingleFlight[tuple[Key, int], Found] = SingleFlight()
        # Keys to read again in the background, in order.
        self._aged: dict[Key, None] = {}
        self._refresh: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def peek(self, key: Key) -> Entry | None:
        """The entry if it may be used without asking CouchDB, else None."""
        entry = self._entries.get(key)
        if entry is None or not self.are_current((entry,)):
            return None
        self._statistics.hits += 1
        return entry

    def are_current(self, entries: Iterable[Entry]) -> bool:
        """Whether all these entries may be used without asking CouchDB.

        Those that will soon be too old are read again in the background, so that no request waits for it.
        """
        counters, outside = self._freshness.counters, self._freshness.outside
        oldest, aging = self._freshness.limits()
        aged = []
        for entry in entries:
            if (
                entry.read_at < oldest
                or counters.read(entry.row) != entry.own
                or outside.read(entry.database_row) != entry.outside
            ):
                return False
            if entry.read_at < aging and self._may_read(entry):
                aged.append(entry.key)
        if aged:
            if not self._aged:
                # Requests ask for one document after the other: those of one database are read again together.
                self._refresh = asyncio.get_running_loop().call_later(_GATHERED_SECONDS, self._read_aged)
            self._aged.update(dict.fromkeys(aged))
        return True

    async def get(self, key: Key, prefetch: Collection[Key] = ()) -> Answer:
        """The cached value if it may be used, else CouchDB's, else the cached one marked stale.

        Args:
            key: of the value.
            prefetch: what will be asked for next. Where CouchDB has to be asked for the value, those of them that are
                not cached are read at the same time.

        Raises:
            DatastoreError: CouchDB does not answer, and nothing is cached, or the request does not accept stale data.
        """
        entry = self.peek(key)
        if entry is not None:
            return Answer(entry, stale=False)
        if prefetch:
            # Whether this value can be had is told below.
            with suppress(Troubled):
                await self.prefetch([key, *prefetch])
            return await self.get(key)
        entry = self._entries.get(key)
        if entry is None:
            # Joins a read that is running, or starts one.
            (task,) = self._join([key])
            return Answer(await _result(task, key), stale=False)
        if not accepts_stale():
            await self._availability.require()
            (task,) = self._join([key])
            return Answer(await _result(task, key), stale=False)
        if self._may_read(entry):
            (task,) = self._join([key])
            await asyncio.wait({task}, timeout=remaining(PATIENCE))
            if task.done():
                try:
                    return Answer(await _result(task, key), stale=False)
                except Troubled:
                    pass  # _load has seen to it
            else:
                self._failed([key])
        self._statistics.stale_answers += 1
        return Answer(entry, stale=True)

    async def newest(self, key: Key) -> Entry:
        """CouchDB's value from now, whatever is cached or being read. Raises DatastoreError."""
        return await _result(self._start([key]), key)

    async def prefetch(self, keys: Iterable[Key]) -> dict[Key, Entry]:
        """Read what will have to be read when these values are asked for, all at once and few requests.

        Returns:
            The entries of all keys if they could be used without asking CouchDB, else none.

        Raises:
            DatastoreError: CouchDB does not answer, and some of them are not cached.
        """
        cached = {key: self._entries.get(key) for key in keys}
        found = {key: entry for key, entry in cached.items() if entry is not None}
        # Nearly always everything is cached.
        if len(found) == len(cached) and self.are_current(found.values()):
            return found
        old = [key for key, entry in found.items() if not self.are_current((entry,))]
        wanted = [key for key, entry in cached.items() if entry is None or (key in old and self._may_read(entry))]
        if not wanted:
            return {}
        tasks = {task for batch in self._source.batches(wanted) for task in self._join(batch)}
        _, slow = await asyncio.wait(tasks, timeout=remaining(PATIENCE))
        if slow:
            self._failed(key for key in wanted if self.peek(key) is None)
        for task in tasks - slow:
            error = task.exception()
            if error is not None and not all(key in self._entries for key in wanted):
                raise error
        return {}

    def stamp(self, key: Key) -> Stamp:
        """The state of the key's rows now; take it before a write, for ``put``."""
        freshness = self._freshness
        own = freshness.counters.read(self._source.row(key))
        return Stamp(own, freshness.outside.read(row_of(key[1], "")), time.monotonic())

    def put(self, key: Key, value: Any, before: Stamp) -> None:
        """Keep what this process just wrote, and counted once.

        ``before`` is from before the write: if anybody else wrote since, the counters differ, and it is not used.
        """
        self._store(key, value, before._replace(own=before.own + 1))

    async def close(self) -> None:
        """Cancel the reads that are running."""
        if self._refresh is not None:
            self._refresh.cancel()
        await self._reads.close()

    def _read_aged(self) -> None:
        aged, self._aged = self._aged, {}
        for batch in self._source.batches(aged):
            self._join(batch)

    def _may_read(self, entry: Entry) -> bool:
        """Whether to ask CouchDB where an older value is cached: not while it is unavailable, or has just failed."""
        return not self._availability.away and time.monotonic() >= entry.retry_at

    def _join(self, batch: Sequence[Key]) -> "set[asyncio.Task[Found]]":
        """The reads of these keys: those that are running, and one for all others."""
        counters, source = self._freshness.counters, self._source
        found = {key: self._reads.running((key, counters.read(source.row(key)))) for key in batch}
        tasks = {task for task in found.values() if task is not None}
        new = [key for key, task in found.items() if task is None]
        return tasks | {self._start(new)} if new else tasks

    def _start(self, batch: Sequence[Key]) -> "asyncio.Task[Found]":
        stamps = {key: self.stamp(key) for key in batch}
        return self._reads.start([(key, stamp.own) for key, stamp in stamps.items()], self._load(stamps))

    async def _load(self, stamps: dict[Key, Stamp]) -> Found:
        """Read a batch and keep what was read."""
        cached = sum(key in self._entries for key in stamps)
        self._statistics.refetches += cached
        self._statistics.reads += len(stamps) - cached
        try:
            values = await self._source.read(list(stamps))
        except Troubled as error:
            if len(stamps) > 1 and isinstance(error, Fault | MalformedReply):
                # One of them may be unreadable: the others are not to suffer from it.
                return await self._load_singly(stamps)
            self._failed(stamps)
            raise
        return {key: self._store(key, value, stamps[key]) for key, value in zip(stamps, values, strict=True)}

    async def _load_singly(self, stamps: dict[Key, Stamp]) -> Found:
        found: Found = {}
        for key, stamp in stamps.items():
            try:
                found |= await self._load({key: stamp})
            except DatastoreError as error:
                found[key] = error
        return found

    def _failed(self, keys: Iterable[Key]) -> None:
        """Use the cached values of keys for ``RETRY_SECONDS``, and find out whether all of CouchDB is unavailable."""
        until = time.monotonic() + RETRY_SECONDS
        for key in keys:
            entry = self._entries.get(key)
            if entry is not None:
                entry.retry_at = until
        self._availability.suspect()

    def _store(self, key: Key, value: Any, stamp: Stamp) -> Entry:
        old = self._entries.get(key)
        if old is not None:
            if (old.own, old.read_at) > (stamp.own, stamp.read_at):
                return old  # what was read or written since this read began is newer
            if self._source.is_same(key, old.value, value):
                self._statistics.unchanged += 1
                old.own, old.outside, old.read_at = stamp
                return old
            old.read_at = float("-inf")
        entry = Entry(key, value, self._source.row(key), row_of(key[1], ""), stamp)
        self._entries[key] = entry
        return entry


async def within_request(task: "asyncio.Task[V]") -> V:
    """Wait for a task that others may wait for as well; raises TimedOut at the request's deadline."""
    try:
        async with time_limit():
            return await asyncio.shield(task)
    except TimeoutError:
        raise TimedOut("no reply in time") from None


async def _result(task: "asyncio.Task[Found]", key: Key) -> Entry:
    found = (await within_request(task))[key]
    if isinstance(found, DatastoreError):
        raise found
    return found
