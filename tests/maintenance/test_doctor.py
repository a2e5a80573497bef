import asyncio
import base64

import aiohttp
import pytest

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import Unreachable
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.maintenance.accounts import NewAccount, create_account
from crossbar_appstore.maintenance.doctor import Diagnosis, RepairsRefused, examine, repair
from crossbar_appstore.maintenance.lookup import MasterCatalogue, UnknownAccount
from crossbar_appstore.maintenance.reports import Finding, Severity
from tests.datastore.fault_proxy import FaultProxy, Status, answering
from tests.datastore.nodes import ClusterNode, cluster
from tests.maintenance.folders import PNG
from tests.maintenance.test_editing import save_app

SUB = NewAccount("Sub Ltd", "sub.example.com", "admin", "sub-password")


def checks(diagnosis: Diagnosis) -> list[str]:
    """The checks that found errors or warnings."""
    return [finding.check for finding in diagnosis.findings if finding.severity is not Severity.INFO]


async def the_finding(couch: Couch, check: str, *accounts: str) -> Finding:
    found = [one for one in (await examine(couch, accounts)).findings if one.check == check]
    assert len(found) == 1, found
    return found[0]


async def good_app(catalogue: MasterCatalogue) -> JsonObject:
    database = "account%2F" + "%2F".join(catalogue.database.split("/")[1:])
    return await save_app(catalogue, pvt_account_db=database)


async def put(url: str, document: JsonObject) -> None:
    """Save a document directly in CouchDB, as in Fauxton."""
    async with aiohttp.ClientSession() as session, session.put(url, json=document) as reply:
        assert reply.status == 201, await reply.text()


async def test_examine_finds_good_system_healthy(system: MasterCatalogue) -> None:
    await good_app(system)
    diagnosis = await examine(system.couch)
    assert checks(diagnosis) == []
    assert diagnosis.healthy
    assert diagnosis.findings[0].check == "server"


async def node_findings(nodes: list[ClusterNode]) -> list[tuple[Severity, str, str]]:
    async with Couch(*(node.url for node in nodes)) as couch:
        found = (await examine(couch)).findings
    return [(one.severity, one.subject, one.message) for one in found if one.check == "node"]


async def test_examine_tells_the_state_of_each_node(system: MasterCatalogue, couchdb_url: str) -> None:
    async with cluster([couchdb_url] * 4) as nodes:
        for node, name in zip(nodes, "abcd", strict=True):
            node.proxy.scripts["/_node/_local"] = answering({"name": name})
            node.proxy.scripts["/_membership"] = answering({"cluster_nodes": ["a", "b", "c"]})
        nodes[1].maintain()
        await nodes[2].kill()
        version = (await system.couch.server()).version
        assert await node_findings(nodes) == [
            (Severity.INFO, nodes[0].address, f"CouchDB {version} answers, it is used, member a of the cluster"),
            (Severity.WARNING, nodes[1].address, f"CouchDB {version} is in maintenance"),
            (Severity.ERROR, nodes[2].address, "is unreachable: connection failed: Connection refused"),
            (Severity.ERROR, nodes[3].address, "d does not belong to the cluster of the node that is used"),
        ]


async def test_examine_tells_the_state_of_nodes_that_name_no_cluster(system: MasterCatalogue, couchdb_url: str) -> None:
    async with cluster([couchdb_url] * 2) as nodes:
        version = (await system.couch.server()).version
        assert await node_findings(nodes) == [
            (Severity.INFO, nodes[0].address, f"CouchDB {version} answers, it is used"),
            (Severity.INFO, nodes[1].address, f"CouchDB {version} answers"),
        ]
        for node in nodes:
            await node.kill()
        with pytest.raises(Unreachable) as unreachable:
            await node_findings(nodes)
        assert all(f"{node.address}: connection failed" in str(unreachable.value) for node in nodes)


async def test_examine_writes_nothing(system: MasterCatalogue) -> None:
    await save_app(system, name="bad name", i18n={}, api_url="")
    databases = (system.database, "accounts", "system_config", "system_auth", "services")
    before = [await system.couch.update_seq(database) for database in databases]
    assert not (await examine(system.couch, all_accounts=True)).healthy
    assert [await system.couch.update_seq(database) for database in databases] == before


