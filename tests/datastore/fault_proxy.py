"""A proxy before CouchDB that injects faults.

    async with FaultProxy(couchdb_url) as proxy:
        couch = Couch(proxy.url)
        proxy.fail(Fault.STALL, path="_changes")
        proxy.fail(Status(503, "not now"), method="PUT", times=2)
        proxy.heal()

Every request has its own connection, so that a fault affects one request only.
"""

import asyncio
import base64
import hashlib
import json
import re
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_HEAD_END = b"\r\n\r\n"
_DRIP_SECONDS = 0.05


class Fault(Enum):
    RESET_FIRST = auto()
    """The connection is reset before the request reaches the server."""
    RESET = auto()
    """The connection is reset within the reply's body."""
    STALL = auto()
    """The request gets no reply, the connection stays open."""
    DRIP = auto()
    """The reply comes byte by byte, twenty a second."""
    TRUNCATE = auto()
    """A whole HTTP reply with the first half of its JSON."""
    LOSE_REPLY = auto()
    """The server does what it was asked; the connection is reset before its reply."""
    HALF_OPEN = auto()
    """Replies that are running, and new ones, stop in the middle, the connection stays open: a lost network."""
    ACCEPTED = auto()
    """201 becomes 202: acknowledged by fewer copies than the quorum."""


@dataclass(frozen=True)
class Status:
    """A status in place of the server's reply."""

    code: int
    reason: str = "made up"
    error: str = "error"
    headers: tuple[tuple[str, str], ...] = ()

    def reply(self, method: str = "GET") -> bytes:
        body = json.dumps({"error": self.error, "reason": self.reason}).encode()
        head = f"HTTP/1.1 {self.code} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        return head.encode() + b"Connection: close\r\n\r\n" + (b"" if method == "HEAD" else body)


@dataclass(frozen=True)
class Body:
    """The server's reply, with what ``change`` makes of the body of a success.

    A feed, which has no end, gives ``endless`` instead, and ends.
    """

    change: Callable[[bytes], bytes]
    content_type: str | None = None
    endless: bytes = b""

    def reply(self, whole: bytes) -> bytes:
        head, body = _split(whole)
        changed = self.change(body) if body and _code(head) < 400 else body
        if self.content_type is not None:
            head = re.sub(rb"(?im)^content-type:.*$", b"Content-Type: " + self.content_type.encode() + b"\r", head)
        return head + b"Content-Length: %d\r\n\r\n" % len(changed) + changed

    def feed(self) -> bytes:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        return head + b"Content-Length: %d\r\n\r\n" % len(self.endless) + self.endless


Injected = Fault | Status | Body


@dataclass
class Passwords:
    """Checks user and password as CouchDB 3.4 does, for a server that does not, and counts the tries.

    After five wrong passwords the user is locked out. A cookie is valid until the password is changed.
    """

    user: str
    password: str
    sessions: bool = True
    """Whether there is ``/_session``."""
    accepts_cookies: bool = True
    seconds: float = 0.02
    """How long it takes to check a password."""
    posts: int = 0
    """The number of requests to ``/_session``."""
    wrong: int = 0
    """The number of wrong passwords."""
    most: int = 0
    """How many passwords were checked at the same time, at most."""
    with_password: int = 0
    """The number of requests with a password, ``/_session`` left out."""
    _running: int = 0

    async def refusal(self, path: str, head: bytes) -> Status | None:
        """What CouchDB answers instead; None if the user may go on."""
        is_sign_in = path == "/_session"
        self.posts += is_sign_in
        wanted = base64.b64encode(f"{self.user}:{self.password}".encode())
        given = re.search(rb"(?im)^authorization: basic (.*)\r$", head)
        if given is not None:
            self.with_password += not is_sign_in
            if (refused := await self._checked(given[1] == wanted)) is not None:
                return refused
            if is_sign_in:
                return self._signed_in() if self.sessions else Status(404, "missing", "not_found")
            return None
        cookie = re.search(rb"(?im)^cookie: AuthSession=(.*)\r$", head)
        if path == "/" or (self.accepts_cookies and cookie is not None and cookie[1] == self._cookie()):
            return None
        return Status(401, "You are not authorized to access this db.", "unauthorized")

    async def _checked(self, is_right: bool) -> Status | None:
        if self.wrong >= 5:
            return Status(403, "Account is temporarily locked due to multiple authentication failures")
        self._running += 1
        self.most = max(self.most, self._running)
        await asyncio.sleep(self.seconds)
        self._running -= 1
        self.wrong += not is_right
        return None if is_right else Status(401, "Name or password is incorrect.", "unauthorized")

    def _cookie(self) -> bytes:
        return hashlib.sha256(self.password.encode()).hexdigest().encode()

    def _signed_in(self) -> Status:
        cookie = f"AuthSession={self._cookie().decode()}; Version=1; Path=/; HttpOnly"
        return Status(200, headers=(("Set-Cookie", cookie),))


