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

    async def cost(self, context: Context, suggested: int) -> int:
        """The tokens that a request costs; ``suggested`` is what its endpoint asks for."""


class RateLimiter:
    """A bounded set of token buckets, one for each client address and account; a bucket that is not held is full."""

    def __init__(self, limits: Limits = Limits(), clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(_MAX_BUCKETS)
        """Name → (tokens, the time when it held them)."""

    def level(self, name: str) -> int:
        """The whole tokens left in a bucket."""
        return int(self._refilled(name))

    def consume(self, name: str, cost: int) -> int | None:
        """Take ``cost`` tokens; None if there were enough, else the whole seconds until there will be (at least 1)."""
        level = self._refilled(name)
        enough = level >= cost
        self._buckets[name] = (level - cost if enough else level, self._clock())
        if enough:
            return None
        # Without refill there is no such time; a minute keeps clients from asking at once.
        return max(1, math.ceil((cost - level) / self.limits.refill)) if self.limits.refill > 0 else 60

    def _refilled(self, name: str) -> float:
        bucket = self._buckets.get(name)
        if bucket is None:
            return self.limits.size
        level, then = bucket
        return min(self.limits.size, level + (self._clock() - then) * self.limits.refill)
