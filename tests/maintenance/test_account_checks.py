from typing import Any

import pytest

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.maintenance.checks import CheckedAccount, account_findings
from crossbar_appstore.maintenance.reports import Finding, Severity

ACCOUNT, APP = new_id(), new_id()
GOOD: JsonObject = {"allowed_users": "specific", "users": ["u1"], "name": "wallboard"}


def findings(apps_store: JsonObject | None = None, **fields: Any) -> list[Finding]:
    account = CheckedAccount(ACCOUNT, "Sub", apps_store, app_names={APP: "wallboard"}, users=("u1", "u2"), **fields)
    return list(account_findings(account))


def of_entry(entry: Json) -> list[Finding]:
    return findings({"_id": "apps_store", "apps": {APP: entry}})


def the_billing_finding(entry: Json) -> Finding:
    (found,) = [one for one in of_entry(entry) if one.check == "billing"]
    assert found.severity is Severity.ERROR
    return found


def repaired_entry(found: Finding, entry: JsonObject) -> Json:
    assert found.repair is not None
    assert (found.repair.database, found.repair.doc_id) == (account_db(ACCOUNT), "apps_store")
    return found.repair.change({"apps": {APP: entry, "other": 1}, "kept": 1})["apps"][APP]


def test_account_findings_accepts_valid_permissions() -> None:
    assert findings() == []
    assert findings({"_id": "apps_store"}) == []
    assert findings({"_id": "apps_store", "apps": {}, "blacklist": []}) == []
    for allowed in ("all", "admins"):
        assert of_entry({"allowed_users": allowed, "name": "wallboard"}) == []


def test_account_findings_reports_users_stored_as_texts_or_objects() -> None:
    texts = of_entry(GOOD)
    objects = of_entry({**GOOD, "users": [{"id": "u1"}, {"id": "u2"}]})
    assert [(one.check, one.severity) for one in (*texts, *objects)] == [("users", Severity.INFO)] * 2
    assert "1 users as texts" in texts[0].message
    assert "2 users as objects" in objects[0].message


def test_account_findings_reports_unusable_and_removed_users() -> None:
    found = of_entry({**GOOD, "users": ["gone", 5]})
    assert [(one.check, one.severity) for one in found] == [
        ("users", Severity.INFO),
        ("users", Severity.WARNING),
        ("users", Severity.INFO),
    ]
    assert found[2].value == ["gone"]


def test_account_findings_repairs_missing_allowed_users() -> None:
    entry = {"users": [], "name": "wallboard"}
    found = the_billing_finding(entry)
    assert repaired_entry(found, entry) == {**entry, "allowed_users": "specific"}


@pytest.mark.parametrize("allowed", ["everybody", "", 1, ["all"], {}])
def test_account_findings_reports_unknown_allowed_users_without_repair(allowed: Json) -> None:
    found = the_billing_finding({"allowed_users": allowed, "users": [], "name": "wallboard"})
    assert found.repair is None
    assert found.value == allowed


def test_account_findings_repairs_missing_users_of_specific_permission() -> None:
    entry = {"allowed_users": "specific", "name": "wallboard"}
    assert repaired_entry(the_billing_finding(entry), entry) == {**entry, "users": []}
    assert the_billing_finding({**entry, "users": "u1"}).repair is None
    assert the_billing_finding({**entry, "allowed_users": "all", "users": {}}).repair is None


def test_account_findings_repairs_missing_name() -> None:
    entry = {"allowed_users": "all"}
    assert repaired_entry(the_billing_finding(entry), entry) == {**entry, "name": "wallboard"}


def test_account_findings_reports_permission_for_unknown_app() -> None:
    found = findings({"_id": "apps_store", "apps": {"gone": {"allowed_users": "all"}}})
    assert [(one.check, one.severity) for one in found] == [("permission", Severity.INFO), ("billing", Severity.ERROR)]
    assert found[1].repair is None


@pytest.mark.parametrize("entry", [None, "x", 5, [], True])
def test_account_findings_reports_permission_that_is_not_an_object(entry: Json) -> None:
    (found,) = of_entry(entry)
    assert (found.check, found.severity, found.value) == ("permission", Severity.ERROR, entry)


def test_repair_change_keeps_document_if_permission_was_removed() -> None:
    found = the_billing_finding({"users": [], "name": "wallboard"})
    assert found.repair is not None
    assert found.repair.change({"apps": {}}) == {"apps": {}}


@pytest.mark.parametrize(("key", "value", "empty"), [("apps", None, {}), ("apps", [], {}), ("blacklist", None, [])])
def test_account_findings_repairs_empty_apps_and_blacklist_of_wrong_type(key: str, value: Json, empty: Json) -> None:
    (found,) = findings({"_id": "apps_store", key: value})
    assert found.severity is Severity.ERROR
    assert found.repair is not None
    assert found.repair.change({key: value}) == {key: empty}


@pytest.mark.parametrize(("key", "value"), [("apps", "x"), ("apps", [1]), ("blacklist", "x"), ("blacklist", {"a": 1})])
def test_account_findings_reports_apps_and_blacklist_of_wrong_type_without_repair(key: str, value: Json) -> None:
    (found,) = findings({"_id": "apps_store", key: value})
    assert (found.severity, found.repair, found.value) == (Severity.ERROR, None, value)


@pytest.mark.parametrize(("key", "value"), [("pvt_deleted", True), ("pvt_type", "apps_store")])
def test_account_findings_repairs_forbidden_private_fields(key: str, value: Json) -> None:
    (found,) = findings({"_id": "apps_store", key: value})
    assert found.severity is Severity.ERROR
    assert found.repair is not None
    assert found.repair.change({key: value, "apps": {}}) == {"apps": {}}


def test_account_findings_reports_plans_and_overrides_with_ui_apps() -> None:
    plan = {"_id": "old", "plan": {"ui_apps": {"wallboard": {"app_id": APP}}}}
    services = {"plans": {"old": {"overrides": {"ui_apps": {"rates": {}}}}, "new": {"overrides": {}}, "odd": 5}}
    found = findings(plans=(plan, {"_id": "new", "plan": {}}), services=services)
    assert [(one.check, one.severity, one.value) for one in found] == [
        ("ui_apps", Severity.WARNING, ["wallboard"]),
        ("ui_apps", Severity.WARNING, ["rates"]),
    ]
    assert "old" in found[0].message
