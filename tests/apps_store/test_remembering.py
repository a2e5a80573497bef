"""What was decided for an account holds for as long as the documents are the very same."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.memo import Memo
from crossbar_appstore.resources import account_apps
from crossbar_appstore.resources.account_apps import AccountApps, AppStore
from crossbar_appstore.resources.prepared import Prepared, PreparedReplies
from tests.kit.apps import permission
from tests.kit.system import System, open_couch


@pytest.fixture
async def store(system: System, kit_couchdb_url: str) -> AsyncIterator[Datastore]:
    async with Datastore(open_couch(kit_couchdb_url), feeds=False) as made:
        yield made


async def test_it_is_decided_once_and_serialised_once(system: System, store: Datastore) -> None:
    apps = AppStore(store)
    first = await apps.apps(system.master.id)
    listing = first.listing
    await asyncio.sleep(0.3)  # until the documents are looked at again
    assert await apps.apps(system.master.id) is first
    assert first.listing is listing
    assert first.body(system.apps["voip"]) is first.body(system.apps["voip"])
    assert first.body("nothing") is None


async def test_it_is_decided_again_when_a_document_changes(system: System, store: Datastore) -> None:
    apps = AppStore(store)
    sub = await system.account("Sub", below=system.master)
    first = await apps.apps(sub.id)
    change = {"_id": "apps_store", "apps": {system.apps["voip"]: permission("all")}}
    await store.update(sub.database, "apps_store", lambda _: change)
    second = await apps.apps(sub.id)
    assert second is not first
    assert first.body(system.apps["port"]) == second.body(system.apps["port"])
    assert first.listing.etag != second.listing.etag


async def test_accounts_that_are_treated_alike_share_their_replies(system: System, store: Datastore) -> None:
    apps = AppStore(store)
    voip = system.apps["voip"]
    one, two, other = [await system.account("Sub", below=system.master) for _ in range(3)]
    for account, allowed in ((one, "all"), (two, "all"), (other, "admins")):
        await store.create(account.database, {"_id": "apps_store", "apps": {voip: permission(allowed)}})
    first, second, third = [await apps.apps(account.id) for account in (one, two, other)]
    assert first.listing is second.listing
    assert first.body(voip) is second.body(voip)
    assert third.listing.etag != first.listing.etag
    assert third.body(voip) != first.body(voip)


async def test_who_asks_in_the_same_moment_shares_one_decision(system: System, store: Datastore) -> None:
    apps = AppStore(store)
    sub = await system.account("Sub", below=system.master)
    change = {"_id": "apps_store", "apps": {system.apps["voip"]: permission("all")}}
    for _ in range(2):
        await store.update(sub.database, "apps_store", lambda _: change)
        # Whoever asked first may go.
        asking = [asyncio.ensure_future(apps.apps(sub.id)) for _ in range(5)]
        await asyncio.sleep(0)
        asking[0].cancel()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert len(set(map(id, found[1:]))) == 1
        assert isinstance(found[1], AccountApps)
        assert found[1].find_all(system.apps["voip"]) is found[1].find_all(system.apps["voip"])


async def test_what_cannot_be_decided_is_told_to_each_who_asks() -> None:
    async with Datastore(Couch("http://127.0.0.1:9"), feeds=False) as store:
        apps = AppStore(store)
        asking = [asyncio.ensure_future(apps.apps("a" * 32)) for _ in range(3)]
        await asyncio.sleep(0)
        asking[0].cancel()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert [isinstance(each, DatastoreError) for each in found] == [False, True, True]


async def test_only_so_many_accounts_are_remembered(
    system: System, store: Datastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_apps, "_MOST_ACCOUNTS", 2)
    apps = AppStore(store)
    apps._current = Memo(store.moments, 1)
    ids = [(await system.account("Sub", below=system.master)).id for _ in range(3)]
    found = [await apps.apps(account_id) for account_id in ids]
    assert await apps.apps(ids[2]) is found[2]
    assert await apps.apps(ids[1]) is found[1]
    assert await apps.apps(ids[0]) is not found[0]
    # Now the second is the one that was asked for last but one, and the third is forgotten.
    assert await apps.apps(ids[1]) is found[1]
    assert await apps.apps(ids[2]) is not found[2]


def _reply(text: str) -> Prepared:
    return Prepared.of(text)


def test_the_bytes_of_prepared_replies_are_bounded() -> None:
    replies = PreparedReplies(most_bytes=10)
    made = {text: replies.get(text, partial(_reply, text)) for text in "abc"}
    assert replies.get("a", partial(_reply, "other")) is made["a"]
    assert replies.get("d", partial(_reply, "d")) == _reply("d")
    assert len(replies) == 3
    assert replies.get("b", partial(_reply, "other")) == _reply("other")
    replies.get("e", partial(_reply, "much more than the limit"))
    assert len(replies) == 1


def test_that_there_is_no_reply_is_asked_again() -> None:
    replies = PreparedReplies()
    assert replies.get("a", lambda: None) is None
    assert replies.get("a", partial(_reply, "a")) == _reply("a")
