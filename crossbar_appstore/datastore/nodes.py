"""The nodes of a CouchDB cluster, each with connections of its own, and which of them gets the requests.

All requests go to one node, the current one, until it does not answer or is in maintenance; then to the first of the
others that is usable, in the order in which they are given, so that all workers choose the same one. Whether a node is
usable is asked of itself (``GET /_up``, the way that load balancers use). Of a single node nothing is asked.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Final

import aiohttp
from aiocouch import CouchDB

from crossbar_appstore.json_codec import JsonObject, loads
from crossbar_appstore.request_scope import remaining, shared_context

from .errors import Refused, Subject, Troubled, translate
from .replies import NodeState

logger = logging.getLogger(__name__)

WATCH_SECONDS: Final = 1.0
"""Between two questions to the current node."""
UP_SECONDS: Final = 1.0
"""Within which a node must answer the question."""
MAINTENANCE: Final = "in maintenance"


class Node:
    """One node: aiocouch's client and one session, opened by the first request; ``connect`` makes them."""

    def __init__(self, address: str, connect: Callable[[str], tuple[CouchDB, aiohttp.ClientSession]]) -> None:
        self.address = address
        self._connect = connect
        self._opened: tuple[CouchDB, aiohttp.ClientSession] | None = None

    @property
    def server(self) -> CouchDB:
        """aiocouch's client."""
        return self._connections()[0]

    @property
    def session(self) -> aiohttp.ClientSession:
        """For requests that aiocouch has no call for."""
        return self._connections()[1]

    async def close(self) -> None:
        """Close every connection, so that the requests that are running fail; the next request opens new ones."""
        opened, self._opened = self._opened, None
        if opened is not None:
            for each in opened:
                await each.close()

    def _connections(self) -> tuple[CouchDB, aiohttp.ClientSession]:
        if self._opened is None:
            self._opened = self._connect(self.address)
        return self._opened


class Nodes:
    """Which node is the current one.

    Args:
        nodes: at least one, the preferred one first.
        open_session: makes the session for questions: apart, so that they never wait for a free connection.
    """

    def __init__(self, nodes: Sequence[Node], open_session: Callable[[], aiohttp.ClientSession]) -> None:
        self.all = tuple(nodes)
        self.current = self.all[0]
        self._open_session = open_session
        self._session: aiohttp.ClientSession | None = None
        self._watching: asyncio.Task[None] | None = None
        self._choosing: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def watch(self) -> None:
        """Ask the current node in the background, from now until ``close``."""
        if self._watching is None and len(self.all) > 1:
            self._watching = _background(self._watch())

    async def choose(self, failed: Node) -> bool:
        """After a request to a node failed: whether another one is the current one now."""
        if self._watching is not None and failed is self.current:
            if self._choosing is None or self._choosing.done():
                self._choosing = _background(self._choose())
            # Unlike a task that is awaited, this raises nothing when the choice is cancelled.
            await asyncio.wait({self._choosing}, timeout=remaining(2 * UP_SECONDS))
        return failed is not self.current

    async def trouble(self, node: Node) -> str | None:
        """Why a node cannot be used; None if it can."""
        if self._session is None:
            self._session = self._open_session()
        url, limit = f"{node.address}/_up", aiohttp.ClientTimeout(UP_SECONDS)
        try:
            # Without credentials, so that a wrong password is not counted every second.
            async with self._session.get(url, timeout=limit, allow_redirects=False) as response:
                status = response.status
        except (aiohttp.ClientError, OSError) as error:
            return str(translate(error, Subject()))
        if status == 404:
            return MAINTENANCE
        # 401 where every request needs a user: the node answers, and does not say more.
        return None if status in (200, 401) else f"/_up is {status}"

    async def states(self) -> list[NodeState]:
        """What each node says of itself and of the cluster; empty if there is only one."""
        if len(self.all) == 1:
            return []
        return await asyncio.gather(*map(self._state, self.all))

    async def _state(self, node: Node) -> NodeState:
        state = NodeState(node.address, node is self.current, await self.trouble(node))
        if state.trouble not in (None, MAINTENANCE):
            return state
        welcome, local, membership = [await _told(node, path) for path in ("/", "/_node/_local", "/_membership")]
        members = membership.get("cluster_nodes")
        return replace(
            state,
            version=str(welcome.get("version", "")),
            name=str(local.get("name", "")),
            members=frozenset(map(str, members)) if isinstance(members, list) else frozenset(),
        )

    async def close(self) -> None:
        """End the questions and close all connections."""
        tasks = [task for task in (self._watching, self._choosing, *self._closing) if task is not None]
        self._watching = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for node in self.all:
            await node.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _watch(self) -> None:
        while True:
            await self.choose(self.current)
            await asyncio.sleep(WATCH_SECONDS)

    async def _choose(self) -> None:
        left = self.current
        reason = await self.trouble(left)
        if reason is None:
            return
        others = [node for node in self.all if node is not left]
        troubles = await asyncio.gather(*map(self.trouble, others))
        # A node in maintenance answers all the same, which is better than none; so does a server without /_up.
        wanted = (None,) if reason == MAINTENANCE else (None, MAINTENANCE)
        usable = [node for want in wanted for node, found in zip(others, troubles, strict=True) if found == want]
        if not usable:
            return
        self.current = usable[0]
        used = self.current.address
        logger.warning("CouchDB node left", extra={"node": left.address, "reason": reason, "used": used})
        if reason != MAINTENANCE:
            # It may be hung. Reads that wait for it are repeated at the next node, once their connection is closed.
            closing = _background(left.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


def _background(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    # The request that is in progress sets no deadline for it.
    return asyncio.get_running_loop().create_task(work, context=shared_context())


async def _told(node: Node, path: str) -> JsonObject:
    """The object that a node answers; an empty one if it does not, or must not."""
    try:
        async with node.session.get(f"{node.address}{path}") as response:
            answer = loads(await response.read())
            return answer if response.status == 200 and isinstance(answer, dict) else {}
    except (aiohttp.ClientError, OSError, ValueError, Refused, Troubled):
        return {}
