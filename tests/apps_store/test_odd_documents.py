"""Malformed documents: lists are answered, and writes succeed."""

from typing import Any

import pytest

from crossbar_appstore.datastore.errors import DocumentMissing
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import encoded_account_db
from tests.kit.accounts import Account
from tests.kit.apps import ICON, permission
from tests.kit.service import Service
from tests.kit.system import System

ALL = ["voip", "port", "numbers"]


@pytest.fixture
async def sub(system: System) -> Account:
    return await system.account("Sub", below=system.master)


MALFORMED: list[JsonObject] = [
    {"apps": None},
    {"apps": "x", "blacklist": "x"},
    {"apps": 7, "blacklist": None},
    {"apps": [], "blacklist": {}},
    {"apps": ["x"], "blacklist": 0},
    {"apps": True, "blacklist": True},
    {"apps": {"x": None, "": {}, "y": [], "z": "all"}, "blacklist": [None, 7, {}]},
    {"pvt_account_id": None, "pvt_account_db": 7, "_attachments": {"note.png": ICON.inline}},
]


@pytest.mark.parametrize("malformed", MALFORMED)
async def test_apps_store_malformed_document_is_ignored_and_repaired_by_a_write(
    system: System, service: Service, sub: Account, malformed: JsonObject
) -> None:
    await system.store(sub, kept={"what": "others stored"}, **malformed)
    voip = system.apps["voip"]
    assert await service.names(sub) == ALL
    assert (await service.get(f"{sub.path}/{voip}", sub)).status == 200
    shown = (await service.get(f"{sub.path}/blacklist", system.master)).data["blacklist"]
    assert shown == (malformed["blacklist"] if isinstance(malformed.get("blacklist"), list) else [])
    assert (await service.post(f"{sub.path}/{voip}", sub, {})).refusal[1] == "Application is not installed"
    assert (await service.put(f"{sub.path}/{voip}", sub, {"allowed_users": "all"})).status == 201
    stored = await system.stored(sub)
    assert stored["apps"][voip] == {"allowed_users": "all", "users": [], "name": "voip"}
    assert isinstance(stored.get("blacklist", []), list)
    assert stored["kept"] == {"what": "others stored"}
    if isinstance(malformed.get("apps"), dict):
        assert {key: value for key, value in stored["apps"].items() if key != voip} == malformed["apps"]
    if "_attachments" in malformed:
        assert await system.stored_attachment(sub, "note.png") == ICON.body
        assert (stored["pvt_account_id"], stored["pvt_account_db"]) == (sub.id, 7)


@pytest.mark.parametrize("entry", [None, "all", 7, [], {}, {"allowed_users": None}, {"users": "x", "name": None}])
async def test_apps_store_malformed_permission_counts_as_installed(
    system: System, service: Service, sub: Account, entry: Any
) -> None:
    voip = system.apps["voip"]
    await system.store(sub, apps={voip: entry})
    assert await service.names(sub) == ALL
    assert (await service.put(f"{sub.path}/{voip}", sub, {})).refusal[1] == "Application already installed"
    assert (await service.post(f"{sub.path}/{voip}", sub, {"allowed_users": "admins"})).status == 200
    assert (await system.stored(sub))["apps"] == {voip: permission("admins", name="voip")}


@pytest.mark.parametrize("deleted", [True, "true"])
async def test_apps_store_deleted_document_is_ignored_and_a_write_starts_anew(
    system: System, service: Service, sub: Account, deleted: Any
) -> None:
    apps = {system.apps["port"]: permission()}
    first = await system.store(sub, apps=apps, blacklist=[system.apps["voip"]], pvt_deleted=deleted)
    assert await service.names(sub) == ALL
    assert (await service.get(f"{sub.path}/blacklist", system.master)).data == {"blacklist": []}
    assert (await service.post(f"{sub.path}/{system.apps['port']}", sub, {})).status == 400
    assert (await service.put(f"{sub.path}/{system.apps['port']}", sub, {"allowed_users": "all"})).status == 201
    stored = await system.stored(sub)
    assert stored["apps"] == {system.apps["port"]: permission("all", name="port")}
    assert "blacklist" not in stored
    assert "pvt_deleted" not in stored
    assert stored["_rev"].startswith("2-")
    assert first["_rev"].startswith("1-")


