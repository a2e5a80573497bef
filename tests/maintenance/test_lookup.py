import pytest

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import NoMasterAccount
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.maintenance.lookup import AmbiguousName, MasterCatalogue, UnknownApp, configuration, stored
from tests.maintenance.test_editing import save_app


async def test_master_catalogue_is_that_of_master_account(system: MasterCatalogue) -> None:
    assert system.database == account_db(system.account_id)
    config = await system.couch.open_doc("system_config", "accounts")
    assert config["default"]["master_account_id"] == system.account_id


async def test_master_catalogue_raises_no_master_account(empty_system: Couch) -> None:
    with pytest.raises(NoMasterAccount):
        await MasterCatalogue.of(empty_system)


async def test_master_catalogue_apps_are_sorted_by_name(catalogue: MasterCatalogue) -> None:
    for name in ("beta", "gamma", "alpha"):
        await save_app(catalogue, name=name)
    assert [document["name"] for document in await catalogue.apps()] == ["alpha", "beta", "gamma"]


@pytest.mark.parametrize("with_view", [True, False])
async def test_master_catalogue_named_with_and_without_view(catalogue: MasterCatalogue, with_view: bool) -> None:
    alpha, beta = await save_app(catalogue, name="alpha"), await save_app(catalogue, name="beta")
    await save_app(catalogue, name="gamma", pvt_deleted=True)
    if not with_view:
        design = await catalogue.couch.open_doc(catalogue.database, "_design/apps_store")
        await catalogue.couch.delete_doc(catalogue.database, "_design/apps_store", design["_rev"])
    found = await catalogue.named(["alpha", "beta", "gamma", "none", "alpha"])
    assert {name: [each["_id"] for each in apps] for name, apps in found.items()} == {
        "alpha": [alpha["_id"]],
        "beta": [beta["_id"]],
    }
    assert (await catalogue.open("beta"))["_id"] == beta["_id"]
    assert await catalogue.named([]) == {}


async def test_master_catalogue_open_by_id_or_name(catalogue: MasterCatalogue) -> None:
    saved = await save_app(catalogue)
    assert (await catalogue.open(saved["_id"]))["name"] == "wallboard"
    assert (await catalogue.open("wallboard"))["_id"] == saved["_id"]
    with pytest.raises(UnknownApp, match="nothing"):
        await catalogue.open("nothing")
    await save_app(catalogue)
    with pytest.raises(AmbiguousName, match="2 apps"):
        await catalogue.open("wallboard")


async def test_stored_and_configuration_without_documents(empty_system: Couch) -> None:
    assert await stored(empty_system, "accounts", "x") is None
    await empty_system.create_database("accounts")
    assert await stored(empty_system, "accounts", "x") is None
    assert await configuration(empty_system).get("crossbar", "refresh_app_keys", ["name"]) == ["name"]
