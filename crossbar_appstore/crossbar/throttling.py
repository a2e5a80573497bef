"""The token buckets that callers without a valid JWT draw from (`kz_buckets`, `kz_token_bucket`)."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from crossbar_appstore.crossbar.context import Context

_MOST_BUCKETS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bucket size in tokens, and how many tokens flow back a second."""

    size: float = 100.0
    refill: float = 10.0


class Rates(Protocol):
    """What the system's configuration says about buckets."""

    async def limits(self) -> Limits:
        """How large buckets are, and how fast they fill."""
        ...

    async def cost(self, context: Context, suggested: int) -> int:
        """The tokens that a request costs, where its endpoint suggests so many."""
        ...


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


class Throttle:
    """A bounded set of token buckets, one a client address and account; forgotten buckets are full ones."""

    def __init__(self, limits: Limits = Limits(), clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def level(self, name: str) -> int:
        """Whole tokens left in a bucket."""
        bucket = self._buckets.get(name)
        return int(self.limits.size) if bucket is None else int(self._refilled(bucket))

    def consume(self, name: str, cost: int) -> int | None:
        """Take ``cost`` tokens; None if they were there, else the seconds until they will be (at least 1)."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(self.limits.size, self._clock())
            if len(self._buckets) > _MOST_BUCKETS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(name)
        level = self._refilled(bucket)
        bucket.at = self._clock()
        if level < cost:
            bucket.level = level
            return max(1, math.ceil((cost - level) / self.limits.refill)) if self.limits.refill > 0 else 60
        bucket.level = level - cost
        return None

    def _refilled(self, bucket: _Bucket) -> float:
        return min(self.limits.size, bucket.level + (self._clock() - bucket.at) * self.limits.refill)
