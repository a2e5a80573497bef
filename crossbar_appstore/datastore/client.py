"""How each request to CouchDB is made: credentials, deadlines, retries, errors; ``nodes`` has the connections.

aiocouch serves databases, documents, design documents, views and the security object. What it has no call for goes
through an ``aiohttp.ClientSession`` on the same connections: feeds, ``_all_docs`` of a database with slashes in its
name, ``_find`` on a server without bookmarks, reduced views, ``_bulk_docs`` without an order of results, attachments
with their digest.
"""

import asyncio
import logging
import random
import ssl
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from typing import Final, TypeVar

import aiohttp
from aiocouch import CouchDB
from multidict import CIMultiDictProxy
from yarl import URL

from crossbar_appstore.json_codec import Json, JsonObject, dumps, loads
from crossbar_appstore.logs import REMINDER_SECONDS
from crossbar_appstore.request_scope import time_limit

from .credentials import Tries, User
from .errors import (
    TRANSLATED,
    Closed,
    DatastoreError,
    LockedOut,
    MalformedReply,
    Misconfigured,
    Refused,
    Subject,
    TimedOut,
    Troubled,
    Unavailable,
    Unreachable,
    translate,
)
from .middleware import INTERRUPTED, UNCONNECTED, Middleware
from .nodes import Node, Nodes

logger = logging.getLogger(__name__)

T = TypeVar("T")

READ_ATTEMPTS: Final = 3
CONNECTIONS: Final = 64
_KEEPALIVE: Final = 4.0
"""Seconds; below the 5 s after which Node (PouchDB Server) closes an idle connection."""
_RETRY_PAUSE: Final = 0.05
_PROBE_SECONDS: Final = 0.5
_PROBE_TIMEOUT: Final = 1.0
_UNSETTLED_SECONDS: Final = 10.0


