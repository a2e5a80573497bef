"""HTTP without a client library, to send any bytes and see the exact response."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: names of headers in lower case; ``interim`` are the status codes before it (100)."""

    status: int
    headers: dict[str, str]
    body: bytes
    interim: tuple[int, ...] = ()
    version: str = "HTTP/1.1"

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def unpacked(self) -> bytes:
        return gzip.decompress(self.body)

    def names(self, header: str) -> list[str]:
        return [each.strip() for each in self.headers[header].split(",")]


class Wire:
    """Talks to a server on this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __call__(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | Any = None
    ) -> Answer:
        """Send one request on a new connection; a body that is not bytes is sent as JSON."""
        lines = {"Host": "localhost", "Connection": "close"}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            lines["Content-Type"] = "application/json"
        if body is not None:
            lines["Content-Length"] = str(len(body))
        lines.update(headers or {})
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        request = f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("utf-8", "surrogateescape")
        return await self.send(request + (body or b""), no_body=method == "HEAD")

    async def send(self, raw: bytes, *, no_body: bool = False) -> Answer:
        """Send bytes on a new connection and return the first answer."""
        async with Connection(self.port) as connection:
            await connection.send(raw)
            return await connection.answer(no_body=no_body)

    def connection(self) -> "Connection":
        return Connection(self.port)


class Connection:
    """A connection that stays open."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> "Connection":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *args: object) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def send(self, raw: bytes) -> None:
        self._writer.write(raw)
        # The server may answer and close before it has read everything.
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def answer(self, *, no_body: bool = False) -> Answer:
        interim: list[int] = []
        while True:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            version, status, *_ = head[0].split(" ", 2)
            if int(status) >= 200:
                break
            interim.append(int(status))
        headers: dict[str, str] = {}
        for line in head[1:-2]:
            name, _, value = line.partition(":")
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value.strip()
        length = 0 if no_body or status == "304" else int(headers["content-length"])
        body = await self._reader.readexactly(length)
        return Answer(int(status), headers, body, tuple(interim), version)

    async def interim(self) -> int:
        """The status of an interim response."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        return int(head.split(b" ")[1])

    async def rest(self) -> bytes:
        """The bytes received until the server closes the connection."""
        return await self._reader.read()
