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


def test_a_complete_description_is_valid_and_masqueradable() -> None:
    assert validate_app(APP) == {}
    assert schema("app").with_defaults(APP) == {**APP, "masqueradable": True}


def test_private_fields_are_not_looked_at() -> None:
    assert validate_app({**APP, "_id": 5, "pvt_type": 7, "unknown": object.__name__}) == {}


@pytest.mark.parametrize("key", ["api_url", "author", "i18n", "icon", "license", "name", "price", "version"])
def test_these_fields_are_required(key: str) -> None:
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
def test_the_schema_is_kazoos(fields: dict[str, Any], expected: dict[str, list[str]]) -> None:
    assert rules({**APP, **fields}) == expected


def test_a_too_long_text_without_a_limit_is_told_as_kazoo_tells_it() -> None:
    app = {**APP, "i18n": {"en-US": {"label": "Smart PBX", "description": "éé"}}}
    assert validate_app(app)["i18n.en-US.description"]["maxLength"] == {
        "message": "String must not be more than undefined characters",
        "cause": "éé",
        "value": "éé",
    }


@pytest.mark.parametrize("odd", [None, [], "x", 5])
def test_a_description_is_an_object(odd: Json) -> None:
    assert rules(odd) == {"": ["type"]}


def test_the_address_of_the_api_is_the_operators() -> None:
    assert "api_url" not in with_api_url(APP, None)
    assert with_api_url(APP, "http://x/v2") == {**APP, "api_url": "http://x/v2"}
    assert with_api_url({}, "http://x/v2") == {"api_url": "http://x/v2"}


def test_a_new_document_takes_no_source_address_and_nothing_private_but_its_id() -> None:
    file = {**APP, "_id": "a", "id": "b", "source_url": "https://x", "_rev": "1-a", "_attachments": {}, "pvt_type": "x"}
    assert new_app_document(file) == {**APP, "_id": "a"}
