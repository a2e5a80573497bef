"""A bounded memory of what CouchDB last answered, that knows how far to trust itself.

An answer is given without asking CouchDB only while it is young (``ages``), no worker wrote to its row of the notice
board, and no feed named its database. Askers of one key share one read. While CouchDB is away the last answer is
given, marked stale; what was never known stays an error.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from .counters import Counters
from .errors import DatastoreError, Fault, Troubled
from .notices import NoticeBoard, row_of

A = TypeVar("A")

Key = tuple[str, str]
"""Database and document id; or database and any other text, for what the whole database decides."""

PATIENCE = 2.5
"""Seconds that an asker waits for a slow CouchDB where an older answer is known."""
PROBE_PAUSE = 0.5
"""Seconds between two tries while CouchDB is away and older answers are given."""
EARLY = 0.6
"""The part of its age limit after which an answer in use is read again in the background."""


class Kind(Protocol[A]):
    """What is cached, and how."""

    def row(self, key: Key) -> int:
        """The row of the notice board that tells of writes."""
        ...

    async def fetch(self, key: Key) -> A:
        """Ask CouchDB; what is missing is an answer, too. Raises DatastoreError."""
        ...

    def is_same(self, old: A, new: A) -> bool:
        """Whether the new answer says nothing new, so that the old object is kept."""
        ...

    def as_stale(self, answer: A) -> A:
        """The answer, marked stale."""
        ...

    def weight(self, answer: A) -> int:
        """Roughly how many bytes of memory it takes."""
        ...


class Ages(Protocol):
    """How long answers may be believed."""

    def limit(self, asked_at: float) -> float:
        """Seconds, for an answer that was asked for at that moment (monotonic)."""
        ...


@dataclass(frozen=True, slots=True)
class ShortAges:
    """The same limit for every answer: where no feed tells of other writers."""

    seconds: float = 1.5

    def limit(self, asked_at: float) -> float:
        """The same for all."""
        return self.seconds


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the two boards said of a key at one moment, and when that was."""

    own: bytes
    outside: bytes
    at: float


@dataclass(slots=True)
class _Entry(Generic[A]):
    answer: A
    stamp: Stamp
    row: int
    database_row: int
    weight: int


@dataclass(slots=True)
class _Flight(Generic[A]):
    stamp: Stamp
    task: "asyncio.Task[A]"


class Cache(Generic[A]):
    """Answers by key, least recently used ones dropped beyond ``max_entries`` or ``max_bytes``."""

    def __init__(
        self,
        kind: Kind[A],
        board: NoticeBoard,
        outside: NoticeBoard,
        ages: Ages,
        counters: Counters,
        *,
        max_entries: int = 50_000,
        max_bytes: int = 32_000_000,
    ) -> None:
        self._kind = kind
        self._board = board
        self._outside = outside
        self._ages = ages
        self._counters = counters
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Key, _Entry[A]] = OrderedDict()
        self._flights: dict[Key, _Flight[A]] = {}
        self._bytes = 0
        self._away = False
        self._probe_at = 0.0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Roughly the bytes held."""
        return self._bytes

    @property
    def away(self) -> bool:
        """Whether the last read found CouchDB away."""
        return self._away

    def peek(self, key: Key) -> A | None:
        """The answer if it can be trusted now, without waiting; else None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        stamp = entry.stamp
        age = time.monotonic() - stamp.at
        limit = self._ages.limit(stamp.at)
        if age > limit or self._board.row(entry.row) != stamp.own:
            return None
        if self._outside.row(entry.database_row) != stamp.outside:
            return None
        if age > EARLY * limit and not self._away and key not in self._flights:
            self._start(key)
        self._entries.move_to_end(key)
        self._counters.hits += 1
        return entry.answer

    async def get(self, key: Key) -> A:
        """The answer: the known one if it can be trusted, else CouchDB's, else the known one marked stale.

        Raises:
            DatastoreError: nothing is known, and CouchDB does not answer.
        """
        answer = self.peek(key)
        if answer is not None:
            return answer
        entry = self._entries.get(key)
        if entry is None:
            return await asyncio.shield(self._flight(key).task)
        if self._away:
            # Somebody else's read finds out when CouchDB is back; nobody waits for that.
            if time.monotonic() >= self._probe_at:
                self._probe_at = time.monotonic() + PROBE_PAUSE
                self._flight(key)
            return self._stale(entry)
        task = self._flight(key).task
        await asyncio.wait({task}, timeout=PATIENCE)
        if not task.done():
            self._away = True
            return self._stale(entry)
        try:
            return task.result()
        except Troubled:
            return self._stale(entry)

    async def refresh(self, key: Key) -> A:
        """CouchDB's answer from now, whatever is known; DatastoreError if there is none."""
        return await asyncio.shield(self._start(key).task)

    def stamp(self, key: Key) -> Stamp:
        """What the boards say of the key now: take it before asking CouchDB, give it to ``put``."""
        return Stamp(self._board.row(self._kind.row(key)), self._outside.row(row_of(key[0], "")), time.monotonic())

    def put_own(self, key: Key, answer: A, before: Stamp) -> None:
        """Remember what we just wrote.

        ``before`` was taken before the write: if anybody else wrote since, the rows differ, and it is not believed.
        """
        self._store(key, answer, Stamp(self._board.after_own(before.own), before.outside, before.at))

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0

    async def close(self) -> None:
        """End the reads under way."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _stale(self, entry: _Entry[A]) -> A:
        self._counters.stale_answers += 1
        return self._kind.as_stale(entry.answer)

    def _flight(self, key: Key) -> _Flight[A]:
        """The read under way, unless it began before a write that the asker may know of; else a new one."""
        flight = self._flights.get(key)
        if flight is not None and flight.stamp.own == self._board.row(self._kind.row(key)):
            return flight
        return self._start(key)

    def _start(self, key: Key) -> _Flight[A]:
        stamp = self.stamp(key)
        task = asyncio.get_running_loop().create_task(self._read(key, stamp))
        flight = self._flights[key] = _Flight(stamp, task)
        task.add_done_callback(lambda _: self._landed(key, flight))
        return flight

    def _landed(self, key: Key, flight: _Flight[A]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.task.cancelled():
            flight.task.exception()  # looked at, even if every asker is gone

    async def _read(self, key: Key, stamp: Stamp) -> A:
        entry = self._entries.get(key)
        if entry is None:
            self._counters.reads += 1
        else:
            self._counters.refetches += 1
        try:
            answer = await self._kind.fetch(key)
        except DatastoreError as error:
            if isinstance(error, Troubled) and not isinstance(error, Fault):
                self._away = True
                self._probe_at = time.monotonic() + PROBE_PAUSE
            raise
        self._away = False
        entry = self._entries.get(key)
        if entry is not None and self._kind.is_same(entry.answer, answer):
            self._counters.unchanged += 1
            answer = entry.answer
        flight = self._flights.get(key)
        if flight is None or flight.stamp is stamp:
            self._store(key, answer, stamp)
        return answer

    def _store(self, key: Key, answer: A, stamp: Stamp) -> None:
        old = self._entries.pop(key, None)
        if old is not None:
            self._bytes -= old.weight
        weight = old.weight if old is not None and old.answer is answer else self._kind.weight(answer)
        self._entries[key] = _Entry(answer, stamp, self._kind.row(key), row_of(key[0], ""), weight)
        self._bytes += weight
        while len(self._entries) > self._max_entries or (self._bytes > self._max_bytes and len(self._entries) > 1):
            _, dropped = self._entries.popitem(last=False)
            self._bytes -= dropped.weight
