"""A small KAZOO system for every test that asks for ``world``: three accounts in a line, a stranger, their users.

It is made once for all tests of this room; each puts back what it changed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from crossbar_appstore.auth import rsa_keys
from crossbar_appstore.datastore.couch import Couch
from tests.auth.world import World, open_couch


@pytest.fixture(scope="session")
def signing_key() -> RSAPrivateKey:
    return rsa_keys.generate()


@pytest.fixture
async def couch(couchdb_url: str) -> AsyncIterator[Couch]:
    async with open_couch(couchdb_url) as opened:
        yield opened


@pytest.fixture(scope="package")
def standing_world(couchdb_url: str, signing_key: RSAPrivateKey) -> Iterator[World]:
    async def once(operation: Callable[[Couch], Awaitable[None]]) -> None:
        async with open_couch(couchdb_url) as opened:
            await operation(opened)

    made = World(signing_key)
    asyncio.run(once(made.create))
    yield made
    asyncio.run(once(made.destroy))


@pytest.fixture
async def world(standing_world: World, couch: Couch) -> AsyncIterator[World]:
    standing_world.begin(couch)
    yield standing_world
    await standing_world.restore()
