"""Which nodes the CouchDB has, and whether they are connected; asked of CouchDB now and then."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from .errors import DatastoreError

ASK_SECONDS: Final = 60.0
ASK_SECONDS_CHANGING: Final = 2.0
"""Seconds between two questions; the second after CouchDB did not answer, and while changes are being confirmed."""

Membership = tuple[frozenset[str], frozenset[str]]
"""The names of the nodes that are connected, and of all."""


class Cluster:
    """The nodes as CouchDB last told them; one server of its own has one or none.

    Args:
        membership: asks CouchDB; raises ``DatastoreError``.
    """

    def __init__(self, membership: Callable[[], Awaitable[Membership]]) -> None:
        self._membership = membership
        self._asked_at = float("-inf")
        self.connected: frozenset[str] = frozenset()
        self.members: frozenset[str] = frozenset()
        self.joined_at = 0.0
        """When (monotonic) a node was last found that had not been connected before."""

    async def exists(self) -> bool:
        """Whether there are several nodes. While CouchDB does not say, what it said last."""
        await self.ask(ASK_SECONDS)
        return len(self.members) > 1

    async def ask(self, seconds: float) -> None:
        """Ask for the nodes, if that is longer ago than so many seconds."""
        now = time.monotonic()
        if now < self._asked_at + seconds:
            return
        self._asked_at = now
        before = self.connected
        try:
            self.connected, self.members = await self._membership()
        except DatastoreError:
            # This node may be the one that has to catch up.
            self.connected = frozenset()
            self._asked_at += ASK_SECONDS_CHANGING - ASK_SECONDS
            return
        if self.connected - before:
            self.joined_at = now
