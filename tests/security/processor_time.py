"""The processor time that inputs cost, by the process's own accounting; the longest are printed at the end."""

import gc
import heapq
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

SHOWN: Final = 5


@dataclass
class Costs:
    """``most`` has the longest inputs of a kind: seconds, and what was sent; ``outcomes`` counts their statuses."""

    kind: str
    inputs: int = 0
    outcomes: Counter[object] = field(default_factory=Counter)
    most: list[tuple[float, str]] = field(default_factory=list)

    @contextmanager
    def measured(self, sent: str) -> Iterator[None]:
        """Measure what is done for an input, in this process: sending it, too."""
        # The collector would charge one input with the garbage of thousands.
        gc.disable()
        begun = time.process_time()
        yield
        seconds = time.process_time() - begun
        gc.enable()
        self.inputs += 1
        heapq.heappush(self.most, (seconds, sent[:160]))
        if len(self.most) > SHOWN:
            heapq.heappop(self.most)

    @property
    def longest(self) -> float:
        return max(self.most)[0] if self.most else 0.0

    def lines(self) -> Iterator[str]:
        counts = ", ".join(f"{outcome}: {count}" for outcome, count in self.outcomes.most_common())
        yield f"{self.kind}: {self.inputs} inputs ({counts}), the longest of them:"
        for seconds, sent in sorted(self.most, reverse=True):
            yield f"{seconds * 1000:8.1f} ms  {sent}"


COSTS: Final = [API := Costs("API"), HTTP := Costs("HTTP")]
