"""Fixtures for tests with a system of their own, to be imported by a ``conftest.py``."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from crossbar_appstore.auth import keys
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.embedded import EmbeddedCouchDB
from tests.datastore.fault_proxy import FaultProxy
from tests.kit.service import Service
from tests.kit.system import ForeignData, System, open_couch

NewService = Callable[..., Service]
_read_once = cache(keys.from_pem)

__all__ = ["kit_couchdb_url", "kit_key", "kit_system", "new_service", "proxy", "service", "standing_system", "system"]


@pytest.fixture(scope="session")
def kit_couchdb_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``COUCHDB_URL``, else an embedded server in memory for the systems of this kit."""
    named = os.environ.get("COUCHDB_URL")
    if named:
        yield named.rstrip("/")
        return
    cache: Path = request.getfixturevalue("embedded_cache")
    server = EmbeddedCouchDB(data_dir=tmp_path_factory.mktemp("kit"), cache=cache, in_memory=True)
    with asyncio.Runner() as runner:
        runner.run(server.__aenter__())
        try:
            yield server.url
        finally:
            runner.run(server.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def kit_key() -> RSAPrivateKey:
    return keys.generate()


@asynccontextmanager
async def standing_system(couchdb_url: str, key: RSAPrivateKey) -> AsyncIterator[System]:
    """A system for fixtures with an event loop of a wider scope; a CouchDB holds one system at a time."""
    async with open_couch(couchdb_url) as couch:
        made = System(key)
        await _create(made, couch)
        yield made
        await made.destroy(couch)


@pytest.fixture(scope="module")
def kit_system(kit_couchdb_url: str, kit_key: RSAPrivateKey) -> Iterator[System]:
    async def once(operation: Callable[[Couch], Awaitable[None]]) -> None:
        async with open_couch(kit_couchdb_url) as couch:
            await operation(couch)

    made = System(kit_key)
    asyncio.run(once(partial(_create, made)))
    yield made
    asyncio.run(once(made.destroy))


@pytest.fixture
async def system(kit_system: System, kit_couchdb_url: str) -> AsyncIterator[System]:
    async with open_couch(kit_couchdb_url) as couch:
        kit_system.begin(couch)
        yield kit_system
        await kit_system.restore()


async def _create(system: System, couch: Couch) -> None:
    try:
        await system.create(couch)
    except ForeignData as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
async def new_service(
    system: System, kit_couchdb_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[NewService]:
    """Makes services: ``new_service(couchdb_url=…, CROSSBAR_WRITES_NEED_ADMIN="false")``."""
    # Parsing a private key takes longer than the rest of most tests; it is always the same key.
    monkeypatch.setattr(keys, "from_pem", _read_once)
    made: list[Service] = []

    def make(couchdb_url: str = kit_couchdb_url, **settings: str) -> Service:
        made.append(Service(system, couchdb_url, **settings))
        return made[-1]

    yield make
    for each in made:
        await each.stop()


@pytest.fixture
def service(new_service: NewService) -> Service:
    return new_service()


@pytest.fixture
async def proxy(kit_couchdb_url: str) -> AsyncIterator[FaultProxy]:
    """A proxy between a service and CouchDB that can inject faults."""
    async with FaultProxy(kit_couchdb_url) as between:
        yield between
