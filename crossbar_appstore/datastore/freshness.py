"""How long a cached value may be used: write counters, change feeds and maximum ages.

A value is used without asking CouchDB as long as it is young enough and no write is known of what it was read
from. Writes of this service, in whichever worker, are known through counters in shared memory; writes of others
through CouchDB's ``_db_updates`` feed where it has one, and through a short maximum age everywhere.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, Self, TypeVar
from zlib import crc32

from crossbar_appstore.logs import Reminder
from crossbar_appstore.shared_memory import SharedMemory

from .client import Statistics, backoff
from .errors import DatastoreError, Misconfigured, TimedOut, Unreachable
from .feeds import SILENCE

logger = logging.getLogger(__name__)

T = TypeVar("T")

ROWS: Final = 65_536
UNWATCHED_SECONDS: Final = 1.5
"""Maximum age without a feed; below the 2 s after which a write of others must be seen."""
WATCHED_SECONDS: Final = 60.0
"""Maximum age while the feed is connected, in case that it loses something."""
REFRESH_AT: Final = 0.7
"""The part of its maximum age after which a value in use is read again in the background."""
FIRST_PAUSE: Final = 0.05
MAX_PAUSE: Final = 1.0
"""Seconds between two tries to connect a feed: short, as without it each document is read again every 1.5 s."""
_SIZE: Final = (ROWS + 2) * 8


class WriteCounters:
    """Counts writes, in memory that all workers share.

    A fixed array of 64-bit counters, one for each document by hash; two may share one, which at worst costs a needless
    read. A writer increments after CouchDB acknowledged and before its client gets the response; a reader remembers the
    counter from *before* its read began, and uses what it read only while the counter is the same. Increments are rare,
    and made under a lock of the file, which ends with the process that holds it.
    """

    CATALOGUE = ROWS
    """The counter of the catalogue, shared with no document."""
    TOTAL = ROWS + 1
    """The counter of all writes."""

    __slots__ = ("_cells", "_shared")

    def __init__(self, shared: SharedMemory) -> None:
        # Native 64-bit cells: a store is one instruction, so no reader sees half of it.
        self._cells = memoryview(shared.memory).cast("Q")
        self._shared = shared

    @classmethod
    def alone(cls) -> Self:
        """Counters of this process alone."""
        return cls(SharedMemory(_SIZE))

    @classmethod
    def in_file(cls, path: Path) -> Self:
        """Counters in a file, for processes that open the same path; made where missing, half a megabyte."""
        return cls(SharedMemory(_SIZE, path))

    def read(self, row: int) -> int:
        """The number of writes that were ever counted in the row; only good for comparing."""
        return self._cells[row]

    def increment(self, *rows: int) -> None:
        """Tell every worker that what it cached of these rows is old."""
        with self._shared.locked():
            for row in (*rows, self.TOTAL):
                self._cells[row] += 1


@lru_cache(maxsize=2_000)
def row_of(database: str, name: str) -> int:
    """The row of a document, or of another part of a database by its name: the same in every process.

    With an empty name it is that of the whole database.
    """
    return crc32(name.encode(), crc32(database.encode())) % ROWS


class ChangeFeed(Generic[T]):
    """Keeps one continuous feed connected.

    ``connect`` opens one connection and gives its batches (an empty one is a heartbeat); ``handle`` is called with each
    batch and has done its work when it returns. After a refusal (no such feed, no right to it) the feed waits
    ``refused_pause`` seconds; after a broken connection only a moment. ``is_away`` tells whether all of CouchDB does
    not answer: that is logged once, not by each feed.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], AsyncGenerator[list[T], None]],
        handle: Callable[[list[T]], Awaitable[None]],
        statistics: Statistics,
        *,
        refused_pause: float = 300.0,
        is_away: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._name = name
        self._connect = connect
        self._handle = handle
        self._statistics = statistics
        self._refused_pause = refused_pause
        self._is_away = is_away
        self._reminder = Reminder()
        self._task: asyncio.Task[None] | None = None
        self.connected_at = float("inf")
        """The time (monotonic) since which no change was missed."""
        self.handled_at = float("-inf")
        """The time up to which everything was handled."""

    def is_healthy(self) -> bool:
        """Whether a batch or heartbeat came lately, so that any change but the latest is known."""
        return time.monotonic() - self.handled_at <= SILENCE

    def start(self) -> None:
        """Connect in the background, from now until ``stop``."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"feed of {self._name}")

    async def stop(self) -> None:
        """End the connection."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._disconnected()

    async def _run(self) -> None:
        next_wait = FIRST_PAUSE
        while True:
            try:
                await self._listen()
                reason, wait = "ended by the server", next_wait
            except (Unreachable, TimedOut, Misconfigured) as error:
                # While the password is rejected, nothing is sent.
                reason, wait = error.explained, next_wait
            except DatastoreError as error:
                reason, wait = str(error), self._refused_pause
            except Exception:
                # A feed that ended silently would leave old values in use.
                logger.exception("change feed failed", extra={"feed": self._name})
                reason, wait = "internal error", next_wait
            # A feed that was connected begins again with the short pause.
            next_wait = FIRST_PAUSE if self.handled_at > float("-inf") else min(MAX_PAUSE, 2 * next_wait)
            self._disconnected()
            self._statistics.feed_restarts += 1
            is_due = self._reminder.due(wait == self._refused_pause)
            if is_due and (self._is_away is None or not await self._is_away()):
                logger.info("change feed disconnected", extra={"feed": self._name, "reason": reason, "wait": wait})
            await backoff(wait)

    async def _listen(self) -> None:
        async with aclosing(self._connect()) as batches:
            async for batch in batches:
                await self._handle(batch)
                self.handled_at = time.monotonic()
                self.connected_at = min(self.connected_at, self.handled_at)

    def _disconnected(self) -> None:
        self.connected_at = float("inf")
        self.handled_at = float("-inf")


class Stamp(NamedTuple):
    """What the counters said of a value's rows before it was read, and when (monotonic) that was."""

    own: int
    outside: int
    read_at: float


class Freshness:
    """Tells whether values of a cache may still be used.

    Args:
        counters: writes of this service, by row.
        outside: writes of others as a feed names them, by row of the database.
        feed: tells of others' writes; it counts only once ``trusted``.
        watched: maximum age in seconds of values read since the feed is connected.
        unwatched: of all others.
    """

    def __init__(
        self,
        counters: WriteCounters,
        outside: WriteCounters,
        feed: ChangeFeed[Any],
        *,
        watched: float = WATCHED_SECONDS,
        unwatched: float = UNWATCHED_SECONDS,
        trusted: bool = True,
    ) -> None:
        self.counters = counters
        self.outside = outside
        self.trusted = trusted
        """Whether the feed is known to work: CouchDB's ``[global_changes] update_db`` may be off."""
        self._feed = feed
        self._watched = watched
        self._unwatched = unwatched

    def limits(self) -> tuple[float, float]:
        """The times (monotonic) before which values were read too long ago, and before which to read them again."""
        now = time.monotonic()
        oldest, aging = now - self._unwatched, now - REFRESH_AT * self._unwatched
        if self.trusted and self._feed.is_healthy():
            # What was read before the feed connected may have changed unnoticed.
            connected = self._feed.connected_at
            oldest = min(oldest, max(connected, now - self._watched))
            aging = min(aging, max(connected, now - REFRESH_AT * self._watched))
        return oldest, aging
