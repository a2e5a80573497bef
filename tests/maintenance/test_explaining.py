from collections.abc import Callable
from typing import Any

import pytest

from crossbar_appstore.appstore.allowed_apps import allowed_apps
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import password_hashes, user_document
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.maintenance.accounts import NewAccount, create_account
from crossbar_appstore.maintenance.explaining import Explanation, explain
from crossbar_appstore.maintenance.lookup import MasterCatalogue, UnknownAccount, UnknownApp, UnknownUser
from crossbar_appstore.resources.account_apps import AppStore
from crossbar_appstore.resources.explanations import ExplainedApp
from tests.maintenance.test_editing import save_app

SUB = NewAccount("Sub Ltd", "sub.example.com", "admin", "sub-password")


async def change(couch: Couch, database: str, doc_id: str, change: Callable[[JsonObject], JsonObject]) -> JsonObject:
    return await couch.save_doc(database, change(await couch.open_doc(database, doc_id)))


class Sub:
    """A child of the master account, whose documents a test changes."""

    def __init__(self, catalogue: MasterCatalogue, account_id: str, user_id: str) -> None:
        self.catalogue = catalogue
        self.couch = catalogue.couch
        self.id = account_id
        self.user_id = user_id
        self.database = account_db(account_id)

    async def store(self, **fields: Any) -> JsonObject:
        """Set fields of its ``apps_store``."""
        return await change(self.couch, self.database, "apps_store", lambda document: {**document, **fields})

    async def services(self, account_id: str, **fields: Any) -> JsonObject:
        return await change(self.couch, "services", account_id, lambda document: {**document, **fields})

    async def explained(self, app: str, user: str | None = None) -> ExplainedApp:
        (found,) = (await explain(self.couch, self.id, app, user)).apps
        return found


@pytest.fixture
async def sub(system: MasterCatalogue) -> Sub:
    created = await create_account(system.couch, SUB)
    return Sub(system, created.account_id, created.user_id)


async def test_explain_decided_by_catalogue(sub: Sub) -> None:
    shown = await save_app(sub.catalogue)
    hidden = await save_app(sub.catalogue, name="hidden", published=False)
    found = await sub.explained("wallboard")
    assert (found.visible, found.installed, found.decided_by) == (True, False, "catalogue")
    (reason,) = found.reasons
    assert (reason.database, reason.document, reason.revision) == (
        sub.catalogue.database,
        shown["_id"],
        shown["_rev"],
    )
    found = await sub.explained("hidden")
    assert (found.visible, found.decided_by, found.reasons[0].document) == (False, "catalogue", hidden["_id"])


async def test_explain_decided_by_service_plan(sub: Sub) -> None:
    app = await save_app(sub.catalogue)
    plan = await sub.couch.save_doc(
        sub.catalogue.database,
        {"_id": "basic", "pvt_type": "service_plan", "applications": {app["_id"]: {"enabled": False}}},
    )
    services = await sub.services(sub.id, plans={"basic": {"vendor_id": sub.catalogue.account_id}})
    found = await sub.explained("wallboard")
    assert (found.visible, found.decided_by) == (False, "plan")
    named, decided = found.reasons[1:]
    assert (named.database, named.document, named.revision) == (sub.catalogue.database, "basic", plan["_rev"])
    assert (decided.database, decided.document, decided.revision) == ("services", sub.id, services["_rev"])
    assert decided.entry == {"enabled": False}


async def test_explain_uses_plans_of_reseller_without_own_plans(sub: Sub) -> None:
    app = await save_app(sub.catalogue)
    master = sub.catalogue.account_id
    await sub.couch.save_doc(
        sub.catalogue.database,
        {"_id": "basic", "pvt_type": "service_plan", "applications": {app["_id"]: {"enabled": False}}},
    )
    await sub.services(master, plans={"basic": {"vendor_id": master}})
    found = await explain(sub.couch, sub.id)
    assert found.plans_of == master
    assert [(app.visible, app.decided_by) for app in found.apps] == [(False, "plan")]


