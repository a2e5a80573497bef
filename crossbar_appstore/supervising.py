"""Several workers: processes that share the port and one notice board; one that dies is replaced."""

import asyncio
import contextlib
import logging
import multiprocessing
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from crossbar_appstore.datastore.freshness import WriteCounters
from crossbar_appstore.logs import set_up_logging
from crossbar_appstore.serving import DRAIN, readable, run, stop_signal, work
from crossbar_appstore.settings import Settings

log = logging.getLogger(__name__)

_REPLACE_PAUSE: Final = 0.5


@dataclass(frozen=True, slots=True)
class WorkerSeat:
    """What a worker process is started with; ``number`` is its column of the notice board in ``board``."""

    settings: Settings
    port: int
    number: int
    board: Path
    log_level: int


async def supervise(settings: Settings, port: int, ready: Callable[[], None]) -> None:
    """Keep ``settings.workers`` processes running; one that dies is replaced."""
    stop = stop_signal()
    with tempfile.TemporaryDirectory(prefix="crossbar-appstore-") as directory:
        board, level = Path(directory) / "notices", logging.getLogger().getEffectiveLevel()
        WriteCounters.in_file(board, settings.workers)
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
    died = asyncio.create_task(readable(process.sentinel))
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
    await readable(listening.fileno())
    with contextlib.suppress(EOFError):
        listening.recv()
        log.info("worker ready", extra={"worker": number})
        up.set()


def worker_main(seat: WorkerSeat, tell: Connection) -> None:
    """The main function of a worker process; something is sent through ``tell`` once it listens."""
    set_up_logging(seat.log_level)
    board = WriteCounters.in_file(seat.board, seat.settings.workers).for_worker(seat.number)
    parent = multiprocessing.parent_process()
    supervisor = None if parent is None else parent.sentinel
    run(work(seat.settings, seat.port, lambda: tell.send(seat.number), board, supervisor))
