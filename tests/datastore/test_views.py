"""Our views emit what KAZOO's emit (2600hz/kazoo dcf86cbc, core/kazoo_apps/priv/couchdb)."""

import asyncio

import pytest

from crossbar_appstore import __version__
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import Conflict, DatabaseMissing, ViewMissing
from crossbar_appstore.datastore.views import (
    DatabaseClass,
    design_document,
    ensure,
    is_newer,
    names_for,
    standing_alone,
)
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.package_data import UnknownFile

ACCOUNT: JsonObject = {
    "_id": "cc" * 16,
    "pvt_type": "account",
    "pvt_account_id": "cc" * 16,
    "pvt_account_db": "account%2Fcc",
    "pvt_tree": ["aa" * 16, "bb" * 16],
    "pvt_api_key": "key",
    "pvt_whitelabel_domain": "Portal.Example.com",
    "name": "Sub & Söhne 24",
    "realm": "Sub.Example.COM",
    "descendants_count": 3,
    "flags": ["vip"],
}
MASTER: JsonObject = {
    "_id": "aa" * 16,
    "pvt_type": "account",
    "pvt_account_id": "aa" * 16,
    "pvt_tree": [],
    "name": "Master",
    "realm": "master",
}
USER: JsonObject = {
    "_id": "u1",
    "pvt_type": "user",
    "pvt_account_id": "cc" * 16,
    "pvt_md5_auth": "md5",
    "pvt_sha1_auth": "sha",
    "enabled": True,
    "username": "Ada",
    "email": "Ada@Example.com",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "priv_level": "admin",
    "hotdesk": {"enabled": True},
    "call_forward": {"failover": True},
    "smartpbx": {"conferencing": {"enabled": True}, "faxing": {"enabled": False}},
    "caller_id": {"external": {"number": "+1"}},
    "vm_to_email_enabled": True,
    "music_on_hold": {"media_id": "m"},
    "do_not_disturb": {"enabled": True},
}
SHORT_USER: JsonObject = {"_id": "u2", "pvt_type": "user", "features": ["own"], "pvt_md5_auth": "md5"}


async def _rows(couch: Couch, database: str, view: str, **query: Json) -> list[tuple[Json, Json]]:
    return [(row.key, row.value) for row in await couch.view(database, view, **query)]


@pytest.fixture
async def accounts(couch: Couch, database: str) -> str:
    await ensure(couch, database, names_for(DatabaseClass.ACCOUNTS))
    others: list[JsonObject] = [
        {**ACCOUNT, "_id": "deleted", "pvt_deleted": True},
        {**ACCOUNT, "_id": "typed", "pvt_type": "user"},
        {"_id": "malformed", "pvt_type": "account"},
    ]
    await couch.save_docs(database, [ACCOUNT, MASTER, *others])
    return database


async def test_accounts_views_find_accounts_by_name_realm_domain_and_key(couch: Couch, accounts: str) -> None:
    shown = {"account_id": "cc" * 16, "account_db": "account%2Fcc"}
    assert await _rows(couch, accounts, "accounts/listing_by_name", key="subshne24") == [("subshne24", shown)]
    assert await _rows(couch, accounts, "accounts/listing_by_realm", key="sub.example.com") == [
        ("sub.example.com", shown)
    ]
    assert await _rows(couch, accounts, "accounts/list_by_whitelabel_domain") == [("portal.example.com", shown)]
    assert await _rows(couch, accounts, "accounts/listing_by_api", key="key") == [("key", {"account_id": "cc" * 16})]


async def test_accounts_listing_by_id_has_the_ancestors(couch: Couch, accounts: str) -> None:
    assert await _rows(couch, accounts, "accounts/listing_by_id") == [
        (["aa" * 16, ["aa" * 16]], {"id": "aa" * 16, "name": "Master", "realm": "master", "flags": []}),
        (
            ["cc" * 16, ["aa" * 16, "bb" * 16, "cc" * 16]],
            {"id": "cc" * 16, "name": "Sub & Söhne 24", "realm": "Sub.Example.COM", "flags": ["vip"]},
        ),
    ]
    [simple] = await _rows(couch, accounts, "accounts/listing_by_simple_id", key="cc" * 16)
    assert simple[1] == {"id": "cc" * 16, "name": "Sub & Söhne 24", "realm": "Sub.Example.COM"}


async def test_accounts_views_list_children_descendants_and_parents(couch: Couch, accounts: str) -> None:
    child = {
        "id": "cc" * 16,
        "name": "Sub & Söhne 24",
        "realm": "Sub.Example.COM",
        "descendants_count": 3,
        "flags": ["vip"],
    }
    children = await _rows(couch, accounts, "accounts/listing_by_children", startkey=["b"], endkey=["c"])
    assert children == [(["bb" * 16, "Sub & Söhne 24"], child)]
    descendants = await _rows(couch, accounts, "accounts/listing_by_descendants", key=["aa" * 16, "Sub & Söhne 24"])
    del child["descendants_count"]
    assert descendants == [(["aa" * 16, "Sub & Söhne 24"], {**child, "tree": ["aa" * 16, "bb" * 16]})]
    [count] = await _rows(couch, accounts, "accounts/listing_by_descendants_count", key="aa" * 16)
    assert count[1] == 1
    [parent] = await _rows(couch, accounts, "accounts/listing_by_parent", key="cc" * 16)
    assert parent[1] == {"id": "bb" * 16, "flags": ["vip"]}