_random = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: ``connect`` for the TCP connection, ``read`` between two pieces of a reply, ``total`` of it all."""

    connect: float = 2.0
    read: float = 10.0
    total: float = 10.0


@dataclass(slots=True)
class Statistics:
    """What the datastore of one process did, as numbers that only grow; for metrics and tests."""

    requests: int = 0
    """HTTP requests to CouchDB, feeds included."""
    by_kind: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The same by what was asked for (``replies.kind_of``), and by the outcome: ``2xx`` to ``5xx`` or ``failed``."""
    retries: int = 0
    """Reads repeated after a failed connection."""
    unconfirmed_saves: int = 0
    """Writes answered 202: acknowledged, but by fewer copies than the quorum."""
    hits: int = 0
    """Cached values that were used without a read."""
    reads: int = 0
    """Values read that were not cached."""
    refetches: int = 0
    """Values read again because of their age or a write."""
    unchanged: int = 0
    """Values read again that had not changed."""
    stale_answers: int = 0
    """Cached values used because CouchDB did not answer."""
    conflicts: int = 0
    """Saves that met another writer's revision, and were applied again or refused."""
    changes_reapplied: int = 0
    """Changes applied again on a cluster, since another branch of the document had won."""
    branches_removed: int = 0
    """Losing branches removed, all of which was in the winner."""
    branches_left: int = 0
    """Losing branches that had to be left for an operator: the winner has other values in the same place."""
    skipped_apps: int = 0
    """Malformed app documents left out of the catalogue, each time one was read."""
    catalogue_loads: int = 0
    """Times the whole catalogue was read."""
    feed_restarts: int = 0
    """Times a change feed was connected again."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply with a status of success, read whole."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def object(self) -> JsonObject:
        """The body as a JSON object; MalformedReply if it is anything else."""
        value = loads(self.body)
        if not isinstance(value, dict):
            raise MalformedReply("the reply is no JSON object")
        return value


class CouchClient:
    """One CouchDB server, or a cluster: its nodes, of which one at a time gets the requests (``nodes``).

    Args:
        urls: of the nodes, each ``http[s]://[user:password@]host[:port]``. User and password are the same for all; the
            first of the URLs that has some counts.
        user: instead of the URLs'.
        password: instead of the URLs'.
        timeouts: of every request but a feed's.
        statistics: counts requests and retries.
        tls: for https; None for aiohttp's own.
        tries: of the password; None for those of this client alone.
        trace_configs: are told of each request to a node.
    """

    def __init__(
        self,
        urls: Sequence[str],
        user: str | None,
        password: str | None,
        timeouts: Timeouts,
        statistics: Statistics,
        tls: ssl.SSLContext | None = None,
        tries: Tries | None = None,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
    ) -> None:
        addresses = [URL(url) for url in urls]
        self.timeouts = timeouts
        self.statistics = statistics
        self._tls: ssl.SSLContext | bool = tls or True
        self._tries = tries or Tries.alone()
        self._trace_configs = list(trace_configs)
        named = next((each for each in addresses if each.user is not None), addresses[0])
        name, secret = user or named.user, password or named.password or ""
        self._user = None if name is None else User(name, secret)
        self.nodes = Nodes([Node(_bare(each), self._connect) for each in addresses], self._plain_session)
        self._is_closed = False

    @property
    def address(self) -> str:
        """The current node's URL, without user and password."""
        return self.nodes.current.address

    @property
    def server(self) -> CouchDB:
        """aiocouch's client for the current node: to be taken within an operation. Raises Closed."""
        return self._node().server

    def _node(self) -> Node:
        if self._is_closed:
            raise Closed
        self.nodes.watch()
        return self.nodes.current

    def _connect(self, address: str) -> tuple[CouchDB, aiohttp.ClientSession]:
        timeouts = self.timeouts
        timeout = aiohttp.ClientTimeout(timeouts.total, sock_connect=timeouts.connect, sock_read=timeouts.read)
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=_KEEPALIVE, ssl=self._tls)
        # aiocouch sets no header but a cookie, and warns when it is given a password: a middleware sets them.
        middleware = Middleware(address, self._user, self._tries, self.statistics)
        session = middleware.session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=timeout,
            middlewares=(middleware,),
            trace_configs=self._trace_configs,
            json_serialize_bytes=dumps,
        )
        server = CouchDB(
            address,
            connector=connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=timeout,
            middlewares=(middleware,),
            trace_configs=self._trace_configs,
            json_serialize_bytes=dumps,
        )
        return server, session

    def _plain_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(keepalive_timeout=_KEEPALIVE, ssl=self._tls))

    def open(self) -> None:
        """Allow requests again after ``close``; before it they are allowed anyway."""
        self._is_closed = False

    async def close(self) -> None:
        """Close every connection; from now on every request raises Closed."""
        self._is_closed = True
        await self.nodes.close()

    async def read(self, subject: Subject, operation: Callable[[], Awaitable[T]]) -> T:
        """Run an operation that reads; repeat it, twice at most, where the connection failed.

        All tries share one time limit: ``timeouts.total``, or the request's deadline if that comes first.

        Raises:
            DatastoreError: as ``translate`` says.
        """
        try:
            async with time_limit(self.timeouts.total):
                for attempt in range(1, READ_ATTEMPTS):
                    node = self.nodes.current
                    try:
                        return await self.once(subject, operation)
                    except Unreachable:
                        self.statistics.retries += 1
                    await self.nodes.choose(node)
                    await backoff(_RETRY_PAUSE * attempt)
                return await self.once(subject, operation)
        except TimeoutError:
            raise TimedOut("no reply in time") from None

    async def once(self, subject: Subject, operation: Callable[[], Awaitable[T]]) -> T:
        """Run an operation once, a write for instance, until the request's deadline at most; errors as ``read``.

        What a node did not do, because no connection was made for instance, is sent to the next one.
        """
        self._check()
        node = self.nodes.current
        INTERRUPTED.set(False)
        try:
            async with time_limit():
                return await operation()
        except TRANSLATED as error:
            trouble = self._translated(error, subject)
            undone = isinstance(trouble, Unavailable) or isinstance(error, UNCONNECTED)
        except Unavailable as error:
            trouble, undone = error, True
        if undone and await self.nodes.choose(node):
            return await self.once(subject, operation)
        # Raised outside of the handler: the text of the original may hold the Authorization header.
        raise trouble

    def _check(self) -> None:
        """Raise Closed, or Misconfigured while no try of the password is due."""
        if self._is_closed:
            raise Closed
        self._tries.check()

    def _translated(self, error: Exception, subject: Subject) -> DatastoreError:
        """The datastore's error; a rejected password starts the pause."""
        trouble = translate(error, subject)
        if isinstance(trouble, Misconfigured):
            self._tries.rejected(locked_out=isinstance(trouble, LockedOut))
        return trouble

    async def request(
        self,
        method: str,
        endpoint: str,
        *,
        params: dict[str, str] | None = None,
        json: Json = None,
        node: Node | None = None,
    ) -> Reply:
        """Send one request through the session and read the reply whole.

        Args:
            method: in capitals.
            endpoint: path, quoted, as aiocouch's objects give it.
            params: of the query string.
            json: the body, None for none.
            node: instead of the current one.

        Raises:
            Refused: the status is none of success.
        """
        node = node or self._node()
        url = URL(f"{node.address}{endpoint}", encoded=True)
        async with node.session.request(method, url, params=params, json=json) as response:
            body = await response.read()
            if response.status >= 400:
                raise Refused(response.status, body)
            return Reply(response.status, response.headers, body)

    async def stream(
        self, subject: Subject, endpoint: str, params: dict[str, str], silence: float
    ) -> AsyncGenerator[list[JsonObject], None]:
        """The lines of an endless reply as objects, as many as came together; an empty list is a heartbeat.

        Raises:
            TimedOut: after ``silence`` seconds without a byte.
            Unreachable: another node became the current one, too.
            DatastoreError: as ``read``.
        """
        self._check()
        node = self._node()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.timeouts.connect, sock_read=silence)
        url = URL(f"{node.address}{endpoint}", encoded=True)
        try:
            async with node.session.get(url, params=params, timeout=timeout) as response:
                if response.status >= 400:
                    raise Refused(response.status, await response.read())
                rest = b""
                # Lines are split here since aiohttp's reader refuses long ones.
                async for piece in response.content.iter_any():
                    *lines, rest = (rest + piece).split(b"\n")
                    objects = [loads(line) for line in lines if line.strip()]
                    if not all(isinstance(each, dict) for each in objects):
                        raise MalformedReply("a line is no object")
                    if node is not self.nodes.current:
                        raise Unreachable("another node is used")
                    yield objects
            return
        except TRANSLATED as error:
            trouble = self._translated(error, subject)
        # Outside of the handler, as in ``once``.
        raise trouble


