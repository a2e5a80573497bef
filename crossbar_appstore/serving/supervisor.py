"""The supervisor of several workers: processes that share the port and the directory of the settings."""

import asyncio
import contextlib
import logging
import multiprocessing
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Final

from crossbar_appstore.logs import set_up_logging
from crossbar_appstore.operations.pages import Operations
from crossbar_appstore.operations.workers import Workers
from crossbar_appstore.serving.worker import (
    DRAIN,
    LAST_REQUESTS,
    operations_site,
    readable,
    run,
    stop_signal,
    work,
)
from crossbar_appstore.settings import Settings

log = logging.getLogger(__name__)

HANGING: Final = 30.0
"""Seconds of silence after which a worker is replaced: its event loop does not run."""
_BEAT: Final = 1.0
"""Seconds between two signs of life of a worker."""
_REPLACE_PAUSE: Final = 0.5


@dataclass(frozen=True, slots=True)
class WorkerArguments:
    """The arguments of a worker process; ``number`` names it in logs."""

    settings: Settings
    port: int
    number: int
    log_level: int


async def supervise(settings: Settings, port: int, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Keep ``settings.workers`` processes running until the event is set; one that ends or hangs is replaced.

    ``port`` is reserved for all workers; ``ready`` is called once every worker answers requests.
    """
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
    hanging = asyncio.create_task(_hangs(receiver, arguments.number, up))
    patience = DRAIN + LAST_REQUESTS + 2
    try:
        await asyncio.wait([died, stopping, hanging], return_when=asyncio.FIRST_COMPLETED)
        if hanging.done():
            patience = 0
    finally:
        stopping.cancel()
        hanging.cancel()
        process.terminate()
        # The worker drains its requests; one that takes longer is killed.
        if not (await asyncio.wait([died], timeout=patience))[0]:
            process.kill()
            await died
        process.join()
        receiver.close()
    return process.exitcode


async def _hangs(receiver: Connection, number: int, up: asyncio.Event) -> None:
    """Set the event when the worker says that it listens; return when it is silent, perhaps from its start on."""
    with contextlib.suppress(EOFError):
        # A supervisor that was stopped itself finds what was sent meanwhile.
        while await _readable_within(HANGING, receiver) or receiver.poll():
            if receiver.recv():
                log.info("worker ready", extra={"worker": number})
                up.set()
        log.error("worker hangs", extra={"worker": number})
        return
    # The worker has closed the pipe, so it is ending.
    await asyncio.Event().wait()


async def _readable_within(seconds: float, receiver: Connection) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(readable(receiver.fileno()), seconds)
        return True
    return False


def worker_main(arguments: WorkerArguments, sender: Connection) -> None:
    """The main function of a worker process; it sends True once it listens, and False regularly, as a sign of life."""
    set_up_logging(arguments.log_level)
    run(_work(arguments, sender))


async def _work(arguments: WorkerArguments, sender: Connection) -> None:
    loop, stop, parent = asyncio.get_running_loop(), stop_signal(), multiprocessing.parent_process()
    # A killed supervisor sends no signal, and its workers must not keep the port.
    if parent is not None:
        loop.add_reader(parent.sentinel, stop.set)
    # A supervisor that does not read any more must not stop its workers.
    os.set_blocking(sender.fileno(), False)
    beating = asyncio.create_task(_beat(sender))
    try:
        await work(arguments.settings, arguments.port, partial(_say, sender, True), stop, supervised=True)
    finally:
        beating.cancel()
        if parent is not None:
            loop.remove_reader(parent.sentinel)


async def _beat(sender: Connection) -> None:
    while True:
        _say(sender, False)
        await asyncio.sleep(_BEAT)


def _say(sender: Connection, listens: bool) -> None:
    with contextlib.suppress(OSError):
        sender.send(listens)
