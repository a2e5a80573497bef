"""One node of a cluster fails under requests: the next one answers, and nothing is refused for more than 2 s.

The nodes are proxies before one server, or before those of ``COUCHDB_NODES``.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.datastore.nodes import ClusterNode, cluster
from tests.kit.accounts import Account
from tests.kit.apps import permission
from tests.kit.fixtures import NewService
from tests.kit.service import Answer
from tests.kit.system import System

LIMIT = 4.0
"""Seconds after a fault within which a request may be refused: 2 s, and as much for a slow machine."""


@pytest.fixture
async def nodes(kit_couchdb_url: str) -> AsyncIterator[list[ClusterNode]]:
    named = os.environ.get("COUCHDB_NODES", "")
    async with cluster(named.split(",") if named else [kit_couchdb_url] * 3) as made:
        yield made


@pytest.fixture
async def sub(system: System) -> Account:
    made = await system.account("Sub", below=system.master)
    await system.store(made, apps={system.apps["voip"]: permission("all", name="voip")})
    return made


class Traffic:
    """Requests one after the other until ``stop``; ``answered`` and ``refused`` (503) are when (monotonic)."""

    def __init__(self, request: Callable[[], Awaitable[Answer]], pause: float) -> None:
        self.answered: list[float] = []
        self.refused: list[float] = []
        self._request = request
        self._pause = pause
        self._is_stopped = False
        self._task = asyncio.ensure_future(self._go_on())

    async def stop(self) -> None:
        self._is_stopped = True
        await self._task

    async def _go_on(self) -> None:
        while not self._is_stopped:
            answer = await self._request()
            assert answer.status in (200, 201, 503), answer.raw
            (self.refused if answer.status == 503 else self.answered).append(time.monotonic())
            if answer.status == 503:
                assert int(answer.headers["Retry-After"]) > 0
            await asyncio.sleep(self._pause)


@pytest.mark.parametrize("fault", ["kill", "hang", "maintain"])
async def test_apps_store_with_a_failed_node_is_answered_by_the_next(
    system: System, new_service: NewService, nodes: list[ClusterNode], sub: Account, fault: str
) -> None:
    service = new_service(",".join(node.url for node in nodes))
    app = f"{sub.path}/{system.apps['voip']}"
    acknowledged: list[str] = []

    async def write() -> Answer:
        allowed = "admins" if acknowledged[-1:] == ["all"] else "all"
        answer = await service.post(app, sub, {"allowed_users": allowed})
        acknowledged.append(allowed if answer.status == 200 else "unknown")
        return answer

    assert (await service.login(sub.admin)).status == 201
    traffic = {
        "cached read": Traffic(lambda: service.get(sub.path, sub), 0.02),
        "login": Traffic(lambda: service.login(sub.admin), 0.3),
        "write": Traffic(write, 0.02),
    }
    await asyncio.sleep(0.3)
    assert nodes[1].count() == nodes[2].count() == 0
    began = time.monotonic()
    if fault == "kill":
        await nodes[0].kill()
    elif fault == "hang":
        nodes[0].hang()
    else:
        nodes[0].maintain()
    await asyncio.sleep(LIMIT + 0.5 if fault == "hang" else 2.5)
    for each in traffic.values():
        await each.stop()
    for kind, each in traffic.items():
        assert all(when - began < LIMIT for when in each.refused), kind
        assert each.answered[-1] > max(each.refused, default=began), kind
    # Only a write that the node may have done can be refused at all, and only if it was on its way.
    assert traffic["cached read"].refused == traffic["login"].refused == []
    assert len(traffic["write"].refused) <= 1
    assert fault != "maintain" or traffic["write"].refused == []
    assert acknowledged[-1] != "unknown"
    stored = await system.stored(sub)
    assert stored["apps"][system.apps["voip"]]["allowed_users"] == acknowledged[-1]
    assert nodes[1].count() > 0
    assert nodes[2].count() == 0