async def test_apps_store_removed_document_is_created_again(system: System, service: Service, sub: Account) -> None:
    await system.store(sub, apps={system.apps["voip"]: permission()})
    await system.remove(sub.database, "apps_store")
    assert (await service.delete(f"{sub.path}/{system.apps['voip']}", sub)).status == 400
    assert (await service.put(f"{sub.path}/{system.apps['voip']}", sub, {})).status == 201
    assert (await system.stored(sub))["pvt_account_db"] == encoded_account_db(sub.id)


async def test_apps_store_permissions_on_the_account_document_are_moved_by_the_first_write(
    system: System, service: Service, sub: Account
) -> None:
    voip, port = system.apps["voip"], system.apps["port"]
    legacy = {voip: permission("specific", {"id": sub.user.id}), port: permission("all")}
    await system.change(sub, apps=legacy)
    shown = {app["id"]: app for app in (await service.get(sub.path, sub)).data}
    assert (shown[voip]["allowed_users"], shown[port]["allowed_users"]) == ("specific", "all")
    with pytest.raises(DocumentMissing):  # reading stores nothing
        await system.stored(sub)
    assert (await service.put(f"{sub.path}/{voip}", sub, {})).refusal[1] == "Application already installed"
    assert (await service.post(f"{sub.path}/{voip}", sub, {"allowed_users": "all"})).status == 200
    assert (await system.stored(sub))["apps"] == {voip: permission("all", name="voip"), port: legacy[port]}
    assert (await service.delete(f"{sub.path}/{port}", sub)).status == 200
    shown = {app["id"]: app for app in (await service.get(sub.path, sub)).data}
    assert "allowed_users" not in shown[port], "the account document counts no more"
    assert (await system.couch.open_doc(sub.database, sub.id))["apps"] == legacy


async def test_apps_store_blacklist_post_keeps_permissions_of_the_account_document(
    system: System, service: Service, sub: Account
) -> None:
    legacy = {system.apps["voip"]: permission("all")}
    await system.change(sub, apps=legacy)
    assert (await service.post(f"{sub.path}/blacklist", system.master, {"blacklist": ["x"]})).status == 200
    assert (await system.stored(sub))["apps"] == legacy


@pytest.mark.parametrize("apps", ["x", True, 7, ["x"], None, {}])
async def test_apps_store_malformed_permissions_on_the_account_document_are_ignored(
    system: System, service: Service, sub: Account, apps: Any
) -> None:
    await system.change(sub, apps=apps)
    assert await service.names(sub) == ALL
    assert (await service.put(f"{sub.path}/{system.apps['voip']}", sub, {})).status == 201


APPS: list[JsonObject] = [
    {"i18n": None},
    {"i18n": {}},
    {"i18n": []},
    {"i18n": "x"},
    {"i18n": {"en-US": None}},
    {"i18n": {"en-US": {}}},
    {"i18n": {"en-US": {"label": None}, "de-DE": {"label": 7}}},
    {"tags": None, "screenshots": "x", "icon": 7, "price": "free", "version": 2},
    {"tags": "x", "users": "x", "extends": 7, "phase": 3, "masqueradable": "no"},
    {"allowed_users": "bogus"},
    {"allowed_users": None, "published": None},
    {"pvt_account_id": "elsewhere", "pvt_account_db": None},
    {"_attachments": None},
    {"unknown": {"deep": [None, {}]}},
]


async def test_apps_store_get_list_skips_malformed_apps(system: System, service: Service) -> None:
    """Each app is listed, with the fields that the web client needs."""
    for number, fields in enumerate(APPS):
        await system.app(f"odd{number:02}", **{key: value for key, value in fields.items() if value is not None})
    nulls = [await system.app(f"null{number:02}") for number in range(len(APPS))]
    # Apache CouchDB stores no such attachments, other servers do.
    takes_all = (await system.couch.server()).vendor == "pouchdb"
    for app, fields in zip(nulls, APPS, strict=True):
        if takes_all or "_attachments" not in fields:
            await system.change_app(app, **fields)
    entries = (await service.get(system.master.path, system.master)).data
    assert len(entries) == 4 + 2 * len(APPS)
    for entry in entries:
        assert entry["id"]
        assert all(isinstance(texts["label"], str) and texts["label"] for texts in entry["i18n"].values()), entry
        assert isinstance(entry["tags"], list)
        assert isinstance(entry["users"], list)
        assert entry.get("api_url") != ""
        assert "allowed_users" not in entry
        assert entry["account_id"] == system.master.id
        assert (await service.get(f"{system.master.path}/{entry['id']}", system.master)).status == 200