async def test_explain_vendor_app_of_service_plan(sub: Sub) -> None:
    vendor = await create_account(sub.couch, NewAccount("Vendor", "vendor.example.com", "admin", "password"))
    app_id = new_id()
    saved = await sub.couch.save_doc(
        account_db(vendor.account_id), {"_id": app_id, "name": "special", "pvt_type": "app"}
    )
    await sub.couch.save_doc(
        sub.catalogue.database,
        {
            "_id": "gold",
            "pvt_type": "service_plan",
            "applications": {app_id: {"vendor_id": vendor.account_id, "name": "special"}},
        },
    )
    await sub.services(sub.id, plans={"gold": {"vendor_id": sub.catalogue.account_id}})
    found = await sub.explained("special")
    assert (found.visible, found.decided_by) == (True, "plan")
    assert [reason.document for reason in found.reasons] == ["gold", app_id]
    assert (found.reasons[1].database, found.reasons[1].revision) == (account_db(vendor.account_id), saved["_rev"])


async def test_explain_decided_by_permission_of_user(sub: Sub) -> None:
    app = await save_app(sub.catalogue)
    entry = {"allowed_users": "specific", "users": [{"id": "somebody"}], "name": "wallboard"}
    stored = await sub.store(apps={app["_id"]: entry})
    without = await sub.explained("wallboard")
    assert (without.visible, without.installed, without.decided_by) == (True, True, "permission")
    found = await sub.explained("wallboard", "admin")
    assert (found.visible, found.installed, found.decided_by) == (False, True, "permission")
    reason = found.reasons[-1]
    assert (reason.database, reason.document, reason.revision) == (sub.database, "apps_store", stored["_rev"])
    assert reason.entry == entry


async def test_explain_decided_by_blacklist(sub: Sub) -> None:
    app = await save_app(sub.catalogue)
    stored = await sub.store(apps={app["_id"]: {"allowed_users": "all"}}, blacklist=[app["_id"]])
    found = await sub.explained(app["_id"])
    assert (found.visible, found.decided_by, found.reasons[-1].revision) == (False, "blacklist", stored["_rev"])


async def test_explain_decided_by_whitelabel_for_port_app(sub: Sub) -> None:
    await save_app(sub.catalogue, name="port")
    await save_app(sub.catalogue)
    saved = await sub.couch.save_doc(sub.database, {"_id": "whitelabel", "hide_port": True})
    found = await sub.explained("port")
    assert (found.visible, found.decided_by) == (False, "whitelabel")
    assert (found.reasons[-1].document, found.reasons[-1].revision) == ("whitelabel", saved["_rev"])
    assert (await sub.explained("wallboard")).visible


async def test_explain_decided_by_master_account(sub: Sub) -> None:
    await save_app(sub.catalogue, published=False)
    config = await sub.couch.open_doc("system_config", "accounts")
    (found,) = (await explain(sub.couch, sub.catalogue.account_id)).apps
    assert (found.visible, found.decided_by) == (True, "master")
    reason = found.reasons[-1]
    assert (reason.database, reason.document, reason.revision) == ("system_config", "accounts", config["_rev"])


async def test_explain_reads_legacy_permissions_of_account_document(sub: Sub) -> None:
    app = await save_app(sub.catalogue)
    stored = await sub.couch.open_doc(sub.database, "apps_store")
    await sub.couch.delete_doc(sub.database, "apps_store", stored["_rev"])
    await change(
        sub.couch,
        sub.database,
        sub.id,
        lambda account: {**account, "apps": {app["_id"]: {"allowed_users": "all"}}},
    )
    found = await sub.explained("wallboard")
    assert (found.decided_by, found.reasons[-1].document) == ("permission", sub.id)


@pytest.mark.parametrize("name", ["Sub Ltd", "sub ltd", "SUB.example.com", "id"])
async def test_explain_finds_account_by_id_name_or_realm(sub: Sub, name: str) -> None:
    found = await explain(sub.couch, sub.id if name == "id" else name)
    assert (found.account_id, found.account_name) == (sub.id, "Sub Ltd")


@pytest.mark.parametrize("name", ["nobody", "", "0" * 32])
async def test_explain_raises_unknown_account(sub: Sub, name: str) -> None:
    with pytest.raises(UnknownAccount):
        await explain(sub.couch, name)


