from typing import Any

import pytest

from crossbar_appstore.appstore.metadata import new_app_document, validate_app, with_api_url
from crossbar_appstore.json_codec import Json
from crossbar_appstore.validation.validator import schema

APP: dict[str, Any] = {
    "name": "voip",
    "i18n": {"en-US": {"label": "Smart PBX", "description": "Calls"}},
    "icon": "voip.png",
    "api_url": "https://api.example.com/v2/",
    "author": "Example",
    "version": "1.0",
    "license": "-",
    "price": 0,
}


def rules(app: Json) -> dict[str, list[str]]:
    return {path: sorted(found) for path, found in validate_app(app).items()}


def test_validate_app_accepts_complete_metadata() -> None:
    assert validate_app(APP) == {}
    assert schema("app").with_defaults(APP) == {**APP, "masqueradable": True}


def test_validate_app_ignores_private_fields() -> None:
    assert validate_app({**APP, "_id": 5, "pvt_type": 7, "unknown": object.__name__}) == {}


@pytest.mark.parametrize("key", ["api_url", "author", "i18n", "icon", "license", "name", "price", "version"])
def test_validate_app_requires_field(key: str) -> None:
    assert rules({other: value for other, value in APP.items() if other != key}) == {key: ["required"]}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"price": "0.00"}, {"price": ["type"]}),
        ({"price": -1}, {"price": ["minimum"]}),
        ({"name": "ab"}, {"name": ["minLength"]}),
        ({"name": "éé"}, {"name": ["maxLength"]}),
        ({"name": "n" * 65}, {"name": ["maxLength"]}),
        ({"phase": None}, {"phase": ["enum", "type"]}),
        ({"phase": "gamma"}, {"phase": ["enum"]}),
        ({"users": [{"id": "x"}]}, {"users.0": ["type"]}),
        ({"i18n": {"en-US": {}}}, {"i18n.en-US.label": ["required"], "i18n.en-US.description": ["required"]}),
        ({"i18n": {"zh-Hant-TW": 5, "en": 5, "en_US": 5}}, {"i18n.zh-Hant-TW": ["type"]}),
        ({"api_url": "no address at all"}, {}),
    ],
)
def test_validate_app_applies_kazoos_schema(fields: dict[str, Any], expected: dict[str, list[str]]) -> None:
    assert rules({**APP, **fields}) == expected


def test_validate_app_reports_undefined_limit_as_kazoo() -> None:
    app = {**APP, "i18n": {"en-US": {"label": "Smart PBX", "description": "éé"}}}
    assert validate_app(app)["i18n.en-US.description"]["maxLength"] == {
        "message": "String must not be more than undefined characters",
        "cause": "éé",
        "value": "éé",
    }


@pytest.mark.parametrize("odd", [None, [], "x", 5])
def test_validate_app_requires_an_object(odd: Json) -> None:
    assert rules(odd) == {"": ["type"]}


def test_with_api_url_replaces_or_removes_it() -> None:
    assert "api_url" not in with_api_url(APP, None)
    assert with_api_url(APP, "http://x/v2") == {**APP, "api_url": "http://x/v2"}
    assert with_api_url({}, "http://x/v2") == {"api_url": "http://x/v2"}


def test_new_app_document_drops_source_url_and_private_fields_but_id() -> None:
    file = {**APP, "_id": "a", "id": "b", "source_url": "https://x", "_rev": "1-a", "_attachments": {}, "pvt_type": "x"}
    assert new_app_document(file) == {**APP, "_id": "a"}
