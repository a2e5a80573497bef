"""Moments: remembering work on cached documents without looking at each of them again.

A moment is a stretch of time in which no notice board told of a write, a quarter of a second at most. What was made of
documents in a moment holds until the moment ends; then every document is looked at again, so that ages, feeds and
background reads are heeded as ever.
"""

import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from .notices import NoticeBoard

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

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


class Memo(Generic[K, V]):
    """A bounded memory of values, each good until the moment in which it was made ends."""

    __slots__ = ("_moments", "_most", "_values")

    def __init__(self, moments: Moments, most: int = 10_000) -> None:
        self._moments = moments
        self._most = most
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value if it still holds."""
        found = self._values.get(key)
        return found[0] if found is not None and found[1] == self._moments.now() else None

    def put(self, key: K, value: V, moment: int) -> None:
        """Remember a value that was made in ``moment``, or in it and later."""
        self._values[key] = (value, moment)
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)