class Availability:
    """Whether CouchDB as a whole answers, found out by asking the server itself.

    A read that fails or is slow says nothing about other documents, so it only makes us ask.

    Args:
        ask: asks CouchDB anything; raises ``DatastoreError``.
    """

    def __init__(self, ask: Callable[[], Awaitable[object]]) -> None:
        self._ask = ask
        self._task: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()
        """Set when CouchDB was asked once more."""
        self._logged_away = False
        self._logged_at = float("-inf")
        self.away = False
        """Whether CouchDB did not answer when last asked."""

    def suspect(self) -> None:
        """Ask CouchDB in the background, again and again until it answers."""
        if self._task is None:
            self._asked = asyncio.Event()
            # It goes on after the request that suspects CouchDB, so it has nothing of its context.
            self._task = asyncio.get_running_loop().create_task(self._probe(), context=Context())

    async def is_away(self) -> bool:
        """Whether CouchDB as a whole does not answer, asked now."""
        self.suspect()
        await self._asked.wait()
        return self.away

    async def require(self) -> None:
        """Return if CouchDB answers; if it did not when last asked, it is asked again, and at most that is waited for.

        Raises:
            Unavailable: it does not answer.
        """
        if self.away:
            with suppress(TimeoutError):
                async with time_limit(_PROBE_SECONDS + _PROBE_TIMEOUT):
                    await self._asked.wait()
        if self.away:
            raise Unavailable("CouchDB is away")

    async def close(self) -> None:
        """End asking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _probe(self) -> None:
        try:
            while not await self._answers():
                asked, self._asked = self._asked, asyncio.Event()
                asked.set()
                await asyncio.sleep(_PROBE_SECONDS)
        finally:
            self._task = None
            self._asked.set()

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT):
                await self._ask()
        except (DatastoreError, TimeoutError) as error:
            self.away = True
            # One that starts answers now and then: that is logged once.
            if self._may_log(REMINDER_SECONDS if self._logged_away else _UNSETTLED_SECONDS):
                reason = error.explained if isinstance(error, Troubled) else str(error) or "no reply in time"
                logger.warning("CouchDB is unavailable, cached data is served", extra={"reason": reason})
                self._logged_away = True
            return False
        self.away = False
        if self._logged_away:
            self._logged_away, self._logged_at = False, time.monotonic()
            logger.warning("CouchDB is available again")
        return True

    def _may_log(self, pause: float) -> bool:
        """Whether the last line is so many seconds old; then this is the last one."""
        now = time.monotonic()
        if now < self._logged_at + pause:
            return False
        self._logged_at = now
        return True


def _bare(url: URL) -> str:
    """The URL without user, password and trailing slash."""
    return str(url.with_user(None).with_path(url.path.rstrip("/"))).rstrip("/")


def json_params(**params: Json) -> dict[str, str]:
    """Query parameters as CouchDB wants them: each value as JSON, those that are None left out."""
    return {name: dumps(value).decode() for name, value in params.items() if value is not None}


async def backoff(seconds: float) -> None:
    """Sleep for half to one and a half times as long, so that clients that failed together retry apart."""
    await asyncio.sleep(seconds * _random.uniform(0.5, 1.5))
