"""Token buckets: they limit the rate of requests without a valid JWT (`kz_buckets`, `kz_token_bucket`)."""

import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import Final, Protocol, Self

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.shared_memory import SharedMemory

BUCKETS: Final = 16_384
"""Buckets that are held at a time."""

_WAYS: Final = 8
"""Places in which a bucket may be held."""
_KEY_BYTES: Final = 16
_HEADER: Final = 4096
_SIZE: Final = _HEADER + BUCKETS * 3 * 8


@dataclass(frozen=True, slots=True)
class Limits:
    """Bucket size in tokens, and the tokens that are refilled a second."""

    size: float = 100.0
    refill: float = 10.0


class Rates(Protocol):
    """The rate limits of the system's configuration."""

    async def limits(self) -> Limits:
        """The size of the buckets, and how fast they refill."""

    async def cost(self, context: Context, suggested: int) -> int:
        """The tokens that a request costs; ``suggested`` is what its endpoint asks for."""


class Buckets:
    """A fixed table of token buckets, in memory that all workers share.

    A bucket is found by a keyed hash of its name, so that no client can choose which others it drops. One that finds no
    free place drops the least recently used of ``_WAYS``; a bucket that is not held is full.
    """

    def __init__(self, shared: SharedMemory) -> None:
        self.locked = shared.locked
        memory = shared.memory
        with self.locked():
            if memory[:_KEY_BYTES] == bytes(_KEY_BYTES):
                memory[:_KEY_BYTES] = secrets.token_bytes(_KEY_BYTES)
            key = memory[:_KEY_BYTES]
        self._hash = lru_cache(maxsize=1_000)(partial(_hash, key))
        cells = memoryview(memory)[_HEADER:]
        column = BUCKETS * 8
        self._names = cells[:column].cast("Q")
        self._levels = cells[column : 2 * column].cast("d")
        self._times = cells[2 * column :].cast("d")

    @classmethod
    def alone(cls) -> Self:
        """Buckets of this process alone."""
        return cls(SharedMemory(_SIZE))

    @classmethod
    def in_file(cls, path: Path) -> Self:
        """Buckets in a file, for processes that open the same path; made where missing, 400 KB."""
        return cls(SharedMemory(_SIZE, path))

    def get(self, name: str) -> tuple[float, float] | None:
        """The tokens of a bucket and the time (monotonic) when it held them; None if it is not held."""
        cell = self._find(self._hash(name))
        return None if cell is None else (self._levels[cell], self._times[cell])

    def set(self, name: str, level: float, now: float) -> None:
        """Hold a bucket, while ``locked``."""
        wanted = self._hash(name)
        cell = self._find(wanted)
        if cell is None:
            cell = min(_cells(wanted), key=self._times.__getitem__)
        self._names[cell], self._levels[cell], self._times[cell] = wanted, level, now

    def _find(self, wanted: int) -> int | None:
        """The cell that holds a bucket, by the hash of its name; None if it is not held."""
        cells = _cells(wanted)
        names = self._names[cells.start : cells.stop].tolist()
        return cells[names.index(wanted)] if wanted in names else None


def _cells(wanted: int) -> range:
    """The cells in which a bucket may be held."""
    first = wanted % (BUCKETS // _WAYS) * _WAYS
    return range(first, first + _WAYS)


def _hash(key: bytes, name: str) -> int:
    # Zero is the name of a cell that was never used.
    return int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=8, key=key).digest(), "big") or 1


class RateLimiter:
    """Token buckets, one for each client address and account."""

    def __init__(
        self,
        limits: Limits = Limits(),
        clock: Callable[[], float] = time.monotonic,
        buckets: Buckets | None = None,
    ) -> None:
        self.limits = limits
        self._clock = clock
        self._buckets = buckets or Buckets.alone()

    def level(self, name: str) -> int:
        """The whole tokens left in a bucket."""
        return int(self._refilled(name))

    def consume(self, name: str, cost: int) -> int | None:
        """Take ``cost`` tokens; None if there were enough, else the whole seconds until there will be (at least 1)."""
        with self._buckets.locked():
            level = self._refilled(name)
            enough = level >= cost
            self._buckets.set(name, level - cost if enough else level, self._clock())
        if enough:
            return None
        # Without refill there is no such time; a minute keeps clients from asking at once.
        return max(1, math.ceil((cost - level) / self.limits.refill)) if self.limits.refill > 0 else 60

    def _refilled(self, name: str) -> float:
        bucket = self._buckets.get(name)
        if bucket is None:
            return self.limits.size
        level, then = bucket
        # Another worker's write may lie a moment ahead of this clock's reading.
        return min(self.limits.size, level + max(0.0, self._clock() - then) * self.limits.refill)
