"""Memory that worker processes share through a file."""

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SharedMemory:
    """So many bytes, zero at first, of this process alone, or of all processes that open the same file.

    Two releases may share a file while one takes over from the other: one that changes the layout names it differently.
    The file is made where it is missing, and stays open until the process ends.
    """

    def __init__(self, size: int, path: Path | None = None) -> None:
        self._file: int | None = None
        if path is not None:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            if os.fstat(self._file).st_size < size:
                os.truncate(self._file, size)
        # Unlike those of a bytearray, pages that are never written take no memory.
        self.memory = mmap.mmap(-1 if self._file is None else self._file, size)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing; the lock ends with the process that holds it."""
        if self._file is None:
            yield
            return
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)
