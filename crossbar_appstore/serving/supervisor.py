"""The supervisor of several workers: processes that share the port and the directory of the settings."""

import asyncio
import contextlib
import logging
import multiprocessing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

from crossbar_appstore.logs import set_up_logging
from crossbar_appstore.operations.pages import Operations
from crossbar_appstore.operations.workers import Workers
from crossbar_appstore.serving.worker import DRAIN, operations_site, readable, run, stop_signal, work
from crossbar_appstore.settings import Settings

log = logging.getLogger(__name__)

_REPLACE_PAUSE: Final = 0.5


@dataclass(frozen=True, slots=True)
class WorkerArguments:
    """The arguments of a worker process; ``number`` names it in logs."""

    settings: Settings
    port: int
    number: int
    log_level: int


async def supervise(settings: Settings, port: int, ready: Callable[[], None]) -> None:
    """Keep ``settings.workers`` processes running until SIGINT or SIGTERM; one that ends is replaced.

    ``port`` is reserved for all workers; ``ready`` is called once every worker answers requests.
    """
    stop = stop_signal()
    level = logging.getLogger().getEffectiveLevel()
    up = [asyncio.Event() for _ in range(settings.workers)]
    # The port for health checks is here, where all workers are asked: each of theirs would tell of one worker.
    operations = Operations(None, None, None if settings.shared_dir is None else Workers(settings.shared_dir))
    background = [asyncio.create_task(_announce(up, ready)), asyncio.create_task(_drain(operations, stop))]
    try:
        # If one task fails, the group ends the others, so that no worker process is left behind.
        async with operations_site(settings, operations), asyncio.TaskGroup() as keepers:
            for number, event in enumerate(up):
                arguments = WorkerArguments(settings, port, number, level)
                keepers.create_task(_keep_running(arguments, stop, event))
    finally:
        for task in background:
            task.cancel()


async def _drain(operations: Operations, stop: asyncio.Event) -> None:
    await stop.wait()
    operations.drain()


async def _announce(up: Iterable[asyncio.Event], ready: Callable[[], None]) -> None:
    for event in up:
        await event.wait()
    ready()


async def _keep_running(arguments: WorkerArguments, stop: asyncio.Event, up: asyncio.Event) -> None:
    while not stop.is_set():
        exit_code = await _run_worker(arguments, stop, up)
        if not stop.is_set():
            log.error("worker died", extra={"worker": arguments.number, "exit_code": exit_code})
            # A worker that dies at once must not occupy a processor with starting.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _REPLACE_PAUSE)


async def _run_worker(arguments: WorkerArguments, stop: asyncio.Event, up: asyncio.Event) -> int | None:
    """Run one process until it ends, by itself or because of ``stop``; its exit code."""
    # A forked process would share the event loop and its connections.
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=worker_main, args=(arguments, sender), name=f"worker-{arguments.number}")
    process.start()
    # Only the worker may hold the sending end, or its death would not close the pipe.
    sender.close()
    died = asyncio.create_task(readable(process.sentinel))
    stopping = asyncio.create_task(stop.wait())
    listening = asyncio.create_task(_note_listening(receiver, arguments.number, up))
    try:
        await asyncio.wait([died, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        listening.cancel()
        process.terminate()
        # The worker drains its requests; one that takes longer is killed.
        if not (await asyncio.wait([died], timeout=DRAIN + 2))[0]:
            process.kill()
            await died
        process.join()
        receiver.close()
    return process.exitcode


async def _note_listening(receiver: Connection, number: int, up: asyncio.Event) -> None:
    """Set the event when the worker reports that it listens; never, if it ends without."""
    await readable(receiver.fileno())
    with contextlib.suppress(EOFError):
        receiver.recv()
        log.info("worker ready", extra={"worker": number})
        up.set()


def worker_main(arguments: WorkerArguments, sender: Connection) -> None:
    """The main function of a worker process; it sends its number once it listens."""
    set_up_logging(arguments.log_level)
    parent = multiprocessing.parent_process()
    supervisor = None if parent is None else parent.sentinel
    run(work(arguments.settings, arguments.port, lambda: sender.send(arguments.number), supervisor))
