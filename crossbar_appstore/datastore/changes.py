"""Feeds that stay connected: one task each, that reconnects by itself and says whether it can be trusted."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

from .counters import Counters
from .errors import DatastoreError, TimedOut, Unreachable
from .pauses import pause
from .remote import SILENCE

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
"""Seconds between two tries to connect: short, as a feed that is away costs a read a document and second."""


class Feed(Generic[T]):
    """Keeps one continuous feed open.

    ``connect`` opens one connection and gives its pieces (an empty one is a sign of life); ``take`` is called with
    each piece, and has done its work when it returns. After a refusal (no such feed, no right to it) the feed waits
    ``refused_pause`` seconds; after a broken connection only a moment.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], AsyncGenerator[list[T], None]],
        take: Callable[[list[T]], Awaitable[None]],
        counters: Counters,
        *,
        refused_pause: float = 300.0,
    ) -> None:
        self._name = name
        self._connect = connect
        self._take = take
        self._counters = counters
        self._refused_pause = refused_pause
        self._task: asyncio.Task[None] | None = None
        self.connected_at = float("inf")
        """The moment (monotonic) since which nothing was missed."""
        self.heard_at = float("-inf")
        """The moment up to which everything was taken."""

    def is_healthy(self) -> bool:
        """Whether it was heard of lately: whatever happened a moment ago is known."""
        return time.monotonic() - self.heard_at <= SILENCE

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
        self._lost()

    async def _run(self) -> None:
        next_wait = FIRST_PAUSE
        while True:
            try:
                await self._listen()
                reason, wait = "ended by the server", next_wait
            except (Unreachable, TimedOut) as error:
                reason, wait = error.reason, next_wait
            except DatastoreError as error:
                reason, wait = str(error), self._refused_pause
            except Exception:
                # A feed that died silently would leave old answers standing.
                logger.exception("feed failed", extra={"feed": self._name})
                reason, wait = "our own fault", next_wait
            # What was heard of was connected: begin again with the short pause.
            next_wait = FIRST_PAUSE if self.heard_at > float("-inf") else min(LONGEST_PAUSE, 2 * next_wait)
            self._lost()
            self._counters.feed_restarts += 1
            logger.info("feed lost", extra={"feed": self._name, "reason": reason, "wait": wait})
            await pause(wait)

    async def _listen(self) -> None:
        async with aclosing(self._connect()) as pieces:
            async for piece in pieces:
                await self._take(piece)
                self.heard_at = time.monotonic()
                self.connected_at = min(self.connected_at, self.heard_at)

    def _lost(self) -> None:
        self.connected_at = float("inf")
        self.heard_at = float("-inf")
