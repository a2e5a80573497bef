from typing import Any

import pytest

from crossbar_appstore.appstore.allowed_apps import AccountState, AllowedApp, allowed_apps, needed_vendor_apps
from crossbar_appstore.appstore.apps_store_document import AccountUser
from crossbar_appstore.json_codec import Json, JsonObject
from tests.appstore.samples import ACCOUNT, ADMIN, EXTRA, MASTER, MEMBER, PORT, VENDOR, VOIP, app, find_app, store

CATALOGUE = [app(PORT, "port"), app(VOIP, "voip")]
PLAN = {
    EXTRA: {"vendor_id": VENDOR},
    VOIP: {"vendor_id": VENDOR, "enabled": True},
    PORT: {"vendor_id": VENDOR, "enabled": False},
}
HIDES = {"_id": "whitelabel", "_rev": "1-w", "hide_port": True}


def state(**fields: Any) -> AccountState:
    return AccountState(**{"account_id": ACCOUNT, "master_account_id": MASTER, **fields})


def voip(fields: JsonObject | None = None, user: AccountUser | None = None, **state_fields: Any) -> AllowedApp:
    found = find_app(allowed_apps([app(VOIP, "voip", **(fields or {}))], state(**state_fields), user), VOIP)
    assert found is not None
    return found


def member(**fields: Any) -> AccountUser:
    return AccountUser(MEMBER, {"_id": MEMBER, "priv_level": "user", **fields})


def test_allowed_apps_returns_the_master_accounts_apps() -> None:
    apps = allowed_apps(CATALOGUE, state())
    assert [(one.id, one.published, one.authority) for one in apps] == [
        (PORT, True, "master_account"),
        (VOIP, True, "master_account"),
    ]


def test_allowed_apps_sets_the_master_account_as_owner() -> None:
    document = app(VOIP, "voip", owner=VENDOR, authority="stored")
    (one,) = allowed_apps([document], state())
    assert one.document["pvt_account_id"] == MASTER
    assert one.document["pvt_account_db"].startswith("account%2Faa%2Faa%2F")
    assert one.document["authority"] == "master_account"
    assert document["pvt_account_id"] == VENDOR
    (odd,) = allowed_apps([document], state(master_account_id="short"))
    assert odd.document["pvt_account_db"] == "short"


@pytest.mark.parametrize("hidden", [False, "false"])
def test_allowed_apps_hides_an_unpublished_app(hidden: Json) -> None:
    assert not voip({"published": hidden}).published


@pytest.mark.parametrize("shown", [True, "true", None, 0, "no", {}])
def test_allowed_apps_publishes_unless_published_is_false(shown: Json) -> None:
    assert voip({"published": shown}).published


class TestServicePlan:
    @pytest.mark.parametrize(
        ("entry", "published", "authority"),
        [
            ({"enabled": True}, True, "service_plan"),
            ({"enabled": "true"}, True, "service_plan"),
            ({"enabled": False}, False, "service_plan"),
            ({"enabled": None}, False, "service_plan"),
            ({"enabled": 1}, False, "service_plan"),
            ({"name": "voip"}, True, "master_account"),
            ([], True, "master_account"),
            ("odd", True, "master_account"),
            (None, True, "master_account"),
        ],
    )
    def test_allowed_apps_applies_enabled_of_a_plan_entry(self, entry: Json, published: bool, authority: str) -> None:
        found = voip(plan_apps={VOIP: entry})
        assert (found.published, found.authority) == (published, authority)

    def test_allowed_apps_plan_publishes_an_unpublished_app(self) -> None:
        assert voip({"published": False}, plan_apps={VOIP: {"enabled": True}}).published

    def test_allowed_apps_plan_ignores_other_apps(self) -> None:
        assert voip(plan_apps={PORT: {"enabled": True}}).published


