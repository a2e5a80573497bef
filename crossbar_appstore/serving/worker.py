"""One worker: aiohttp's ordinary runner on a socket that other workers may share."""

import asyncio
import contextlib
import gc
import importlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Final

from aiohttp import web

from crossbar_appstore.application import OPERATIONS, create_application
from crossbar_appstore.operations.pages import Operations, operations_application
from crossbar_appstore.settings import Settings, SettingsError

log = logging.getLogger(__name__)

DRAIN: Final = 10.0
"""Seconds that requests in progress have to finish when a worker stops."""
_OPERATIONS_DRAIN: Final = 1.0
_BACKLOG: Final = 1024


async def work(
    settings: Settings,
    port: int,
    ready: Callable[[], None],
    supervisor: int | None = None,
) -> None:
    """Answer requests until SIGINT or SIGTERM, then let the requests in progress finish.

    Args:
        settings: of the service.
        port: reserved for all workers.
        ready: called once requests are answered.
        supervisor: a file descriptor that becomes readable when the parent process ends, which stops the worker.
    """
    stop = stop_signal()
    # A killed supervisor sends no signal, and its workers must not keep the port.
    if supervisor is not None:
        asyncio.get_running_loop().add_reader(supervisor, stop.set)
    application = create_application(settings)
    runner = web.AppRunner(application, shutdown_timeout=DRAIN)
    await runner.setup()
    operations = application[OPERATIONS]
    # With a supervisor, that is who has the port for health checks.
    async with operations_site(settings if supervisor is None else None, operations):
        try:
            await web.SockSite(runner, bound_socket(settings.host, port), backlog=_BACKLOG).start()
            # Objects that exist now live as long as the process; to scan them for garbage would delay requests.
            gc.freeze()
            ready()
            await stop.wait()
        finally:
            if supervisor is not None:
                asyncio.get_running_loop().remove_reader(supervisor)
            operations.drain()
            await runner.cleanup()


@contextlib.asynccontextmanager
async def operations_site(settings: Settings | None, operations: Operations) -> AsyncIterator[None]:
    """Serve ``operations`` on the port that the settings name for it, if they do, for as long as it is entered.

    Raises:
        SettingsError: the port cannot be listened on.
    """
    if settings is None or settings.ops_port is None:
        yield
        return
    runner = web.AppRunner(operations_application(operations), shutdown_timeout=_OPERATIONS_DRAIN)
    await runner.setup()
    try:
        try:
            listener = bound_socket(settings.host, settings.ops_port)
            await web.SockSite(runner, listener).start()
        except OSError as error:
            reason = f"cannot listen on {settings.host}:{settings.ops_port}: {error.strerror or error}"
            raise SettingsError("CROSSBAR_OPS_PORT", reason) from None
        log.info("listening for health checks", extra={"port": listener.getsockname()[1]})
        yield
    finally:
        await runner.cleanup()


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
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
    return stop


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
    """Run a coroutine to its end, on uvloop if it is installed."""
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        loop_factory = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(work)
