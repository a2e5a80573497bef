"""Remembering what was worked out, for as long as nothing can have changed that it was made of."""

from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Moments(Protocol):
    """Stretches of time, numbered upwards; in one moment nothing is told that was not known when it began."""

    def now(self) -> int:
        """The number of the present moment; take it before anything is read that a value is made of."""
        ...


class Memo(Generic[K, V]):
    """A bounded memory of values that were made in the present moment; it is empty when the next one begins."""

    __slots__ = ("_moment", "_moments", "_most", "_values")

    def __init__(self, moments: Moments, most: int = 2_000) -> None:
        self._moments = moments
        self._most = most
        self._moment = -1
        self._values: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """The value if it still holds."""
        return self._values.get(key) if self._moments.now() == self._moment else None

    def put(self, key: K, value: V, moment: int) -> None:
        """Remember a value that was made in ``moment``; of one that has passed nothing is remembered."""
        if moment != self._moments.now():
            return
        if moment != self._moment:
            self._moment, self._values = moment, {}
        elif len(self._values) >= self._most and key not in self._values:
            del self._values[next(iter(self._values))]
        self._values[key] = value
