"""Single requests of the bench itself: to arrange, to record, to check."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Final

from crossbar_appstore.bench.processes import CannotMeasure, Server
from crossbar_appstore.bench.wire import HEAD_END, Reply, Request, whole_length
from crossbar_appstore.json_codec import loads

_SECONDS: Final = 60.0
_SHOWN: Final = 300


class Connection:
    """A connection to a server, used again and again."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer

    async def ask(self, request: Request) -> Reply:
        """Send a request and wait for its reply.

        Raises:
            CannotMeasure: no whole reply came.
        """
        try:
            async with asyncio.timeout(_SECONDS):
                self._writer.write(request.encode(f"{self._server.host}:{self._server.port}"))
                head = await self._reader.readuntil(HEAD_END)
                body = await self._reader.readexactly((whole_length(head) or len(head)) - len(head))
                return Reply.parse(head, body)
        except (OSError, TimeoutError, EOFError, ValueError) as error:
            raise CannotMeasure(f"{self._server.name}: {request.method} {request.path}: {error!r}") from error


@contextlib.asynccontextmanager
async def connection(server: Server) -> AsyncIterator[Connection]:
    """A connection to a server.

    Raises:
        CannotMeasure: it does not listen.
    """
    try:
        reader, writer = await asyncio.open_connection(server.host, server.port)
    except OSError as error:
        raise CannotMeasure(f"{server.name}: {error}") from error
    try:
        yield Connection(server, reader, writer)
    finally:
        writer.close()


async def expect(server: Server, request: Request, status: int) -> Reply:
    """The reply, if it has that status.

    Raises:
        CannotMeasure: it has another, or there is none.
    """
    async with connection(server) as connected:
        reply = await connected.ask(request)
    _check(server, request, reply, status)
    return reply


async def visit(server: Server, requests: Iterable[Request], connections: int, status: int = 200) -> None:
    """Send many requests, each once, on a few connections.

    Raises:
        CannotMeasure: one was answered with another status.
    """
    waiting = iter(requests)

    async def work() -> None:
        async with connection(server) as connected:
            for request in waiting:
                _check(server, request, await connected.ask(request), status)

    working = [asyncio.create_task(work()) for _ in range(connections)]
    try:
        await asyncio.gather(*working)
    finally:
        for task in working:
            task.cancel()


def _check(server: Server, request: Request, reply: Reply, status: int) -> None:
    if reply.status != status:
        what = f"{server.name}: {request.method} {request.path}"
        raise CannotMeasure(f"{what}: {reply.status}, not {status}: {_shown(reply)}")


def _shown(reply: Reply) -> str:
    """What an envelope says, without the token that it repeats."""
    try:
        envelope = loads(reply.body)
        return str({name: envelope[name] for name in ("message", "data") if name in envelope})[:_SHOWN]
    except (ValueError, TypeError):
        return f"{len(reply.body)} bytes"
