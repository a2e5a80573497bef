"""The handler to compare with: ``python -m benchmarks.bare PORT FILE``.

An ordinary aiohttp application on uvloop that answers every request with the status, headers and body in the file.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web


async def serve(port: int, head: dict[str, Any], body: bytes) -> None:
    """Serve until SIGTERM."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(**head, body=body)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    recorded_head, _, recorded_body = Path(sys.argv[2]).read_bytes().partition(b"\n")
    uvloop.run(serve(int(sys.argv[1]), json.loads(recorded_head), recorded_body))