async def test_examine_reports_missing_account_with_command(empty_system: Couch) -> None:
    diagnosis = await examine(empty_system)
    assert "master_account" in checks(diagnosis)
    commands = [finding.command for finding in diagnosis.findings if finding.check == "master_account"]
    assert commands[0] is not None
    assert "create-account" in commands[0]


async def test_examine_reports_missing_database_of_master_account(system: MasterCatalogue) -> None:
    await system.couch.delete_database(system.database)
    diagnosis = await examine(system.couch)
    assert "master_account" in checks(diagnosis)
    assert not diagnosis.healthy


async def test_examine_warns_about_unnamed_master_account(system: MasterCatalogue) -> None:
    config = await system.couch.open_doc("system_config", "accounts")
    await system.couch.save_doc("system_config", {**config, "default": {}})
    found = await the_finding(system.couch, "master_account")
    assert found.severity is Severity.WARNING
    assert system.account_id in found.message


async def test_examine_warns_about_master_account_without_superduper_admin(system: MasterCatalogue) -> None:
    account = await system.couch.open_doc(system.database, system.account_id)
    await system.couch.save_doc(system.database, {**account, "pvt_superduper_admin": False})
    assert (await the_finding(system.couch, "master_account")).severity is Severity.WARNING


async def test_examine_reports_missing_and_old_design_documents(system: MasterCatalogue) -> None:
    design = await system.couch.open_doc("accounts", "_design/accounts")
    await system.couch.delete_doc("accounts", "_design/accounts", design["_rev"])
    users = await system.couch.open_doc(system.database, "_design/users")
    users["views"]["creds_by_md5"]["map"] = "function (doc) { emit(1); }"
    del users["views"]["crossbar_listing"]
    await system.couch.save_doc(system.database, users)
    services = await system.couch.open_doc(system.database, "_design/services")
    services["views"]["plans"]["map"] = "function (doc) { emit(1); }"
    await system.couch.save_doc(system.database, services)
    found = {one.subject: one for one in (await examine(system.couch)).findings if one.check == "design_document"}
    assert found["accounts/_design/accounts"].severity is Severity.ERROR
    assert "crossbar_listing" in found[f"{system.database}/_design/users"].message
    assert found[f"{system.database}/_design/services"].severity is Severity.WARNING
    assert all(one.command == "crossbar-appstore views deploy" for one in found.values())


async def test_examine_ignores_white_space_in_design_documents(system: MasterCatalogue) -> None:
    design = await system.couch.open_doc(system.database, "_design/apps_store")
    design["views"]["crossbar_listing"]["map"] = design["views"]["crossbar_listing"]["map"].replace("\n", "\n\n  ")
    await system.couch.save_doc(system.database, design)
    assert checks(await examine(system.couch)) == []


async def test_examine_reports_view_that_emits_other_rows(system: MasterCatalogue) -> None:
    app = await good_app(system)
    user = await save_app(system, name="no-app", pvt_type="other")
    design = await system.couch.open_doc(system.database, "_design/apps_store")
    for code, words in (
        ("function (doc) { }", f"does not emit {app['_id']}"),
        ("function (doc) { if (doc.pvt_type) emit(doc.name, {name: doc.name}); }", f"emits other values: {app['_id']}"),
        ("function (doc) { emit(doc.name, {name: 'x'}); }", user["_id"]),
    ):
        design["views"]["crossbar_listing"]["map"] = code
        design = await system.couch.save_doc(system.database, design)
        messages = [one.message for one in (await examine(system.couch)).findings if one.check == "design_document"]
        assert any(words in message for message in messages), messages


async def test_examine_beside_kazoo_accepts_other_code_with_same_rows(system: MasterCatalogue) -> None:
    await system.couch.create_database("system_data")
    await good_app(system)
    design = await system.couch.open_doc(system.database, "_design/apps_store")
    code = design["views"]["crossbar_listing"]["map"]
    design["views"]["crossbar_listing"]["map"] = f"/* KAZOO's */ {code}"
    await system.couch.save_doc(system.database, design)
    assert checks(await examine(system.couch)) == []


