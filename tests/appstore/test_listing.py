from dataclasses import replace
from typing import Any

import pytest

from crossbar_appstore.appstore.allowed_apps import AccountState, AllowedApp, allowed_apps
from crossbar_appstore.appstore.listing import (
    Skipped,
    app_body,
    label_languages,
    list_entries,
    login_apps,
    shown_text,
)
from crossbar_appstore.json_codec import Json, JsonObject
from tests.appstore.samples import ACCOUNT, MASTER, PORT, VENDOR, VOIP, app, store

STATE = AccountState(ACCOUNT, MASTER, apps_store=store({VOIP: {"allowed_users": "all", "users": [], "name": "voip"}}))


def allowed(*documents: JsonObject, state: AccountState = STATE) -> tuple[AllowedApp, ...]:
    return allowed_apps(documents, state)


def listed(document: JsonObject) -> JsonObject:
    (entry,) = list_entries(allowed(document)).entries
    return entry


def body(document: JsonObject) -> JsonObject:
    found = app_body(allowed(document)[0])
    assert found is not None
    return found


def label_at_login(document: JsonObject, *languages: str) -> Json:
    (entry,) = login_apps(allowed(document), languages or ("en-US",)).entries
    return entry["label"]


def test_the_list_shows_published_apps_the_last_first() -> None:
    hidden = app("9" * 32, "hidden", published=False)
    assert [entry["id"] for entry in list_entries(allowed(app(PORT, "port"), hidden, app(VOIP, "voip"))).entries] == [
        VOIP,
        PORT,
    ]


def test_an_entry_has_kazoos_fields_and_all_other_public_ones() -> None:
    entry = listed(app(VOIP, "voip", phase="beta", extends=["x"], pvt_secret=1, _attachments={}))
    assert entry == {
        "id": VOIP,
        "name": "voip",
        "i18n": {"en-US": {"label": "Voip", "description": "The voip app"}},
        "tags": ["reseller"],
        "icon": "voip.png",
        "api_url": "https://api.example.com/v2/",
        "source_url": "https://ui.example.com/apps/voip",
        "author": "Example",
        "version": "1.0",
        "account_id": MASTER,
        "users": [],
        "allowed_users": "all",
        "masqueradable": True,
        "phase": "beta",
        "extends": ["x"],
        "published": True,
        "authority": "app_store",
    }


def test_an_app_that_is_not_installed_has_no_allowed_users() -> None:
    assert "allowed_users" not in listed(app(PORT, "port"))


def test_a_single_app_has_its_public_fields_published_or_not() -> None:
    document = app(PORT, "port", published=False, screenshots=["1.png"], masqueradable="odd")
    assert body(document) == {
        **{key: value for key, value in document.items() if not key.startswith(("_", "pvt_"))},
        "id": PORT,
        "account_id": MASTER,
        "authority": "master_account",
    }


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("phase", 3, "3"),
        ("phase", None, "null"),
        ("source_url", "", ""),
        ("source_url", ["a", "b"], "ab"),
        ("source_url", [{}], None),
        ("api_url", "", None),
        ("api_url", None, "null"),
        ("api_url", [], None),
        ("tags", "x", []),
        ("users", {}, []),
        ("masqueradable", "false", False),
        ("masqueradable", None, True),
        ("name", 5, "5"),
        ("allowed_users", "everyone", None),
        ("allowed_users", "admins", None),
    ],
)
def test_odd_values_are_listed_as_kazoo_lists_them_or_left_out(key: str, value: Json, expected: Json) -> None:
    assert listed(app(PORT, "port") | {key: value}).get(key) == expected


@pytest.mark.parametrize(
    ("key", "value"), [("api_url", ""), ("allowed_users", "x"), ("allowed_users", None), ("allowed_users", ["all"])]
)
def test_a_single_app_has_no_field_that_misleads_the_client(key: str, value: Json) -> None:
    assert key not in body(app(PORT, "port") | {key: value})


@pytest.mark.parametrize(
    ("stored", "in_list", "alone"),
    [
        ("admins", "admins", "admins"),
        ("everyone", "everyone", "everyone"),
        (["all"], "all", None),
        (["a", "b"], None, None),
        (None, None, None),
        (5, None, None),
    ],
)
def test_who_may_use_an_installed_app_is_shown_as_stored_if_it_is_a_text(
    stored: Json, in_list: str | None, alone: str | None
) -> None:
    state = replace(STATE, apps_store=store({PORT: {"allowed_users": stored, "name": "port"}}))
    (found,) = allowed_apps([app(PORT, "port")], state)
    (entry,) = list_entries([found]).entries
    shown = app_body(found)
    assert entry.get("allowed_users") == in_list
    assert shown is not None
    assert shown.get("allowed_users") == alone


