"""Serving: one worker in this process, or several that ``supervising`` keeps running on the same port."""

import asyncio
import contextlib
import gc
import importlib
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Final

import crossbar_appstore.certificates  # noqa: F401 (before all others: see there)
from crossbar_appstore.application import create_application
from crossbar_appstore.crossbar.runner import Runner
from crossbar_appstore.datastore.freshness import WriteCounters
from crossbar_appstore.settings import Settings

DRAIN: Final = 10.0
"""Seconds that requests under way have to finish when a worker stops."""
KEEPALIVE: Final = 120.0
_BACKLOG: Final = 1024
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

Announce = Callable[[str], None]


async def serve(settings: Settings, announce: Announce = lambda _: None) -> None:
    """Serve until SIGINT or SIGTERM; ``announce`` is called with the address once requests are answered.

    Raises:
        SettingsError: no CouchDB was named.
        OSError: the address cannot be listened on.
    """
    settings.require_couchdb()
    with _reserved(settings) as port:
        address = f"http://[{settings.host}]:{port}" if ":" in settings.host else f"http://{settings.host}:{port}"
        if settings.workers == 1:
            await work(settings, port, lambda: announce(address))
        else:
            from crossbar_appstore.supervising import supervise  # noqa: PLC0415 (one worker needs nothing of it)

            await supervise(settings, port, lambda: announce(address))


@contextlib.contextmanager
def _reserved(settings: Settings) -> Iterator[int]:
    """Hold the port for our workers, so that it is the same for all of them even where it is chosen freely.

    The socket shares its port with the workers' own and never listens; a port that somebody else has is refused.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Without SO_REUSEPORT: this is how a second service on the same port is noticed.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((settings.host, settings.port))
        port: int = probe.getsockname()[1]
    with _bound(settings.host, port):
        yield port


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    return listener


async def work(
    settings: Settings,
    port: int,
    ready: Callable[[], None],
    board: WriteCounters | None = None,
    supervisor: int | None = None,
) -> None:
    """One worker: answer requests until a signal says stop, then let those under way finish.

    Args:
        settings: of the service.
        port: reserved for all workers.
        ready: called once requests are answered.
        board: what the workers share.
        supervisor: readable when the process has ended that started this one. One that was killed tells nobody; its
            workers must not keep the port.
    """
    stop = stop_signal()
    watching = [] if supervisor is None else [asyncio.create_task(_stop_with(supervisor, stop))]
    runner = Runner(
        create_application(settings, board),
        keepalive_timeout=KEEPALIVE,
        shutdown_timeout=DRAIN,
        handler_cancellation=False,
    )
    await runner.setup()
    try:
        await runner.listen(_bound(settings.host, port), _BACKLOG)
        # What is here now stays: looking through it for garbage would hold up requests for tens of milliseconds.
        gc.freeze()
        ready()
        await stop.wait()
    finally:
        for task in watching:
            task.cancel()
        await runner.cleanup()


async def _stop_with(supervisor: int, stop: asyncio.Event) -> None:
    await readable(supervisor)
    stop.set()


def stop_signal() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set from now on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    return stop


async def readable(descriptor: int) -> None:
    """Wait until there is something to read: of a process's sentinel, that it ended."""
    loop = asyncio.get_running_loop()
    heard = asyncio.Event()
    loop.add_reader(descriptor, heard.set)
    try:
        await heard.wait()
    finally:
        loop.remove_reader(descriptor)


def run(work: Coroutine[None, None, None]) -> None:
    """Run to the end, on uvloop where it is installed."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(work)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
