"""The proxies of ``deploy/``, between clients and stand-ins.

``service``, ``crossbar``   stand-ins for the service and for Crossbar
``new_front``               makes HAProxy or nginx before them: ``async with new_front(Targets(…)) as front``
``front``                   one that runs
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.conftest import Need
from tests.kit.fixtures import kit_couchdb_url, kit_key, kit_system, new_service, system
from tests.proxies.running import HAProxy, Nginx, Proxy, Targets, program
from tests.proxies.stand_in import StandIn

__all__ = ["kit_couchdb_url", "kit_key", "kit_system", "new_service", "system"]

NewFront = Callable[..., Proxy]
PROXIES = {"haproxy": HAProxy, "nginx": Nginx}


@pytest.fixture
async def service() -> AsyncIterator[StandIn]:
    async with StandIn("service") as made:
        yield made


@pytest.fixture
async def crossbar() -> AsyncIterator[StandIn]:
    async with StandIn("crossbar") as made:
        yield made


@pytest.fixture
def new_haproxy(need: Need, tmp_path: Path) -> NewFront:
    need("haproxy", program("haproxy"))
    return lambda *arguments: HAProxy(tmp_path, *arguments)


@pytest.fixture
def new_nginx(need: Need, tmp_path: Path) -> NewFront:
    need("nginx", program("nginx"))
    return lambda *arguments: Nginx(tmp_path, *arguments)


@pytest.fixture(params=["haproxy", "nginx"])
def new_front(request: pytest.FixtureRequest) -> NewFront:
    made: NewFront = request.getfixturevalue(f"new_{request.param}")
    return made


@pytest.fixture
async def front(new_front: NewFront, service: StandIn, crossbar: StandIn) -> AsyncIterator[Proxy]:
    async with new_front(Targets(service.address, crossbar.address)) as made:
        yield made
        # While the clients of the test are closed, before the proxy is.
        await asyncio.sleep(0)
