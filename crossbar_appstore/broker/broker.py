"""Keeps a connection to KAZOO's message broker: announces writes, and tells of those of others.

A request never waits for it: a write is put into a bounded queue, which a task of its own sends while the broker
answers.
"""

import asyncio
import logging
import secrets
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Never, Self
from zlib import crc32

from crossbar_appstore.broker.messages import (
    APP_NAME,
    CONFIGURATION,
    BrokerAway,
    Message,
    address_of,
    changed_database,
    notice,
)
from crossbar_appstore.datastore.client import backoff
from crossbar_appstore.datastore.couch import Written

if TYPE_CHECKING:
    from crossbar_appstore.broker.connection import Connection

MAX_WAITING: Final = 10_000
"""Notices that wait for the broker; of more, the oldest are dropped."""
FIRST_PAUSE: Final = 0.1
MAX_PAUSE: Final = 30.0
"""Seconds between two attempts to connect, more or less a half."""
FLUSH_SECONDS: Final = 3.0
"""The time limit for sending what waits when the service stops."""

_ALL: Final = "*.*.*.*"
"""The routing keys that KAZOO's caches listen for."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class BrokerStatistics:
    """What the broker of one process did, for metrics and tests; all but the first two only grow."""

    connected: bool = False
    waiting: int = 0
    """Notices in the queue."""
    announced: int = 0
    """Notices that the broker has confirmed."""
    dropped: int = 0
    """Notices that were never sent, since too many waited."""
    heard: int = 0
    """Notices of others."""
    connections: int = 0
    """Times a connection was made."""
    failures: int = 0
    """Times it was lost, or not made."""


Heard = Callable[[list[str]], Awaitable[None]]
"""What to do when others have written to these databases."""


class Broker:
    """One a process. Entered, it connects in the background; left, it sends what waits and closes the connection.

    Args:
        url: its address, as AMQP_URL.
        node: who we are, for KAZOO and for ourselves: notices of this node are ignored.
        heard: what to do with the notices of others; without it nobody listens.
    """

    def __init__(self, url: str, *, node: str, heard: Heard | None = None) -> None:
        from crossbar_appstore.broker.connection import opened  # noqa: PLC0415 (aio-pika takes 2.4 MB, if it is used)

        self.node = node
        self.statistics = BrokerStatistics()
        self._url = url
        self._opened = opened
        self._heard = heard
        self._notices: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._reported: str | None = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.statistics.connected:
            await self.flush()
        await self.close()
        if self._notices:
            self._report("the service stops, what waits is not announced")

    def start(self) -> None:
        """Connect in the background, from now until ``close``."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="message broker")

    async def close(self) -> None:
        """Close the connection; what still waits is not announced."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until all notices are sent; False if they were not in this time."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_sent.wait(), seconds)
        return self._all_sent.is_set()

    async def flush_all(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until all notices are sent; False once none was sent in this time."""
        announced = -1
        while announced < self.statistics.announced:
            announced = self.statistics.announced
            if await self.flush(seconds):
                return True
        return False

    def announce(self, written: Written) -> None:
        """Tell KAZOO of a write, later; what ``Couch.on_write`` calls."""
        message = notice(written, self.node)
        if message is not None:
            self._put(message)

    async def publish(self, message: Message) -> None:
        """Publish a message that somebody must get; errors as ``Connection.publish``."""
        if self._connection is None:
            raise BrokerAway("there is no connection to the message broker")
        await self._connection.publish(message, mandatory=True)

    def _put(self, message: Message, *, first: bool = False) -> None:
        (self._notices.appendleft if first else self._notices.append)(message)
        if len(self._notices) > MAX_WAITING:
            # The oldest one: what it is about is the first to expire in KAZOO's caches.
            self._notices.popleft()
            self.statistics.dropped += 1
        self.statistics.waiting = len(self._notices)
        self._all_sent.clear()
        self._arrived.set()

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            reason, began = "internal error", time.monotonic()
            try:
                async with self._opened(self._url) as connection:
                    reason = await self._use(connection)
            except BrokerAway as away:
                reason = away.reason
            except Exception:
                # A task that ended silently would leave KAZOO's caches as they are for good.
                log.exception("message broker failed")
            finally:
                self._connection, self.statistics.connected = None, False
            self.statistics.failures += 1
            self._report(reason)
            # One that worked for a while is likely to come back soon, unlike one that refuses what it is asked.
            pause = FIRST_PAUSE if time.monotonic() > began + MAX_PAUSE else pause
            await backoff(pause)
            pause = min(MAX_PAUSE, 2 * pause)

    def _report(self, reason: str) -> None:
        """Log once that the broker is away, and again when it is for another reason."""
        if reason != self._reported:
            log.warning(
                "message broker is away",
                extra={"address": address_of(self._url), "reason": reason, "waiting": self.statistics.waiting},
            )
            self._reported = reason

    async def _use(self, connection: "Connection") -> str:
        """Listen and announce until the connection is lost; returns why it is."""
        if self._heard is not None:
            await connection.listen(CONFIGURATION, _ALL, self._hear)
        self._connection, self.statistics.connected = connection, True
        self.statistics.connections += 1
        log.info(
            "message broker is there",
            extra={
                "address": address_of(self._url),
                "waiting": self.statistics.waiting,
                "dropped": self.statistics.dropped,
            },
        )
        self._reported = None
        sender = asyncio.get_running_loop().create_task(self._send(connection))
        lost = asyncio.get_running_loop().create_task(connection.lost())
        try:
            await asyncio.wait((sender, lost), return_when=asyncio.FIRST_COMPLETED)
            return sender.result() if sender.done() else lost.result()
        finally:
            sender.cancel()
            lost.cancel()
            await asyncio.gather(sender, lost, return_exceptions=True)

    async def _send(self, connection: "Connection") -> Never:
        while True:
            self._arrived.clear()
            while self._notices:
                message = self._notices.popleft()
                sent = False
                try:
                    await connection.publish(message, mandatory=False)
                    sent = True
                finally:
                    # One that was perhaps sent is sent again: it may be told twice.
                    if not sent:
                        self._put(message, first=True)
                self.statistics.announced += 1
                self.statistics.waiting = len(self._notices)
            self._all_sent.set()
            await self._arrived.wait()

    async def _hear(self, body: bytes) -> None:
        database = changed_database(body, self.node)
        if database is not None and self._heard is not None:
            self.statistics.heard += 1
            await self._heard([database])


def node_name(shared: Path | None) -> str:
    """Who we are, as KAZOO names its nodes: ``name@host``.

    Processes with the same shared directory are one node: they know of each other's writes without notices.
    """
    part = secrets.token_hex(4) if shared is None else f"{crc32(str(shared.resolve()).encode()):08x}"
    return f"{APP_NAME}-{part}@{socket.gethostname()}"
