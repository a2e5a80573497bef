import asyncio
from collections.abc import AsyncIterator

import pytest

from crossbar_appstore.bench.made_up import made_up_id
from crossbar_appstore.bench.stand_in import StandIn
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatastoreError, DocumentMissing
from crossbar_appstore.kazoo.ids import account_db

ID = made_up_id(5)
DATABASE = account_db(ID)


@pytest.fixture
async def stand_in(couchdb_url: str) -> AsyncIterator[StandIn]:
    async with StandIn(couchdb_url, "a" * 32, ("b" * 32,)) as stand_in:
        yield stand_in


@pytest.fixture
async def couch(stand_in: StandIn) -> AsyncIterator[Couch]:
    async with Couch(stand_in.url) as couch:
        yield couch


async def test_made_up_documents_are_read_as_any_others(couch: Couch) -> None:
    assert (await couch.open_doc(DATABASE, ID))["pvt_type"] == "account"
    assert list((await couch.open_doc(DATABASE, "apps_store"))["apps"]) == ["b" * 32]
    assert (await couch.open_doc("services", ID))["pvt_type"] == "service"
    with pytest.raises(DocumentMissing):
        await couch.open_doc(DATABASE, "whitelabel")
    assert await couch.view(DATABASE, "services/object_plans") == []
    listed = await couch.all_docs(DATABASE, keys=["apps_store", "none"], include_docs=True)
    assert [row.id for row in listed] == ["apps_store"]
    assert await couch.all_docs(DATABASE, startkey="app-", endkey="app.") == []


async def test_everything_else_goes_to_the_real_couchdb_and_back(couch: Couch, account_id: str) -> None:
    database = account_db(account_id)
    await couch.create_database(database)
    try:
        saved = await couch.save_doc(database, {"_id": "doc", "text": "ä"})
        assert await couch.open_doc(database, "doc") == saved
        with pytest.raises(DocumentMissing):
            await couch.open_doc(database, "other")
        feed = couch.changes(database, since=0)
        assert [change.id for change in await anext(feed)] == ["doc"]
        await feed.aclose()
    finally:
        await couch.delete_database(database)


async def test_requests_for_a_watched_account_are_counted_however_they_name_it(stand_in: StandIn, couch: Couch) -> None:
    await couch.open_doc(DATABASE, ID)
    assert stand_in.count == 0
    stand_in.watch(ID)
    stand_in.delay = 0.2
    await asyncio.gather(
        couch.open_doc(DATABASE, "apps_store"),
        couch.open_doc("services", ID),
        couch.open_doc(account_db(made_up_id(6)), "apps_store"),
    )
    assert (stand_in.count, stand_in.most_at_once) == (2, 2)
    await couch.all_docs("_users", keys=[ID])
    assert (stand_in.count, stand_in.most_at_once) == (3, 2)


async def test_its_feed_of_databases_lives_and_names_nothing_that_is_asked_for(couchdb_url: str) -> None:
    async with StandIn(couchdb_url, "a" * 32, (), tells=True) as stand_in, Couch(stand_in.url) as couch:
        feed = couch.db_updates(since="now")
        first, sign_of_life = await anext(feed), await anext(feed)
        await feed.aclose()
    assert [update.database for update in first] == ["numbers"]
    assert sign_of_life == []


async def test_without_a_feed_of_its_own_it_has_what_the_real_couchdb_has(couch: Couch) -> None:
    with pytest.raises(DatastoreError):
        await anext(couch.db_updates(since="now"))
