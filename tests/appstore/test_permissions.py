import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.appstore.allowed_apps import AccountState, AllowedApp, allowed_apps
from crossbar_appstore.appstore.apps_store_document import CATALOGUE_KEYS
from crossbar_appstore.appstore.permissions import (
    AlreadyInstalled,
    NotInstalled,
    blacklist,
    install,
    is_installed,
    permission_entry,
    reconfigure,
    set_blacklist,
    uninstall,
    validate_blacklist,
    validate_permission,
)
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.validation.errors import STRICT_PROPERTIES
from tests.appstore.samples import ACCOUNT, MASTER, MEMBER, PORT, VOIP, app, store
from tests.json_values import json_values

ENTRY = {"allowed_users": "all", "users": [], "name": "voip"}
NEW_DOCUMENT = {
    "_id": "apps_store",
    "pvt_account_id": ACCOUNT,
    "pvt_account_db": f"account%2Fcc%2Fcc%2F{ACCOUNT[4:]}",
}

Change = Callable[[JsonObject | None], JsonObject]

CHANGES: dict[str, Change] = {
    "install": lambda doc: install(doc, VOIP, ENTRY, account_id=ACCOUNT),
    "reconfigure": lambda doc: reconfigure(doc, VOIP, ENTRY, account_id=ACCOUNT),
    "uninstall": lambda doc: uninstall(doc, VOIP, account_id=ACCOUNT),
    "blacklist": lambda doc: set_blacklist(doc, [PORT], account_id=ACCOUNT),
}


def catalogue_app(name: Json = "voip") -> AllowedApp:
    return allowed_apps([app(VOIP, "voip") | {"name": name}], AccountState(ACCOUNT, MASTER))[0]


class TestValidation:
    @pytest.mark.parametrize(
        "data",
        [
            {},
            {"allowed_users": "all"},
            {"allowed_users": "admins", "users": []},
            {"allowed_users": "specific", "users": [MEMBER, {"id": MEMBER, "name": "x"}]},
            {"name": "ignored", "ui_metadata": {"ui": "x"}, "verb": "PUT", "x_": 1, "identity": 1, "tagsy": 1},
        ],
    )
    def test_validate_permission_accepts_the_web_clients_data(self, data: JsonObject) -> None:
        assert validate_permission(data) == {}

    @pytest.mark.parametrize("key", [*sorted(CATALOGUE_KEYS), "_id", "_x", "pvt_x", "pvt_"])
    def test_validate_permission_rejects_private_and_catalogue_keys(self, key: str) -> None:
        data = {"allowed_users": "all", key: "x"}
        assert validate_permission(data) == {
            key: {"additionalProperties": {"message": STRICT_PROPERTIES, "value": data}}
        }

    @pytest.mark.parametrize("odd", ["nobody", "", "ALL"])
    def test_validate_permission_rejects_unknown_allowed_users(self, odd: str) -> None:
        details = validate_permission({"allowed_users": odd})["allowed_users"]["enum"]
        assert (details["target"], details["value"]) == (["all", "admins", "specific"], odd)

    @pytest.mark.parametrize("odd", [None, True, 5, [], {}])
    def test_validate_permission_rejects_allowed_users_of_another_type(self, odd: Json) -> None:
        assert validate_permission({"allowed_users": odd}).keys() == {"allowed_users"}

    @pytest.mark.parametrize(
        ("users", "path"),
        [
            ("all of them", "users"),
            (None, "users"),
            ({}, "users"),
            ([5], "users.0"),
            ([MEMBER, None], "users.1"),
            ([[MEMBER]], "users.0"),
            ([{}], "users.0.id"),
            ([{"id": 5}], "users.0.id"),
        ],
    )
    def test_validate_permission_rejects_malformed_users(self, users: Json, path: str) -> None:
        assert validate_permission({"users": users}).keys() == {path}

    @pytest.mark.parametrize("data", [[], [1], [{"a": 1}], None, "x"])
    def test_validate_permission_and_blacklist_require_an_object(self, data: Json) -> None:
        for errors in (validate_permission(data), validate_blacklist(data)):
            assert errors == {
                "data": {"type": {"message": "Value did not match type(s): object", "target": "object", "value": data}}
            }

    @pytest.mark.parametrize(
        ("data", "errors"),
        [
            ({"blacklist": []}, {}),
            ({"blacklist": [VOIP], "ui_metadata": {}}, {}),
            ({}, {"blacklist": "required"}),
            ({"blacklist": None}, {"blacklist": "type"}),
            ({"blacklist": VOIP}, {"blacklist": "type"}),
            ({"blacklist": [VOIP, VOIP]}, {"blacklist": "uniqueItems"}),
            ({"blacklist": [5]}, {"blacklist.0": "type"}),
        ],
    )
    def test_validate_blacklist_requires_unique_texts(self, data: Json, errors: dict[str, str]) -> None:
        assert {path: next(iter(rules)) for path, rules in validate_blacklist(data).items()} == errors


