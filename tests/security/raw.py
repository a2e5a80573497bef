"""Bytes to a server and back, and what may not happen: stray responses, lines at WARNING, a server that is gone."""

import asyncio
import contextlib
import logging
import re
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tests.security.processor_time import HTTP

PATIENCE: Final = 20.0
_STATUS_LINE: Final = re.compile(rb"HTTP/\d\.\d [1-5]\d\d ")
IDLE: Final = 0.004
"""Seconds after which a server that waits for more is left."""


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def request_id(self) -> str | None:
        return self.headers.get("x-request-id")


def responses(received: bytes) -> list[Response]:
    """The responses in what a server sent; a last one may be cut off. Anything else raises ``AssertionError``."""
    found: list[Response] = []
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        assert _STATUS_LINE.match(head), (head, found)
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            assert colon, line
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value.strip()
        status = int(lines[0].split(" ")[1])
        if status == 100:
            continue
        # A response to HEAD has the length of a body, but none.
        without_body = _STATUS_LINE.match(received)
        length = int(headers.get("content-length", "0")) if end and not without_body else 0
        found.append(Response(status, headers, received[:length]))
        received = received[length:]
    return found


@dataclass
class Server:
    """A running service. ``problems`` are the records at WARNING and above, ``paths`` those of all requests."""

    port: int
    problems: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    async def send(self, *pieces: bytes, reset: bool = False, whole: bool = False) -> bytes:
        """Send bytes on a new connection, in pieces, and return what comes back until the server closes.

        A server that waits for more is left after a moment, unless ``whole``. ``reset`` ends the connection at once.
        """
        sent = b"".join(pieces)
        with HTTP.measured(repr(sent)):
            return await self._send(pieces, reset=reset, patience=PATIENCE if whole else IDLE)

    async def _send(self, pieces: Iterable[bytes], *, reset: bool, patience: float) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        received = b""
        try:
            with contextlib.suppress(ConnectionError):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if reset:
                    connection: socket.socket = writer.get_extra_info("socket")
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return b""
                with contextlib.suppress(TimeoutError):
                    while True:
                        async with asyncio.timeout(patience):
                            some = await reader.read(100_000)
                        if not some:
                            break
                        received += some
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        return received

    async def check(self) -> None:
        """The next request on a new connection is answered, and nothing was logged that an operator must see."""
        request = b"GET /v2/schemas/api_auth HTTP/1.1\r\nHost: x\r\nX-Request-ID: next\r\nConnection: close\r\n\r\n"
        (response,) = responses(await self._send([request], reset=False, patience=PATIENCE))
        assert (response.status, response.request_id) == (200, "next")
        assert self.problems == []


class Watch(logging.Handler):
    """Collects for a server what is logged."""

    def __init__(self, server: Server) -> None:
        super().__init__(logging.DEBUG)
        self._server = server

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self._server.problems.append(f"{record.name}: {record.getMessage()} {record.exc_info}")
        elif record.name.endswith("access_log"):
            self._server.paths.append(record.__dict__["path"])
