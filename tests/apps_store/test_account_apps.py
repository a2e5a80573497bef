"""The decision of an account is cached for as long as the documents that it was made from are the same."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from crossbar_appstore.appstore.allowed_apps import AccountState, policy_fingerprint
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.resources import account_apps
from crossbar_appstore.resources.account_apps import AccountApps, AppStore, Serialized
from tests.kit.apps import permission
from tests.kit.system import System, open_couch


@pytest.fixture
async def store(system: System, kit_couchdb_url: str) -> AsyncIterator[Datastore]:
    async with Datastore(open_couch(kit_couchdb_url), feeds=False) as made:
        yield made


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The accounts that a decision was computed for, in that order."""
    accounts: list[str] = []

    def noted(state: AccountState) -> bytes | None:
        accounts.append(state.account_id)
        return policy_fingerprint(state)

    monkeypatch.setattr(account_apps, "policy_fingerprint", noted)
    return accounts


async def test_app_store_apps_decides_and_serializes_once(system: System, store: Datastore, decided: list[str]) -> None:
    apps = AppStore(store)
    first = await apps.apps(system.master.id)
    listing, body = first.listing(), first.body(system.apps["voip"])
    second = await apps.apps(system.master.id)
    assert second is first
    assert second.listing() is listing
    assert second.body(system.apps["voip"]) is body
    assert second.body("nothing") is None
    assert decided == [system.master.id]


async def test_app_store_apps_keeps_the_decision_when_old_documents_are_read_again_unchanged(
    system: System, store: Datastore, decided: list[str]
) -> None:
    apps = AppStore(store)
    sub = await system.account("Sub", below=system.master)
    first = await apps.apps(sub.id)
    before = store.statistics.refetches
    # Older than documents may become without a feed.
    await asyncio.sleep(1.6)
    assert not store.are_current(first.sources)
    assert await apps.apps(sub.id) is first
    assert store.statistics.refetches > before
    assert decided == [sub.id]
    assert store.are_current(first.sources)


async def test_app_store_apps_decides_again_after_a_document_changed(system: System, store: Datastore) -> None:
    apps = AppStore(store)
    sub = await system.account("Sub", below=system.master)
    first = await apps.apps(sub.id)
    change = {"_id": "apps_store", "apps": {system.apps["voip"]: permission("all")}}
    await store.update(sub.database, "apps_store", lambda _: change)
    second = await apps.apps(sub.id)
    assert second is not first
    assert first.body(system.apps["port"]) == second.body(system.apps["port"])
    assert first.listing().etag != second.listing().etag


async def test_account_apps_share_what_is_serialized_where_the_rules_treat_accounts_alike(
    system: System, store: Datastore
) -> None:
    apps = AppStore(store)
    voip = system.apps["voip"]
    one, two, other = [await system.account("Sub", below=system.master) for _ in range(3)]
    for account, allowed in ((one, "all"), (two, "all"), (other, "admins")):
        await store.create(account.database, {"_id": "apps_store", "apps": {voip: permission(allowed)}})
    first, second, third = [await apps.apps(account.id) for account in (one, two, other)]
    listing, body = first.listing(), first.body(voip)
    assert second.listing() is listing
    assert second.body(voip) is body
    assert third.listing().etag != listing.etag
    assert third.body(voip) != body


async def test_app_store_apps_decides_once_for_all_who_ask_at_the_same_time(
    system: System, store: Datastore, decided: list[str]
) -> None:
    apps = AppStore(store)
    sub = await system.account("Sub", below=system.master)
    change = {"_id": "apps_store", "apps": {system.apps["voip"]: permission("all")}}
    for _ in range(2):
        await store.update(sub.database, "apps_store", lambda _: change)
        decided.clear()
        asking = [asyncio.ensure_future(apps.apps(sub.id)) for _ in range(5)]
        await asyncio.sleep(0)
        # The others get theirs, though the first one is gone.
        asking[0].cancel()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert len(set(map(id, found[1:]))) == 1
        assert isinstance(found[1], AccountApps)
        assert decided == [sub.id]


async def test_app_store_apps_does_not_join_a_decision_that_began_before_a_write(
    system: System, store: Datastore
) -> None:
    apps = AppStore(store)
    sub = await system.account("Sub", below=system.master)
    asking = asyncio.ensure_future(apps.apps(sub.id))
    await asyncio.sleep(0)
    await store.update(
        sub.database, "apps_store", lambda _: {"_id": "apps_store", "apps": {system.apps["voip"]: permission("all")}}
    )
    app = (await apps.apps(sub.id)).find(system.apps["voip"])
    assert app is not None
    assert app.permission is not None
    await asking


async def test_app_store_apps_raises_for_all_who_ask_while_couchdb_is_unreachable() -> None:
    async with Datastore(Couch("http://127.0.0.1:9"), feeds=False) as store:
        apps = AppStore(store)
        asking = [asyncio.ensure_future(apps.apps("a" * 32)) for _ in range(3)]
        await asyncio.sleep(0)
        asking[0].cancel()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert [isinstance(each, DatastoreError) for each in found] == [False, True, True]


async def test_app_store_apps_drops_the_least_recently_used_account(
    system: System, store: Datastore, decided: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_apps, "MAX_ACCOUNTS", 2)
    apps = AppStore(store)
    one, two, three = [(await system.account("Sub", below=system.master)).id for _ in range(3)]
    for account_id in (one, two, three, two, three, one, three, two):
        await apps.apps(account_id)
    # With the first one again the second is dropped, which was asked for before the third.
    assert decided == [one, two, three, one, two]


async def test_account_apps_listing_is_not_kept_where_it_is_too_long(
    system: System, store: Datastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = (await AppStore(store).apps(system.master.id)).listing()
    for limit, kept in ((listing.size - 1, False), (listing.size, True)):
        monkeypatch.setattr(account_apps, "MAX_BYTES", limit)
        decided = await AppStore(store).apps(system.master.id)
        assert (decided.listing() is decided.listing()) is kept
        assert decided.listing().etag == listing.etag


def test_serialized_takes_the_memory_that_its_size_says() -> None:
    tracemalloc.start()
    kept = [Serialized.of({"id": f"{number:032x}", "label": "An app"}) for number in range(1_000)]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken <= sum(each.size for each in kept)
