"""Serving: one worker in this process, or several processes that share the port and one notice board."""

import asyncio
import contextlib
import importlib
import logging
import multiprocessing
import signal
import socket
import tempfile
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from aiohttp import web

from crossbar_appstore.application import create_application
from crossbar_appstore.crossbar.runner import Runner
from crossbar_appstore.datastore.notices import NoticeBoard
from crossbar_appstore.logs import set_up_logging
from crossbar_appstore.settings import Settings

log = logging.getLogger(__name__)

DRAIN: Final = 10.0
"""Seconds that requests under way have to finish when a worker stops."""
KEEPALIVE: Final = 120.0
_BACKLOG: Final = 1024
_REPLACE_PAUSE: Final = 0.5
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class WorkerSeat:
    """What a worker process is started with; ``number`` is its column of the notice board in ``board``."""

    settings: Settings
    port: int
    number: int
    board: Path
    log_level: int


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
            await _work(settings, port, None, lambda: announce(address))
        else:
            await _supervise(settings, port, lambda: announce(address))


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


async def _work(settings: Settings, port: int, board: NoticeBoard | None, ready: Callable[[], None]) -> None:
    """One worker: answer requests until a signal says stop, then let those under way finish."""
    stop = _stop_signal()
    orphaned = asyncio.create_task(_stop_when_orphaned(stop))
    runner = Runner(
        create_application(settings, board),
        keepalive_timeout=KEEPALIVE,
        shutdown_timeout=DRAIN,
        handler_cancellation=False,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, _bound(settings.host, port), backlog=_BACKLOG).start()
        ready()
        await stop.wait()
    finally:
        orphaned.cancel()
        await runner.cleanup()


async def _stop_when_orphaned(stop: asyncio.Event) -> None:
    # A supervisor that was killed tells nobody; its workers must not keep the port.
    parent = multiprocessing.parent_process()
    if parent is not None:
        await _readable(parent.sentinel)
        stop.set()


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    return stop


async def _supervise(settings: Settings, port: int, ready: Callable[[], None]) -> None:
    """Keep ``settings.workers`` processes running; one that dies is replaced."""
    stop = _stop_signal()
    with tempfile.TemporaryDirectory(prefix="crossbar-appstore-") as directory:
        board, level = Path(directory) / "notices", logging.getLogger().getEffectiveLevel()
        NoticeBoard.in_file(board, settings.workers)
        up = [asyncio.Event() for _ in range(settings.workers)]
        announcing = asyncio.create_task(_announce(up, ready))
        try:
            # Whatever ends us, no worker is left behind: a group waits for all its tasks.
            async with asyncio.TaskGroup() as keepers:
                for number, event in enumerate(up):
                    seat = WorkerSeat(settings, port, number, board, level)
                    keepers.create_task(_keep_running(seat, stop, event))
        finally:
            announcing.cancel()


async def _announce(up: Iterable[asyncio.Event], ready: Callable[[], None]) -> None:
    for event in up:
        await event.wait()
    ready()


async def _keep_running(seat: WorkerSeat, stop: asyncio.Event, up: asyncio.Event) -> None:
    while not stop.is_set():
        exit_code = await _run_worker(seat, stop, up)
        if not stop.is_set():
            log.error("worker died", extra={"worker": seat.number, "exit_code": exit_code})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _REPLACE_PAUSE)


async def _run_worker(seat: WorkerSeat, stop: asyncio.Event, up: asyncio.Event) -> int | None:
    """One process until it ends, by itself or because we stop; its exit code."""
    context = multiprocessing.get_context("spawn")
    listening, tell = context.Pipe(duplex=False)
    process = context.Process(target=worker_main, args=(seat, tell), name=f"worker-{seat.number}")
    process.start()
    tell.close()
    died = asyncio.create_task(_readable(process.sentinel))
    others = [asyncio.create_task(stop.wait()), asyncio.create_task(_heard(listening, seat.number, up))]
    try:
        await asyncio.wait([died, others[0]], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in others:
            task.cancel()
        process.terminate()
        if not (await asyncio.wait([died], timeout=DRAIN + 2))[0]:
            process.kill()
            await died
        process.join()
        listening.close()
    return process.exitcode


async def _heard(listening: Connection, number: int, up: asyncio.Event) -> None:
    """Set the event when the worker says that it listens; if it ends without, never."""
    await _readable(listening.fileno())
    with contextlib.suppress(EOFError):
        listening.recv()
        log.info("worker ready", extra={"worker": number})
        up.set()


async def _readable(descriptor: int) -> None:
    """Wait until there is something to read: of a process's sentinel, that it ended."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)


def worker_main(seat: WorkerSeat, tell: Connection) -> None:
    """The main function of a worker process; something is sent through ``tell`` once it listens."""
    set_up_logging(seat.log_level)
    board = NoticeBoard.in_file(seat.board, seat.settings.workers).for_worker(seat.number)
    run(_work(seat.settings, seat.port, board, lambda: tell.send(seat.number)))


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
