"""Going through many accounts: which ones, in which order, how many at a time, and with how much memory."""

import asyncio
import tracemalloc
from contextlib import aclosing

import pytest

from crossbar_appstore.appstore.permissions import is_installed
from crossbar_appstore.cli.options import TIMEOUTS
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.embedded import EmbeddedCouchDB
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.maintenance.accounts import create_account
from crossbar_appstore.maintenance.installing import Outcome, PermissionChanges, bounded, grant
from crossbar_appstore.maintenance.installs import Count, count_installs, list_installs
from crossbar_appstore.maintenance.lookup import AmbiguousName, MasterCatalogue, UnknownAccount
from crossbar_appstore.maintenance.many_accounts import AccountName, in_order, select_accounts
from tests.maintenance.conftest import MASTER
from tests.maintenance.many import add_accounts
from tests.maintenance.test_editing import save_app

MOST_BYTES = 8_000_000
"""Allocated while a command goes through the accounts, however many they are."""


async def test_select_accounts_named_below_or_all(system: MasterCatalogue) -> None:
    couch, master = system.couch, AccountName(system.account_id, MASTER.name)
    (reseller,) = await add_accounts(couch, 1, [master.id], "reseller")
    below = await add_accounts(couch, 3, [master.id, reseller.id])
    await add_accounts(couch, 1, [master.id], "Gone", pvt_deleted=True)
    assert await select_accounts(couch, every=True) == [master, reseller, *below]
    assert await select_accounts(couch, below=reseller.name) == below
    assert await select_accounts(couch, below=below[0].id) == []
    named = [below[1].name, MASTER.realm, below[1].id]
    assert await select_accounts(couch, named=named) == [master, below[1]]


async def test_select_accounts_refuses_unknown_and_deleted_accounts(system: MasterCatalogue) -> None:
    (gone,) = await add_accounts(system.couch, 1, [system.account_id], pvt_deleted=True)
    for wanted in ("nobody", gone.id):
        with pytest.raises(UnknownAccount, match=wanted):
            await select_accounts(system.couch, named=[wanted])
        with pytest.raises(UnknownAccount, match=wanted):
            await select_accounts(system.couch, below=wanted)


async def test_select_accounts_refuses_name_of_several_accounts(system: MasterCatalogue) -> None:
    # KAZOO compares the letters and digits of names, and can be told that they need not be unique.
    twins = [await add_accounts(system.couch, 1, [system.account_id], name) for name in ("Twin A", "Twin-A")]
    for wanted in ("Twin A 00000", "twina00000"):
        with pytest.raises(AmbiguousName, match="2 accounts are called") as caught:
            await select_accounts(system.couch, named=[wanted])
        assert all(twin.id in str(caught.value) for (twin,) in twins)
    assert await select_accounts(system.couch, named=[twins[0][0].id]) == twins[0]


async def test_select_accounts_reads_page_by_page(system: MasterCatalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossbar_appstore.maintenance.many_accounts._PAGE", 2)
    added = await add_accounts(system.couch, 5, [system.account_id])
    assert await select_accounts(system.couch, below=system.account_id) == added


async def test_in_order_yields_in_order_and_bounds_concurrency() -> None:
    running = most = 0

    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02 if number % 3 else 0)
        running -= 1
        return number

    assert [each async for each in in_order(range(20), work, 4)] == list(range(20))
    assert most == 4


async def test_in_order_completes_what_has_begun_after_error_or_cancellation() -> None:
    begun: list[int] = []
    completed: list[int] = []

    async def work(number: int) -> int:
        begun.append(number)
        await asyncio.sleep(0.05)
        completed.append(number)
        if number == 3:
            raise ValueError(number)
        return number

    async def collect(items: range) -> list[int]:
        async with aclosing(in_order(items, work, 4)) as results:
            return [each async for each in results]

    with pytest.raises(ValueError, match="3"):
        await collect(range(100))
    assert begun == completed
    assert len(begun) < 10
    begun.clear()
    completed.clear()
    task = asyncio.create_task(collect(range(10, 100)))
    await asyncio.sleep(0.12)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert begun == completed
    assert 4 <= len(begun) < 30


@pytest.fixture
def number_of_accounts(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--accounts"))


@pytest.mark.timeout(7200)
async def test_install_in_many_accounts_is_bounded_in_memory_and_repeatable(
    embedded_couchdb_in_memory: EmbeddedCouchDB, number_of_accounts: int
) -> None:
    # As patient as the command line: a server with so many databases is slow.
    async with Couch(embedded_couchdb_in_memory.url, timeouts=TIMEOUTS) as couch:
        await create_account(couch, MASTER)
        catalogue = await MasterCatalogue.of(couch)
        app_id = (await save_app(catalogue))["_id"]
        await add_accounts(couch, number_of_accounts, [catalogue.account_id])
        accounts = await select_accounts(couch, below=catalogue.account_id)
        assert len(accounts) == number_of_accounts
        # Half of them before the measurement: caches and connections are filled then.
        half = number_of_accounts // 2
        assert await install(couch, app_id, accounts[:half]) == half
        assert await install_measured(couch, app_id, accounts) == number_of_accounts - half
        async with Couch(embedded_couchdb_in_memory.url, timeouts=TIMEOUTS) as again:
            everywhere = await select_accounts(again, every=True)
            steps: list[None] = []
            counted = await count_installs(again, app_id, everywhere, lambda: steps.append(None))
            assert counted == Count(number_of_accounts, len(everywhere))
            assert len(steps) == len(everywhere) == number_of_accounts + 1
        for account in (accounts[0], accounts[-1]):
            async with Couch(embedded_couchdb_in_memory.url, timeouts=TIMEOUTS) as again:
                assert is_installed(await again.open_doc(account_db(account.id), "apps_store"), app_id)


async def install_measured(couch: Couch, app_id: str, accounts: list[AccountName]) -> int:
    """Install in all accounts and list the installs, in bounded memory; returns how many had not had the app."""
    couch.open()
    tracemalloc.start()
    try:
        done = await install(couch, app_id, accounts)
        _, most = tracemalloc.get_traced_memory()
        assert most < MOST_BYTES
        tracemalloc.reset_peak()
        couch.open()
        listed = 0
        async with aclosing(list_installs(couch, accounts, {app_id: "wallboard"})) as found:
            async for one in found:
                listed += len(one.apps)
        assert listed == len(accounts)
        _, most = tracemalloc.get_traced_memory()
        assert most < MOST_BYTES
    finally:
        tracemalloc.stop()
    return done


async def install(couch: Couch, app_id: str, accounts: list[AccountName]) -> int:
    """Install in accounts as the verb does; returns how many had not had the app."""
    installed = 0
    async with bounded(couch) as store:
        changes, data = PermissionChanges(store), grant("all")

        async def work(account: AccountName) -> Outcome:
            return (await changes.install(account, app_id, data, update=False)).outcome

        async with aclosing(in_order(accounts, work)) as outcomes:
            async for outcome in outcomes:
                assert outcome in (Outcome.INSTALLED, Outcome.UNCHANGED)
                installed += outcome is Outcome.INSTALLED
    return installed