async def test_repair_creates_missing_key(system: MasterCatalogue) -> None:
    config = await system.couch.open_doc("system_config", "auth")
    key = await system.couch.open_doc("system_auth", config["default"]["system_key"])
    await system.couch.delete_doc("system_auth", key["_id"], key["_rev"])
    diagnosis = await examine(system.couch)
    assert checks(diagnosis) == ["system_key"]
    (words,) = await repair(system.couch, diagnosis)
    assert key["_id"] in words
    assert checks(await examine(system.couch)) == []


async def test_examine_reports_unnamed_key(system: MasterCatalogue) -> None:
    config = await system.couch.open_doc("system_config", "auth")
    await system.couch.save_doc("system_config", {**config, "default": {}})
    assert checks(await examine(system.couch)) == ["system_key"]


async def test_repair_beside_kazoo_creates_no_key(system: MasterCatalogue) -> None:
    await system.couch.create_database("system_data")
    config = await system.couch.open_doc("system_config", "auth")
    await system.couch.save_doc("system_config", {**config, "default": {}})
    diagnosis = await examine(system.couch)
    assert checks(diagnosis) == ["system_key"]
    assert await repair(system.couch, diagnosis) == ()


async def test_repair_changes_newest_revision_in_one_save_per_document(system: MasterCatalogue) -> None:
    app = await good_app(system)
    broken = {**app, "api_url": "", "i18n": {"en-US": {"description": "Words"}}, "screenshots": [""]}
    await put(f"{system.couch.address}/{app['pvt_account_db']}/{app['_id']}", broken)
    diagnosis = await examine(system.couch)
    assert sorted(checks(diagnosis)) == ["api_url", "label", "screenshot"]
    repaired = await repair(system.couch, diagnosis)
    assert len(repaired) == 3
    assert all(app["_id"] in words for words in repaired)
    document = await system.open(app["_id"])
    assert "api_url" not in document
    assert document["i18n"]["en-US"] == {"description": "Words", "label": "wallboard"}
    assert document["screenshots"] == []
    assert document["_rev"].startswith("3-")
    assert document["_attachments"] == app["_attachments"]
    assert checks(await examine(system.couch)) == []
    assert await repair(system.couch, diagnosis) == ()


async def test_repair_skips_deleted_document(system: MasterCatalogue) -> None:
    app = await save_app(system, api_url="")
    await put(f"{system.couch.address}/{system.database.replace('/', '%2F')}/{app['_id']}", {**app, "api_url": ""})
    diagnosis = await examine(system.couch)
    newest = await system.open(app["_id"])
    await system.couch.delete_doc(system.database, app["_id"], newest["_rev"])
    assert await repair(system.couch, diagnosis) == ()


class Interrupting(Couch):
    """Another writer saves the document before each of our saves."""

    async def save_doc(self, database: str, doc: JsonObject) -> JsonObject:
        newest = await self.open_doc(database, doc["_id"])
        await super().save_doc(database, {**newest, "others": newest.get("others", 0) + 1})
        return await super().save_doc(database, doc)


async def test_repair_names_conflict_after_last_attempt(system: MasterCatalogue) -> None:
    app = await save_app(system, i18n={})
    diagnosis = await examine(system.couch)
    async with Interrupting(system.couch.address) as couch:
        with pytest.raises(RepairsRefused) as caught:
            await repair(couch, diagnosis)
    (words,) = caught.value.refused
    assert app["_id"] in words
    assert (await system.open(app["_id"]))["i18n"] == {}


async def test_repair_repairs_others_if_couchdb_refuses_one_document(system: MasterCatalogue) -> None:
    refused, repaired = [await save_app(system, name=name, i18n={}) for name in ("refused", "repaired")]
    diagnosis = await examine(system.couch)
    async with FaultProxy(system.couch.address) as proxy, Couch(proxy.url) as couch:
        proxy.fail(Status(413, "too large"), method="PUT", path=refused["_id"])
        with pytest.raises(RepairsRefused) as caught:
            await repair(couch, diagnosis)
    (words,) = caught.value.refused
    assert refused["_id"] in words
    assert "413" in words
    assert any(repaired["_id"] in words for words in caught.value.repaired)
    assert (await system.open(repaired["_id"]))["i18n"]["en-US"]["label"] == "repaired"


