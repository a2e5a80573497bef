"""The catalogue against a real server: complete, current, and unharmed by malformed apps."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from crossbar_appstore.datastore import catalogue as catalogue_module
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatabaseMissing, Unreachable
from crossbar_appstore.datastore.freshness import WriteCounters
from crossbar_appstore.datastore.snapshot import Snapshot
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.datastore.views import ensure
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import encoded_account_db, format_account_id

from . import fault_proxy as broken
from .conftest import QUICK, NewDatabase, become_master, eventually, within_the_promise
from .fault_proxy import FaultProxy, Status


def app(doc_id: str, name: object, **fields: object) -> JsonObject:
    return {"_id": doc_id, "pvt_type": "app", "name": name, **fields}


def names(snapshot: Snapshot) -> list[object]:
    return [each.get("name") for each in snapshot.apps]


@pytest.fixture
async def store(couchdb_url: str, master: str) -> AsyncIterator[Datastore]:
    """Without feeds: everything is found by asking."""
    async with Datastore(Couch(couchdb_url), feeds=False) as datastore:
        yield datastore


async def test_catalogue_snapshot_has_the_views_apps_in_its_order(couch: Couch, master: str, store: Datastore) -> None:
    others: list[JsonObject] = [{"_id": "u", "pvt_type": "user"}, app("d", "deleted", pvt_deleted=True)]
    await couch.save_docs(master, [app("1", "voip"), app("2", "accounts"), app("3", None), app("4", 7), *others])
    snapshot = await store.catalogue.snapshot()
    assert names(snapshot) == [row.key for row in await couch.view(master, "apps_store/crossbar_listing")]
    assert names(snapshot) == [None, 7, "accounts", "voip"]
    assert set(snapshot.by_id) == {"1", "2", "3", "4"}
    assert snapshot.by_name["voip"] is snapshot.by_id["1"]
    assert not snapshot.stale
    assert store.catalogue.peek() is snapshot


async def test_catalogue_snapshot_corrects_the_owner_and_writes_nothing(
    couch: Couch, master: str, store: Datastore
) -> None:
    saved = await couch.save_doc(master, app("1", "voip", pvt_account_id="wrong"))
    snapshot = await store.catalogue.snapshot()
    account_id = format_account_id(master)
    assert snapshot.master_account_id == account_id
    assert snapshot.by_id["1"]["pvt_account_id"] == account_id
    assert snapshot.by_id["1"]["pvt_account_db"] == encoded_account_db(account_id)
    assert await couch.open_doc(master, "1") == saved


async def test_catalogue_snapshot_is_loaded_once_for_a_thousand_requests(
    couch: Couch, master: str, store: Datastore
) -> None:
    await couch.save_doc(master, app("1", "voip"))
    snapshots = await asyncio.gather(*(store.catalogue.snapshot() for _ in range(1000)))
    assert store.statistics.catalogue_loads == 1
    assert all(snapshot is snapshots[0] for snapshot in snapshots)


async def test_catalogue_snapshot_shows_own_writes_at_once(master: str, store: Datastore) -> None:
    catalogue = store.catalogue
    assert names(await catalogue.snapshot()) == []
    first = await store.create(master, app("1", "b"))
    assert names(await catalogue.snapshot()) == ["b"]
    await store.couch.save_docs(master, [app("2", "a"), app("3", "c")])
    assert names(await catalogue.snapshot()) == ["a", "b", "c"]
    await store.update(master, "1", lambda doc: {**(doc or {}), "name": "z"})
    assert names(await catalogue.snapshot()) == ["a", "c", "z"]
    await store.update(master, "3", lambda doc: {**(doc or {}), "published": True})
    assert (await catalogue.snapshot()).by_id["3"]["published"] is True
    await store.update(master, "3", lambda doc: {**(doc or {}), "pvt_deleted": True})
    await store.remove(master, "2")
    assert names(await catalogue.snapshot()) == ["z"]
    assert first["_rev"] != (await catalogue.snapshot()).by_id["1"]["_rev"]
    assert store.statistics.catalogue_loads == 1


async def test_catalogue_snapshot_shows_own_writes_at_once_in_every_worker(
    couchdb_url: str, master: str, counters: WriteCounters
) -> None:
    async with (
        Datastore(Couch(couchdb_url), counters=counters, feeds=False) as one,
        Datastore(Couch(couchdb_url), counters=counters, feeds=False) as two,
    ):
        assert names(await one.catalogue.snapshot()) == names(await two.catalogue.snapshot()) == []
        for number in range(5):
            await one.create(master, app(f"{number}", f"app {number}"))
            assert len((await two.catalogue.snapshot()).apps) == number + 1
            assert len((await one.catalogue.snapshot()).apps) == number + 1


async def test_catalogue_snapshot_after_a_change_reads_only_what_changed(
    couch: Couch, couchdb_url: str, proxy: FaultProxy, master: str
) -> None:
    await couch.save_docs(master, [app(f"{n:03}", f"app {n:03}") for n in range(300)])
    async with Datastore(Couch(proxy.url), feeds=False) as store:
        before = await store.catalogue.snapshot()
        proxy.requests.clear()
        await store.update(master, "007", lambda doc: {**(doc or {}), "phase": "gold"})
        after = await store.catalogue.snapshot()
        assert after.generation == before.generation + 1
        assert [old is new for old, new in zip(before.apps, after.apps, strict=True)].count(False) == 1
        assert proxy.count(path="_view") == 0
        assert proxy.count("POST", "_all_docs") == 1


async def test_catalogue_snapshot_stays_the_same_after_a_write_of_something_else(
    couch: Couch, master: str, store: Datastore
) -> None:
    await couch.save_doc(master, app("1", "voip"))
    before = await store.catalogue.snapshot()
    await store.create(master, {"_id": "u", "pvt_type": "user"})
    assert store.catalogue.peek() is before
    await store.remove(master, "u")
    assert store.catalogue.peek() is before
    again = await store.create(master, {"_id": "u", "pvt_type": "user"})
    await store.couch.delete_doc(master, "u", again["_rev"])  # nobody says what it was
    assert store.catalogue.peek() is None
    assert await store.catalogue.snapshot() is before


async def test_catalogue_peek_ignores_writes_in_other_databases(
    couch: Couch, master: str, store: Datastore, new_database: NewDatabase
) -> None:
    await store.catalogue.snapshot()
    other = await new_database()
    await store.create(other, app("1", "vendor's"))
    assert store.catalogue.peek() is not None


async def test_catalogue_snapshot_skips_logs_and_counts_malformed_apps(
    couch: Couch, couchdb_url: str, master: str, caplog: pytest.LogCaptureFixture
) -> None:
    def check(document: JsonObject) -> str | None:
        return None if isinstance(document.get("i18n", {}), dict) else "i18n is no object"

    await couch.save_docs(master, [app("1", "a"), app("2", "b", i18n="broken"), app("3", "c")])
    async with Datastore(Couch(couchdb_url), feeds=False, check=check) as store:
        assert names(await store.catalogue.snapshot()) == ["a", "c"]
        assert store.statistics.skipped_apps == 1
        await store.update(master, "3", lambda doc: {**(doc or {}), "i18n": 7})
        assert names(await store.catalogue.snapshot()) == ["a"]
        await store.update(master, "2", lambda doc: {**(doc or {}), "i18n": {}})
        assert names(await store.catalogue.snapshot()) == ["a", "b"]
    skipped = [record for record in caplog.records if record.message == "app skipped"]
    assert {(record.__dict__["app_id"], record.__dict__["fault"]) for record in skipped} == {
        ("2", "i18n is no object"),
        ("3", "i18n is no object"),
    }


async def test_catalogue_snapshot_without_the_view_searches_for_apps(
    couch: Couch, couchdb_url: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    become_master(database, monkeypatch)
    await couch.save_docs(database, [app("1", "voip"), app("2", "Accounts"), app("3", "x", pvt_deleted=True)])
    async with Datastore(Couch(couchdb_url), feeds=False) as store:
        assert names(await store.catalogue.snapshot()) == ["Accounts", "voip"]
        await store.create(database, app("4", "callflows"))
        assert names(await store.catalogue.snapshot()) == ["Accounts", "callflows", "voip"]
        assert await ensure(store.couch, database, ["apps_store"]) == ["apps_store"]
        # The design document came: the view is asked from now on.
        loads = store.statistics.catalogue_loads
        assert len((await store.catalogue.snapshot()).apps) == 3
        assert store.statistics.catalogue_loads == loads + 1


async def test_catalogue_snapshot_after_very_many_changes_is_loaded_whole(
    couch: Couch, master: str, store: Datastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue_module, "_MAX_CHANGES", 3)
    await store.catalogue.snapshot()
    await store.couch.save_docs(master, [app(str(n), f"{n}") for n in range(5)])
    assert len((await store.catalogue.snapshot()).apps) == 5
    assert store.statistics.catalogue_loads == 2


async def test_catalogue_snapshot_is_loaded_whole_after_its_maximum_age(
    couch: Couch, master: str, store: Datastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await couch.save_doc(master, app("1", "voip"))
    before = await store.catalogue.snapshot()
    monkeypatch.setattr(catalogue_module, "RELOAD_SECONDS", -1.0)
    monkeypatch.setattr(store.catalogue._freshness, "_unwatched", -1.0)
    assert await store.catalogue.snapshot() is before
    assert store.statistics.catalogue_loads == 2


async def test_catalogue_snapshot_follows_another_master_account(
    couch: Couch, couchdb_url: str, master: str, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    await couch.save_doc(master, app("1", "old"))
    other = await new_database()
    await couch.save_doc(other, app("1", "new"))
    async with Datastore(Couch(couchdb_url)) as store:
        assert names(await store.catalogue.snapshot()) == ["old"]
        become_master(other, monkeypatch)
        await store.couch.save_doc(master, app("2", "still old"))

        async def is_new() -> bool:
            return names(await store.catalogue.snapshot()) == ["new"]

        await eventually(is_new)
        await couch.save_doc(other, app("2", "newer"))

        async def is_followed() -> bool:
            return names(await store.catalogue.snapshot()) == ["new", "newer"]

        await within_the_promise(is_followed)

        async def is_connected() -> bool:
            catalogue = store.catalogue
            return catalogue._followed == other and catalogue._freshness.trusted and catalogue.feed.is_healthy()

        # Its feed is followed, not only its age watched.
        await eventually(is_connected)


@pytest.mark.parametrize("feeds", [True, False])
async def test_catalogue_snapshot_shows_writes_of_others_in_time(
    couch: Couch, couchdb_url: str, master: str, feeds: bool
) -> None:
    async with Datastore(Couch(couchdb_url), feeds=feeds) as store:
        await store.catalogue.snapshot()
        for number in range(3):
            await couch.save_doc(master, app(str(number), f"app {number}"))

            async def is_seen(count: int = number + 1) -> bool:
                return len((await store.catalogue.snapshot()).apps) == count

            await within_the_promise(is_seen)


async def test_catalogue_snapshot_shows_writes_of_others_in_time_though_the_feed_is_half_open(
    couch: Couch, proxy: FaultProxy, master: str
) -> None:
    async with Datastore(Couch(proxy.url)) as store:

        async def is_followed() -> bool:
            await store.catalogue.snapshot()
            return store.catalogue.feed.is_healthy()

        await eventually(is_followed)
        proxy.fail(broken.Fault.HALF_OPEN, path="_changes?feed=continuous")
        await couch.save_doc(master, app("1", "voip"))

        async def is_seen() -> bool:
            return names(await store.catalogue.snapshot()) == ["voip"]

        await within_the_promise(is_seen)


async def test_catalogue_snapshot_is_stale_while_couchdb_is_unavailable(
    couch: Couch, proxy: FaultProxy, master: str
) -> None:
    await couch.save_doc(master, app("1", "voip"))
    async with Datastore(Couch(proxy.url, timeouts=QUICK)) as store:
        before = await store.catalogue.snapshot()
        await proxy.refuse()

        async def is_stale() -> bool:
            return (await store.catalogue.snapshot()).stale

        await eventually(is_stale)
        stale = await store.catalogue.snapshot()
        assert (stale.apps, stale.generation) == (before.apps, before.generation)
        assert stale.stale
        await couch.save_doc(master, app("2", "x"))
        await proxy.accept()

        async def is_back() -> bool:
            snapshot = await store.catalogue.snapshot()
            return len(snapshot.apps) == 2 and not snapshot.stale

        await eventually(is_back)


async def test_catalogue_count_write_before_the_first_load_tells_other_workers(
    couchdb_url: str, master: str, counters: WriteCounters
) -> None:
    async with (
        Datastore(Couch(couchdb_url), counters=counters, feeds=False) as one,
        Datastore(Couch(couchdb_url), counters=counters, feeds=False) as two,
    ):
        await two.catalogue.snapshot()
        await one.create(master, {"_id": "u", "pvt_type": "user"})
        assert two.catalogue.peek() is not None
        await one.create(master, app("1", "voip"))
        assert two.catalogue.peek() is None
        assert names(await two.catalogue.snapshot()) == ["voip"]


async def test_catalogue_snapshot_drops_an_app_of_another_type(couch: Couch, master: str, store: Datastore) -> None:
    await couch.save_doc(master, app("1", "voip"))
    await store.catalogue.snapshot()
    await store.update(master, "1", lambda doc: {"pvt_type": "former app"})
    assert names(await store.catalogue.snapshot()) == []


async def test_catalogue_snapshot_that_was_never_loaded_is_an_error(proxy: FaultProxy, master: str) -> None:
    await proxy.refuse()
    async with Datastore(Couch(proxy.url, timeouts=QUICK), feeds=False) as store:
        with pytest.raises(Unreachable):
            await store.catalogue.snapshot()
        await proxy.accept()
        assert names(await store.catalogue.snapshot()) == []


async def test_catalogue_snapshot_of_a_missing_database_is_an_error(
    couchdb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    become_master("account/no/no/nononononononononononononono", monkeypatch)
    async with Datastore(Couch(couchdb_url)) as store:
        with pytest.raises(DatabaseMissing):
            await store.catalogue.snapshot()


async def test_catalogue_snapshot_after_a_failed_catch_up_is_stale_and_complete(
    couch: Couch, proxy: FaultProxy, master: str
) -> None:
    await couch.save_doc(master, app("1", "voip"))
    async with Datastore(Couch(proxy.url, timeouts=QUICK), feeds=False) as store:
        await store.catalogue.snapshot()
        proxy.fail(Status(500, "broken"), path="_changes")
        await store.create(master, app("2", "x"))
        stale = await store.catalogue.snapshot()
        assert (names(stale), stale.stale) == (["voip"], True)
        proxy.heal()

        async def is_complete() -> bool:
            snapshot = await store.catalogue.snapshot()
            return names(snapshot) == ["voip", "x"] and not snapshot.stale

        await within_the_promise(is_complete)


async def test_catalogue_snapshot_is_loaded_whole_where_couchdb_does_not_tell_what_changed(
    couch: Couch, proxy: FaultProxy, master: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue_module, "CATCH_UP_SECONDS", 0.2)
    await couch.save_doc(master, app("1", "voip"))
    async with Datastore(Couch(proxy.url), feeds=False) as store:
        assert names(await store.catalogue.snapshot()) == ["voip"]
        # As a cluster does while the node hangs whose shards the sequence names.
        proxy.fail(broken.Fault.STALL, path="_changes")
        await store.create(master, app("2", "second"))
        snapshot = await store.catalogue.snapshot()
        assert (names(snapshot), snapshot.stale) == (["second", "voip"], False)
        assert store.statistics.catalogue_loads == 2