@pytest.mark.parametrize(
    ("i18n", "shown"),
    [
        (None, {"en-US": {"label": "port"}}),
        ("x", {"en-US": {"label": "port"}}),
        ({}, {"en-US": {"label": "port"}}),
        ({"en-US": {}}, {"en-US": {"label": "port"}}),
        ({"en-US": "x"}, {"en-US": {"label": "port"}}),
        ({"en-US": {"label": None, "description": "d"}}, {"en-US": {"label": "port", "description": "d"}}),
        ({"en-US": {"label": 5}}, {"en-US": {"label": "5"}}),
        ({"en-US": {"label": ""}}, {"en-US": {"label": ""}}),
        ({"de-DE": {"label": "Rufnummern"}}, {"de-DE": {"label": "Rufnummern"}}),
        ({"de-DE": {"label": "A"}, "en-US": []}, {"de-DE": {"label": "A"}, "en-US": {"label": "port"}}),
    ],
)
def test_a_missing_label_is_made_from_the_name(i18n: Json, shown: JsonObject) -> None:
    document = app(PORT, "port") | {"i18n": i18n}
    assert listed(document)["i18n"] == shown
    assert body(document)["i18n"] == shown


@pytest.mark.parametrize("name", [None, "", True, [], ["a"], {}])
def test_an_app_without_a_name_is_skipped_and_reported(name: Json) -> None:
    apps = allowed(app(PORT, "port") | {"name": name}, app(VOIP, "voip"))
    for shown in (list_entries(apps), login_apps(apps, ("en-US",))):
        assert [entry["id"] for entry in shown.entries] == [VOIP]
        assert shown.skipped == (Skipped(PORT, "the app has no name"),)
    assert app_body(apps[0]) is None


def test_an_app_without_an_id_is_skipped_and_reported() -> None:
    document = app(PORT, "port")
    del document["_id"]
    shown = list_entries(allowed(document))
    assert (shown.entries, shown.skipped) == ([], (Skipped(None, "the app has no id"),))


def test_an_account_id_of_its_own_shows_where_nobody_owns_the_app() -> None:
    document = app(PORT, "port", account_id="public")
    assert body(document)["account_id"] == MASTER
    del document["pvt_account_id"]
    given = AccountState(ACCOUNT, MASTER, {PORT: {"vendor_id": VENDOR}}, {(VENDOR, PORT): document})
    assert [entry["account_id"] for entry in list_entries(allowed_apps([], given)).entries] == ["public"]


def test_a_login_lists_published_apps_in_order() -> None:
    shown = login_apps(allowed(app(PORT, "port"), app("9" * 32, "x", published=False), app(VOIP, "voip")), ("en-US",))
    assert shown.entries == [
        {
            "id": app_id,
            "name": name,
            "api_url": "https://api.example.com/v2/",
            "source_url": f"https://ui.example.com/apps/{name}",
            "label": name.title(),
        }
        for app_id, name in ((PORT, "port"), (VOIP, "voip"))
    ]


def test_a_login_leaves_out_empty_addresses_of_the_api() -> None:
    (entry,) = login_apps(allowed(app(PORT, "port", api_url="", source_url="")), ("en-US",)).entries
    assert "api_url" not in entry
    assert entry["source_url"] == ""
    (entry,) = login_apps(allowed(app(PORT, "port") | {"api_url": [None]}), ("en-US",)).entries
    assert "api_url" not in entry


def test_labels_are_looked_for_language_by_language() -> None:
    i18n = {"de-DE": {"label": "Rufnummern"}, "fr-FR": "odd", "es-ES": {}, "en-US": {"label": "Numbers"}}
    document = app(PORT, "port") | {"i18n": i18n}
    assert label_at_login(document, "de-DE", "en-US") == "Rufnummern"
    assert label_at_login(document, "fr-FR", "en-US") == "Numbers"
    assert label_at_login(document, "es-ES", "de-DE") == "Rufnummern"
    assert label_at_login(document, "xx") == "port"
    assert label_at_login(app(PORT, "port", i18n={"en-US": {"label": None}})) == "port"
    assert label_at_login(app(PORT, "port", i18n={"en-US": {"label": ""}})) == ""
    assert label_at_login(app(PORT, "port", i18n={"en-US": {"label": 7}})) == "7"


@pytest.mark.parametrize(
    ("user", "account", "languages"),
    [
        ({"language": "de-DE"}, {"language": "fr-FR"}, ("de-DE", "en-GB", "en-US")),
        ({}, {"language": "fr-FR"}, ("fr-FR", "en-GB", "en-US")),
        (None, {"language": "fr-FR"}, ("fr-FR", "en-GB", "en-US")),
        ({"language": None}, {"language": "fr-FR"}, ("en-GB", "en-US")),
        ({}, {}, ("en-GB", "en-US")),
        (None, None, ("en-GB", "en-US")),
        ({"language": "en-US"}, None, ("en-US", "en-GB")),
    ],
)
def test_the_users_language_counts_before_the_accounts(user: Any, account: Any, languages: tuple[str, ...]) -> None:
    assert label_languages(user, account, "en-GB") == languages


def test_only_texts_and_numbers_can_be_names() -> None:
    values: list[Json] = ["a", "", 5, 1.5, None, True, [], {}]
    assert [shown_text(value) for value in values] == ["a", "", "5", "1.5", None, None, None, None]
