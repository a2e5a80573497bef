"""Moments: for how long work on cached documents may be remembered (``memo``) without looking at each of them again.

A moment is a stretch of time in which no notice board told of a write, a quarter of a second at most. What was made of
documents in a moment holds until the moment ends; then every document is looked at again, so that ages, feeds and
background reads are heeded as ever.
"""

import time

from .notices import NoticeBoard

HOLDS_SECONDS = 0.25
"""Together with the age limit of documents this stays below the 2 s after which an outside write must be seen."""


class Moments:
    """Numbers the moments of one process."""

    __slots__ = ("_ends", "_number", "_outside", "_outside_writes", "_own", "_own_writes")

    def __init__(self, own: NoticeBoard, outside: NoticeBoard) -> None:
        self._own, self._outside = own.totals, outside.totals
        self._own_writes = self._outside_writes = -1
        self._ends = 0.0
        self._number = 0

    def now(self) -> int:
        """The number of the present moment; take it before the documents are read."""
        clock = time.monotonic()
        own, outside = sum(self._own), sum(self._outside)
        if clock >= self._ends or own != self._own_writes or outside != self._outside_writes:
            self._own_writes, self._outside_writes = own, outside
            self._ends = clock + HOLDS_SECONDS
            self._number += 1
        return self._number