@pytest.fixture
async def account(couch: Couch, database: str) -> str:
    await ensure(couch, database, names_for(DatabaseClass.ACCOUNT))
    return database


async def test_users_views_find_users_by_credentials(couch: Couch, account: str) -> None:
    others = [{**USER, "_id": "off", "enabled": False}, {**USER, "_id": "gone", "pvt_deleted": True}, SHORT_USER]
    await couch.save_docs(account, [USER, *others])
    shown = {"owner_id": "u1", "account_id": "cc" * 16}
    assert await _rows(couch, account, "users/creds_by_md5", key="md5") == [("md5", shown)]
    assert await _rows(couch, account, "users/creds_by_sha") == [("sha", shown)]


async def test_users_views_list_users_with_features(couch: Couch, account: str) -> None:
    await couch.save_docs(account, [USER, SHORT_USER])
    features = ["conferencing", "hotdesk", "call_forward_failover", "caller_id", "vm_to_email", "music_on_hold"]
    ada = {
        "id": "u1",
        "username": "Ada",
        "email": "Ada@Example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "priv_level": "admin",
    }
    by_name = await _rows(couch, account, "users/crossbar_listing")
    assert by_name == [
        ("Lovelace Ada", {**ada, "features": [*features, "do_not_disturb"], "flags": []}),
        ("undefined undefined", {"id": "u2", "features": ["own"], "flags": []}),
    ]
    features.remove("call_forward_failover")
    assert await _rows(couch, account, "users/list_by_id", key="u1") == [("u1", {**ada, "features": features})]
    assert await _rows(couch, account, "users/list_by_username") == [("Ada", None)]
    assert await _rows(couch, account, "users/list_by_email") == [("ada@example.com", None)]


async def test_apps_store_view_lists_apps_by_name(couch: Couch, account: str) -> None:
    app: JsonObject = {
        "_id": "1",
        "pvt_type": "app",
        "name": "voip",
        "phase": "gold",
        "i18n": {"en-US": {"label": "VoIP"}},
        "tags": ["x"],
        "api_url": "http://a",
        "published": True,
        "author": "2600Hz",
    }
    await couch.save_docs(
        account, [app, {**app, "_id": "2", "pvt_deleted": True}, {**app, "_id": "3", "pvt_type": "x"}]
    )
    [row] = await couch.view(account, "apps_store/crossbar_listing")
    emitted = ("name", "phase", "i18n", "tags", "api_url", "published")
    assert (row.id, row.key) == ("1", "voip")
    assert row.value == {"id": "1", **{name: app[name] for name in emitted}}


async def test_services_views_list_plans_of_objects_and_accounts(couch: Couch, account: str) -> None:
    plans = {"p1": {"vendor_id": "bb"}}
    await couch.save_docs(
        account,
        [
            {"_id": "d", "pvt_type": "device", "service": {"plans": plans}},
            {"_id": "e", "pvt_type": "device", "service": {}},
            {"_id": "f", "pvt_type": "device", "service": {"plans": plans}, "pvt_deleted": True},
            {"_id": "p1", "pvt_type": "service_plan", "name": "Gold", "plan": {}},
        ],
    )
    assert await _rows(couch, account, "services/object_plans") == [("device", plans)]
    assert await _rows(couch, account, "services/plans") == [("p1", {"id": "p1", "name": "Gold"})]


async def test_accounts_search_views_find_accounts_below_each_ancestor(couch: Couch, accounts: str) -> None:
    shown = {"id": "cc" * 16, "descendants_count": 3, "name": "Sub & Söhne 24", "realm": "Sub.Example.COM"}
    for field, key in (("name", "subshne24"), ("realm", "subexamplecom"), ("id", "cc" * 16)):
        rows = await _rows(couch, accounts, f"search/search_by_{field}")
        assert rows == [([ancestor, "account", key], shown) for ancestor in ("aa" * 16, "bb" * 16)]


