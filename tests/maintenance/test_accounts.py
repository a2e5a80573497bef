import dataclasses
from pathlib import Path

import pytest

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import Fault
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.maintenance.accounts import AccountRefused, NewAccount, create_account, demonstrate
from crossbar_appstore.maintenance.app_plan import Action
from crossbar_appstore.maintenance.app_source import SAMPLES
from crossbar_appstore.maintenance.lookup import MasterCatalogue, master_account_id
from crossbar_appstore.maintenance.system import BesideKazoo, prepare_system
from tests.maintenance.conftest import MASTER
from tests.maintenance.folders import make_app
from tests.maintenance.systems import accounts_of

SUB = NewAccount("Sub Ltd", "sub.example.com", "Admin", "sub-password")


async def test_create_account_makes_first_account_the_master_account(empty_system: Couch) -> None:
    created = await create_account(empty_system, MASTER)
    assert created.is_master
    assert await master_account_id(empty_system) == created.account_id
    account = await empty_system.open_doc(account_db(created.account_id), created.account_id)
    assert (account["name"], account["realm"]) == (MASTER.name, MASTER.realm)
    assert account["pvt_superduper_admin"] is True
    copy = await empty_system.open_doc("accounts", created.account_id)
    assert without_revision(copy) == without_revision(account)
    services = await empty_system.open_doc("services", created.account_id)
    assert services["pvt_reseller"] is True
    apps_store = await empty_system.open_doc(account_db(created.account_id), "apps_store")
    assert "pvt_type" not in apps_store
    config = await empty_system.open_doc("system_config", "accounts")
    assert config["default"]["master_account_id"] == created.account_id


def without_revision(document: JsonObject) -> JsonObject:
    return {key: value for key, value in document.items() if key != "_rev"}


async def test_create_account_stores_administrator_findable_by_credential_hashes(empty_system: Couch) -> None:
    created = await create_account(empty_system, SUB)
    md5, sha = password_hashes("admin", "sub-password")
    for view, key in (("users/creds_by_md5", md5), ("users/creds_by_sha", sha)):
        (row,) = await empty_system.view(account_db(created.account_id), view, key=key)
        assert row.id == created.user_id
    user = await empty_system.open_doc(account_db(created.account_id), created.user_id)
    assert (user["username"], user["priv_level"], user["enabled"]) == ("admin", "admin", True)
    assert "sub-password" not in repr(user)


async def test_create_account_makes_later_accounts_children_of_master(system: MasterCatalogue) -> None:
    created = await create_account(system.couch, SUB)
    assert not created.is_master
    account = await system.couch.open_doc("accounts", created.account_id)
    assert account["pvt_tree"] == [system.account_id]
    assert account["pvt_reseller_id"] == system.account_id
    assert account["pvt_superduper_admin"] is False
    assert await master_account_id(system.couch) == system.account_id


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "!!!"}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"realm": "no-dots"}, "realm"),
        ({"realm": "a b.example.com"}, "realm"),
        ({"realm": f"{'x' * 260}.com"}, "realm"),
        ({"username": " "}, "username"),
        ({"username": "a:b"}, "username"),
        ({"password": "12345"}, "password"),
    ],
)
async def test_create_account_refuses_invalid_input(empty_system: Couch, changed: dict[str, str], field: str) -> None:
    with pytest.raises(AccountRefused) as caught:
        await create_account(empty_system, dataclasses.replace(MASTER, **changed))
    assert caught.value.field == field
    assert not await empty_system.database_exists("accounts")
    assert "12345" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "field"), [({"name": "SUB ltd."}, "name"), ({"realm": "SUB.example.com"}, "realm")]
)
async def test_create_account_refuses_taken_name_or_realm(
    system: MasterCatalogue, changed: dict[str, str], field: str
) -> None:
    await create_account(system.couch, SUB)
    other = NewAccount("Other", "other.example.com", "admin", "password")
    with pytest.raises(AccountRefused) as caught:
        await create_account(system.couch, dataclasses.replace(other, **changed))
    assert (caught.value.field, caught.value.rule) == (field, "unique")
    assert len(await accounts_of(system.couch)) == 2


