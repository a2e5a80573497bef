"""Moments: remembering work on cached documents without looking at each of them again.

A moment says how many writes the notice boards told of when it was taken. Work done on documents after it holds while
no board tells of another write, for a quarter of a second at most; then every document is looked at again, so that
ages, feeds and background reads are heeded as ever.
"""

import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .notices import NoticeBoard

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

HOLDS_SECONDS = 0.25
"""Together with the age limit of documents this stays below the 2 s after which an outside write must be seen."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The writes that the boards had told of, and when that was asked (monotonic)."""

    own: int
    outside: int
    at: float


class Moments:
    """Takes moments and says whether they still hold."""

    __slots__ = ("_outside", "_own")

    def __init__(self, own: NoticeBoard, outside: NoticeBoard) -> None:
        self._own = own
        self._outside = outside

    def take(self) -> Moment:
        """The present, to be taken before the documents are read."""
        return Moment(self._own.all_writes(), self._outside.all_writes(), time.monotonic())

    def hold(self, moment: Moment) -> bool:
        """Whether nothing was written since, as far as anybody told."""
        return (
            time.monotonic() - moment.at < HOLDS_SECONDS
            and moment.own == self._own.all_writes()
            and moment.outside == self._outside.all_writes()
        )


class Memo(Generic[K, V]):
    """A bounded memory of values, each good as long as the moment before it was made holds."""

    def __init__(self, moments: Moments, most: int = 10_000) -> None:
        self._moments = moments
        self._most = most
        self._values: OrderedDict[K, tuple[V, Moment]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value if it still holds."""
        found = self._values.get(key)
        return found[0] if found is not None and self._moments.hold(found[1]) else None

    def put(self, key: K, value: V, moment: Moment) -> None:
        """Remember a value that was made after ``moment``."""
        self._values[key] = (value, moment)
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)
