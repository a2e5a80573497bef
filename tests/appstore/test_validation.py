"""JSON Schema validation: each rule with Crossbar's message."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.package_data import UnknownFile, load_schema, schema_names
from crossbar_appstore.validation.errors import STRICT_ITEMS, STRICT_PROPERTIES, joined_path
from crossbar_appstore.validation.keywords import DRAFT4_KEYWORDS, Keyword
from crossbar_appstore.validation.validator import (
    MAX_ERRORS,
    compile_schema,
    schema,
    validate_coercing,
)
from tests.json_values import json_values

_EVERYWHERE = {
    name: keyword
    for name, keyword in DRAFT4_KEYWORDS.items()
    if name not in ("items", "patternProperties", "properties", "type")
}
_extend: Callable[[type[Validator], Mapping[str, Keyword]], type[Validator]] = validators.extend
_DESCENDING = _extend(Draft4Validator, _EVERYWHERE)
"""Descends to every value, as jsonschema does by default."""
_TYPE = st.sampled_from(["object", "array", "string", "boolean", "null", "integer", "number"])
_SCHEMA: st.SearchStrategy[JsonObject] = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": _TYPE | st.lists(_TYPE, min_size=1, unique=True),
            "enum": st.lists(json_values, min_size=1, max_size=3),
            "minimum": st.integers(-3, 3),
            "minLength": st.integers(0, 3),
            "required": st.lists(st.sampled_from("ab"), max_size=2),
            "$ref": st.just("#/definitions/text"),
            "id": st.just("http://example.com/below"),
        },
    ),
    lambda below: st.fixed_dictionaries(
        {},
        optional={
            "type": _TYPE,
            "properties": st.dictionaries(st.sampled_from("abc"), below, max_size=3),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$", ""]), below, max_size=2),
            "additionalProperties": st.booleans() | below,
            "items": below | st.lists(below, max_size=2),
            "additionalItems": st.booleans() | below,
            "anyOf": st.lists(below, min_size=1, max_size=2),
            "not": below,
        },
    ),
    max_leaves=8,
)
_VALUE: st.SearchStrategy[Json] = st.recursive(
    json_values,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from("abc"), below, max_size=3),
    max_leaves=8,
)


@given(content=_SCHEMA, value=_VALUE)
def test_errors_are_those_of_jsonschemas_own_descent(content: JsonObject, value: Json) -> None:
    content = {**content, "definitions": {"text": {"type": "string"}}}
    content.pop("id", None)
    content.pop("$ref", None)
    quick, whole = compile_schema(content), _DESCENDING(content)

    def shown(failures: Iterable[ValidationError]) -> list[str]:
        return sorted(
            f"{list(each.absolute_path)} {list(each.absolute_schema_path)} {each.message}" for each in failures
        )

    try:
        expected = shown(whole.iter_errors(value))
    except Exception as error:  # noqa: BLE001 - a reference that leads nowhere does so in both
        with pytest.raises(type(error)):
            shown(quick.validator.iter_errors(value))
    else:
        assert shown(quick.validator.iter_errors(value)) == expected


def errors(property_schema: JsonObject, value: Json, **top: Any) -> dict[str, dict[str, JsonObject]]:
    return compile_schema({"properties": {"f": property_schema}, **top}).errors({"f": value})


@pytest.mark.parametrize(
    ("property_schema", "value", "rule", "details"),
    [
        (
            {"type": "string"},
            5,
            "type",
            {"message": "Value did not match type(s): string", "target": "string"},
        ),
        (
            {"type": ["object", "array"]},
            "x",
            "type",
            {"message": "Value did not match type(s): object, array", "target": "object, array"},
        ),
        (
            {"enum": ["md5", "sha"]},
            "sha1",
            "enum",
            {"message": "Value not found in enumerated list of values", "target": ["md5", "sha"]},
        ),
        (
            {"minLength": 1},
            "",
            "minLength",
            {"message": "String must be at least 1 characters", "target": 1, "cause": ""},
        ),
        (
            {"maxLength": 2},
            "abc",
            "maxLength",
            {"message": "String must not be more than 2 characters", "target": 2, "cause": "abc"},
        ),
        ({"minimum": 3}, 2, "minimum", {"message": "Value must be at least 3", "target": 3}),
        ({"minimum": 3, "exclusiveMinimum": True}, 3, "minimum", {"message": "Value must be at least 3", "target": 3}),
        ({"maximum": 1.5}, 2, "maximum", {"message": "Value must be at most 1.5", "target": 1.5}),
        ({"minItems": 2}, [1], "minItems", {"message": "The list must have at least 2 items", "target": 2}),
        ({"maxItems": 1}, [1, 2], "maxItems", {"message": "The list is more than 1 items", "target": 1}),
        ({"minProperties": 1}, {}, "minProperties", {"message": "The object must have at least 1 keys", "target": 1}),
        ({"uniqueItems": True}, [1, 1], "uniqueItems", {"message": "List of items is not unique"}),
        ({"items": [{}], "additionalItems": False}, [1, 2], "additionalItems", {"message": STRICT_ITEMS}),
        ({"pattern": "^a+$"}, "b", "pattern", {"message": "Failed to match pattern '^a+$'", "target": "^a+$"}),
        ({"dependencies": {"a": ["b"]}}, {"a": 1}, "dependencies", {"message": "Dependencies were not validated"}),
        ({"maxProperties": 0}, {"a": 1}, "too_many_properties", {"message": "failed to validate"}),
        ({"multipleOf": 2}, 3, "not_multiple_of", {"message": "failed to validate"}),
        ({"not": {}}, 3, "not_schema_valid", {"message": "failed to validate"}),
        ({"anyOf": [{"type": "string"}]}, 3, "any_schemas_not_valid", {"message": "failed to validate"}),
        ({"oneOf": [{"type": "string"}]}, 3, "not_one_schema_valid", {"message": "failed to validate"}),
    ],
)
def test_errors_have_crossbars_message_and_members(
    property_schema: JsonObject, value: Json, rule: str, details: JsonObject
) -> None:
    assert errors(property_schema, value) == {"f": {rule: {**details, "value": value}}}


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("email", ["a@b", "ä @ö"], ["a", "@", "a@", "a@b@c", ""]),
        ("ipv4", ["127.0.0.1"], ["127.0.0", "::1", "x"]),
        ("ipv6", ["::1", "fe80::1"], ["127.0.0.1", "x"]),
        (
            "date-time",
            ["2024-03-12T10:00:00Z", "2024-03-12T10:00:00.25+01:00"],
            ["2024-03-12", "2024-13-12T10:00:00Z", "2024-03-12 10:00:00Z", "2024-03-12T10:00:00", "x"],
        ),
        ("uri", ["https://x", "anything"], []),
        ("hostname", ["anything at all"], []),
    ],
)
def test_errors_of_formats_match_kazoo(name: str, right: list[str], wrong: list[str]) -> None:
    for value in (*right, 5, None):
        assert errors({"format": name}, value) == {}
    for value in wrong:
        details = {"message": "Field is not in the correct format", "value": value, "format": name}
        assert errors({"format": name}, value) == {"f": {"wrong_format": details}}


def test_errors_of_a_missing_property_contain_its_name() -> None:
    required = {"message": "Field is required but missing"}
    nested = compile_schema({"properties": {"a": {"required": ["x.y"]}}})
    assert nested.errors({"a": {"z": 1}}) == {"a.x%2Ey": {"required": {**required, "value": "x.y"}}}


def test_errors_name_each_extra_property() -> None:
    strict = compile_schema({"properties": {"a": {}}, "patternProperties": {"^x": {}}, "additionalProperties": False})
    value = {"a": 1, "xyz": 1, "b": 1, "c": 1}
    refused = {"additionalProperties": {"message": STRICT_PROPERTIES, "value": value}}
    assert strict.errors(value) == {"b": refused, "c": refused}
    typed = compile_schema({"additionalProperties": {"type": "string"}})
    assert typed.errors({"a": "x", "b": 5}).keys() == {"b"}
    assert strict.errors("no object").keys() == typed.errors(5).keys() == set()
    assert compile_schema({"additionalProperties": True}).errors({"a": 1}) == {}


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ([], True),
        ([1, True, "1", "true", None, [], {}, [1], {"a": 1}], True),
        ([1, 1.0], False),
        ([{"a": 1, "b": [2]}, {"b": [2], "a": 1}], False),
        ([[1, [2]], [1, [2]]], False),
        ([False, False], False),
        ([0, False], True),
        ("xx", True),
    ],
)
def test_errors_of_unique_items_compare_value_and_type(items: Json, unique: bool) -> None:
    assert (errors({"uniqueItems": True}, items) == {}) is unique
    assert errors({"uniqueItems": False}, items) == {}


def test_joined_path_uses_dots_and_indexes_from_zero() -> None:
    assert joined_path("a", 0, "b.c") == "a.0.b%2Ec"
    nested = compile_schema({"properties": {"a": {"items": {"properties": {"b.c": {"type": "string"}}}}}})
    assert nested.errors({"a": [{}, {"b.c": 5}]}).keys() == {"a.1.b%2Ec"}


def test_errors_contain_several_rules_for_one_value() -> None:
    assert errors({"type": "string", "enum": ["a"]}, 5)["f"].keys() == {"type", "enum"}


def test_errors_are_limited_in_number() -> None:
    strict = compile_schema({"items": {"type": "string"}, "additionalProperties": False})
    assert len(strict.errors([1] * (MAX_ERRORS + 5))) == MAX_ERRORS
    assert len(strict.errors({str(key): 1 for key in range(MAX_ERRORS + 5)})) == MAX_ERRORS


def test_with_defaults_fills_nested_defaults_in_a_copy() -> None:
    with_default = compile_schema(
        {
            "properties": {
                "a": {"default": {"x": 1}},
                "b": {"properties": {"c": {"default": []}}},
                "d": {"default": {}, "properties": {"e": {"default": 2}}},
            }
        }
    )
    given_value: JsonObject = {"b": {}}
    filled = with_default.with_defaults(given_value)
    assert filled == {"a": {"x": 1}, "b": {"c": []}, "d": {"e": 2}}
    assert given_value == {"b": {}}
    filled["a"]["x"] = 5
    assert with_default.with_defaults({})["a"] == {"x": 1}
    assert with_default.with_defaults([1]) == [1]


def test_coerced_converts_texts_to_numbers_and_booleans() -> None:
    typed = compile_schema(
        {
            "properties": {
                "n": {"type": "integer"},
                "b": {"type": "boolean"},
                "l": {"items": {"type": "number"}},
                "s": {"type": ["string", "null"]},
                "o": {"type": "object"},
            }
        }
    )
    value: JsonObject = {"n": "5", "b": "true", "l": ["1.5", "x", True], "s": 5, "o": "{}"}
    assert typed.coerced(value) == {"n": 5, "b": True, "l": [1.5, "x", True], "s": 5, "o": "{}"}
    assert value["n"] == "5"
    assert typed.coerced({"n": 2.5, "b": "yes"}) == {"n": 3, "b": "yes"}
    assert typed.coerced({"n": float("inf"), "b": 1}) == {"n": float("inf"), "b": 1}
    assert compile_schema({"type": "integer"}).coerced("5") == "5"


def test_validate_coercing_coerces_invalid_values() -> None:
    app = {"price": "5", "masqueradable": "false"}
    value, found = validate_coercing("app", app)
    assert (value["price"], value["masqueradable"]) == (5, False)
    assert found.keys() == {"api_url", "author", "i18n", "icon", "license", "name", "version"}
    assert validate_coercing("apps_store", {"blacklist": []}) == ({"blacklist": []}, {})
    assert validate_coercing("apps_store", {"blacklist": 5})[1].keys() == {"blacklist"}


def test_compile_schema_resolves_installed_schemas() -> None:
    assert errors({"$ref": "app_permission"}, {"id": 5}).keys() == {"f.id"}
    assert errors({"$ref": "app_permission"}, {"allowed_users": "all"}) == {}


def test_schema_of_every_installed_name_is_valid() -> None:
    assert {"app", "app_permission", "apps_store"} <= set(schema_names())
    for name in schema_names():
        found = schema(name)
        found.validator.check_schema(load_schema(name))
        assert schema(name) is found


def test_validate_unknown_schema_raises() -> None:
    with pytest.raises(UnknownFile):
        schema("nothing")


@given(st.sampled_from(["app", "app_permission", "apps_store"]), json_values)
def test_validate_accepts_any_value(name: str, value: Json) -> None:
    found = schema(name).errors(value)
    assert all(details["message"] for rules in found.values() for details in rules.values())
    assert schema(name).errors(schema(name).with_defaults(value)).keys() <= found.keys()
