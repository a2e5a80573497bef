"""Fixtures of maintenance: a CouchDB client, an empty catalogue, and systems with and without an account."""

from collections.abc import AsyncIterator

import pytest

from crossbar_appstore.auth import keys
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.maintenance.accounts import NewAccount, create_account
from crossbar_appstore.maintenance.lookup import MasterCatalogue
from tests.maintenance.systems import one_key, open_couch, refuse_a_system_in_use, wipe

MASTER = NewAccount("Master Ltd", "master.example.com", "boss", "boss-password")


@pytest.fixture
async def couch(couchdb_url: str) -> AsyncIterator[Couch]:
    async with open_couch(couchdb_url) as opened:
        yield opened


@pytest.fixture
async def catalogue(couch: Couch, account_id: str) -> AsyncIterator[MasterCatalogue]:
    """The empty catalogue of an account of this test alone."""
    database = account_db(account_id)
    await couch.create_database(database)
    await ensure(couch, database, names_for(DatabaseClass.ACCOUNT))
    yield MasterCatalogue(couch, account_id, database)
    await couch.delete_database(database)


@pytest.fixture
async def empty_system(couch: Couch, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Couch]:
    """A CouchDB without accounts and system databases."""
    monkeypatch.setattr(keys, "generate", one_key)
    await refuse_a_system_in_use(couch)
    await wipe(couch)
    yield couch
    await wipe(couch)


@pytest.fixture
async def system(empty_system: Couch) -> MasterCatalogue:
    """A system with only its master account, ``MASTER``."""
    await create_account(empty_system, MASTER)
    return await MasterCatalogue.of(empty_system)