class TestVendorApps:
    def test_needed_vendor_apps_in_plan_order(self) -> None:
        assert needed_vendor_apps(PLAN, MASTER) == ((VENDOR, EXTRA), (VENDOR, VOIP))

    @pytest.mark.parametrize("entry", [{"vendor_id": MASTER}, {"vendor_id": ""}, {"vendor_id": "x"}, {}, [], None, "x"])
    def test_needed_vendor_apps_ignores_master_and_malformed_entries(self, entry: Json) -> None:
        assert needed_vendor_apps({EXTRA: entry}, MASTER) == ()

    def test_allowed_apps_vendor_apps_first_in_reverse_plan_order(self) -> None:
        documents = {
            (VENDOR, EXTRA): app(EXTRA, "extra", owner=VENDOR),
            (VENDOR, VOIP): app(VOIP, "voip", owner=VENDOR, version="2.0"),
        }
        apps = allowed_apps(CATALOGUE, state(plan_apps=PLAN, vendor_apps=documents))
        assert [one.id for one in apps] == [VOIP, EXTRA, PORT, VOIP]
        first = find_app(apps, VOIP)
        assert first is not None
        assert (first.document["version"], first.document["pvt_account_id"]) == ("2.0", VENDOR)
        assert (apps[1].authority, apps[1].published) == ("vendor_account", True)
        assert find_app(apps, MEMBER) is None

    @pytest.mark.parametrize("document", [None, app(EXTRA, "extra", pvt_deleted=True)])
    def test_allowed_apps_skips_missing_or_deleted_vendor_app(self, document: JsonObject | None) -> None:
        apps = allowed_apps(CATALOGUE, state(plan_apps=PLAN, vendor_apps={(VENDOR, EXTRA): document}))
        assert [one.id for one in apps] == [PORT, VOIP]

    def test_allowed_apps_vendor_copy_takes_permission_name_of_catalogue(self) -> None:
        copy = app(VOIP, "voip-custom", owner=VENDOR)
        given = state(
            plan_apps={VOIP: {"vendor_id": VENDOR}},
            vendor_apps={(VENDOR, VOIP): copy},
            apps_store=store({VOIP: {"allowed_users": "all", "name": "voip"}}),
        )
        assert [one.document["name"] for one in allowed_apps([app(VOIP, "voip")], given)] == ["voip", "voip"]

    def test_allowed_apps_returns_a_document_without_id(self) -> None:
        document = app(EXTRA, "extra")
        del document["_id"]
        (one,) = allowed_apps(
            [], state(plan_apps={EXTRA: {"vendor_id": VENDOR}}, vendor_apps={(VENDOR, EXTRA): document})
        )
        assert (one.id, one.published) == (None, True)


class TestPermission:
    def test_allowed_apps_without_user_merges_permission_and_hides_nothing(self) -> None:
        entry = {"allowed_users": "specific", "users": [], "name": "voip", "ui_metadata": {"ui": "x"}}
        found = voip(apps_store=store({VOIP: entry}))
        assert (found.published, found.authority) == (True, "app_store")
        assert {key: found.document[key] for key in entry} == entry

    @pytest.mark.parametrize(
        ("entry", "user", "authorized"),
        [
            ({"allowed_users": "all"}, member(), True),
            ({"allowed_users": "ALL"}, member(), False),
            ({"allowed_users": ""}, member(), False),
            ({"allowed_users": "admins"}, member(), False),
            ({"allowed_users": "admins"}, member(priv_level="admin"), True),
            ({"allowed_users": "admins"}, member(priv_level="Admin"), False),
            ({"allowed_users": "admins"}, member(priv_level=["admin"]), False),
            ({"allowed_users": "admins"}, member(priv_level="admin", enabled=False), True),
            ({"allowed_users": "admins"}, member(priv_level="admin", pvt_deleted=True), False),
            ({"allowed_users": "admins"}, AccountUser(ADMIN, None), False),
            ({"allowed_users": "specific", "users": [MEMBER]}, member(), True),
            ({"allowed_users": "specific", "users": [{"id": MEMBER}]}, member(), True),
            ({"allowed_users": "specific", "users": [ADMIN, {"id": 5}, 7, None]}, member(), False),
            ({"allowed_users": "specific", "users": MEMBER}, member(), False),
            ({"users": [MEMBER]}, member(), True),
            ({"name": "voip"}, member(), False),
            ({"allowed_users": None, "users": [MEMBER]}, member(), False),
            ({"allowed_users": ["all"], "users": []}, member(), False),
            ({"allowed_users": ["all"], "users": [MEMBER]}, member(), True),
            ({"allowed_users": [None], "users": [MEMBER]}, member(), True),
        ],
    )
    def test_allowed_apps_with_user_applies_allowed_users(
        self, entry: JsonObject, user: AccountUser, authorized: bool
    ) -> None:
        found = voip(apps_store=store({VOIP: entry}), user=user)
        assert (found.published, found.authority) == (authorized, "app_store")

    def test_allowed_apps_with_user_without_permission_is_published(self) -> None:
        assert voip(user=member()).published

    def test_allowed_apps_permission_does_not_publish_a_hidden_app(self) -> None:
        entry = {"allowed_users": "all", "published": True}
        found = voip({"published": False}, apps_store=store({VOIP: entry}), user=member())
        assert (found.published, found.authority) == (False, "master_account")
        assert found.document["allowed_users"] == "all"
        assert not voip(plan_apps={VOIP: {"enabled": False}}, apps_store=store({VOIP: entry})).published

    def test_allowed_apps_ignores_private_and_catalogue_keys_of_a_permission(self) -> None:
        spoof = {
            **dict.fromkeys(("_id", "pvt_account_id", "id", "api_url", "source_url", "i18n", "icon"), "spoofed"),
            "name": "renamed",
            "allowed_users": "all",
        }
        found = voip(apps_store=store({VOIP: spoof}))
        assert "spoofed" not in found.document.values()
        assert found.document["name"] == "voip"

    def test_allowed_apps_null_in_a_permission_removes_the_apps_key(self) -> None:
        found = voip({"users": [ADMIN], "phase": None}, apps_store=store({VOIP: {"users": None}}))
        assert not found.document.keys() & {"users", "phase"}

    @pytest.mark.parametrize("entry", [None, "all", 5, [], {}, True])
    def test_allowed_apps_ignores_a_malformed_permission(self, entry: Json) -> None:
        found = voip(apps_store=store({VOIP: entry}), user=member())
        assert (found.published, found.authority) == (True, "master_account")

    def test_allowed_apps_applies_a_permission_nested_too_deeply_to_merge(self) -> None:
        endless: JsonObject = {}
        for _ in range(5000):
            endless = {"deeper": endless}
        entry = {"allowed_users": "admins", "ui_metadata": endless}
        found = voip(apps_store=store({VOIP: entry}), user=member())
        assert (found.published, found.authority) == (False, "app_store")
        assert "ui_metadata" not in found.document

    @pytest.mark.parametrize("odd", [None, "x", 5, True, [], [VOIP]])
    def test_allowed_apps_ignores_malformed_apps_of_the_document(self, odd: Json) -> None:
        assert voip(apps_store={**store(), "apps": odd, "blacklist": [VOIP]}).authority == "app_store_blacklist"
        assert voip(apps_store={**store(), "apps": odd}).authority == "master_account"

    @pytest.mark.parametrize("deleted", [None, store({VOIP: {"allowed_users": "all"}}, [VOIP], pvt_deleted=True)])
    def test_allowed_apps_uses_legacy_permissions_without_apps_store_document(self, deleted: JsonObject | None) -> None:
        account = {"_id": ACCOUNT, "_rev": "3-acc", "apps": {VOIP: {"allowed_users": "admins"}}}
        found = voip(apps_store=deleted, account=account, user=member())
        assert (found.published, found.authority) == (False, "app_store")
        assert (found.trail[-1].document, found.trail[-1].revision) == (ACCOUNT, "3-acc")
        assert voip(apps_store=store(), account=account, user=member()).published
        assert voip(apps_store=deleted, account={"apps": "x"}, user=member()).published


