"""Clients, databases and a fault-injecting proxy for the tests of the datastore."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from crossbar_appstore.datastore.client import Timeouts
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.freshness import WriteCounters
from crossbar_appstore.datastore.master_account import MasterAccount
from crossbar_appstore.datastore.views import ensure
from crossbar_appstore.kazoo.ids import account_db, format_account_id, new_id
from tests.datastore.fault_proxy import FaultProxy

PROMISE = 2.0
"""Seconds within which a write of another program must be seen (design.md, promise 2)."""

NewDatabase = Callable[[], Awaitable[str]]
QUICK = Timeouts(connect=0.5, read=1.0, total=2.0)


@pytest.fixture
async def couch(couchdb_url: str) -> AsyncIterator[Couch]:
    async with Couch(couchdb_url) as client:
        yield client


@pytest.fixture
async def new_database(couch: Couch) -> AsyncIterator[NewDatabase]:
    """Creates databases with slashes in their names, as accounts have them."""
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
    """A client that reaches CouchDB through the proxy, with short timeouts."""
    async with Couch(proxy.url, timeouts=QUICK) as client:
        yield client


@pytest.fixture
def no_retry_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossbar_appstore.datastore.client._RETRY_PAUSE", 0.0)


@pytest.fixture
def counters(tmp_path: Path) -> WriteCounters:
    """Write counters of two workers."""
    return WriteCounters.in_file(tmp_path / "counters")


@pytest.fixture
async def master(couch: Couch, database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database of an account that is the master account for this test only, with its view."""
    await ensure(couch, database, ["apps_store"])
    become_master(database, monkeypatch)
    return database


def become_master(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fixed(self: MasterAccount) -> str:
        return format_account_id(database)

    monkeypatch.setattr(MasterAccount, "id", fixed)


async def within_the_promise(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Repeat a check until it holds; fail after the promised time."""
    deadline = time.monotonic() + PROMISE
    while not await is_so():
        assert time.monotonic() < deadline, "not seen within the promised time"
        await asyncio.sleep(0.02)


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Repeat a check until it holds; only the test's own time limit ends it."""
    while not await is_so():
        await asyncio.sleep(0.02)