class TestEntry:
    def test_permission_entry_adds_defaults(self) -> None:
        assert permission_entry({}, catalogue_app()) == {"allowed_users": "specific", "users": [], "name": "voip"}
        assert permission_entry({"allowed_users": "all"}, catalogue_app()) == ENTRY

    def test_permission_entry_keeps_data_but_the_name(self) -> None:
        data = {"allowed_users": "specific", "users": [{"id": MEMBER}], "ui_metadata": {"ui": "x"}, "name": "zzz"}
        assert permission_entry(data, catalogue_app()) == {**data, "name": "voip"}

    @pytest.mark.parametrize(("name", "stored"), [(5, "5"), (None, VOIP), ("", VOIP)])
    def test_permission_entry_always_has_a_name(self, name: Json, stored: str) -> None:
        assert permission_entry({"name": "mine"}, catalogue_app(name))["name"] == stored


class TestChange:
    def test_install_creates_a_document(self) -> None:
        assert install(None, VOIP, ENTRY, account_id=ACCOUNT) == {**NEW_DOCUMENT, "apps": {VOIP: ENTRY}}

    def test_install_adds_one_entry_and_keeps_the_rest(self) -> None:
        before = store({PORT: {"odd": 1}}, [MEMBER], pvt_secret=1, unknown={"a": 1}, _attachments={"x": {"stub": True}})
        kept = copy.deepcopy(before)
        after = install(before, VOIP, ENTRY, account_id=ACCOUNT)
        assert after == {**kept, "apps": {PORT: {"odd": 1}, VOIP: ENTRY}}
        assert before == kept

    @pytest.mark.parametrize("entry", [ENTRY, {}, None, "odd"])
    def test_install_of_an_installed_app_raises(self, entry: Json) -> None:
        with pytest.raises(AlreadyInstalled) as caught:
            install(store({VOIP: entry}), VOIP, ENTRY, account_id=ACCOUNT)
        assert (caught.value.text, caught.value.args) == ("Application already installed", (VOIP,))

    def test_reconfigure_replaces_the_entry(self) -> None:
        before = store({VOIP: {"allowed_users": "bogus", "extra": 1}, PORT: None})
        assert reconfigure(before, VOIP, ENTRY, account_id=ACCOUNT)["apps"] == {VOIP: ENTRY, PORT: None}

    def test_uninstall_removes_the_entry(self) -> None:
        assert uninstall(store({VOIP: ENTRY, PORT: ENTRY}), VOIP, account_id=ACCOUNT)["apps"] == {PORT: ENTRY}
        assert uninstall(store({VOIP: ENTRY}), VOIP, account_id=ACCOUNT)["apps"] == {}

    @pytest.mark.parametrize("document", [None, store(), store({PORT: ENTRY}), store({VOIP: ENTRY}, pvt_deleted=True)])
    def test_reconfigure_and_uninstall_raise_if_not_installed(self, document: JsonObject | None) -> None:
        assert not is_installed(document, VOIP)
        for change in ("reconfigure", "uninstall"):
            with pytest.raises(NotInstalled) as caught:
                CHANGES[change](document)
            assert caught.value.text == "Application is not installed"

    def test_set_blacklist_replaces_the_stored_one(self) -> None:
        after = set_blacklist(store({VOIP: ENTRY}, [MEMBER]), [VOIP, PORT], account_id=ACCOUNT)
        assert after == store({VOIP: ENTRY}, [VOIP, PORT])
        assert blacklist(after) == [VOIP, PORT]
        assert set_blacklist(None, [], account_id=ACCOUNT) == {**NEW_DOCUMENT, "blacklist": []}

    @pytest.mark.parametrize("odd", [None, "x", {}, 5])
    def test_blacklist_of_malformed_value_is_empty(self, odd: Json) -> None:
        assert blacklist({**store(), "blacklist": odd}) == []
        assert blacklist(None) == []

    def test_install_revives_a_deleted_document_without_its_content(self) -> None:
        deleted = store({VOIP: ENTRY}, [PORT], pvt_deleted=True, pvt_created=5)
        assert blacklist(deleted) == []
        after = install(deleted, VOIP, ENTRY, account_id=ACCOUNT)
        assert after == store({VOIP: ENTRY}, pvt_created=5)

    @pytest.mark.parametrize("odd", [None, "x", 5, True, [], [1]])
    def test_install_and_set_blacklist_replace_malformed_apps(self, odd: Json) -> None:
        document = {**store(), "apps": odd, "blacklist": None}
        assert install(document, VOIP, ENTRY, account_id=ACCOUNT) == store({VOIP: ENTRY})
        assert set_blacklist(document, [PORT], account_id=ACCOUNT) == store(blacklist=[PORT])

    def test_install_uninstall_and_set_blacklist_copy_legacy_permissions(self) -> None:
        account: JsonObject = {"_id": ACCOUNT, "apps": {PORT: {"allowed_users": "admins"}}}
        assert is_installed(None, PORT, account=account)
        assert not is_installed(store(), PORT, account=account)
        moved: dict[str, Any] = {"account_id": ACCOUNT, "account": account}
        assert install(None, VOIP, ENTRY, **moved)["apps"] == {**account["apps"], VOIP: ENTRY}
        assert uninstall(None, PORT, **moved)["apps"] == {}
        assert set_blacklist(None, [VOIP], **moved)["apps"] == account["apps"]
        assert set_blacklist(store(), [VOIP], **moved) == store(blacklist=[VOIP])
        with pytest.raises(AlreadyInstalled):
            install(None, PORT, ENTRY, **moved)


