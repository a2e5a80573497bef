"""A bounded memory of what CouchDB last answered, that knows how far to trust itself.

An answer is given without asking CouchDB only while it is young (``ages``), no worker wrote to its row of the notice
board, and no feed named its database. Askers of one key share one read. While CouchDB is away the last answer is
given, marked stale; what was never known stays an error.

Answers are kept packed, and the most recently used ones unpacked as well: parsed JSON takes ten times the memory.
What is packed is two objects an answer, a text and bytes, neither of which the garbage collector ever has to visit.

Each answer has a version, a number that another answer to the same question never had before. Whoever made something of
several answers need not keep them to know whether they still are what they were: versions only grow, so equal sums are
equal answers.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, islice
from struct import Struct
from typing import Any, Final, Generic, NamedTuple, TypeVar

from .counters import Counters
from .errors import DatastoreError, Fault, Troubled, Unreachable
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

    entries: int = 50_000
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
    """What precedes a packed answer: the numbers of its stamp, its rows of the two boards, and its version."""

    own: int
    outside: int
    at: float
    row: int
    database_row: int
    version: int


_ENTRY: Final = Struct("=QQdIIQ")
_VERSION: Final = Struct("=Q")
_VERSION_AT: Final = _ENTRY.size - _VERSION.size
_AT_A_TIME: Final = 64
"""The part of the entries, one in so many, that goes when there are too many: finding the oldest costs a search."""


_TOGETHER: Final = 50
"""Answers that are read with one request at the most."""


class Versioned(NamedTuple, Generic[A]):
    """An answer as it is known, under the name that the cache has for its key."""

    answer: A
    name: str
    version: int


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
        # By database: what is read again early.
        self._early: dict[str, dict[str, None]] = {}
        self._reading_early: asyncio.Task[None] | None = None
        self._packed_bytes = 0
        self._versions = count(1)
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
        found = self.peek_versioned(key)
        return None if found is None else found.answer

    def version(self, names: Iterable[str]) -> int | None:
        """The sum of the versions of some answers; None if one of them cannot be trusted now."""
        total = 0
        entries = self._entries
        for name in names:
            entry = entries.get(name)
            if entry is None or not self._is_trusted(name, entry):
                return None
            self._touch(name, entry)
            self._counters.hits += 1
            total += _VERSION.unpack_from(entry, _VERSION_AT)[0]
        return total

    def versioned(self, key: Key) -> Versioned[A] | None:
        """The answer that is known, however old it may be, with its version."""
        name = name_of(key)
        entry = self._entries.get(name)
        return None if entry is None else self._versioned(name, entry)

    def peek_versioned(self, key: Key) -> Versioned[A] | None:
        """The answer if it can be trusted now, with its version, without waiting; else None."""
        name = name_of(key)
        entry = self._entries.get(name)
        if entry is None or not self._is_trusted(name, entry):
            return None
        self._counters.hits += 1
        return self._versioned(name, entry)

    async def get(self, key: Key, along: Sequence[Key] = ()) -> A:
        """The answer: the known one if it can be trusted, else CouchDB's, else the known one marked stale.

        Args:
            key: what is asked.
            along: keys of the same database that will be asked for next. Where CouchDB has to be asked for the first
                one, it is asked for these in the same request, as far as they cannot be trusted either.

        Raises:
            DatastoreError: nothing is known, and CouchDB does not answer.
        """
        answer = self.peek(key)
        if answer is not None:
            return answer
        name = name_of(key)
        entry = self._entries.get(name)
        if entry is None:
            return await asyncio.shield(self._flight(key, along).task)
        if self._away:
            # Somebody else's read finds out when CouchDB is back; nobody waits for that.
            if time.monotonic() >= self._probe_at:
                self._probe_at = time.monotonic() + PROBE_PAUSE
                self._flight(key)
            return self._stale(name, entry)
        task = self._flight(key, along).task
        await asyncio.wait({task}, timeout=PATIENCE)
        if not task.done():
            self._found_away("slow")
            return self._stale(name, entry)
        try:
            return task.result()
        except Troubled:
            return self._stale(name, entry)

    def asking(self, names: Iterable[str]) -> list[Coroutine[Any, Any, A]]:
        """What to wait for until all these answers can be trusted; those of one database are asked for together.

        Waiting raises ``DatastoreError`` as ``get`` does.
        """
        alone: list[Key] = []
        together: dict[str, list[Key]] = {}
        for name in dict.fromkeys(names):
            entry = self._entries.get(name)
            if entry is None or not self._is_trusted(name, entry):
                key = _key(name)
                (alone if name in self._flights else together.setdefault(key[0], [])).append(key)
        requests = [keys[at : at + _TOGETHER] for keys in together.values() for at in range(0, len(keys), _TOGETHER)]
        return [self.get(key) for key in alone] + [self.get(first, others) for first, *others in requests]

    async def refresh(self, key: Key) -> A:
        """CouchDB's answer from now, whatever is known; DatastoreError if there is none."""
        return await asyncio.shield(self._start([key])[0].task)

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

    def _is_trusted(self, name: str, entry: bytes) -> bool:
        """Whether an answer need not be asked for again; one that is in use and no longer young is, in time."""
        own, outside, at, row, database_row, _ = _ENTRY.unpack_from(entry)
        age = time.monotonic() - at
        limit = self._ages.limit(at)
        if age > limit or self._board.writes(row) != own or self._outside.writes(database_row) != outside:
            return False
        if age > EARLIEST * limit and age > _early(row, at) * limit and not self._away and name not in self._flights:
            self._read_early(name)
        return True

    def _is_doubtful(self, name: str) -> bool:
        """Whether there is no answer that can be trusted, and none on its way."""
        entry = self._entries.get(name)
        return name not in self._flights and (entry is None or not self._is_trusted(name, entry))

    def _touch(self, name: str, entry: bytes) -> None:
        """It was used just now."""
        del self._entries[name]
        self._entries[name] = entry

    def _versioned(self, name: str, entry: bytes) -> Versioned[A]:
        return Versioned(self._answer(name, entry), name, _VERSION.unpack_from(entry, _VERSION_AT)[0])

    def _answer(self, name: str, entry: bytes) -> A:
        self._touch(name, entry)
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

    def _read_early(self, name: str) -> None:
        """Read the key in the background, one database after the other: whoever waits for an answer goes first."""
        self._early.setdefault(_key(name)[0], {})[name] = None
        if self._reading_early is None:
            self._reading_early = asyncio.get_running_loop().create_task(self._read_all_early())

    async def _read_all_early(self) -> None:
        while self._early:
            database, names = next(iter(self._early.items()))
            together = list(islice(names, _TOGETHER))
            keys = [_key(name) for name in together if name not in self._flights]
            if keys:
                await asyncio.wait({flight.task for flight in self._start(keys)})
            for name in together:
                names.pop(name, None)
            if not names:
                del self._early[database]
        self._reading_early = None

    def _flight(self, key: Key, along: Sequence[Key] = ()) -> _Flight[A]:
        """The read under way, unless it began before a write that the asker may know of; else a new one."""
        flight = self._flights.get(name_of(key))
        if flight is not None and flight.stamp.own == self._board.writes(self._kind.row(key)):
            return flight
        others = [each for each in along if self._is_doubtful(name_of(each))]
        return self._start([key, *others[: _TOGETHER - 1]])[0]

    def _start(self, keys: Sequence[Key]) -> list[_Flight[A]]:
        """Read keys of one database, with one request."""
        if len(keys) == 1:
            return [self._depart(keys[0], self._kind.fetch(keys[0]))]
        reading = asyncio.ensure_future(self._kind.fetch_many(keys))
        return [self._depart(key, self._of_many(reading, place, key)) for place, key in enumerate(keys)]

    async def _of_many(self, reading: Awaitable[Sequence[A]], place: int, key: Key) -> A:
        try:
            return (await reading)[place]
        except (Fault, Unreachable):
            # It may be that a single one could not be read.
            return await self._kind.fetch(key)

    def _depart(self, key: Key, fetched: Awaitable[A]) -> _Flight[A]:
        name = name_of(key)
        stamp = self.stamp(key)
        task = asyncio.get_running_loop().create_task(self._read(key, stamp, fetched))
        flight = self._flights[name] = _Flight(stamp, task)
        task.add_done_callback(lambda _: self._landed(name, flight))
        return flight

    def _landed(self, name: str, flight: _Flight[A]) -> None:
        if self._flights.get(name) is flight:
            del self._flights[name]
        if not flight.task.cancelled():
            flight.task.exception()  # looked at, even if every asker is gone

    async def _read(self, key: Key, stamp: Stamp, fetched: Awaitable[A]) -> A:
        name = name_of(key)
        if name in self._entries:
            self._counters.refetches += 1
        else:
            self._counters.reads += 1
        try:
            answer = await fetched
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
        name = name_of(key)
        self._early.get(key[0], {}).pop(name, None)
        old, known = self._entries.pop(name, None), self._unpacked.get(name)
        before = None if old is None else old[_ENTRY.size :]
        packed = before if before is not None and known is answer else self._kind.pack(answer)
        if old is not None and (known is answer or (known is None and packed == before)):
            version = _VERSION.unpack_from(old, _VERSION_AT)[0]
        else:
            version = next(self._versions)
        rows = self._kind.row(key), row_of(key[0], "")
        self._entries[name] = _ENTRY.pack(stamp.own, stamp.outside, stamp.at, *rows, version) + packed
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


@lru_cache(maxsize=250)
def name_of(key: Key) -> str:
    """The same text each time for keys in use, so that who remembers it shares it with us."""
    database, what = key
    # No database has a line break in its name; what asks for one anyway is kept apart from those that exist.
    return f"{database.replace(chr(10), ' ')}\n{what}"


def _key(name: str) -> Key:
    database, _, what = name.partition("\n")
    return database, what