async def test_search_views_find_documents_by_name_and_number(couch: Couch, account: str) -> None:
    numbers = {"numbers": ["+1 555", "Sales"]}
    documents: list[JsonObject] = [
        {"_id": "c1", "pvt_type": "callflow", "name": "Main Menu", **numbers},
        {"_id": "c2", "pvt_type": "callflow", **numbers},
        {"_id": "c3", "pvt_type": "callflow", "name": "Gone", "pvt_deleted": True, **numbers},
        {"_id": "d1", "pvt_type": "device", "name": "Desk", "pvt_alphanum_name": "other"},
        {"_id": "apps_store", "name": "without a type"},
        USER,
        {**SHORT_USER, "last_name": "Hopper"},
    ]
    await couch.save_docs(account, documents)
    named: list[tuple[Json, Json]] = [
        (["callflow", "c2"], {"id": "c2", "name": "c2"}),
        (["callflow", "mainmenu"], {"id": "c1", "name": "Main Menu"}),
        (["device", "other"], {"id": "d1", "name": "Desk"}),
        (["user", "adalovelace"], {"id": "u1", "name": "Ada Lovelace", "first_name": "ada", "last_name": "lovelace"}),
        (["user", "hopper"], {"id": "u2", "name": "Hopper", "first_name": "", "last_name": "hopper"}),
    ]
    assert await _rows(couch, account, "search/search_by_name") == named
    by_number = await _rows(couch, account, "search/search_by_number", key=["callflow", "1555"])
    assert by_number == [
        (["callflow", "1555"], {"id": "c1", "name": "Main Menu", **numbers}),
        (["callflow", "1555"], {"id": "c2", **numbers}),
    ]
    both = await _rows(
        couch, account, "search/search_by_name_and_number", startkey=["callflow"], endkey=["callflow", {}]
    )
    assert both == [
        (["callflow", "1555"], {"id": "c1", "name": "Main Menu", **numbers}),
        (["callflow", "1555"], {"id": "c2", "name": "", **numbers}),
        (["callflow", "c2"], {"id": "c2", "name": "c2", **numbers}),
        (["callflow", "mainmenu"], {"id": "c1", "name": "Main Menu", **numbers}),
        (["callflow", "sales"], {"id": "c1", "name": "Main Menu", **numbers}),
        (["callflow", "sales"], {"id": "c2", "name": "", **numbers}),
    ]


async def test_ensure_installs_only_missing_design_documents(couch: Couch, database: str) -> None:
    theirs = await couch.save_doc(database, {"_id": "_design/users", "views": {"theirs": {"map": "function(doc) {}"}}})
    names = names_for(DatabaseClass.ACCOUNT)
    assert set(await ensure(couch, database, names)) == set(names) - {"users"}
    assert await ensure(couch, database, names) == []
    assert await couch.open_doc(database, "_design/users") == theirs
    with pytest.raises(ViewMissing):
        await couch.view(database, "users/creds_by_md5")
    with pytest.raises(DatabaseMissing):
        await ensure(couch, "account/no/ne/0", names)


async def test_ensure_may_run_several_times_at_once(couch: Couch, database: str) -> None:
    installed = await asyncio.gather(*(ensure(couch, database, ["users", "apps_store"]) for _ in range(3)))
    assert sorted(name for names in installed for name in names) == ["apps_store", "users"]


async def test_ensure_takes_a_conflict_for_installed(
    couch: Couch, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_late(database: str, doc: JsonObject) -> JsonObject:
        raise Conflict(database, doc["_id"])

    monkeypatch.setattr(couch, "save_doc", too_late)
    assert await ensure(couch, database, ["users"]) == []


def test_names_for_gives_each_design_document_once() -> None:
    assert names_for(DatabaseClass.ACCOUNTS) == ("accounts", "accounts_search")
    assert names_for(DatabaseClass.ACCOUNT) == ("apps_store", "callflows", "search", "services", "users")
    assert names_for(DatabaseClass.MONTHLY) == ("ledgers",)
    for databases in DatabaseClass:
        ids = [design_document(name)["_id"] for name in names_for(databases)]
        assert len(set(ids)) == len(ids)


def test_design_document_has_only_what_couchdb_needs() -> None:
    document = design_document("apps_store")
    assert set(document) == {"_id", "language", "views", "crossbar_appstore_version"}
    code = document["views"]["crossbar_listing"]["map"]
    assert code.startswith("function (app) {\n")
    assert design_document("accounts")["views"]["listing_by_descendants_count"]["reduce"] == "_count"
    with pytest.raises(UnknownFile):
        design_document("none")


@pytest.mark.parametrize(
    ("version", "newer"),
    [
        (None, False),
        ("", False),
        ("0.9", False),
        (__version__, False),
        ("999.0.0", True),
        ("1000", True),
        (["999"], False),
    ],
)
def test_is_newer_compares_releases_of_design_documents(version: Json, newer: bool) -> None:
    assert is_newer({**design_document("apps_store"), "crossbar_appstore_version": version}) is newer
    assert not is_newer(None)


async def test_standing_alone_is_false_if_kazoo_keeps_views(couch: Couch, monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[str] = []

    async def exists(database: str) -> bool:
        return database in there

    monkeypatch.setattr(couch, "database_exists", exists)
    assert await standing_alone(couch)
    there.append("system_data")
    assert not await standing_alone(couch)
