"""Waiting with jitter, so that many who failed together do not come back together."""

import asyncio
import random

_random = random.SystemRandom()


async def pause(seconds: float) -> None:
    """Sleep for half to one and a half times so many seconds."""
    await asyncio.sleep(seconds * _random.uniform(0.5, 1.5))
