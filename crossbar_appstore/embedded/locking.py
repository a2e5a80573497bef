"""A lock between processes that the operating system lifts when its last holder ends, however it ends."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_PAUSE = 0.05  # seconds between two tries


@asynccontextmanager
async def file_lock(path: Path, *, patience: float | None = None) -> AsyncIterator[int]:
    """Hold the lock on ``path`` (created if missing) and give its file descriptor.

    A child process that inherits the descriptor holds the lock as well, beyond this context, until it ends.

    Args:
        path: the lock file; it is never removed, since removing a lock file lets two holders in.
        patience: seconds to wait for another holder; None waits for ever.

    Raises:
        TimeoutError: another process still holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        async with asyncio.timeout(patience):
            while not _taken(descriptor):  # noqa: ASYNC110 (another process cannot set an event of ours)
                await asyncio.sleep(_PAUSE)
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
