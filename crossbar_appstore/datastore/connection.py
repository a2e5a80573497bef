"""One HTTP/1.1 connection to CouchDB: a request goes out in one piece, its reply comes back whole.

httptools reads what CouchDB says; what is here is only when a reply is whole, and how long it may take.
"""

import asyncio
import contextlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from crossbar_appstore.json_codec import Json, loads

_ANY_FORMAT: Final = zlib.MAX_WBITS | 32
_COMPRESSED: Final = ("gzip", "deflate")


class BrokenReply(ValueError):
    """No HTTP, or JSON that has not the shape of CouchDB's replies."""


class NoReply(ConnectionError):
    """The connection was closed before anything of the reply came."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply read whole: headers by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Json:
        """The body parsed; ValueError if it is not JSON."""
        return loads(self.body)


@dataclass(eq=False, slots=True)
class _Exchange:
    """A request that waits for its reply, and what has come of it. Times are the loop's."""

    reply: "asyncio.Future[Reply]"
    is_head: bool
    deadline: float
    heard_at: float
    begun: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    has_headers: bool = False
    pieces: list[bytes] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """One request at a time.

    Args:
        read_seconds: the longest silence while a reply is waited for.
        idle_seconds: how long an unused connection may be used again.
        lost: called once the connection is closed, by whichever side.
    """

    def __init__(self, read_seconds: float, idle_seconds: float, lost: "Callable[[Connection], None]") -> None:
        self._loop = asyncio.get_running_loop()
        self._read_seconds = read_seconds
        self._idle_seconds = idle_seconds
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._exchange: _Exchange | None = None
        self._idle_since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_usable(self) -> bool:
        """Whether a request may be sent: open, idle, and not for so long that CouchDB may be closing it."""
        is_open = self._transport is not None and not self._transport.is_closing()
        return is_open and self._exchange is None and self._loop.time() < self._idle_since + self._idle_seconds

    async def exchange(self, request: bytes, *, is_head: bool, deadline: float) -> Reply:
        """Send a request and read its reply; the connection can be used again if it ``is_usable`` then.

        Args:
            request: all of it, head and body.
            is_head: whether the method is HEAD, whose reply has no body.
            deadline: when the reply must be whole, by the loop's clock.

        Raises:
            NoReply: closed before anything came.
            OSError: closed before all of it came.
            TimeoutError: too slow.
            BrokenReply: that was no HTTP.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise NoReply
        now = self._loop.time()
        exchange = self._exchange = _Exchange(self._loop.create_future(), is_head, deadline, now)
        self._watch_from(min(deadline, now + self._read_seconds))
        transport.write(request)
        try:
            return await exchange.reply
        except asyncio.CancelledError:
            # The reply that is still to come must not be taken for that of another request.
            self.close()
            raise

    def close(self) -> None:
        """Close it; a request under way has failed."""
        if self._transport is not None:
            self._transport.abort()
        self._fail(NoReply())

    # What the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """A piece of the reply."""
        exchange = self._exchange
        if exchange is None:
            # Nobody asked: whatever this is, the next reply would be mistaken for it.
            self.close()
            return
        exchange.begun = True
        exchange.heard_at = self._loop.time()
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._fail(BrokenReply("not HTTP"))
            self.close()

    def eof_received(self) -> bool:
        """The server sends nothing more."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Closed: the end of a reply that has no other end, a failure otherwise."""
        exchange = self._exchange
        if exchange is not None and error is None and exchange.has_headers and _ends_with_connection(exchange.headers):
            self._finish(exchange)
        begun = exchange is not None and exchange.begun
        self._fail(ConnectionResetError() if begun else NoReply())
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._lost(self)

    # What the parser tells

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line."""
        if self._exchange is not None:
            self._exchange.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """All of them; of a reply to HEAD there is no more."""
        exchange = self._exchange
        if exchange is None or self._parser.get_status_code() < 200:
            return
        exchange.has_headers = True
        if exchange.is_head:
            self._finish(exchange)
            # The parser would wait for the body that was announced.
            self.close()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self._exchange is not None:
            self._exchange.pieces.append(body)

    def on_message_complete(self) -> None:
        """The reply is whole."""
        exchange = self._exchange
        if exchange is None:
            return
        if self._parser.get_status_code() < 200:
            exchange.headers.clear()
            return
        self._finish(exchange)
        if not self._parser.should_keep_alive():
            self.close()

    def _finish(self, exchange: _Exchange) -> None:
        self._exchange = None
        self._idle_since = self._loop.time()
        if exchange.reply.done():
            return
        try:
            body = _plain(exchange.headers.get("content-encoding"), exchange.pieces)
        except BrokenReply as error:
            exchange.reply.set_exception(error)
        else:
            exchange.reply.set_result(Reply(self._parser.get_status_code(), exchange.headers, body))

    def _fail(self, error: Exception) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None and not exchange.reply.done():
            exchange.reply.set_exception(error)

    # One timer for all requests: it looks when it rings whether the time is really over

    def _watch_from(self, due: float) -> None:
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        now, due = self._loop.time(), self._due()
        if now < due:
            self._watch_from(due)
            return
        self._fail(TimeoutError())
        self.close()

    def _due(self) -> float:
        exchange, transport = self._exchange, self._transport
        if exchange is None:
            return self._idle_since + self._idle_seconds
        # A long request that is still going out is no silence.
        sending = transport is not None and transport.get_write_buffer_size() > 0
        heard_at = self._loop.time() if sending else exchange.heard_at
        return min(exchange.deadline, heard_at + self._read_seconds)


def _ends_with_connection(headers: dict[str, str]) -> bool:
    return "content-length" not in headers and "chunked" not in headers.get("transfer-encoding", "").lower()


def _plain(coding: str | None, pieces: list[bytes]) -> bytes:
    """The body as it was before somebody on the way compressed it."""
    body = b"".join(pieces) if len(pieces) != 1 else pieces[0]
    if coding is None or coding.lower() not in _COMPRESSED:
        return body
    with contextlib.suppress(zlib.error):
        return zlib.decompress(body, _ANY_FORMAT)
    raise BrokenReply("not compressed as it says")
