"""Who runs where and when, so that what is measured waits for nothing but itself."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from crossbar_appstore.bench.accounting import usage

_LOWEST_PRIORITY: Final = 19


def give_way(pid: int) -> None:
    """Let a process and its descendants run when nobody else wants to."""
    for thread in _threads(pid):
        with contextlib.suppress(ProcessLookupError):
            _give_way(thread)


def _give_way(thread: int) -> None:
    # Whoever is merely nice keeps its processor for milliseconds when another one wakes up.
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.setpriority(os.PRIO_PROCESS, thread, _LOWEST_PRIORITY)


@contextlib.contextmanager
def in_front(servers: Iterable[int]) -> Iterator[None]:
    """Run servers, this process, and what it starts meanwhile as soon as they have something to do, if we may.

    Where others share its core, a load generator may wait for milliseconds before it notices a reply; and even on a
    core of its own a server waits for what the kernel has to do there.
    """
    eager = [0, *(thread for pid in servers for thread in _threads(pid))]
    try:
        _schedule(eager, "SCHED_RR", 1)
        yield
    finally:
        _schedule(eager, "SCHED_OTHER", 0)


def _schedule(threads: Iterable[int], policy: str, priority: int) -> None:
    """Where there are no such policies, or we may not choose this one, all stays as it is."""
    if not hasattr(os, policy):
        return
    for thread in threads:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.sched_setscheduler(thread, getattr(os, policy), os.sched_param(priority))


@contextlib.contextmanager
def apart(servers: Iterable[int]) -> Iterator[None]:
    """Give servers a core that this process, what else it started, and what it starts meanwhile leave alone.

    Where there is only one, or the system has no such thing, all run everywhere.
    """
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if len(cores) < 2:
        yield
        return
    own = {max(cores)}
    _keep_to(os.getpid(), cores - own)
    for pid in servers:
        _keep_to(pid, own)
    try:
        yield
    finally:
        _keep_to(os.getpid(), cores)


def _keep_to(pid: int, cores: set[int]) -> None:
    for thread in _threads(pid):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(thread, cores)


def _threads(pid: int) -> list[int]:
    """Of a process and its descendants; the processes themselves where threads have no numbers."""
    found = []
    for process in usage(pid):
        tasks = Path(f"/proc/{process.pid}/task")
        found += [int(task.name) for task in tasks.glob("*")] if tasks.exists() else [process.pid]
    return found
