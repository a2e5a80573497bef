"""The whole application over a small KAZOO system, and clients that are logged in to it."""

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from crossbar_appstore.application import create_application
from crossbar_appstore.auth import keys
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.settings import Settings
from tests.resources.companion.api import Api
from tests.resources.companion.world import World, open_couch


@pytest.fixture(scope="session")
def signing_key() -> RSAPrivateKey:
    return keys.generate()


@pytest.fixture
async def couch(couchdb_url: str) -> AsyncIterator[Couch]:
    async with open_couch(couchdb_url) as opened:
        yield opened


@pytest.fixture
async def world(couch: Couch, signing_key: RSAPrivateKey) -> AsyncIterator[World]:
    made = World(couch, signing_key)
    await made.create()
    yield made
    await made.destroy()


@pytest.fixture
async def api(world: World, couchdb_url: str) -> AsyncIterator[Api]:
    application = create_application(Settings.load({"COUCHDB_URL": couchdb_url}))
    async with TestClient(TestServer(application)) as client:
        made = Api(client, world)
        yield made
        await made.clean_up()


@pytest.fixture
async def lenient_api(world: World, couchdb_url: str) -> AsyncIterator[Api]:
    """Of a service where writing takes no administrator."""
    environ = {"COUCHDB_URL": couchdb_url, "CROSSBAR_WRITES_NEED_ADMIN": "false"}
    async with TestClient(TestServer(create_application(Settings.load(environ)))) as client:
        made = Api(client, world)
        yield made
        await made.clean_up()
