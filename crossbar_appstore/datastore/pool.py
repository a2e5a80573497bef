"""The connections to one CouchDB that are kept, and how requests are put on them."""

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from yarl import URL

from .connection import Connection, NoReply, Reply
from .errors import Closed

MOST_CONNECTIONS: Final = 64
IDLE_SECONDS: Final = 4.0
"""Below the 5 s after which Node (PouchDB Server) closes an idle connection."""
_REPEATABLE: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""Methods that mean the same sent once or twice (RFC 9110, section 9.2.2)."""
_TARGET: Final = re.compile(r"/[!-~]*")
_VALUE: Final = re.compile(r"[ -~]*")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: ``connect`` for the TCP connection, ``read`` between two pieces of a reply, ``total`` of it all."""

    connect: float = 2.0
    read: float = 10.0
    total: float = 15.0


class Pool:
    """Keep-alive connections to the host of an address, as many as are needed at once.

    Args:
        address: ``http[s]://host:port``; a path is no part of it.
        headers: of every request.
        timeouts: of every request.
        tls: what is trusted over ``https``; what the machine trusts, where nothing is said.
    """

    def __init__(
        self, address: URL, headers: Mapping[str, str], timeouts: Timeouts, tls: ssl.SSLContext | None = None
    ) -> None:
        self._host = address.host or ""
        self._port = address.port or 80
        self._tls = (tls or ssl.create_default_context()) if address.scheme == "https" else None
        self._timeouts = timeouts
        host = f"[{self._host}]" if ":" in self._host else self._host
        named = host if address.is_default_port() else f"{host}:{self._port}"
        self._head = _lines({"Host": named, **headers})
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._places = asyncio.Semaphore(MOST_CONNECTIONS)
        self._is_closed = False

    async def request(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send one request; redirects are not followed.

        Args:
            method: in capitals.
            target: path and query, quoted.
            body: None for none.
            headers: in addition to those of every request.

        Raises:
            Closed: the pool was closed.
            OSError: no connection, or it broke (TimeoutError: too slow).
            BrokenReply: that was no HTTP.
        """
        if _TARGET.fullmatch(target) is None:
            raise ValueError("no request target")
        text = f"{method} {target} HTTP/1.1\r\n{self._head}{_lines(headers or {})}"
        if body is not None:
            text += f"Content-Length: {len(body)}\r\n"
        data = f"{text}\r\n".encode("ascii") + (body or b"")
        deadline = asyncio.get_running_loop().time() + self._timeouts.total
        if self._places.locked():
            async with asyncio.timeout_at(deadline):
                await self._places.acquire()
        else:
            await self._places.acquire()
        try:
            return await self._exchange(method, data, deadline)
        finally:
            self._places.release()

    async def _exchange(self, method: str, data: bytes, deadline: float) -> Reply:
        self.refuse_if_closed()
        is_head = method == "HEAD"
        used = self._take()
        if used is not None:
            try:
                return await self._on(used, data, deadline, is_head)
            except NoReply:
                # Most likely it was closed while nothing was asked.
                if method not in _REPEATABLE:
                    raise
        return await self._on(await self._connect(deadline), data, deadline, is_head)

    async def _on(self, connection: Connection, data: bytes, deadline: float, is_head: bool) -> Reply:
        reply = await connection.exchange(data, is_head=is_head, deadline=deadline)
        if connection.is_usable:
            self._idle.append(connection)
        return reply

    def _take(self) -> Connection | None:
        """The connection that was used last, so that those not needed grow old."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
                return connection
            connection.close()
        return None

    async def _connect(self, deadline: float) -> Connection:
        loop, timeouts = asyncio.get_running_loop(), self._timeouts
        async with asyncio.timeout_at(min(deadline, loop.time() + timeouts.connect)):
            _, connection = await loop.create_connection(
                lambda: Connection(timeouts.read, IDLE_SECONDS, self._forget), self._host, self._port, ssl=self._tls
            )
        self._all.add(connection)
        if self._is_closed:
            connection.close()
        self.refuse_if_closed()
        return connection

    def refuse_if_closed(self) -> None:
        """Raises Closed."""
        if self._is_closed:
            raise Closed

    def _forget(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def open(self) -> None:
        """Allow requests, after a ``close`` too."""
        self._is_closed = False

    async def close(self) -> None:
        """Close every connection, and open none any more."""
        self._is_closed = True
        for connection in list(self._all):
            connection.close()
        # The transports close at the loop's next turn.
        await asyncio.sleep(0)


def _lines(headers: Mapping[str, str]) -> str:
    for value in headers.values():
        if _VALUE.fullmatch(value) is None:
            raise ValueError("no header value")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())
