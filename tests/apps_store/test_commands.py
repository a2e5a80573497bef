"""The commands for many accounts store what the endpoint stores, and refuse what it refuses."""

from typing import Any

import pytest

from crossbar_appstore.datastore.errors import DocumentMissing
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import SAVE_STAMPS
from crossbar_appstore.maintenance.installing import (
    AccountChange,
    ChangeRefused,
    Outcome,
    PermissionChanges,
    find_app_id,
    grant,
)
from crossbar_appstore.maintenance.lookup import UnknownApp
from crossbar_appstore.maintenance.many_accounts import AccountName
from tests.kit.accounts import Account
from tests.kit.apps import permission
from tests.kit.service import Service
from tests.kit.system import System

FOR_ALL = {"allowed_users": "all", "users": [], "name": "voip"}


class Twins:
    """Two accounts with the same documents: the endpoint changes one, commands the other."""

    def __init__(self, system: System, service: Service, store: Datastore, accounts: tuple[Account, Account]) -> None:
        self.system, self.service = system, service
        self.asked, self.commanded = accounts
        self.changes = PermissionChanges(store)
        self.name = AccountName(self.commanded.id, self.commanded.name)

    async def store(self, **fields: Any) -> None:
        for account in (self.asked, self.commanded):
            await self.system.store(account, **fields)

    async def installed(self, app_id: str, *, status: int = 201) -> AccountChange:
        """Install with both."""
        answer = await self.service.put(f"{self.asked.path}/{app_id}", self.asked, {"allowed_users": "all"})
        assert answer.status == status
        return await self.changes.install(self.name, app_id, grant("all"), update=False)

    async def uninstalled(self, app_id: str, *, status: int = 200) -> AccountChange:
        answer = await self.service.delete(f"{self.asked.path}/{app_id}", self.asked)
        assert answer.status == status
        return await self.changes.uninstall(self.name, app_id)

    async def documents(self) -> list[JsonObject | None]:
        """What is stored in both, without what differs between accounts and saves."""
        return [await self._document(account) for account in (self.asked, self.commanded)]

    async def _document(self, account: Account) -> JsonObject | None:
        try:
            stored = await self.system.stored(account)
        except DocumentMissing:
            return None
        own = {"_rev", "pvt_account_id", "pvt_account_db"} | SAVE_STAMPS
        return {key: value for key, value in stored.items() if key not in own}


@pytest.fixture
async def twins(system: System, service: Service) -> Twins:
    accounts = [await system.account(name, below=system.master) for name in ("Asked", "Commanded")]
    # Not entered: leaving it would close the connections of the system.
    return Twins(system, service, Datastore(system.couch, feeds=False), (accounts[0], accounts[1]))


@pytest.mark.parametrize(
    "stored",
    [
        None,
        {"apps": {"other": permission()}, "blacklist": ["other"]},
        {"apps": {"other": permission()}, "pvt_deleted": True},
        {"apps": ["x"], "blacklist": "x", "own": 1},
    ],
)
@pytest.mark.parametrize("app", ["voip", "hidden"])
async def test_install_and_uninstall_store_what_the_endpoint_stores(
    twins: Twins, stored: JsonObject | None, app: str
) -> None:
    if stored is not None:
        await twins.store(**stored)
    app_id = twins.system.apps[app]
    change = await twins.installed(app_id)
    assert (change.outcome, change.reason) == (Outcome.INSTALLED, None)
    asked, commanded = await twins.documents()
    assert asked == commanded
    assert asked is not None
    assert asked["apps"][app_id] == FOR_ALL | {"name": app}
    saved = await twins.system.stored(twins.commanded)
    assert (saved["_rev"], saved["pvt_request_id"]) == (change.revision, twins.changes.request_id)
    assert saved["pvt_account_id"] == twins.commanded.id
    assert saved["pvt_is_authenticated"] is False
    assert (await twins.installed(app_id, status=400)).outcome is Outcome.UNCHANGED
    assert (await twins.uninstalled(app_id)).outcome is Outcome.UNINSTALLED
    asked, commanded = await twins.documents()
    assert asked == commanded
    assert (await twins.uninstalled(app_id, status=400)).outcome is Outcome.UNCHANGED


async def test_install_moves_older_permissions_from_the_account_document(twins: Twins) -> None:
    numbers, voip = twins.system.apps["numbers"], twins.system.apps["voip"]
    for account in (twins.asked, twins.commanded):
        await twins.system.change(account, apps={numbers: permission()})
    assert (await twins.installed(numbers, status=400)).outcome is Outcome.UNCHANGED
    assert (await twins.installed(voip)).outcome is Outcome.INSTALLED
    asked, commanded = await twins.documents()
    assert asked == commanded
    assert asked is not None
    assert set(asked["apps"]) == {numbers, voip}


async def test_install_refuses_app_that_the_account_cannot_have(twins: Twins) -> None:
    vendor = await twins.system.account("Vendor", below=twins.system.master)
    app_id = await twins.system.app("vendors", vendor)
    change = await twins.installed(app_id, status=403)
    assert change.outcome is Outcome.REFUSED
    assert "service plan" in (change.reason or "")
    assert await twins.documents() == [None, None]


async def test_install_of_app_that_a_service_plan_adds(twins: Twins) -> None:
    vendor = await twins.system.account("Vendor", below=twins.system.master)
    app_id = await twins.system.app("vendors", vendor)
    plan = await twins.system.plan(vendor, {app_id: {"enabled": True, "vendor_id": vendor.id}})
    for account in (twins.asked, twins.commanded):
        await twins.system.plans(account, plan)
    assert (await twins.installed(app_id)).outcome is Outcome.INSTALLED
    asked, commanded = await twins.documents()
    assert asked == commanded
    hidden = await twins.changes.edit_blacklist(twins.name, ["vendors"], lambda _, ids: ids)
    assert hidden.after == (app_id,)