class TestBlacklist:
    def test_allowed_apps_hides_a_blacklisted_app_without_its_permission(self) -> None:
        found = voip(apps_store=store({VOIP: {"allowed_users": "all"}}, [VOIP]))
        assert (found.published, found.authority) == (False, "app_store_blacklist")
        assert "allowed_users" not in found.document

    @pytest.mark.parametrize("odd", [None, "", VOIP, 0, True, {VOIP: True}, [[VOIP]], [5]])
    def test_allowed_apps_ignores_a_malformed_blacklist(self, odd: Json) -> None:
        assert voip(apps_store={**store(), "blacklist": odd}).published


class TestWhitelabel:
    def port(self, name: Json = "port", **fields: Any) -> AllowedApp:
        (found,) = allowed_apps([app(PORT, "port") | {"name": name}], state(**{"whitelabel": HIDES, **fields}))
        return found

    def test_allowed_apps_whitelabel_hides_the_port_app(self) -> None:
        assert (self.port().published, self.port().authority) == (False, "whitelabel_hide_port")
        assert not self.port(name=["po", "rt"]).published
        assert self.port(name="ports").published

    def test_allowed_apps_whitelabel_does_not_hide_from_resellers(self) -> None:
        assert self.port(is_reseller=True).published

    @pytest.mark.parametrize("hide", [False, None, 1, "yes", {}])
    def test_allowed_apps_whitelabel_hides_only_if_true(self, hide: Json) -> None:
        assert self.port(whitelabel={"hide_port": hide}).published
        assert self.port(whitelabel={**HIDES, "pvt_deleted": True}).published
        assert self.port(whitelabel=None).published

    def test_allowed_apps_whitelabel_hides_the_port_app_despite_a_renaming_permission(self) -> None:
        copy = app(PORT, "port", owner=VENDOR)
        apps = allowed_apps(
            [app(PORT, "porting")],
            state(
                whitelabel=HIDES,
                plan_apps={PORT: {"vendor_id": VENDOR}},
                vendor_apps={(VENDOR, PORT): copy},
                apps_store=store({PORT: {"allowed_users": "all", "name": "porting"}}),
            ),
        )
        assert [(one.document["name"], one.published) for one in apps] == [("porting", False), ("porting", True)]


def test_allowed_apps_master_account_sees_everything() -> None:
    found = voip(
        {"published": False},
        account_id=MASTER,
        plan_apps={VOIP: {"enabled": False}},
        apps_store=store(blacklist=[VOIP]),
        user=member(),
    )
    assert (found.published, found.authority, found.document["published"]) == (True, "super_admin", True)


def test_allowed_apps_trail_lists_decisions_with_documents() -> None:
    found = voip(plan_apps={VOIP: {"enabled": True}}, apps_store=store(blacklist=[VOIP]))
    assert [(one.rule, one.published, one.document, one.revision) for one in found.trail] == [
        ("master_account", True, VOIP, "1-voip"),
        ("service_plan", True, "services", None),
        ("app_store_blacklist", False, "apps_store", "7-store"),
    ]
    assert [one.entry for one in found.trail] == [None, {"enabled": True}, VOIP]
