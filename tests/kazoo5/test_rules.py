"""Overrides in the rules for apps: pure functions over documents."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.appstore.allowed_apps import OVERRIDE, AccountState, AllowedApp, allowed_apps
from crossbar_appstore.appstore.app_overrides import NEVER_OVERRIDDEN, by_app, override_id, overriding
from crossbar_appstore.appstore.app_pictures import illustrated, pictures_of, screenshot_name
from crossbar_appstore.appstore.listing import app_body, app_body_for_others, list_entries
from crossbar_appstore.json_codec import JsonObject
from tests.json_values import json_values

MASTER, ACCOUNT = "a" * 32, "b" * 32
VOIP: JsonObject = {
    "_id": "voip",
    "_rev": "1-a",
    "name": "voip",
    "i18n": {"en-US": {"label": "Voip", "features": ["one"]}, "de-DE": {"label": "Telefonie"}},
    "icon": "icon.png",
    "tags": ["telephony"],
    "api_url": "https://api.example.org/v2/",
}


def override(**fields: Any) -> JsonObject:
    return {"_id": "app_whitelabel-voip", "_rev": "3-c", "pvt_type": "app_whitelabel", **fields}


def decided(stored: JsonObject | None, account_id: str = ACCOUNT, **state: Any) -> AllowedApp:
    found = {} if stored is None else by_app([stored])
    (app,) = allowed_apps([VOIP], AccountState(account_id, MASTER, overrides=found, **state))
    return app


def test_allowed_apps_applies_and_records_the_override() -> None:
    fields = {"i18n": {"en-US": {"label": "Ours"}}, "author": "Us"}
    stored = override(**fields)
    app = decided(stored, apps_store={"_id": "apps_store", "apps": {"voip": {"allowed_users": "all"}}})
    assert app.document["i18n"] == {"en-US": {"label": "Ours", "features": ["one"]}, "de-DE": {"label": "Telefonie"}}
    assert [decision.rule for decision in app.trail] == ["master_account", OVERRIDE, "app_store"]
    decision = app.trail[1]
    assert (decision.document, decision.revision, decision.published) == ("app_whitelabel-voip", "3-c", True)
    assert (decision.entry, app.override, app.authority) == (fields, stored, "app_store")


def test_allowed_apps_without_override_is_unchanged() -> None:
    assert decided(override(pvt_deleted=True)) == decided(None)
    assert decided(override(), account_id=MASTER) == decided(None, account_id=MASTER)


def test_by_app_takes_overrides_of_apps_only() -> None:
    others: list[JsonObject | None] = [None, {}, {"_id": 5}, {"_id": "apps_store"}, {"_id": "app_whitelabel"}]
    assert by_app(others) == {}
    assert override_id("voip") == override()["_id"]


@pytest.mark.parametrize("key", sorted(NEVER_OVERRIDDEN | {"_id", "_rev", "pvt_type", "_attachments"}))
def test_allowed_apps_ignores_fields_that_are_never_overridden(key: str) -> None:
    assert overriding({key: "x", "author": "Us"}) == {"author": "Us"}


@pytest.mark.parametrize(
    ("stated", "counting"),
    [
        ({"i18n": {}}, {}),
        ({"i18n": "x"}, {}),
        ({"i18n": {"en-US": {}, "de-DE": {"label": "x"}}}, {"i18n": {"de-DE": {"label": "x"}}}),
        ({"i18n": {"en-US": {"icon": 1, "screenshots": ["a", 2]}}}, {}),
        ({"i18n": {"en-US": {"label": None, "description": "x"}}}, {"i18n": {"en-US": {"description": "x"}}}),
        ({"icon": "", "screenshots": [], "author": None, "urls": {}}, {}),
        ({"icon": 5, "screenshots": "x"}, {}),
        ({"price": 0, "extra": False}, {"price": 0, "extra": False}),
    ],
)
def test_allowed_apps_ignores_malformed_and_empty_overrides(stated: JsonObject, counting: JsonObject) -> None:
    assert overriding(stated) == counting


def test_allowed_apps_ignores_overrides_nested_too_deeply() -> None:
    nested: JsonObject = {}
    for _ in range(100_000):
        nested = {"x": nested}
    assert overriding({"urls": nested, "author": "Us"}) == {}


@given(st.dictionaries(st.sampled_from([*VOIP, "published", "publish", "allowed_users", "users", "x"]), json_values))
def test_allowed_apps_override_never_changes_the_decision(fields: JsonObject) -> None:
    hidden = {**VOIP, "_id": "hidden", "published": False}
    stored = {name: {**fields, "_id": override_id(name), "pvt_type": "x"} for name in ("voip", "hidden")}
    state = AccountState(ACCOUNT, MASTER, overrides=stored)
    apps = allowed_apps([VOIP, hidden], state)
    plain = allowed_apps([VOIP, hidden], AccountState(ACCOUNT, MASTER))
    assert [(app.id, app.published, app.authority) for app in apps] == [
        (app.id, app.published, app.authority) for app in plain
    ]
    (entry,) = list_entries(apps).entries
    assert (entry["name"], entry["api_url"]) == ("voip", VOIP["api_url"])
    assert "allowed_users" not in entry
    assert all(texts["label"] for texts in entry["i18n"].values() if isinstance(texts, dict))


def test_app_body_for_others_hides_users() -> None:
    permission = {"allowed_users": "specific", "users": ["u"], "name": "voip", "note": "x", "author": "x"}
    app = decided(None, apps_store={"_id": "apps_store", "apps": {"voip": permission}})
    body, others = app_body(app), app_body_for_others(app)
    assert body is not None
    assert others == {key: value for key, value in body.items() if key not in ("allowed_users", "users", "note")}
    (nameless,) = allowed_apps([{**VOIP, "name": None}], AccountState(ACCOUNT, MASTER))
    assert app_body_for_others(nameless) is None


def icons(app: AllowedApp, language: str | None = None) -> tuple[str, ...]:
    return illustrated([app], ACCOUNT).icons(language)


def test_icons_prefer_the_overrides() -> None:
    english = override(i18n={"en-US": {"icon": "ours.png"}}, icon="plain.png")
    assert icons(decided(english)) == ("ours.png", "plain.png")
    assert icons(decided(override(icon="plain.png"))) == ("plain.png",)
    assert icons(decided(override(author="Us"))) == icons(decided(None)) == ("icon.png",)
    german = override(i18n={"de-DE": {"icon": "unser.png"}})
    assert icons(decided(german), "de-DE") == ("unser.png", "icon.png")
    assert icons(decided(german)) == ("icon.png",)


def test_illustrated_looks_in_override_then_vendor_then_catalogue() -> None:
    vendor = "c" * 32
    state = AccountState(
        ACCOUNT,
        MASTER,
        plan_apps={"voip": {"vendor_id": vendor}},
        vendor_apps={(vendor, "voip"): {**VOIP, "icon": "vendor.png"}},
        overrides=by_app([override(icon="ours.png")]),
    )
    found = illustrated(allowed_apps([VOIP], state), ACCOUNT)
    assert [holder.account_id for holder in found.holders] == [ACCOUNT, vendor, MASTER]
    assert found.icons(None) == ("ours.png",)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("0", "a"),
        ("1", "1"),
        ("2", None),
        ("b", "b"),
        ("c", None),
        ("-1", None),
        ("³", None),
        ("9" * 30, None),
        ("", None),
    ],
)
def test_screenshot_name_by_index_or_name(key: str, expected: str | None) -> None:
    assert screenshot_name(["a", "1", 5, "b"], key) == expected


def test_screenshots_come_from_the_first_language_that_has_some() -> None:
    document: JsonObject = {
        "screenshots": [],
        "i18n": {"en-US": {"screenshots": ["en"]}, "de-DE": {"screenshots": "x"}},
    }
    pictures = pictures_of(document, MASTER)
    assert [pictures.screenshots(language) for language in (None, "de-DE", "en-US")] == [["en"]] * 3
    assert pictures_of({}, MASTER).screenshots(None) == []
