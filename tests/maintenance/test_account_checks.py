from typing import Any

import pytest

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.maintenance.account_checks import CheckedAccount, account_findings
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


def test_good_permissions_are_passed_over() -> None:
    assert findings() == []
    assert findings({"_id": "apps_store"}) == []
    assert findings({"_id": "apps_store", "apps": {}, "blacklist": []}) == []
    for allowed in ("all", "admins"):
        assert of_entry({"allowed_users": allowed, "name": "wallboard"}) == []


def test_users_in_either_form_are_told() -> None:
    texts = of_entry(GOOD)
    objects = of_entry({**GOOD, "users": [{"id": "u1"}, {"id": "u2"}]})
    assert [(one.check, one.severity) for one in (*texts, *objects)] == [("users", Severity.INFO)] * 2
    assert "1 users as texts" in texts[0].message
    assert "2 users as objects" in objects[0].message


def test_users_that_are_neither_or_gone_are_told() -> None:
    found = of_entry({**GOOD, "users": ["gone", 5]})
    assert [(one.check, one.severity) for one in found] == [
        ("users", Severity.INFO),
        ("users", Severity.WARNING),
        ("users", Severity.INFO),
    ]
    assert found[2].value == ["gone"]


def test_a_permission_without_allowed_users_stops_billing() -> None:
    entry = {"users": [], "name": "wallboard"}
    found = the_billing_finding(entry)
    assert repaired_entry(found, entry) == {**entry, "allowed_users": "specific"}


@pytest.mark.parametrize("allowed", ["everybody", "", 1, ["all"], {}])
def test_an_unknown_allowed_users_stops_billing_and_is_left_to_people(allowed: Json) -> None:
    found = the_billing_finding({"allowed_users": allowed, "users": [], "name": "wallboard"})
    assert found.repair is None
    assert found.value == allowed


def test_a_permission_for_listed_users_needs_a_list() -> None:
    entry = {"allowed_users": "specific", "name": "wallboard"}
    assert repaired_entry(the_billing_finding(entry), entry) == {**entry, "users": []}
    assert the_billing_finding({**entry, "users": "u1"}).repair is None
    assert the_billing_finding({**entry, "allowed_users": "all", "users": {}}).repair is None


def test_a_permission_needs_a_name() -> None:
    entry = {"allowed_users": "all"}
    assert repaired_entry(the_billing_finding(entry), entry) == {**entry, "name": "wallboard"}


def test_a_permission_for_an_app_that_is_gone() -> None:
    found = findings({"_id": "apps_store", "apps": {"gone": {"allowed_users": "all"}}})
    assert [(one.check, one.severity) for one in found] == [("permission", Severity.INFO), ("billing", Severity.ERROR)]
    assert found[1].repair is None


@pytest.mark.parametrize("entry", [None, "x", 5, [], True])
def test_a_permission_that_is_no_object(entry: Json) -> None:
    (found,) = of_entry(entry)
    assert (found.check, found.severity, found.value) == ("permission", Severity.ERROR, entry)


def test_a_mend_leaves_alone_what_is_gone_meanwhile() -> None:
    found = the_billing_finding({"users": [], "name": "wallboard"})
    assert found.repair is not None
    assert found.repair.change({"apps": {}}) == {"apps": {}}


@pytest.mark.parametrize(("key", "value", "empty"), [("apps", None, {}), ("apps", [], {}), ("blacklist", None, [])])
def test_what_kazoo_crashes_on_is_emptied_where_it_says_nothing(key: str, value: Json, empty: Json) -> None:
    (found,) = findings({"_id": "apps_store", key: value})
    assert found.severity is Severity.ERROR
    assert found.repair is not None
    assert found.repair.change({key: value}) == {key: empty}


@pytest.mark.parametrize(("key", "value"), [("apps", "x"), ("apps", [1]), ("blacklist", "x"), ("blacklist", {"a": 1})])
def test_what_says_something_is_left_to_people(key: str, value: Json) -> None:
    (found,) = findings({"_id": "apps_store", key: value})
    assert (found.severity, found.repair, found.value) == (Severity.ERROR, None, value)


@pytest.mark.parametrize(("key", "value"), [("pvt_deleted", True), ("pvt_type", "apps_store")])
def test_what_must_not_be_there_is_removed(key: str, value: Json) -> None:
    (found,) = findings({"_id": "apps_store", key: value})
    assert found.severity is Severity.ERROR
    assert found.repair is not None
    assert found.repair.change({key: value, "apps": {}}) == {"apps": {}}


def test_stored_conflicts_of_permissions() -> None:
    (found,) = findings({"_id": "apps_store"}, conflicts=("3-c",))
    assert (found.check, found.value) == ("conflict", "3-c")


def test_plans_and_overrides_that_still_use_ui_apps() -> None:
    plan = {"_id": "old", "plan": {"ui_apps": {"wallboard": {"app_id": APP}}}}
    services = {"plans": {"old": {"overrides": {"ui_apps": {"rates": {}}}}, "new": {"overrides": {}}, "odd": 5}}
    found = findings(plans=(plan, {"_id": "new", "plan": {}}), services=services)
    assert [(one.check, one.severity, one.value) for one in found] == [
        ("ui_apps", Severity.WARNING, ["wallboard"]),
        ("ui_apps", Severity.WARNING, ["rates"]),
    ]
    assert "old" in found[0].message
