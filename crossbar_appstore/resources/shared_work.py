"""Work that several ask for at the same time, and that is done once for all of them."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedWork(Generic[K, V]):
    """What is being worked out just now, by key; it goes on even if whoever asked for it first is gone."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[V]] = {}

    def __contains__(self, key: K) -> bool:
        """Whether somebody has asked for it, and it is not done yet."""
        return key in self._tasks

    async def result(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """What the work under way gives or raises; where there is none, that of ``work``."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(work())
            task.add_done_callback(partial(self._done, key))
        return await asyncio.shield(task)

    def _done(self, key: K, task: "asyncio.Task[V]") -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # looked at, even if every asker is gone
