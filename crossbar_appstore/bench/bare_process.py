"""The process to compare with: ``python -m crossbar_appstore.bench.bare_process RECORDING``.

A bare aiohttp application on uvloop, without access log, whose one route with one variable gives the recorded reply.
"""

import asyncio
import signal
import sys
from pathlib import Path

from aiohttp import web
from multidict import CIMultiDict

from crossbar_appstore import serving
from crossbar_appstore.bench.service_process import announce
from crossbar_appstore.bench.wire import Reply

_MADE_BY_AIOHTTP = frozenset({"content-length", "date"})


def application(route: str, reply: Reply) -> web.Application:
    """Answers every request on the route with the same status, headers and body."""
    headers = CIMultiDict((name, value) for name, value in reply.headers if name.lower() not in _MADE_BY_AIOHTTP)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=reply.status, reason=reply.reason, headers=headers, body=reply.body)

    made = web.Application()
    made.router.add_route("*", route, handler)
    return made


async def serve(made: web.Application) -> None:
    """Serve on a free port until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    runner = web.AppRunner(made, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    announce(f"http://{host}:{port}")
    await stop.wait()
    await runner.cleanup()


def main(words: list[str]) -> None:
    """Serve the recording in the file that is named."""
    serving.run(serve(application(*Reply.load(Path(words[0])))))


if __name__ == "__main__":
    main(sys.argv[1:])