documents = st.one_of(
    st.none(),
    st.dictionaries(st.sampled_from(["apps", "blacklist", "pvt_deleted", "_rev", "x", "pvt_x"]), json_values),
)


@given(documents, st.sampled_from(sorted(CHANGES)))
def test_changes_accept_any_document_and_store_valid_types(document: JsonObject | None, name: str) -> None:
    before = copy.deepcopy(document)
    try:
        after = CHANGES[name](document)
    except (AlreadyInstalled, NotInstalled):
        return
    assert document == before
    assert isinstance(after.get("apps", {}), dict)
    assert isinstance(after.get("blacklist", []), list)
    assert "pvt_type" not in after
    for key, value in (before or {}).items():
        if key not in ("apps", "blacklist", "pvt_deleted"):
            assert after[key] == value
    assert is_installed(after, VOIP) is (name != "uninstall") or name == "blacklist"


@given(st.dictionaries(st.one_of(st.sampled_from(["allowed_users", "users", "name", "id"]), st.text()), json_values))
def test_permission_entry_of_valid_data_can_be_counted_by_billing(data: dict[str, Any]) -> None:
    if validate_permission(data):
        return
    entry = permission_entry(data, catalogue_app())
    assert entry["allowed_users"] in ("all", "admins", "specific")
    assert isinstance(entry["users"], list)
    assert entry["name"] == "voip"
    assert not entry.keys() & CATALOGUE_KEYS
    assert {**data, "name": "voip"} == {key: entry[key] for key in {*data, "name"}}
