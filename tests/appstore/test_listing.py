import json
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


def test_list_entries_returns_published_apps_last_first() -> None:
    hidden = app("9" * 32, "hidden", published=False)
    assert [entry["id"] for entry in list_entries(allowed(app(PORT, "port"), hidden, app(VOIP, "voip"))).entries] == [
        VOIP,
        PORT,
    ]


def test_list_entries_returns_all_public_fields() -> None:
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


def test_list_entries_without_permission_has_no_allowed_users() -> None:
    assert "allowed_users" not in listed(app(PORT, "port"))


def test_app_body_returns_public_fields_of_an_unpublished_app() -> None:
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
def test_list_entries_converts_or_omits_odd_values(key: str, value: Json, expected: Json) -> None:
    assert listed(app(PORT, "port") | {key: value}).get(key) == expected


@pytest.mark.parametrize(
    ("key", "value"), [("api_url", ""), ("allowed_users", "x"), ("allowed_users", None), ("allowed_users", ["all"])]
)
def test_app_body_omits_empty_api_url_and_invalid_allowed_users(key: str, value: Json) -> None:
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
def test_list_entries_and_app_body_return_stored_allowed_users(
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
        ({"de-DE": {"label": "A"}, "en-US": []}, {"de-DE": {"label": "A"}, "en-US": {"label": "port"}}),
    ],
)
def test_list_entries_and_app_body_replace_a_missing_label_by_the_name(i18n: Json, shown: JsonObject) -> None:
    document = app(PORT, "port") | {"i18n": i18n}
    assert listed(document)["i18n"] == shown
    assert body(document)["i18n"] == shown


@pytest.mark.parametrize(
    ("i18n", "language"),
    [
        ({"de-DE": {"label": "Rufnummern", "features": ["x"]}}, "de-DE"),
        ({"de-DE": {"label": "Rufnummern"}, "en-us": {"label": "Numbers"}}, "en-us"),
        ({"fr-FR": {}, "de-DE": {"label": "Rufnummern"}}, "fr-FR"),
        ({"de-DE": "odd"}, "de-DE"),
        ({"de-DE": {"label": "<b>"}}, "de-DE"),
        ({"en_US": {"label": "Numbers"}, "de-DE": {"label": "Rufnummern"}}, "en_US"),
    ],
)
def test_list_entries_app_body_and_login_apps_give_every_app_texts_in_english(i18n: JsonObject, language: str) -> None:
    document = app(PORT, "port") | {"i18n": i18n}
    before = json.dumps(document)
    for shown in (listed(document)["i18n"], body(document)["i18n"]):
        assert list(shown) == [*i18n, "en-US"]
        assert shown["en-US"] == shown[language]
        assert label_at_login(document, "en-US") == shown["en-US"]["label"]
    assert json.dumps(document) == before


@pytest.mark.parametrize("label", ["<img src=x onerror=alert(1)>", "a > b", "<", "</title>"])
def test_list_entries_app_body_and_login_apps_make_markup_in_labels_harmless(label: str) -> None:
    harmless = label.replace("<", "\u2039").replace(">", "\u203a")
    i18n = {"en-US": {"label": label, "description": "<b>"}, "de-DE": {"label": "Rufnummern"}}
    document = app(PORT, "port") | {"i18n": i18n}
    for shown in (listed(document)["i18n"], body(document)["i18n"]):
        assert shown == i18n | {"en-US": {"label": harmless, "description": "<b>"}}
    assert label_at_login(document, "en-US") == harmless
    # A label that is made from the name is one, too.
    nameless = app(PORT, label) | {"i18n": {"en-US": {}}}
    assert listed(nameless)["i18n"] == {"en-US": {"label": harmless}}
    assert label_at_login(nameless, "en-US") == harmless
    assert listed(app(PORT, label) | {"i18n": None})["i18n"] == {"en-US": {"label": harmless}}


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "https://user:secret@host/v2/", "https://host/v2/\r", ["java", "script:x"]]
)
def test_list_entries_app_body_and_login_apps_omit_addresses_that_would_act_in_a_browser(address: Json) -> None:
    document = app(PORT, "port") | {"api_url": address, "source_url": address}
    (at_login,) = login_apps(allowed(document), ("en-US",)).entries
    for shown in (listed(document), body(document), at_login):
        assert shown.keys().isdisjoint({"api_url", "source_url"})


def test_list_entries_app_body_and_login_apps_return_relative_addresses() -> None:
    document = app(PORT, "port") | {"api_url": "/v2/", "source_url": "apps/port"}
    (at_login,) = login_apps(allowed(document), ("en-US",)).entries
    for shown in (listed(document), body(document), at_login):
        assert (shown["api_url"], shown["source_url"]) == ("/v2/", "apps/port")


def test_list_entries_of_an_override_has_harmless_labels_and_english_texts() -> None:
    stored = {"_id": f"app_whitelabel-{PORT}", "i18n": {"de-DE": {"label": "<i>Unsere</i>"}}}
    document = app(PORT, "port") | {"i18n": {"de-DE": {"label": "Rufnummern"}}}
    (entry,) = list_entries(allowed(document, state=replace(STATE, overrides={PORT: stored}))).entries
    branded = {"label": "\u2039i\u203aUnsere\u2039/i\u203a"}
    assert entry["i18n"] == {"de-DE": branded, "en-US": branded}


@pytest.mark.parametrize("name", [None, "", True, [], ["a"], {}])
def test_list_entries_and_login_apps_skip_an_app_without_name(name: Json) -> None:
    apps = allowed(app(PORT, "port") | {"name": name}, app(VOIP, "voip"))
    for shown in (list_entries(apps), login_apps(apps, ("en-US",))):
        assert [entry["id"] for entry in shown.entries] == [VOIP]
        assert shown.skipped == (Skipped(PORT, "the app has no name"),)
    assert app_body(apps[0]) is None


def test_list_entries_skips_an_app_without_id() -> None:
    document = app(PORT, "port")
    del document["_id"]
    shown = list_entries(allowed(document))
    assert (shown.entries, shown.skipped) == ([], (Skipped(None, "the app has no id"),))


def test_list_entries_returns_public_account_id_without_private_one() -> None:
    document = app(PORT, "port", account_id="public")
    assert body(document)["account_id"] == MASTER
    del document["pvt_account_id"]
    given = AccountState(ACCOUNT, MASTER, {PORT: {"vendor_id": VENDOR}}, {(VENDOR, PORT): document})
    assert [entry["account_id"] for entry in list_entries(allowed_apps([], given)).entries] == ["public"]


def test_login_apps_returns_published_apps_in_order() -> None:
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


def test_login_apps_omits_empty_api_url() -> None:
    (entry,) = login_apps(allowed(app(PORT, "port", api_url="", source_url="")), ("en-US",)).entries
    assert "api_url" not in entry
    assert entry["source_url"] == ""
    (entry,) = login_apps(allowed(app(PORT, "port") | {"api_url": [None]}), ("en-US",)).entries
    assert "api_url" not in entry


def test_login_apps_label_in_the_first_language_that_has_one() -> None:
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
def test_label_languages_prefers_the_users_language(user: Any, account: Any, languages: tuple[str, ...]) -> None:
    assert label_languages(user, account, "en-GB") == languages


def test_shown_text_of_texts_and_numbers_only() -> None:
    values: list[Json] = ["a", "", 5, 1.5, None, True, [], {}]
    assert [shown_text(value) for value in values] == ["a", "", "5", "1.5", None, None, None, None]