@dataclass
class _Rule:
    fault: Injected
    method: str
    path: str
    left: float
    holding: bytes = b""

    def applies(self, method: str, path: str, body: bytes = b"") -> bool:
        return self.left > 0 and self.method in ("", method) and self.path in path and self.holding in body


@dataclass
class FaultProxy:
    """Listens on a port of its own for ``target``, an ``http://host:port``."""

    target: str
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every request, in order."""
    before: Callable[[str, str], None] | None = None
    """Called with method and path before a request is passed on."""
    scripts: dict[str, Callable[[asyncio.StreamWriter], Awaitable[None]]] = field(default_factory=dict)
    """What replies instead of the server, by the beginning of the path: it writes the whole reply, with its head."""
    passwords: Passwords | None = None
    """Who may ask the server; None for everybody."""
    _rules: list[_Rule] = field(default_factory=list)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _port: int = 0

    @property
    def url(self) -> str:
        """The address to give to the client, with the target's user and password."""
        user, at, _ = urlsplit(self.target).netloc.rpartition("@")
        return f"http://{user}{at}127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.refuse()

    def fail(
        self,
        fault: Injected,
        *,
        method: str = "",
        path: str = "",
        times: float = float("inf"),
        holding: bytes = b"",
    ) -> None:
        """Inject a fault into the next ``times`` requests of this method whose path contains this text.

        With ``holding``, only into those whose body contains these bytes.
        """
        self._rules.append(_Rule(fault, method, path, times, holding))

    def heal(self) -> None:
        """Inject no more faults, and close the connections that are open."""
        self._rules.clear()
        for task in self._tasks:
            task.cancel()

    async def refuse(self) -> None:
        """Refuse connections, and close those that are open."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def accept(self) -> None:
        """Listen again, on the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    def count(self, method: str = "", path: str = "") -> int:
        """The number of requests of this method whose path contained this text."""
        return sum(1 for made, where in self.requests if method in ("", made) and path in where)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            _reset(writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, body = await _read_request(reader)
        method, path = head.split(b" ", 2)[:2]
        made = (method.decode(), path.decode())
        self.requests.append(made)
        if self.before is not None:
            self.before(*made)
        if self.passwords is not None and (refusal := await self.passwords.refusal(made[1], head)) is not None:
            writer.write(refusal.reply(made[0]))
            await writer.drain()
            return
        for beginning, script in self.scripts.items():
            if made[1].startswith(beginning):
                await script(writer)
                return
        fault = self._next_fault(*made, body)
        if isinstance(fault, Status):
            writer.write(fault.reply(made[0]))
            await writer.drain()
        elif fault is Fault.RESET_FIRST:
            _reset(writer)
        elif fault is Fault.STALL:
            await reader.read()  # until the client goes
        elif isinstance(fault, Body) and "feed=continuous" in made[1]:
            writer.write(fault.feed())
            await writer.drain()
        else:
            # Its connection to the server is closed now, not whenever the generator is collected.
            async with aclosing(self._forward(head, body)) as pieces:
                await self._answer(pieces, reader, writer, made, fault)

    async def _answer(
        self,
        pieces: AsyncIterator[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        made: tuple[str, str],
        fault: Fault | Body | None,
    ) -> None:
        if fault in (None, Fault.ACCEPTED, Fault.HALF_OPEN):
            await self._relay(pieces, reader, writer, made, fault)
            return
        if fault is Fault.DRIP:
            async for piece in pieces:
                await _drip(piece, writer)
            return
        whole = b"".join([piece async for piece in pieces])
        if fault is Fault.LOSE_REPLY:
            _reset(writer)
            return
        if isinstance(fault, Body):
            reply = fault.reply(whole)
        else:
            reply = _half(whole) if fault is Fault.TRUNCATE else whole[: _middle(whole)]
        writer.write(reply)
        await writer.drain()
        if fault is Fault.RESET:
            await asyncio.sleep(0.02)  # a reset overtakes what was sent before
            _reset(writer)

    async def _relay(
        self,
        pieces: AsyncIterator[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        made: tuple[str, str],
        fault: object,
    ) -> None:
        async for piece in pieces:
            if fault is Fault.HALF_OPEN or any(
                rule.fault is Fault.HALF_OPEN and rule.applies(*made) for rule in self._rules
            ):
                await reader.read()
                return
            writer.write(piece.replace(b"HTTP/1.1 201 Created", b"HTTP/1.1 202 Accepted") if fault else piece)
            await writer.drain()

    def _next_fault(self, method: str, path: str, body: bytes) -> Injected | None:
        for rule in self._rules:
            if rule.applies(method, path, body):
                rule.left -= 1
                return rule.fault
        return None

    async def _forward(self, head: bytes, body: bytes) -> AsyncGenerator[bytes, None]:
        target = urlsplit(self.target)
        reader, writer = await asyncio.open_connection(target.hostname, target.port)
        try:
            alone = re.sub(rb"(?im)^(connection|host|expect):.*\r\n", b"", head)
            if self.passwords is not None:
                alone = re.sub(rb"(?im)^(authorization|cookie):.*\r\n", b"", alone)
                if target.username is not None:
                    signed = base64.b64encode(target.netloc.rpartition("@")[0].encode())
                    alone = alone.replace(b"\r\n", b"\r\nAuthorization: Basic " + signed + b"\r\n", 1)
            request_line, rest = alone.split(b"\r\n", 1)
            host = target.netloc.rpartition("@")[2].encode()
            writer.write(request_line + b"\r\nHost: " + host + b"\r\nConnection: close\r\n" + rest + body)
            while piece := await reader.read(65536):
                yield piece
        finally:
            writer.close()


def answering(value: object) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """A script (``FaultProxy.scripts``) that replies with this value as JSON."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        body = json.dumps(value).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()

    return answer


async def _read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(_HEAD_END)
    if re.search(rb"(?im)^transfer-encoding: *chunked", head):
        body = b""
        while not body.endswith(b"0\r\n\r\n"):
            body += await reader.readuntil(b"\r\n")
        return head, body
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    return head, await reader.readexactly(int(length[1])) if length else b""


def _split(whole: bytes) -> tuple[bytes, bytes]:
    """Head without length and empty line, and body; chunks are joined."""
    head, _, body = whole.partition(_HEAD_END)
    if re.search(rb"(?im)^transfer-encoding: *chunked", head):
        joined = b""
        while body and (size := int(body.partition(b"\r\n")[0], 16)):
            start = body.index(b"\r\n") + 2
            joined, body = joined + body[start : start + size], body[start + size + 2 :]
        body = joined
    kept = re.sub(rb"(?im)^(content-length|transfer-encoding):.*\r\n?", b"", head + b"\r\n").rstrip(b"\r\n")
    return kept + b"\r\n", body


def _code(head: bytes) -> int:
    return int(head.split(b" ", 2)[1])


async def _drip(piece: bytes, writer: asyncio.StreamWriter) -> None:
    for byte in piece:
        writer.write(bytes((byte,)))
        await writer.drain()
        await asyncio.sleep(_DRIP_SECONDS)


def _middle(whole: bytes) -> int:
    start = whole.index(_HEAD_END) + len(_HEAD_END)
    return (start + len(whole)) // 2


def _half(whole: bytes) -> bytes:
    head, body = _split(whole)
    half = body[: len(body) // 2]
    return head + b"Content-Length: %d" % len(half) + _HEAD_END + half


def _reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() != -1:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