async def test_repair_names_only_what_it_changes(system: MasterCatalogue) -> None:
    app = await save_app(system, i18n={}, api_url="")
    await system.couch.save_doc(system.database, {**await system.open(app["_id"]), "api_url": ""})
    diagnosis = await examine(system.couch)
    newest = await system.open(app["_id"])
    await system.couch.save_doc(system.database, {key: newest[key] for key in newest if key != "api_url"})
    words = await repair(system.couch, diagnosis)
    assert [each for each in words if "api_url" in each] == []
    assert any("label" in each for each in words)


async def test_examine_reports_stored_conflicts(system: MasterCatalogue) -> None:
    app = await good_app(system)
    database = app["pvt_account_db"]
    bare = {key: value for key, value in app.items() if key != "_attachments"}
    rivals = [{**bare, "_rev": f"1-{letter * 32}", "author": f"Rival {letter}"} for letter in "ab"]
    url = f"{system.couch.address}/{database}/_bulk_docs"
    async with aiohttp.ClientSession() as session:
        await session.post(url, json={"docs": rivals, "new_edits": False})
    found = [one for one in (await examine(system.couch)).findings if one.check == "conflict"]
    assert len(found) == 2
    assert all(app["_id"] in one.subject for one in found)


async def test_examine_checks_named_accounts_or_all(system: MasterCatalogue) -> None:
    app = await good_app(system)
    created = await create_account(system.couch, SUB)
    database = account_db(created.account_id)
    stored = await system.couch.open_doc(database, "apps_store")
    await system.couch.save_doc(database, {**stored, "apps": {app["_id"]: {"allowed_users": "specific"}}})
    assert checks(await examine(system.couch)) == []
    for diagnosis in (await examine(system.couch, ["sub.example.com"]), await examine(system.couch, all_accounts=True)):
        assert checks(diagnosis) == ["billing", "billing"]
        assert all("Sub Ltd" in one.subject for one in diagnosis.findings if one.check == "billing")
    await repair(system.couch, await examine(system.couch, ["Sub Ltd"]))
    entry = (await system.couch.open_doc(database, "apps_store"))["apps"][app["_id"]]
    assert entry == {"allowed_users": "specific", "users": [], "name": "wallboard"}
    with pytest.raises(UnknownAccount):
        await examine(system.couch, ["nobody"])


async def test_examine_reports_service_plans_with_ui_apps(system: MasterCatalogue) -> None:
    plan = {"_id": "old", "pvt_type": "service_plan", "plan": {"ui_apps": {"wallboard": {}}}}
    await system.couch.save_doc(system.database, plan)
    assert checks(await examine(system.couch)) == ["ui_apps"]


async def test_examine_reads_users_from_view(system: MasterCatalogue) -> None:
    app = await good_app(system)
    (user,) = await system.couch.view(system.database, "users/crossbar_listing")
    stored = await system.couch.open_doc(system.database, "apps_store")
    entry = {"allowed_users": "specific", "users": [{"id": user.id}, {"id": new_id()}], "name": "wallboard"}
    await system.couch.save_doc(system.database, {**stored, "apps": {app["_id"]: entry}})
    gone = [one for one in (await examine(system.couch)).findings if "does not have" in one.message]
    assert [len(one.value) for one in gone] == [1]


async def test_examine_accepts_account_without_documents(system: MasterCatalogue) -> None:
    account_id = new_id()
    copy = {
        "_id": account_id,
        "pvt_type": "account",
        "pvt_account_id": account_id,
        "name": "Gone",
        "realm": "x.y",
        "pvt_tree": [],
    }
    await system.couch.save_doc("accounts", copy)
    assert checks(await examine(system.couch, all_accounts=True)) == []


async def test_diagnosis_as_json(system: MasterCatalogue) -> None:
    inline = {"content_type": "image/png", "data": base64.b64encode(PNG).decode()}
    app = await save_app(system, icon="none.png", _attachments={"icon.png": inline})
    found = (await examine(system.couch)).as_json()
    assert found["healthy"] is False
    assert {"severity": "warning", "check": "icon"}.items() <= found["findings"][1].items()
    assert app["_id"] in found["findings"][1]["subject"]


async def test_examine_checks_conflicts_of_many_apps(system: MasterCatalogue) -> None:
    await asyncio.gather(*(save_app(system, name=f"app-{letter}") for letter in "abcdefghijklmno"))
    diagnosis = await examine(system.couch)
    assert checks(diagnosis) == ["owner"] * 15
