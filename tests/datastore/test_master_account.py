"""The configuration, and the master account as ``kapps_util:get_master_account_id/0`` finds it."""

from collections.abc import AsyncIterator

import pytest

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import NoMasterAccount
from crossbar_appstore.datastore.master_account import Configuration
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.datastore.views import ensure
from crossbar_appstore.embedded import EmbeddedCouchDB
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.ids import account_db


def account(letter: str, **fields: Json) -> JsonObject:
    account_id = letter * 32
    return {"_id": account_id, "pvt_account_id": account_id, "pvt_type": "account", "pvt_tree": [], **fields}


@pytest.fixture
async def alone(embedded_couchdb: EmbeddedCouchDB) -> AsyncIterator[Couch]:
    """A server with nothing in it."""
    async with Couch(embedded_couchdb.url) as couch:
        yield couch


async def test_master_account_id_is_configured_or_else_the_oldest(alone: Couch) -> None:
    async with Datastore(Couch(alone.address), feeds=False) as store:
        with pytest.raises(NoMasterAccount):
            await store.master.id()
        with pytest.raises(NoMasterAccount):
            await store.catalogue.snapshot()
        await store.couch.create_database("accounts")
        with pytest.raises(NoMasterAccount):
            await store.master.id()
        await ensure(store.couch, "accounts", ["accounts"])
        with pytest.raises(NoMasterAccount):
            await store.master.id()
        accounts = [
            account("a", pvt_created=30),
            account("b", pvt_created=20),
            account("c", pvt_created=20),
            account("d"),
            account("e", pvt_created=True),
            account("f", pvt_created=1, pvt_deleted=True),
        ]
        await store.couch.save_docs("accounts", accounts)
        assert await store.master.id() == "b" * 32
        assert await store.master.database() == account_db("b" * 32)
        # Nothing is written, and the oldest stays the oldest.
        requests = store.statistics.requests
        assert await store.master.id() == "b" * 32
        assert store.statistics.requests == requests
        await store.couch.create_database("system_config")
        await store.create("system_config", {"_id": "accounts", "default": {"master_account_id": "d" * 32}})
        assert await store.master.id() == "d" * 32
        await store.update("system_config", "accounts", lambda _: {"default": {"master_account_id": "no id"}})
        assert await store.master.id() == "b" * 32


async def test_master_account_id_reads_the_newest_configuration_before_it_takes_the_oldest(alone: Couch) -> None:
    async with Datastore(Couch(alone.address), feeds=False) as store:
        with pytest.raises(NoMasterAccount):
            await store.master.id()
        # Another program creates two accounts in the same second, and configures the second.
        await alone.create_database("accounts")
        await ensure(alone, "accounts", ["accounts"])
        await alone.save_docs("accounts", [account("a", pvt_created=20), account("b", pvt_created=20)])
        await alone.create_database("system_config")
        await alone.save_doc("system_config", {"_id": "accounts", "default": {"master_account_id": "b" * 32}})
        assert await store.master.id() == "b" * 32


def configured(document: JsonObject | None) -> Configuration:
    async def read(database: str, category: str) -> JsonObject | None:
        return document if (database, category) == ("system_config", "crossbar") else None

    return Configuration(read)


@pytest.mark.parametrize("value", [False, 0, [], {}, "x", 7])
async def test_configuration_get_reads_the_default_section(value: Json) -> None:
    assert await configured({"default": {"key": value}, "node@host": {"key": "other"}}).get("crossbar", "key") == value


@pytest.mark.parametrize("document", [None, {}, {"default": None}, {"default": {}}, {"default": {"key": None}}])
async def test_configuration_get_gives_the_default_for_a_missing_value(document: JsonObject | None) -> None:
    config = configured(document)
    assert await config.get("crossbar", "key", "fallback") == "fallback"
    assert await config.get("crossbar", "key") is None
    assert await config.get("other", "key", 1) == 1


async def test_configuration_get_takes_an_empty_text_for_missing() -> None:
    assert await configured({"default": {"key": ""}}).get("crossbar", "key", "fallback") == "fallback"
