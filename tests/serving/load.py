"""Clients that ask a service all the time and never repeat a request."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.serving.running import PATIENCE

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Load:
    """What the clients have seen: statuses, connections that the service closed, and failures."""

    address: str
    request: bytes
    statuses: Counter[int] = field(default_factory=Counter)
    closed: int = 0
    failures: list[str] = field(default_factory=list)
    clients: list[asyncio.Task[None]] = field(default_factory=list)

    async def answered(self, more: int) -> None:
        """Wait until so many more requests have been answered."""
        wanted = self.statuses.total() + more
        async with asyncio.timeout(PATIENCE):
            while self.statuses.total() < wanted:
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End the clients; raises what one of them has raised."""
        for client in self.clients:
            client.cancel()
        for ended in await asyncio.gather(*self.clients, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    async def ask(self, *, keep: bool, pause: float) -> None:
        """Send one request after the other; ``keep`` tells whether connections are used again."""
        connection: Connection | None = None
        parts = urlsplit(self.address)
        try:
            while True:
                try:
                    connection = connection or await asyncio.open_connection(parts.hostname, parts.port)
                    if not await self._exchange(*connection) or not keep:
                        connection[1].close()
                        connection = None
                except (OSError, EOFError) as error:
                    self.failures.append(f"{'kept' if keep else 'new'} connection: {error!r}")
                    if connection is not None:
                        connection[1].close()
                    connection = None
                await asyncio.sleep(pause)
        finally:
            if connection is not None:
                connection[1].close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays open."""
        writer.write(self.request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        await reader.readexactly(int(headers["content-length"]))
        self.statuses[int(head[0].split()[1])] += 1
        if headers.get("connection") != "close":
            return True
        assert await reader.read() == b"", "the service said that it closes the connection"
        self.closed += 1
        return False


@asynccontextmanager
async def load(
    address: str, path: str, token: str, *, kept: int = 3, idle: int = 6, new: int = 3
) -> AsyncIterator[Load]:
    """So many clients that ask for a path: on the same connection, on it after a pause, on new connections."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {token}\r\n\r\n".encode()
    made = Load(address, request)
    for keep, pause, number in ((True, 0.02, kept), (True, 0.3, idle), (False, 0.02, new)):
        made.clients += [asyncio.create_task(made.ask(keep=keep, pause=pause)) for _ in range(number)]
    try:
        yield made
    finally:
        await made.stop()
