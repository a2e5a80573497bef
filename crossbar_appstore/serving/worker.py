"""One worker: aiohttp's ordinary runner on a socket that other workers may share."""

import asyncio
import contextlib
import gc
import importlib
import logging
import signal
import socket
import struct
import sys
from array import array
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from crossbar_appstore.application import OPERATIONS, create_application
from crossbar_appstore.operations.pages import Operations, operations_application
from crossbar_appstore.settings import Settings

log = logging.getLogger(__name__)

DRAIN: Final = 10.0
"""Seconds that requests in progress have to finish when a worker stops."""
_OPERATIONS_DRAIN: Final = 1.0
LAST_REQUESTS: Final = 1.0
"""Seconds before that in which idle connections are answered one more request, with ``Connection: close``."""
_HANDSHAKES: Final = 0.25
"""Seconds in which connections that were begun are accepted; clients repeat a connection's first packet after one."""
_BACKLOG: Final = 1024
_SO_ATTACH_FILTER: Final = 26


async def work(
    settings: Settings,
    port: int,
    ready: Callable[[], None],
    stop: asyncio.Event,
    *,
    supervised: bool = False,
) -> None:
    """Answer requests until the event is set, then let the requests in progress finish.

    No connection that a client has made is dropped unanswered: neither those that are not accepted yet, nor idle ones
    on which the client sends its next request just then.

    Args:
        settings: of the service.
        port: reserved for all workers.
        ready: called once requests are answered.
        stop: see ``stop_signal``.
        supervised: whether another process has the port for health checks.
    """
    application = create_application(settings)
    requests = _Requests()
    application.middlewares.insert(0, requests.count)
    runner = web.AppRunner(application, shutdown_timeout=DRAIN)
    await runner.setup()
    operations = application[OPERATIONS]
    async with operations_site(None if supervised else settings, operations):
        try:
            listener = bound_socket(settings.host, port)
            site = web.SockSite(runner, listener, backlog=_BACKLOG)
            await site.start()
            # Objects that exist now live as long as the process; to scan them for garbage would delay requests.
            gc.freeze()
            ready()
            await stop.wait()
            operations.drain()
            ignore_new_connections(listener)
            await asyncio.sleep(_HANDSHAKES)
            await site.stop()
            await _finish(runner, requests)
        finally:
            operations.drain()
            await runner.cleanup()


@contextlib.asynccontextmanager
async def operations_site(settings: Settings | None, operations: Operations) -> AsyncIterator[None]:
    """Serve ``operations`` on the port that the settings name for it, if they do, for as long as it is entered."""
    if settings is None or settings.ops_port is None:
        yield
        return
    runner = web.AppRunner(operations_application(operations), shutdown_timeout=_OPERATIONS_DRAIN)
    await runner.setup()
    try:
        listener = bound_socket(settings.host, settings.ops_port)
        await web.SockSite(runner, listener).start()
        log.info("listening for health checks", extra={"port": settings.ops_port})
        yield
    finally:
        await runner.cleanup()


class _Requests:
    """Counts the requests that are received and handled; ``in_progress`` does not hold those whose response is sent."""

    def __init__(self) -> None:
        self.in_progress = 0

    @web.middleware
    async def count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count the request until it has its response."""
        self.in_progress += 1
        try:
            return await handler(request)
        finally:
            self.in_progress -= 1


async def _finish(runner: web.AppRunner, requests: _Requests) -> None:
    """Close every connection: idle ones after ``LAST_REQUESTS``, those with a request at most ``DRAIN`` later."""
    server, loop = runner.server, asyncio.get_running_loop()
    if server is None:
        return
    idle = loop.time() + LAST_REQUESTS
    end = idle + DRAIN
    # aiohttp tells nobody when a connection is closed. Once told to shut down, it drops what it receives: the rest of
    # an upload, too.
    while server.connections and loop.time() < (end if requests.in_progress else idle):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    await server.shutdown(max(end - loop.time(), 0.1))


def ignore_new_connections(listener: socket.socket) -> None:
    """Leave new connections to the other sockets of the port, where there are such; those that were begun are accepted.

    A socket that is closed resets the connections that it has not accepted, and each in the middle of its handshake. So
    it drops the first packet of every new one from now on. The client repeats that, and reaches another socket.
    """
    if sys.platform != "linux":
        return
    # Classic BPF over the TCP header: a packet whose flags are SYN without ACK is cut to no bytes, so it is dropped.
    load_flags, mask, is_syn = (0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02)
    drop, keep = (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFF)
    program = array("B", b"".join(struct.pack("HBBI", *each) for each in (load_flags, mask, is_syn, drop, keep)))
    address, length = program.buffer_info()
    # A sandbox may forbid it.
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", length // 8, address))


def bound_socket(host: str, port: int, *, shared: bool = True) -> socket.socket:
    """A TCP socket bound to an address, whose port other sockets of this user may share. Raises ``OSError``."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
    except UnicodeError:
        listener.close()
        # Python encodes host names for DNS, and this one is too long or malformed.
        raise socket.gaierror(socket.EAI_NONAME, "this is no host name") from None
    except OSError:
        listener.close()
        raise
    return listener


def stop_signal() -> asyncio.Event:
    """An event that SIGINT, SIGTERM and SIGHUP set from now on; SIGHUP does not where it is ignored (``nohup``)."""
    stop = asyncio.Event()
    _handle(stop.set, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return stop


def _handle(handler: Callable[[], object], *signals: signal.Signals) -> None:
    loop = asyncio.get_running_loop()
    for number in signals:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, handler)


async def readable(descriptor: int) -> None:
    """Wait until a file descriptor is readable, as the sentinel of a process is once it has ended."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


def run(work: Coroutine[None, None, None]) -> None:
    """Run a coroutine to its end, on uvloop if it is installed.

    Until it has called ``stop_signal``, SIGTERM and SIGHUP cancel it, so that it removes what it has made.
    """
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        loop_factory = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner, contextlib.suppress(asyncio.CancelledError):
        runner.run(_cancellable(work))


async def _cancellable(work: Coroutine[None, None, None]) -> None:
    task = asyncio.current_task()
    if task is not None:
        _handle(task.cancel, signal.SIGTERM, signal.SIGHUP)
    await work