async def test_uninstall_refuses_app_that_is_gone_from_the_catalogue(twins: Twins) -> None:
    gone = "0" * 32
    await twins.store(apps={gone: permission()})
    assert (await twins.uninstalled(gone, status=403)).outcome is Outcome.REFUSED
    asked, commanded = await twins.documents()
    assert asked == commanded
    assert asked is not None
    assert gone in asked["apps"]


async def test_install_update_changes_users_and_keeps_other_fields(twins: Twins) -> None:
    voip, user = twins.system.apps["voip"], twins.commanded.user.id
    await twins.store(apps={voip: permission("specific", user, ui_metadata={"x": 1}, api_url="https://x", name="old")})
    listed = grant("specific", [user])
    kept = await twins.changes.install(twins.name, voip, listed, update=True)
    assert (kept.outcome, kept.reason) == (Outcome.UNCHANGED, "it is installed already")
    others = await twins.changes.install(twins.name, voip, grant("admins"), update=False)
    assert (others.outcome, others.reason) == (Outcome.UNCHANGED, "it is installed already, for others")
    updated = await twins.changes.install(twins.name, voip, grant("admins"), update=True)
    assert updated.outcome is Outcome.UPDATED
    stored = (await twins.system.stored(twins.commanded))["apps"][voip]
    assert stored == {"allowed_users": "admins", "users": [], "ui_metadata": {"x": 1}, "name": "voip"}


async def test_install_keeps_what_another_writer_stores_meanwhile(twins: Twins) -> None:
    voip, numbers = twins.system.apps["voip"], twins.system.apps["numbers"]
    await twins.store(apps={numbers: permission()})
    # The command has the document cached when another writer changes it.
    assert (await twins.changes.install(twins.name, numbers, grant("all"), update=False)).outcome is Outcome.UNCHANGED
    stored = await twins.system.stored(twins.commanded)
    await twins.system.couch.save_doc(twins.commanded.database, stored | {"other": "writer"})
    assert (await twins.changes.install(twins.name, voip, grant("all"), update=False)).outcome is Outcome.INSTALLED
    stored = await twins.system.stored(twins.commanded)
    assert (stored["other"], set(stored["apps"])) == ("writer", {voip, numbers})


async def test_install_of_account_without_database_fails_alone(twins: Twins) -> None:
    await twins.system.couch.delete_database(twins.commanded.database)
    change = await twins.changes.install(twins.name, twins.system.apps["voip"], grant("all"), update=False)
    assert change.outcome is Outcome.FAILED
    assert "missing" in (change.reason or "")


async def test_install_dry_run_writes_nothing(twins: Twins) -> None:
    changes = PermissionChanges(Datastore(twins.system.couch, feeds=False), dry_run=True)
    change = await changes.install(twins.name, twins.system.apps["voip"], grant("all"), update=False)
    assert (change.outcome, change.revision) == (Outcome.INSTALLED, None)
    assert await twins.documents() == [None, None]


@pytest.mark.parametrize("stored", [None, {"apps": {"x": permission()}}, {"blacklist": [7, "old", "old"]}])
async def test_blacklist_set_stores_what_the_endpoint_stores(twins: Twins, stored: JsonObject | None) -> None:
    if stored is not None:
        await twins.store(**stored)
    voip, port = twins.system.apps["voip"], twins.system.apps["port"]
    answer = await twins.service.post(f"{twins.asked.path}/blacklist", twins.system.master, {"blacklist": [voip, port]})
    assert answer.status == 200
    change = await twins.changes.edit_blacklist(twins.name, ["voip", port], lambda _, ids: ids)
    assert change.after == (voip, port)
    asked, commanded = await twins.documents()
    assert asked == commanded
    again = await twins.changes.edit_blacklist(twins.name, ["port"], lambda old, ids: [*old[:1], *ids])
    assert (again.before, again.after, again.revision) == ((voip, port), (voip, port), None)


async def test_blacklist_names_apps_of_the_account_or_what_is_listed(twins: Twins) -> None:
    await twins.store(blacklist=["gone"])

    async def removed(*names: str) -> tuple[str, ...]:
        change = await twins.changes.edit_blacklist(
            twins.name, names, lambda old, ids: [each for each in old if each not in ids]
        )
        return change.after

    with pytest.raises(UnknownApp, match="nothing"):
        await removed("nothing")
    assert await removed("gone", "voip") == ()


async def test_blacklist_refuses_what_the_endpoint_refuses(twins: Twins) -> None:
    with pytest.raises(ChangeRefused, match="blacklist"):
        await twins.changes.edit_blacklist(twins.name, [], lambda *_: [str(number) for number in range(1001)])
    assert await twins.documents() == [None, None]


def test_grant_refuses_what_the_endpoint_refuses() -> None:
    with pytest.raises(ChangeRefused, match="allowed_users: enum"):
        grant("everybody")


async def test_find_app_id_takes_names_and_ids(system: System) -> None:
    voip, of_a_plan = system.apps["voip"], "f" * 32
    assert await find_app_id(system.couch, "voip") == await find_app_id(system.couch, voip) == voip
    assert await find_app_id(system.couch, of_a_plan) == of_a_plan
    with pytest.raises(UnknownApp):
        await find_app_id(system.couch, "nothing")
