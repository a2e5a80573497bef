"""The notice board: how a worker sees at once what another worker wrote.

A fixed array of 64-bit counters in memory that all workers share. A document has a row (by hash; two may share one,
which costs a needless read at most), a worker has a column. Only its own worker ever counts a cell up, so nothing
races. A writer counts up after CouchDB acknowledged and before its client is answered; a reader remembers the row's
sum as it was *before* its fetch began, and trusts what it fetched only while the sum is still the same: cells only
grow, so equal sums are equal rows.
"""

import mmap
from pathlib import Path
from typing import Self
from zlib import crc32

ROWS = 65_536
_CELL = 8


class NoticeBoard:
    """One worker's view of the board: all rows, its own column."""

    CATALOGUE = ROWS
    """The row of the catalogue, shared with no document."""
    TOTAL = ROWS + 1
    """The row that counts the writes of all rows."""

    __slots__ = ("_cells", "_column", "_memory", "workers")

    def __init__(self, memory: mmap.mmap, workers: int, column: int) -> None:
        if not 0 <= column < workers:
            raise ValueError(f"no column {column} on a board of {workers}")
        self.workers = workers
        self._column = column
        self._memory = memory
        # Native 64-bit cells: a store is one instruction, so no other worker sees half of it.
        self._cells = memoryview(memory).cast("Q")

    @classmethod
    def alone(cls) -> Self:
        """A board of this process's own."""
        # Pages of it that nobody ever counts in take no memory, unlike those of a bytearray.
        return cls(mmap.mmap(-1, size(1)), 1, 0)

    @classmethod
    def shared(cls, workers: int) -> Self:
        """A board that processes forked from this one share. Make it before they fork, then ``for_worker``."""
        return cls(mmap.mmap(-1, size(workers)), workers, 0)

    @classmethod
    def in_file(cls, path: Path, workers: int) -> Self:
        """A board in a file, for processes that are not forked: each opens the same path. Made where missing."""
        with path.open("a+b") as file:
            if file.seek(0, 2) < size(workers):
                file.truncate(size(workers))
            return cls(mmap.mmap(file.fileno(), size(workers)), workers, 0)

    def for_worker(self, column: int) -> Self:
        """The same board for the worker numbered ``column``; a worker that replaces a dead one takes its number."""
        return type(self)(self._memory, self.workers, column)

    def writes(self, row: int) -> int:
        """How many writes were ever told of in the row; only good for comparing."""
        if self.workers == 1:
            return self._cells[row]
        start = row * self.workers
        return sum(self._cells[start : start + self.workers])

    def count_up(self, row: int) -> None:
        """Tell every worker that what it knows of this row is old."""
        self._cells[row * self.workers + self._column] += 1
        self._cells[self.TOTAL * self.workers + self._column] += 1

    @property
    def totals(self) -> memoryview:
        """A live view of how many writes each worker ever told of on the whole board."""
        start = self.TOTAL * self.workers
        return self._cells[start : start + self.workers]


def size(workers: int) -> int:
    """Bytes that a board for so many workers takes: half a megabyte a worker."""
    return (ROWS + 2) * workers * _CELL


def row_of(database: str, doc_id: str) -> int:
    """The row of a document; with an empty id that of the whole database. The same in every process."""
    return crc32(doc_id.encode(), crc32(database.encode())) % ROWS
