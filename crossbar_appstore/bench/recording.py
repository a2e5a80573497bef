"""Requests as the load generators send them, and the replies that the service gave to them, for the bare handler."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from crossbar_appstore.bench.processes import CannotMeasure, Server
from crossbar_appstore.json_codec import dumps, loads

_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``addresses`` is how many client addresses it is sent from in turn, in ``X-Forwarded-For``.

    Callers without a valid token draw from a bucket of 100 requests for their address, refilled by 10 a second.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    addresses: int = 0

    def encode(self, host: str, address: str = "10.255.0.1") -> bytes:
        """The request on the wire."""
        headers = {"Host": host, **self.headers}
        if self.addresses:
            headers["X-Forwarded-For"] = address
        if self.body:
            headers["Content-Length"] = str(len(self.body))
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it came, whole."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def parse(cls, head: bytes, body: bytes) -> Self:
        """``head`` up to and including the empty line."""
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        _, status, reason = first.split(" ", 2)
        headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        return cls(int(status), reason, headers, body)

    def header(self, name: str) -> str | None:
        """The value of a header field."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def save(self, path: Path, route: str) -> None:
        """For the bare handler: what to answer, and the route on which."""
        head = {"route": route, "status": self.status, "reason": self.reason, "headers": list(map(list, self.headers))}
        path.write_bytes(dumps(head) + b"\n" + self.body)

    @classmethod
    def load(cls, path: Path) -> tuple[str, Self]:
        """The route and the reply."""
        head, _, body = path.read_bytes().partition(b"\n")
        held = loads(head)
        headers = tuple((name, value) for name, value in held["headers"])
        return held["route"], cls(held["status"], held["reason"], headers, body)


async def ask(server: Server, request: Request) -> Reply:
    """Send one request on a connection of its own.

    Raises:
        CannotMeasure: no whole reply came.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            return await _ask(server, request)
    except (OSError, TimeoutError, EOFError, ValueError) as error:
        raise CannotMeasure(f"{server.name}: {request.method} {request.path}: {error!r}") from error


async def _ask(server: Server, request: Request) -> Reply:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(request.encode(f"{server.host}:{server.port}"))
        head = await reader.readuntil(b"\r\n\r\n")
        reply = Reply.parse(head, b"")
        length = 0 if reply.status == 304 else int(reply.header("Content-Length") or 0)
        return Reply(reply.status, reply.reason, reply.headers, await reader.readexactly(length))
    finally:
        writer.close()