async def test_create_account_dry_run_writes_nothing(empty_system: Couch) -> None:
    assert (await create_account(empty_system, MASTER, dry_run=True)).is_master
    assert not await empty_system.database_exists("accounts")
    await create_account(empty_system, MASTER)
    assert not (await create_account(empty_system, SUB, dry_run=True)).is_master
    assert len(await accounts_of(empty_system)) == 1
    with pytest.raises(AccountRefused):
        await create_account(empty_system, MASTER, dry_run=True)


async def test_create_account_refuses_beside_kazoo(empty_system: Couch) -> None:
    await empty_system.create_database("system_data")
    with pytest.raises(BesideKazoo, match="sup crossbar_maintenance create_account"):
        await create_account(empty_system, MASTER)
    assert not await empty_system.database_exists("accounts")


async def test_prepare_system_writes_nothing_beside_kazoo(empty_system: Couch) -> None:
    await empty_system.create_database("system_data")
    prepared = await prepare_system(empty_system)
    assert not prepared.alone
    assert prepared.master_account_id is None
    assert not await empty_system.database_exists("system_auth")


async def test_prepare_system_twice_writes_nothing(system: MasterCatalogue) -> None:
    databases = ("accounts", "system_auth", "system_config", system.database)
    before = [await system.couch.update_seq(database) for database in databases]
    prepared = await prepare_system(system.couch)
    assert (prepared.alone, prepared.master_account_id) == (True, system.account_id)
    assert [await system.couch.update_seq(database) for database in databases] == before


async def test_prepare_system_installs_missing_design_documents_of_master(system: MasterCatalogue) -> None:
    design = await system.couch.open_doc(system.database, "_design/apps_store")
    await system.couch.delete_doc(system.database, "_design/apps_store", design["_rev"])
    await prepare_system(system.couch)
    assert await system.couch.view(system.database, "apps_store/crossbar_listing") == []


async def test_prepare_system_does_not_recreate_missing_account_database(system: MasterCatalogue) -> None:
    await system.couch.delete_database(system.database)
    await prepare_system(system.couch)
    assert not await system.couch.database_exists(system.database)


class WithoutUsers(Couch):
    """A CouchDB that refuses user documents."""

    async def save_doc(self, database: str, doc: JsonObject) -> JsonObject:
        if doc.get("pvt_type") == "user":
            raise Fault("no users here")
        return await super().save_doc(database, doc)


async def test_create_account_rolls_back_after_failure(empty_system: Couch) -> None:
    async with WithoutUsers(empty_system.address) as couch:
        with pytest.raises(Fault):
            await create_account(couch, MASTER)
    assert await accounts_of(empty_system) == []
    assert await master_account_id(empty_system) is None
    assert (await create_account(empty_system, MASTER)).is_master


async def test_demonstrate_creates_account_and_samples_in_new_system(empty_system: Couch) -> None:
    shown = await demonstrate(empty_system, MASTER, None)
    assert shown.is_new
    assert (shown.account_name, shown.realm) == (MASTER.name, MASTER.realm)
    assert shown.password == MASTER.password
    assert shown.load is not None
    assert shown.load.counts == {Action.CREATED: len(list(SAMPLES.iterdir()))}
    assert not shown.load.has_refusals


async def test_demonstrate_second_time_changes_nothing(empty_system: Couch) -> None:
    first = await demonstrate(empty_system, MASTER, None)
    second = await demonstrate(empty_system, MASTER, None)
    assert (second.is_new, second.load, second.account_id) == (False, None, first.account_id)
    assert second.password == MASTER.password


async def test_demonstrate_hides_password_that_does_not_match(system: MasterCatalogue) -> None:
    other = dataclasses.replace(MASTER, name="Other Ltd", realm="other.example.com", password="other-password")
    shown = await demonstrate(system.couch, other, None)
    assert shown.password is None
    assert shown.account_name == MASTER.name


async def test_demonstrate_loads_given_apps_instead_of_samples(system: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path)
    for expected in (Action.CREATED, Action.UNCHANGED):
        shown = await demonstrate(system.couch, MASTER, tmp_path)
        assert shown.load is not None
        assert shown.load.counts == {expected: 1}
    assert [document["name"] for document in await system.apps()] == ["wallboard"]
