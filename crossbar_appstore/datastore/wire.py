"""The requests below aiocouch: credentials, headers, timeouts, retries, and the private door.

aiocouch's public surface cannot add parameters to some requests, quotes ``_all_docs`` wrongly for names with slashes,
reads attachments without their digest, and serialises each document that it reads or saves twice more. For those calls
we use *its* base address through ``_server``, and all its requests go over connections of ours (``session``), in this
module only; ``tests/datastore/test_private_door.py`` fails when those names vanish. The session that aiocouch makes
itself is left to the feeds, which never end.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import aiohttp
from aiocouch import CouchDB
from aiohttp.client_middlewares import ClientHandlerType
from yarl import URL

from crossbar_appstore.json_codec import Json, JsonObject, dumps

from .connection import BrokenReply, Reply
from .counters import Counters
from .errors import DatastoreError, Misconfigured, TimedOut, Unreachable
from .pauses import pause
from .pool import Pool, Timeouts
from .session import Session
from .translation import TRANSLATED, Refused, Subject, translate

T = TypeVar("T")

READ_ATTEMPTS = 3
LOCKOUT_PAUSE = 10.0
"""Seconds during which nothing is asked after a 401: CouchDB 3.4 locks a client out after five of them."""
TIMEOUTS = Timeouts()
_JSON: Final = {"Content-Type": "application/json"}


class Wire:
    """One connection pool to one CouchDB. Opened by the first request, inside the running loop.

    Once closed it stays closed until ``open``: whoever still works while the service ends shall not connect anew, as
    nobody would close that.
    """

    def __init__(
        self, url: str, user: str | None, password: str | None, timeouts: Timeouts, counters: Counters
    ) -> None:
        address = URL(url)
        self.address = str(address.with_user(None).with_path(address.path.rstrip("/"))).rstrip("/")
        self.timeouts = timeouts
        self.counters = counters
        self._origin = str(URL(self.address).origin())
        # Only PouchDB Server compresses: that costs both sides more than it saves, and holds back the lines of a feed.
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        credentials = _authorization(user or address.user, password or address.password)
        if credentials is not None:
            self._headers["Authorization"] = credentials
        self._tls = ssl.create_default_context() if self.address.startswith("https:") else None
        self._pool = Pool(address, self._headers, timeouts, self._tls)
        self._client: CouchDB | None = None
        self._feeds: aiohttp.ClientSession | None = None
        self._locked_until = 0.0

    @property
    def client(self) -> CouchDB:
        """aiocouch's own object; for its public surface. Raises Closed."""
        self._pool.refuse_if_closed()
        if self._client is None:
            connector = aiohttp.TCPConnector(ssl=self._tls or True)
            self._client = CouchDB(self.address, connector=connector, middlewares=(self._sign,))
            self._feeds = self._client._server._http_session
            # The type that aiocouch states is aiohttp's; of that it uses what ours has.
            session: Any = Session(self._send)
            self._client._server._http_session = session
        return self._client

    def open(self) -> None:
        """Allow requests, after a ``close`` too."""
        self._pool.open()

    async def close(self) -> None:
        """Close every connection; from now on every request raises Closed."""
        self._client = None
        feeds, self._feeds = self._feeds, None
        # First, as from then on nobody can connect anew.
        await self._pool.close()
        if feeds is not None:
            await feeds.close()

    async def ask(self, subject: Subject, operation: Callable[[], Awaitable[T]]) -> T:
        """Run a read; ask again, twice at most, where the connection failed.

        Raises:
            DatastoreError: as ``translate`` says.
        """
        try:
            async with asyncio.timeout(self.timeouts.total):
                return await self._ask_again(subject, operation)
        except TimeoutError:
            raise TimedOut("no reply in time") from None

    async def _ask_again(self, subject: Subject, operation: Callable[[], Awaitable[T]]) -> T:
        for attempt in range(1, READ_ATTEMPTS):
            try:
                return await self.tell(subject, operation)
            except Unreachable:
                self.counters.retries += 1
            await pause(0.05 * attempt)
        return await self.tell(subject, operation)

    async def tell(self, subject: Subject, operation: Callable[[], Awaitable[T]]) -> T:
        """Run a request once, its errors translated."""
        self.refuse_while_locked()
        try:
            return await operation()
        except (*TRANSLATED, Refused) as error:
            trouble: DatastoreError = translate(error, subject)
        # Raised outside of the handler: the original's text may hold the Authorization header.
        if isinstance(trouble, Misconfigured):
            self._locked_until = time.monotonic() + LOCKOUT_PAUSE
        raise trouble

    def refuse_while_locked(self) -> None:
        """Misconfigured, if CouchDB refused us a moment ago."""
        if time.monotonic() < self._locked_until:
            raise Misconfigured("CouchDB refused our name and password a moment ago")

    async def request(
        self,
        method: str,
        endpoint: str,
        *,
        params: dict[str, str] | None = None,
        json: Json = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """The private door: one request to ``endpoint`` (quoted, as aiocouch's objects give it), read whole.

        Raises:
            Refused: the status is none of success.
        """
        reply = await self._send(method, self._url(endpoint), params=params, json=json, headers=headers)
        if reply.status >= 300:
            raise Refused(reply.status, reply.body)
        return reply

    async def stream(self, endpoint: str, params: dict[str, str], silence: float) -> AsyncGenerator[list[bytes], None]:
        """The lines of an endless reply, as many as came together; no line at all is a heartbeat.

        Own line splitting, as aiohttp's refuses long lines. TimeoutError after ``silence`` seconds without a byte.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.timeouts.connect, sock_read=silence)
        url = URL(self._url(endpoint), encoded=True)
        async with self._feed_session().request("GET", url, params=params, timeout=timeout) as response:
            if response.status >= 400:
                raise Refused(response.status, await response.read())
            rest = b""
            async for piece in response.content.iter_any():
                *lines, rest = (rest + piece).split(b"\n")
                yield [line for line in lines if line.strip()]

    def _url(self, endpoint: str) -> str:
        return f"{self.client._server._server}{endpoint}"

    async def _send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Json = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """The one way of every request but a feed's."""
        self.counters.requests += 1
        target = url.removeprefix(self._origin)
        if params:
            target += "?" + urlencode(params)
        if json is not None:
            reply = await self._pool.request(method, target, dumps(json), {**_JSON, **(headers or {})})
        else:
            reply = await self._pool.request(method, target, b"" if method in ("PUT", "POST") else None, headers)
        if reply.status == 202:
            self.counters.unconfirmed_saves += 1
        return reply

    def _feed_session(self) -> aiohttp.ClientSession:
        assert self.client is not None  # noqa: S101 - opens it
        assert self._feeds is not None  # noqa: S101 - opened with the client
        return self._feeds

    async def _sign(self, request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        """Client middleware: aiocouch itself can set no header, and warns when it is given a password."""
        request.headers.update(self._headers)
        self.counters.requests += 1
        return await handler(request)


def _authorization(user: str | None, password: str | None) -> str | None:
    return None if user is None else aiohttp.encode_basic_auth(user, password or "", "utf-8")


def json_params(**params: Json) -> dict[str, str]:
    """Query parameters as CouchDB wants them: each value as JSON, those that are None left out."""
    return {name: dumps(value).decode() for name, value in params.items() if value is not None}


def new_revision(reply: Reply) -> str:
    """What a save is answered; BrokenReply, which leaves the outcome open, if that names no revision."""
    revision = as_object(reply.json()).get("rev")
    if not isinstance(revision, str):
        raise BrokenReply("no revision")
    return revision


def as_list(value: Json) -> list[Json]:
    """A part of a reply that must be an array; BrokenReply otherwise."""
    if not isinstance(value, list):
        raise BrokenReply("not a JSON array")
    return value


def as_object(value: Json) -> JsonObject:
    """A reply that must be a JSON object; BrokenReply otherwise."""
    if not isinstance(value, dict):
        raise BrokenReply("not a JSON object")
    return value