async def test_explain_finds_user_by_id_or_name(sub: Sub) -> None:
    by_name = await explain(sub.couch, sub.id, user="ADMIN")
    assert by_name.user_id == sub.user_id
    assert (await explain(sub.couch, sub.id, user=sub.user_id)).user_id == sub.user_id
    for unknown in ("nobody", "apps_store"):
        with pytest.raises(UnknownUser):
            await explain(sub.couch, sub.id, user=unknown)


async def test_explain_raises_unknown_user_for_deleted_user(sub: Sub) -> None:
    user = user_document(new_id(), sub.id, {"pvt_deleted": True}, username="gone", password="gone-password")
    await sub.couch.save_doc(sub.database, {**user, "pvt_deleted": True})
    assert password_hashes("gone", "gone-password")[0] == user["pvt_md5_auth"]
    with pytest.raises(UnknownUser):
        await explain(sub.couch, sub.id, user="gone")


async def test_explain_raises_unknown_app(sub: Sub) -> None:
    with pytest.raises(UnknownApp):
        await explain(sub.couch, sub.id, "nothing")


async def test_explain_without_services_document_uses_plans_of_nearest_reseller(sub: Sub) -> None:
    app = await save_app(sub.catalogue)
    services = await sub.couch.open_doc("services", sub.id)
    await sub.couch.delete_doc("services", sub.id, services["_rev"])
    await sub.couch.save_doc(
        sub.catalogue.database,
        {"_id": "basic", "pvt_type": "service_plan", "applications": {app["_id"]: {"enabled": False}}},
    )
    await sub.services(sub.catalogue.account_id, plans={"basic": {}})
    assert (await sub.explained("wallboard")).decided_by == "plan"


async def test_explain_without_object_plans_view(sub: Sub) -> None:
    await save_app(sub.catalogue)
    design = await sub.couch.open_doc(sub.database, "_design/services")
    await sub.couch.delete_doc(sub.database, "_design/services", design["_rev"])
    assert (await sub.explained("wallboard")).decided_by == "catalogue"


async def test_explain_uses_plans_attached_to_other_documents(sub: Sub) -> None:
    app = await save_app(sub.catalogue)
    await sub.couch.save_doc(
        sub.catalogue.database,
        {"_id": "basic", "pvt_type": "service_plan", "applications": {app["_id"]: {"enabled": False}}},
    )
    attached = {"plans": {"basic": {"vendor_id": sub.catalogue.account_id}}}
    await sub.couch.save_doc(sub.database, {"_id": "device", "pvt_type": "device", "service": attached})
    assert (await sub.explained("wallboard")).decided_by == "plan"


async def test_explain_agrees_with_service(sub: Sub) -> None:
    apps = [await save_app(sub.catalogue, name=f"app-{letter}") for letter in "abcdef"]
    ids = [app["_id"] for app in apps]
    await sub.couch.save_doc(
        sub.catalogue.database,
        {"_id": "basic", "pvt_type": "service_plan", "applications": {ids[0]: {"enabled": False}, ids[1]: {}}},
    )
    await sub.services(sub.id, plans={"basic": {"vendor_id": sub.catalogue.account_id}})
    await sub.store(
        apps={ids[2]: {"allowed_users": "all"}, ids[0]: {"allowed_users": "all"}, ids[3]: {"allowed_users": "x"}},
        blacklist=[ids[4]],
    )
    async with Datastore(Couch(sub.couch.address), feeds=False) as store:
        decided = await AppStore(store).apps(sub.id)
        served = allowed_apps(decided.snapshot.apps, decided.state)
    explanation: Explanation = await explain(sub.couch, sub.id)
    assert [(app.id, app.visible) for app in explanation.apps] == [(app.id, app.published) for app in served]
    assert [app.reasons[-1].authority for app in explanation.apps] == [app.authority for app in served]


async def test_explanation_as_json(sub: Sub) -> None:
    saved = await save_app(sub.catalogue)
    found = (await explain(sub.couch, sub.id)).as_json()
    assert found["account_id"] == sub.id
    assert found["apps"][0]["decided_by"] == "catalogue"
    assert found["apps"][0]["reasons"][0]["revision"] == saved["_rev"]
