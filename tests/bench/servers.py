"""Little servers in the test's own process."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from crossbar_appstore.bench.processes import Server


@asynccontextmanager
async def serving(application: web.Application) -> AsyncIterator[Server]:
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield Server("the test's server", f"http://{host}:{port}", os.getpid())
    finally:
        await runner.cleanup()


@asynccontextmanager
async def talking(words: bytes) -> AsyncIterator[Server]:
    """Answers whatever comes with these words and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(words)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()[:2]
        yield Server("the test's server", f"http://{host}:{port}", os.getpid())
