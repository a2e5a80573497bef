"""What was decided for an account holds for as long as the documents are the very same."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from crossbar_appstore.memo import Memo
from crossbar_appstore.resources.prepared import Prepared, PreparedReplies

from crossbar_appstore.appstore.allowed_apps import AccountState, policy_fingerprint
from crossbar_appstore.datastore import ages
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.resources import account_apps
from crossbar_appstore.resources.account_apps import AccountApps, AppStore
from tests.kit.apps import permission
from tests.kit.system import System, open_couch


@pytest.fixture
async def store(system: System, kit_couchdb_url: str) -> AsyncIterator[Datastore]:
    async with Datastore(open_couch(kit_couchdb_url), feeds=False) as made:
        yield made


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The accounts that were decided about, in that order."""
    accounts: list[str] = []

    def noted(state: AccountState) -> bytes | None:
        accounts.append(state.account_id)
        return policy_fingerprint(state)

    monkeypatch.setattr(account_apps, "policy_fingerprint", noted)
    return accounts


async def test_it_is_decided_once_and_serialised_once(system: System, store: Datastore, decided: list[str]) -> None:
    apps = AppStore(store)
    first = await apps.apps(system.master.id)
    assert decided == [system.master.id]
    listing, body = await first.listing(), await first.body(system.apps["voip"])
    assert await apps.apps(system.master.id) is first
    decided.clear()
    await asyncio.sleep(0.3)  # until the documents are looked at again
    second = await apps.apps(system.master.id)
    assert second is not first
    assert await second.listing() is listing
    assert await second.body(system.apps["voip"]) is body
    assert await second.body("nothing") is None
    assert decided == []


async def test_it_still_holds_when_documents_are_too_old_to_be_trusted(
    system: System, store: Datastore, decided: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    apps = AppStore(store)
    sub = await system.account("Sub", below=system.master)
    listing = await (await apps.apps(sub.id)).listing()
    await store.catalogue.snapshot()
    decided.clear()
    monkeypatch.setattr(ages, "UNWATCHED_SECONDS", 0.2)
    await asyncio.sleep(0.3)
    before = store.statistics.refetches
    assert await (await apps.apps(sub.id)).listing() is listing
    assert store.statistics.refetches > before
    assert decided == []


async def test_it_is_decided_again_when_a_document_changes(system: System, store: Datastore) -> None:
    apps = AppStore(store)
    sub = await system.account("Sub", below=system.master)
    first = await apps.apps(sub.id)
    change = {"_id": "apps_store", "apps": {system.apps["voip"]: permission("all")}}
    await store.update(sub.database, "apps_store", lambda _: change)
    second = await apps.apps(sub.id)
    assert second is not first
    assert await first.body(system.apps["port"]) == await second.body(system.apps["port"])
    assert (await first.listing()).etag != (await second.listing()).etag


async def test_accounts_that_are_treated_alike_share_their_replies(system: System, store: Datastore) -> None:
    apps = AppStore(store)
    voip = system.apps["voip"]
    one, two, other = [await system.account("Sub", below=system.master) for _ in range(3)]
    for account, allowed in ((one, "all"), (two, "all"), (other, "admins")):
        await store.create(account.database, {"_id": "apps_store", "apps": {voip: permission(allowed)}})
    first, second, third = [await apps.apps(account.id) for account in (one, two, other)]
    listing, body = await first.listing(), await first.body(voip)
    assert await second.listing() is listing
    assert await second.body(voip) is body
    assert (await third.listing()).etag != listing.etag
    assert await third.body(voip) != body


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
        assert await found[1].find_all(system.apps["voip"]) is await found[1].find_all(system.apps["voip"])


async def test_what_cannot_be_decided_is_told_to_each_who_asks() -> None:
    async with Datastore(Couch("http://127.0.0.1:9"), feeds=False) as store:
        apps = AppStore(store)
        asking = [asyncio.ensure_future(apps.apps("a" * 32)) for _ in range(3)]
        await asyncio.sleep(0)
        asking[0].cancel()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert [isinstance(each, DatastoreError) for each in found] == [False, True, True]


async def test_only_so_many_accounts_are_remembered(
    system: System, store: Datastore, decided: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_apps, "_MOST_ACCOUNTS", 2)
    apps = AppStore(store)
    apps._current = Memo(store.moments, 1)
    one, two, three = [(await system.account("Sub", below=system.master)).id for _ in range(3)]
    for account_id in (one, two, three, two, three, one, three, two):
        await apps.apps(account_id)
    # With the first one again, the second is forgotten, which was asked for before the third.
    assert decided == [one, two, three, one, two]


async def test_what_was_read_anew_counts_and_not_what_was_said_before(system: System, store: Datastore) -> None:
    apps = AppStore(store)
    sub = await system.account("Sub", below=system.master)
    voip = system.apps["voip"]
    await apps.apps(sub.id)
    await asyncio.sleep(0.3)
    before = await apps.apps(sub.id)
    await store.update(sub.database, "apps_store", lambda _: {"_id": "apps_store", "apps": {voip: permission("all")}})
    # Nobody has asked for it yet, so the documents are read again, which have changed since.
    body = await before.body(voip)
    assert body is not None
    assert body.data.value["allowed_users"] == "all"
    assert await (await apps.apps(sub.id)).body(voip) is body
    assert await before.body(voip) is not body


def _reply(text: str) -> Prepared:
    return Prepared.of(text)


def test_the_bytes_of_prepared_replies_are_bounded() -> None:
    replies = PreparedReplies(most_bytes=10)
    made = {text: _reply(text) for text in "abc"}
    for text, reply in made.items():
        replies.put(text, reply)
    assert replies.get("a") is made["a"]
    replies.put("d", _reply("d"))
    assert len(replies) == 3
    assert replies.get("b") is None
    replies.put("d", _reply("e"))
    assert [replies.get(text) for text in "acd"] == [made["a"], made["c"], _reply("e")]
    replies.put("e", _reply("much more than the limit"))
    assert len(replies) == 1
