"""A bounded memory of what CouchDB last answered, that knows how far to trust itself.

An answer is given without asking CouchDB only while it is young (``ages``), no worker wrote to its row of the notice
board, and no feed named its database. Askers of one key share one read. While CouchDB is away the last answer is
given, marked stale; what was never known stays an error.

Answers are kept packed, and the most recently used ones unpacked as well: parsed JSON takes ten times the memory.
What is packed is two objects an answer, a text and bytes, neither of which the garbage collector ever has to visit.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from struct import Struct
from typing import Final, Generic, NamedTuple, TypeVar

from .counters import Counters
from .errors import DatastoreError, Fault, Troubled
from .kinds import Ages, Key, Kind
from .notices import NoticeBoard, row_of

logger = logging.getLogger(__name__)

A = TypeVar("A")

PATIENCE = 2.5
"""Seconds that an asker waits for a slow CouchDB where an older answer is known."""
PROBE_PAUSE = 0.5
"""Seconds between two tries while CouchDB is away and older answers are given."""
EARLIEST, LATEST = 0.35, 0.8
"""The parts of its age limit between which an answer in use is read again in the background.

Chance says when, or answers that were once asked for together would be asked for together for ever.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a cache: keys, their packed bytes, and how many answers are kept unpacked as well."""

    entries: int = 20_000
    packed_bytes: int = 16_000_000
    unpacked: int = 500


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Stamp:
    """How many writes the two boards knew of at one moment, and when (monotonic) that was."""

    own: int
    outside: int
    at: float


class _Entry(NamedTuple):
    """What precedes a packed answer: the numbers of its stamp, and its rows of the two boards."""

    own: int
    outside: int
    at: float
    row: int
    database_row: int


_ENTRY: Final = Struct("=QQdII")
_AT_A_TIME: Final = 64
"""The part of the entries, one in so many, that goes when there are too many: finding the oldest costs a search."""


@dataclass(frozen=True, slots=True)
class Company(Generic[A]):
    """Keys that will be asked for next, and how several are read at once, in their order."""

    keys: Sequence[Key]
    fetch: Callable[[Sequence[Key]], Awaitable[Sequence[A]]]


@dataclass(slots=True)
class _Flight(Generic[A]):
    stamp: Stamp
    task: "asyncio.Task[A]"


class Cache(Generic[A]):
    """Answers by key; the least recently used are dropped."""

    def __init__(
        self,
        kind: Kind[A],
        board: NoticeBoard,
        outside: NoticeBoard,
        ages: Ages,
        counters: Counters,
        limits: Limits = LIMITS,
    ) -> None:
        self._kind = kind
        self._board = board
        self._outside = outside
        self._ages = ages
        self._counters = counters
        self._limits = limits
        # By one text a key: two texts and a tuple would take half as much again as what is packed. The least recently
        # used come first; an OrderedDict would take twice the memory for that.
        self._entries: dict[str, bytes] = {}
        self._unpacked: OrderedDict[str, A] = OrderedDict()
        self._flights: dict[str, _Flight[A]] = {}
        self._early: dict[str, Key] = {}
        self._reading_early: asyncio.Task[None] | None = None
        self._packed_bytes = 0
        self._away = False
        self._probe_at = 0.0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def packed_bytes(self) -> int:
        """Bytes of all packed answers."""
        return self._packed_bytes

    @property
    def away(self) -> bool:
        """Whether the last read found CouchDB away."""
        return self._away

    def peek(self, key: Key) -> A | None:
        """The answer if it can be trusted now, without waiting; else None."""
        name = _name(key)
        entry = self._entries.get(name)
        if entry is None:
            return None
        own, outside, at, row, database_row = _ENTRY.unpack_from(entry)
        age = time.monotonic() - at
        limit = self._ages.limit(at)
        if age > limit or self._board.writes(row) != own or self._outside.writes(database_row) != outside:
            return None
        if age > _early(row, at) * limit and not self._away and name not in self._flights:
            self._read_early(name, key)
        self._counters.hits += 1
        return self._answer(name, entry)

    async def get(self, key: Key, company: Company[A] | None = None) -> A:
        """The answer: the known one if it can be trusted, else CouchDB's, else the known one marked stale.

        Where nothing is known of it, what is not known of its company either is read with it.

        Raises:
            DatastoreError: nothing is known, and CouchDB does not answer.
        """
        answer = self.peek(key)
        if answer is not None:
            return answer
        name = _name(key)
        entry = self._entries.get(name)
        if entry is None:
            return await asyncio.shield(self._flight(key, company).task)
        if self._away:
            # Somebody else's read finds out when CouchDB is back; nobody waits for that.
            if time.monotonic() >= self._probe_at:
                self._probe_at = time.monotonic() + PROBE_PAUSE
                self._flight(key)
            return self._stale(name, entry)
        task = self._flight(key).task
        await asyncio.wait({task}, timeout=PATIENCE)
        if not task.done():
            self._found_away("slow")
            return self._stale(name, entry)
        try:
            return task.result()
        except Troubled:
            return self._stale(name, entry)

    async def refresh(self, key: Key) -> A:
        """CouchDB's answer from now, whatever is known; DatastoreError if there is none."""
        return await asyncio.shield(self._start(key).task)

    def stamp(self, key: Key) -> Stamp:
        """What the boards say of the key now: take it before a write, give it to ``put_own``."""
        return Stamp(
            self._board.writes(self._kind.row(key)), self._outside.writes(row_of(key[0], "")), time.monotonic()
        )

    def put_own(self, key: Key, answer: A, before: Stamp) -> None:
        """Remember what we just wrote and told of, once.

        ``before`` was taken before the write: if anybody else wrote since, the numbers differ, and it is not believed.
        """
        self._store(key, answer, Stamp(before.own + 1, before.outside, before.at))

    async def close(self) -> None:
        """End the reads under way."""
        early = [] if self._reading_early is None else [self._reading_early]
        tasks = [*early, *(flight.task for flight in self._flights.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _answer(self, name: str, entry: bytes) -> A:
        del self._entries[name]
        self._entries[name] = entry
        answer = self._unpacked.get(name)
        if answer is None:
            answer = self._kind.unpack(entry[_ENTRY.size :])
            self._keep_unpacked(name, answer)
        else:
            self._unpacked.move_to_end(name)
        return answer

    def _stale(self, name: str, entry: bytes) -> A:
        self._counters.stale_answers += 1
        return self._kind.as_stale(self._answer(name, entry))

    def _read_early(self, name: str, key: Key) -> None:
        """Read the key in the background, one after the other: whoever waits for an answer goes first."""
        self._early[name] = key
        if self._reading_early is None:
            self._reading_early = asyncio.get_running_loop().create_task(self._read_all_early())

    async def _read_all_early(self) -> None:
        while self._early:
            name, key = next(iter(self._early.items()))
            if name not in self._flights:
                await asyncio.wait({self._start(key).task})
            self._early.pop(name, None)
        self._reading_early = None

    def _flight(self, key: Key, company: Company[A] | None = None) -> _Flight[A]:
        """The read under way, unless it began before a write that the asker may know of; else a new one."""
        flight = self._flights.get(_name(key))
        if flight is not None and flight.stamp.own == self._board.writes(self._kind.row(key)):
            return flight
        others = () if company is None else self._unknown(company.keys)
        if company is None or not others:
            return self._start(key)
        keys = (key, *others)
        reading = asyncio.ensure_future(company.fetch(keys))
        flights = [self._start(each, _nth(reading, place)) for place, each in enumerate(keys)]
        return flights[0]

    def _unknown(self, keys: Sequence[Key]) -> list[Key]:
        """Those of which nothing is known, and which nobody is reading."""
        return [key for key in keys if (name := _name(key)) not in self._entries and name not in self._flights]

    def _start(self, key: Key, answer: Awaitable[A] | None = None) -> _Flight[A]:
        """Read the key; ``answer`` brings what is read, where it is not the kind that fetches it."""
        name = _name(key)
        stamp = self.stamp(key)
        task = asyncio.get_running_loop().create_task(self._read(key, stamp, answer))
        flight = self._flights[name] = _Flight(stamp, task)
        task.add_done_callback(lambda _: self._landed(name, flight))
        return flight

    def _landed(self, name: str, flight: _Flight[A]) -> None:
        if self._flights.get(name) is flight:
            del self._flights[name]
        if not flight.task.cancelled():
            flight.task.exception()  # looked at, even if every asker is gone

    async def _read(self, key: Key, stamp: Stamp, fetched: Awaitable[A] | None = None) -> A:
        name = _name(key)
        if name in self._entries:
            self._counters.refetches += 1
        else:
            self._counters.reads += 1
        try:
            answer = await (self._kind.fetch(key) if fetched is None else fetched)
        except DatastoreError as error:
            # A fault may be of this one document only.
            if isinstance(error, Troubled) and not isinstance(error, Fault):
                self._found_away(error.reason)
            raise
        self._found_back()
        known = self._unpacked.get(name)
        if known is not None and self._kind.is_same(known, answer):
            self._counters.unchanged += 1
            answer = known
        entry = self._entries.get(name)
        if entry is not None:
            found = _Entry._make(_ENTRY.unpack_from(entry))
            if (found.own, found.at) > (stamp.own, stamp.at):
                return answer  # what was read or written since this read began is newer
        self._store(key, answer, stamp)
        return answer

    def _found_away(self, reason: str) -> None:
        if not self._away:
            logger.warning("CouchDB is away, what is known is served", extra={"reason": reason})
        self._away = True
        self._probe_at = time.monotonic() + PROBE_PAUSE

    def _found_back(self) -> None:
        if self._away:
            logger.warning("CouchDB is back")
        self._away = False

    def _store(self, key: Key, answer: A, stamp: Stamp) -> None:
        name = _name(key)
        self._early.pop(name, None)
        old = self._entries.pop(name, None)
        if old is not None and self._unpacked.get(name) is answer:
            packed = old[_ENTRY.size :]
        else:
            packed = self._kind.pack(answer)
        rows = self._kind.row(key), row_of(key[0], "")
        self._entries[name] = _ENTRY.pack(stamp.own, stamp.outside, stamp.at, *rows) + packed
        self._packed_bytes += len(packed) - (0 if old is None else len(old) - _ENTRY.size)
        self._keep_unpacked(name, answer)
        self._drop_oldest()

    def _keep_unpacked(self, name: str, answer: A) -> None:
        self._unpacked[name] = answer
        self._unpacked.move_to_end(name)
        if len(self._unpacked) > self._limits.unpacked:
            self._unpacked.popitem(last=False)

    def _drop_oldest(self) -> None:
        limits, entries = self._limits, self._entries
        while len(entries) > limits.entries or (self._packed_bytes > limits.packed_bytes and len(entries) > 1):
            for name in list(islice(entries, max(1, len(entries) // _AT_A_TIME))):
                self._packed_bytes -= len(entries.pop(name)) - _ENTRY.size
                self._unpacked.pop(name, None)


def _early(row: int, at: float) -> float:
    chance = (row ^ int(at * 1000)) * 40_503 % 65_536 / 65_536
    return EARLIEST + (LATEST - EARLIEST) * chance


async def _nth(reading: Awaitable[Sequence[A]], place: int) -> A:
    return (await reading)[place]


def _name(key: Key) -> str:
    database, what = key
    # No database has a line break in its name; what asks for one anyway is kept apart from those that exist.
    return f"{database.replace(chr(10), ' ')}\n{what}"
