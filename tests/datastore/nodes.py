"""Nodes of a cluster for tests: fault-injecting proxies before one server, or each before a node of a real cluster."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from . import fault_proxy as broken
from .fault_proxy import FaultProxy, Status, answering

UP = "/_up"


@dataclass
class ClusterNode:
    """One node: ``proxy`` before it. PouchDB Server has no ``/_up``: the proxy answers it."""

    proxy: FaultProxy
    has_up: bool
    """Whether the server itself answers ``/_up``."""

    @property
    def url(self) -> str:
        return self.proxy.url

    @property
    def address(self) -> str:
        """The URL without user and password."""
        return f"http://{self.url.removeprefix('http://').rpartition('@')[2]}"

    async def kill(self) -> None:
        """As after SIGKILL: connections break, new ones are refused."""
        await self.proxy.refuse()

    def hang(self) -> None:
        """As after SIGSTOP: connections are accepted, nothing is answered, and running replies stop."""
        self.proxy.scripts[UP] = _silence
        self.proxy.fail(broken.Fault.STALL)
        self.proxy.fail(broken.Fault.HALF_OPEN)

    def maintain(self) -> None:
        """As with CouchDB's ``[couchdb] maintenance_mode`` true or nolb."""

        async def answer(writer: asyncio.StreamWriter) -> None:
            writer.write(Status(404, "nolb").reply())
            await writer.drain()

        self.proxy.scripts[UP] = answer

    async def recover(self) -> None:
        """Be well again; connections that are open are closed."""
        self.proxy.heal()
        if self.has_up:
            self.proxy.scripts.pop(UP, None)
        else:
            self.proxy.scripts[UP] = answering({"status": "ok"})
        await self.proxy.accept()

    def count(self, method: str = "", path: str = "") -> int:
        """The number of requests but those for ``/_up``."""
        made = [one for one in self.proxy.requests if one[1] != UP]
        return sum(1 for used, where in made if method in ("", used) and path in where)


@asynccontextmanager
async def cluster(targets: Sequence[str]) -> AsyncIterator[list[ClusterNode]]:
    """One node a target; for servers without ``/_up`` the same target several times."""
    async with AsyncExitStack() as stack:
        has_up = len(set(targets)) == len(targets)
        nodes = [ClusterNode(await stack.enter_async_context(FaultProxy(target)), has_up) for target in targets]
        for node in nodes:
            await node.recover()
        yield nodes


async def _silence(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()
