"""Token buckets: they limit the rate of requests without a valid JWT (`kz_buckets`, `kz_token_bucket`)."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from cachetools import LRUCache

from crossbar_appstore.crossbar.context import Context

_MAX_BUCKETS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bucket size in tokens, and the tokens that are refilled a second."""

    size: float = 100.0
    refill: float = 10.0


class Rates(Protocol):
    """The rate limits of the system's configuration."""

    async def limits(self) -> Limits:
        """The size of the buckets, and how fast they refill."""
        ...

    async def cost(self, context: Context, suggested: int) -> int:
        """The tokens that a request costs; ``suggested`` is what its endpoint asks for."""
        ...


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


class RateLimiter:
    """A bounded set of token buckets, one for each client address and account.

    The least recently used buckets are dropped; a bucket that is not held is full.
    """

    def __init__(self, limits: Limits = Limits(), clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._buckets: LRUCache[str, _Bucket] = LRUCache(_MAX_BUCKETS)

    def level(self, name: str) -> int:
        """The whole tokens left in a bucket."""
        bucket = self._buckets.get(name)
        return int(self.limits.size) if bucket is None else int(self._refilled(bucket))

    def consume(self, name: str, cost: int) -> int | None:
        """Take ``cost`` tokens; None if there were enough, else the whole seconds until there will be (at least 1)."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(self.limits.size, self._clock())
        level = self._refilled(bucket)
        bucket.at = self._clock()
        if level < cost:
            bucket.level = level
            return max(1, math.ceil((cost - level) / self.limits.refill)) if self.limits.refill > 0 else 60
        bucket.level = level - cost
        return None

    def _refilled(self, bucket: _Bucket) -> float:
        return min(self.limits.size, bucket.level + (self._clock() - bucket.at) * self.limits.refill)