async def test_apps_store_get_app_without_label_is_labelled_by_its_name(system: System, service: Service) -> None:
    app = await system.app("teapot", i18n={"de-DE": {"description": "Kocht Tee"}})
    entry = (await service.get(f"{system.master.path}/{app}", system.master)).data
    labelled = {"description": "Kocht Tee", "label": "teapot"}
    assert entry["i18n"] == {"de-DE": labelled, "en-US": labelled}


async def test_apps_store_get_and_login_make_markup_and_addresses_of_a_stored_app_harmless(
    system: System, service: Service, sub: Account
) -> None:
    """Such a document was written into CouchDB, since the commands refuse it (D27, D28)."""
    i18n = {"de-DE": {"label": "<img src=x onerror=alert(1)>"}}
    app = await system.app(
        "teapot", i18n=i18n, api_url="javascript:alert(1)", source_url="https://me:secret@ui.example.com/apps/teapot"
    )
    harmless = {"label": "\u2039img src=x onerror=alert(1)\u203a"}
    listed = next(entry for entry in (await service.get(sub.path, sub)).data if entry["id"] == app)
    read = (await service.get(f"{sub.path}/{app}", sub)).data
    at_login = next(entry for entry in (await service.login(sub.admin)).data["apps"] if entry["id"] == app)
    for shown in (listed, read):
        assert shown["i18n"] == {"de-DE": harmless, "en-US": harmless}
    assert at_login["label"] == harmless["label"]
    for shown in (listed, read, at_login):
        assert shown.keys().isdisjoint({"api_url", "source_url"})


async def test_apps_store_get_omits_an_empty_api_url(system: System, service: Service, sub: Account) -> None:
    app = await system.app("teapot", api_url="")
    listed = next(entry for entry in (await service.get(sub.path, sub)).data if entry["id"] == app)
    read = (await service.get(f"{sub.path}/{app}", sub)).data
    assert "api_url" not in listed
    assert "api_url" not in read


async def test_apps_store_get_skips_and_logs_an_app_without_name(
    system: System, service: Service, sub: Account, caplog: pytest.LogCaptureFixture
) -> None:
    names: list[Any] = [None, "", [], {}, True]
    nameless = [await system.app("x") for _ in names]
    for app, name in zip(nameless, names, strict=True):
        await system.change_app(app, name=name)
    assert await service.names(sub) == ALL
    skipped = [record.__dict__ for record in caplog.records if record.message == "app left out of a response"]
    assert {record["app_id"] for record in skipped} == set(nameless)
    for app in nameless:
        answer = await service.get(f"{sub.path}/{app}", sub)
        assert answer.refusal == (404, "bad_identifier", {"details": app, "message": "bad identifier"})
    login = await service.login(sub.admin)
    assert [app["name"] for app in login.data["apps"]] == ["numbers", "port", "voip"]


async def test_apps_store_put_of_an_app_without_name_stores_its_id(
    system: System, service: Service, sub: Account
) -> None:
    """Billing counts apps by name, so every permission has one."""
    app = await system.app("x")
    await system.change_app(app, name=None)
    assert (await service.put(f"{sub.path}/{app}", sub, {"allowed_users": "all"})).status == 201
    assert (await system.stored(sub))["apps"][app]["name"] == app


async def test_apps_store_get_whitelabel_hides_port_from_non_resellers(
    system: System, service: Service, sub: Account
) -> None:
    reseller = await system.account("Reseller", below=system.master, reseller=True)
    whitelabel = {"_id": "whitelabel", "pvt_type": "whitelabel", "hide_port": True}
    for account in (sub, reseller, system.master):
        await system.put(account.database, whitelabel)
    assert await service.names(sub) == ["voip", "numbers"]
    assert await service.names(reseller) == ALL
    assert "port" in await service.names(system.master)
    port = (await service.get(f"{sub.path}/{system.apps['port']}", sub)).data
    assert (port["published"], port["authority"]) == (False, "whitelabel_hide_port")


@pytest.mark.parametrize(
    ("fields", "hidden"),
    [
        ({"hide_port": "true"}, True),
        ({"hide_port": False}, False),
        ({"hide_port": "yes"}, False),
        ({}, False),
        ({"hide_port": True, "pvt_deleted": True}, False),
    ],
)
async def test_apps_store_get_whitelabel_hides_port_only_if_it_says_so(
    system: System, service: Service, sub: Account, fields: JsonObject, hidden: bool
) -> None:
    await system.put(sub.database, {"_id": "whitelabel", "pvt_type": "whitelabel"} | fields)
    assert ("port" not in await service.names(sub)) is hidden
