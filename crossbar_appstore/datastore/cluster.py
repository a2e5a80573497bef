"""Which nodes the CouchDB has, and whether they are connected; asked of CouchDB now and then."""

import time
from typing import Final

from .client import CouchClient
from .errors import DatastoreError, MalformedReply, Refused, Subject
from .replies import NodeState

ASK_SECONDS: Final = 60.0
ASK_SECONDS_CHANGING: Final = 2.0
"""Seconds between two questions; the second after CouchDB did not answer, and while changes are being confirmed."""


class Cluster:
    """The nodes as CouchDB last told them; one server of its own has one or none."""

    def __init__(self, client: CouchClient) -> None:
        self._client = client
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

    async def states(self) -> list[NodeState]:
        """Each node and what it says of itself and of the cluster; empty if only one was named. Never raises."""
        return await self._client.nodes.states()

    async def _membership(self) -> tuple[frozenset[str], frozenset[str]]:
        """The names of the nodes that are connected, and of all."""

        async def read() -> tuple[frozenset[str], frozenset[str]]:
            try:
                reply = (await self._client.request("GET", "/_membership")).object()
            except Refused as refused:
                if refused.status >= 429:
                    raise
                return frozenset(), frozenset()  # PouchDB and CouchDB 1 have no such page
            connected, everyone = reply.get("all_nodes"), reply.get("cluster_nodes")
            if not isinstance(connected, list) or not isinstance(everyone, list):
                raise MalformedReply("no lists of nodes")
            return frozenset(connected), frozenset(everyone)

        return await self._client.once(Subject(), read)
