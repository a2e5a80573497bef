"""A client, a database and a broken network for the tests of the datastore."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.wire import Timeouts
from crossbar_appstore.kazoo.ids import account_db, new_id
from tests.datastore.fault_proxy import FaultProxy

NewDatabase = Callable[[], Awaitable[str]]
QUICK = Timeouts(connect=0.5, read=1.0, total=2.0)


@pytest.fixture
async def couch(couchdb_url: str) -> AsyncIterator[Couch]:
    async with Couch(couchdb_url) as client:
        yield client


@pytest.fixture
async def new_database(couch: Couch) -> AsyncIterator[NewDatabase]:
    """Makes databases with slashes in their names, as accounts have them."""
    made: list[str] = []

    async def make() -> str:
        database = account_db(new_id())
        await couch.create_database(database)
        made.append(database)
        return database

    yield make
    for database in made:
        await couch.delete_database(database)


@pytest.fixture
async def database(new_database: NewDatabase) -> str:
    return await new_database()


@pytest.fixture
async def proxy(couchdb_url: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(couchdb_url) as between:
        yield between


@pytest.fixture
async def behind(proxy: FaultProxy) -> AsyncIterator[Couch]:
    """A client that reaches CouchDB through the proxy, and does not wait long."""
    async with Couch(proxy.url, timeouts=QUICK) as client:
        yield client
