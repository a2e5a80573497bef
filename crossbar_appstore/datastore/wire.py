"""The HTTP session below aiocouch: credentials, headers, timeouts, retries, and the private door.

aiocouch's public surface cannot add parameters to some requests, quotes ``_all_docs`` wrongly for names with slashes,
and reads attachments without their digest. For those few calls we use *its* session and *its* base address through
``_server``, in this module only; ``tests/datastore/test_private_door.py`` fails when those names vanish.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
from aiocouch import CouchDB
from aiohttp.client_middlewares import ClientHandlerType
from yarl import URL

from crossbar_appstore import certificates
from crossbar_appstore.json_codec import Json, JsonObject, dumps, loads

from .counters import Counters
from .errors import DatastoreError, Misconfigured, TimedOut, Unreachable
from .pauses import pause
from .translation import TRANSLATED, Refused, Subject, translate

T = TypeVar("T")

READ_ATTEMPTS = 3
LOCKOUT_PAUSE = 10.0
"""Seconds during which nothing is asked after a 401: CouchDB 3.4 locks a client out after five of them."""
IDLE_SECONDS = 4.0
"""Below the 5 s after which Node (PouchDB Server) closes an idle connection."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: ``connect`` for the TCP connection, ``read`` between two pieces of a reply, ``total`` of it all."""

    connect: float = 2.0
    read: float = 10.0
    total: float = 15.0


TIMEOUTS = Timeouts()


class BrokenReply(ValueError):
    """JSON, but not of the shape that CouchDB's replies have."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply read whole: headers by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Json:
        """The body parsed; ValueError if it is not JSON."""
        return loads(self.body)


class _JsonOnceResponse(aiohttp.ClientResponse):
    """aiocouch parses each reply twice; this one remembers. PouchDB calls its JSON text/plain: no matter."""

    _parsed: Json = None
    _is_parsed = False

    async def json(self, **_unused: Any) -> Json:
        if not self._is_parsed:
            self._parsed = loads(await self.read())
            self._is_parsed = True
        return self._parsed


class Wire:
    """One connection pool to one CouchDB. Opened by the first request, inside the running loop."""

    def __init__(
        self, url: str, user: str | None, password: str | None, timeouts: Timeouts, counters: Counters
    ) -> None:
        address = URL(url)
        self.address = str(address.with_user(None).with_path(address.path.rstrip("/"))).rstrip("/")
        self.timeouts = timeouts
        self.counters = counters
        self._authorization = _authorization(user or address.user, password or address.password)
        self._client: CouchDB | None = None
        self._locked_until = 0.0

    @property
    def client(self) -> CouchDB:
        """aiocouch's own object; for its public surface."""
        if self._client is None:
            self._client = CouchDB(
                self.address,
                connector=aiohttp.TCPConnector(
                    limit=64, keepalive_timeout=IDLE_SECONDS, ssl=certificates.context(self.address)
                ),
                timeout=aiohttp.ClientTimeout(
                    total=self.timeouts.total, sock_connect=self.timeouts.connect, sock_read=self.timeouts.read
                ),
                middlewares=(self._send,),
                response_class=_JsonOnceResponse,
                json_serialize_bytes=_json_bytes,
            )
        return self._client

    async def close(self) -> None:
        """Close every connection; the next request would open a new pool."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

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
            Refused: the status is 400 or above.
        """
        options: dict[str, Any] = {} if json is None else {"json": json}
        async with self._session().request(
            method, self._url(endpoint), params=params, headers=headers, **options
        ) as response:
            body = await response.read()
            if response.status >= 400:
                raise Refused(response.status, body)
            return Reply(response.status, {name.lower(): value for name, value in response.headers.items()}, body)

    async def stream(self, endpoint: str, params: dict[str, str], silence: float) -> AsyncGenerator[list[bytes], None]:
        """The lines of an endless reply, as many as came together; no line at all is a heartbeat.

        Own line splitting, as aiohttp's refuses long lines. TimeoutError after ``silence`` seconds without a byte.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.timeouts.connect, sock_read=silence)
        async with self._session().request("GET", self._url(endpoint), params=params, timeout=timeout) as response:
            if response.status >= 400:
                raise Refused(response.status, await response.read())
            rest = b""
            async for piece in response.content.iter_any():
                *lines, rest = (rest + piece).split(b"\n")
                yield [line for line in lines if line.strip()]

    def _session(self) -> aiohttp.ClientSession:
        return self.client._server._http_session

    def _url(self, endpoint: str) -> URL:
        return URL(f"{self.client._server._server}{endpoint}", encoded=True)

    async def _send(self, request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        """Client middleware: aiocouch itself can set no header, and warns when it is given a password."""
        if self._authorization is not None:
            request.headers["Authorization"] = self._authorization
        request.headers["Accept"] = "application/json"
        # Only PouchDB Server compresses: that costs both sides more than it saves, and holds back the lines of a feed.
        request.headers["Accept-Encoding"] = "identity"
        self.counters.requests += 1
        response = await handler(request)
        if response.status == 202:
            self.counters.unconfirmed_saves += 1
        return response


def _authorization(user: str | None, password: str | None) -> str | None:
    return None if user is None else aiohttp.encode_basic_auth(user, password or "", "utf-8")


def _json_bytes(value: Json) -> bytes:
    return dumps(value)


def json_params(**params: Json) -> dict[str, str]:
    """Query parameters as CouchDB wants them: each value as JSON, those that are None left out."""
    return {name: dumps(value).decode() for name, value in params.items() if value is not None}


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
