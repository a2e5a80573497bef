"""jsonschema's failures in Crossbar's words: rule, message and extra members (``kz_json_schema:error_to_jobj/2``)."""

from collections.abc import Callable, Mapping
from typing import Final

from jsonschema.exceptions import ValidationError

from crossbar_appstore import json_codec
from crossbar_appstore.json_codec import Json, JsonObject

SchemaErrors = dict[str, dict[str, JsonObject]]
"""Path → rule → details. The keys of a path are joined by dots, dots inside a key are written ``%2E``."""

STRICT_PROPERTIES: Final = "Strict checking of data is enabled; only include schema-defined properties"
STRICT_ITEMS: Final = "Strict checking of data is enabled; only include schema-defined items"
REQUIRED: Final = "Field is required but missing"

Rule = tuple[str, JsonObject]


def crossbar_error(failure: ValidationError) -> tuple[str, str, JsonObject]:
    """Path, rule and details of one failure."""
    rule, details = _RULES.get(str(failure.validator), _other)(failure)
    return joined_path(*failure.absolute_path), rule, details


def joined_path(*keys: str | int) -> str:
    """The keys and 0-based indexes that lead to a value, as the name of a field in an error."""
    return ".".join(str(key).replace(".", "%2E") for key in keys)


def refused_property(value: Json) -> Rule:
    """Rule and details for a property that is not allowed in an object, which is the value."""
    return "additionalProperties", {"message": STRICT_PROPERTIES, "value": value}


def wrong_type(types: str, value: Json) -> Rule:
    """Rule and details for a value of none of the types, which are comma-joined."""
    return "type", {"message": f"Value did not match type(s): {types}", "target": types, "value": value}


def missing(value: Json) -> Rule:
    """Rule and details for a required property; the value is its name, or the whole object in the manner of draft 3."""
    return "required", {"message": REQUIRED, "value": value}


def _required(failure: ValidationError) -> Rule:
    # Draft 4 lists the required names in the object's schema, draft 3 marks the property's own.
    in_draft4 = isinstance(failure.validator_value, list)
    return missing(failure.path[-1] if in_draft4 else failure.instance)


def _type(failure: ValidationError) -> Rule:
    types = failure.validator_value
    if isinstance(types, str):
        return wrong_type(types, failure.instance)
    if isinstance(types, list) and all(isinstance(one, str) for one in types):
        return wrong_type(", ".join(types), failure.instance)
    return wrong_type("type schema", failure.instance)


def _length(failure: ValidationError) -> Rule:
    """KAZOO measures in characters, but looks at the bytes to tell too short from too long."""
    schema, text = failure.schema, str(failure.instance)
    shortest = schema.get("minLength") if isinstance(schema, Mapping) else None
    if shortest is not None and len(text.encode("utf-8", "surrogatepass")) < shortest:
        return "minLength", _length_details(f"String must be at least {shortest} characters", shortest, text)
    longest = schema.get("maxLength") if isinstance(schema, Mapping) else None
    stated = "undefined" if longest is None else longest
    return "maxLength", _length_details(f"String must not be more than {stated} characters", longest, text)


def _length_details(message: str, target: int | None, text: str) -> JsonObject:
    details: JsonObject = {"message": message, "cause": text, "value": text}
    if target is not None:
        details["target"] = target
    return details


def _bound(rule: str, words: str, unit: str = "") -> Callable[[ValidationError], Rule]:
    def explain(failure: ValidationError) -> Rule:
        bound = failure.validator_value
        return rule, {"message": f"{words} {_stated(bound)}{unit}", "target": bound, "value": failure.instance}

    return explain


def _enum(failure: ValidationError) -> Rule:
    message = "Value not found in enumerated list of values"
    return "enum", {"message": message, "target": failure.validator_value, "value": failure.instance}


def _pattern(failure: ValidationError) -> Rule:
    pattern = failure.validator_value
    return "pattern", {
        "message": f"Failed to match pattern '{pattern}'",
        "target": pattern,
        "value": failure.instance,
    }


def _format(failure: ValidationError) -> Rule:
    message = "Field is not in the correct format"
    return "wrong_format", {"message": message, "value": failure.instance, "format": failure.validator_value}


def _named(rule: str, words: str) -> Callable[[ValidationError], Rule]:
    """A rule whose message and target are a text made of the schema's value."""

    def explain(failure: ValidationError) -> Rule:
        stated = failure.validator_value
        target = ", ".join(_stated(one) for one in stated) if isinstance(stated, list) else _stated(stated)
        return rule, {"message": f"{words} {target}", "target": target, "value": failure.instance}

    return explain


def _stated(value: Json) -> str:
    return value if isinstance(value, str) else json_codec.dumps(value).decode()


def _plain(rule: str, message: str) -> Callable[[ValidationError], Rule]:
    return lambda failure: (rule, {"message": message, "value": failure.instance})


def _other(failure: ValidationError) -> Rule:
    rule = _JESSE_NAMES.get(str(failure.validator), str(failure.validator))
    return rule, {"message": "failed to validate", "value": failure.instance}


_JESSE_NAMES: Final[Mapping[str, str]] = {
    "allOf": "all_schemas_not_valid",
    "anyOf": "any_schemas_not_valid",
    "maxProperties": "too_many_properties",
    "multipleOf": "not_multiple_of",
    "not": "not_schema_valid",
    "oneOf": "not_one_schema_valid",
}

_RULES: Final[Mapping[str, Callable[[ValidationError], Rule]]] = {
    "required": _required,
    "type": _type,
    "enum": _enum,
    "minLength": _length,
    "maxLength": _length,
    "minimum": _bound("minimum", "Value must be at least"),
    "maximum": _bound("maximum", "Value must be at most"),
    "minItems": _bound("minItems", "The list must have at least", " items"),
    "maxItems": _bound("maxItems", "The list is more than", " items"),
    "minProperties": _bound("minProperties", "The object must have at least", " keys"),
    "uniqueItems": _plain("uniqueItems", "List of items is not unique"),
    "additionalProperties": _plain("additionalProperties", STRICT_PROPERTIES),
    "additionalItems": _plain("additionalItems", STRICT_ITEMS),
    "pattern": _pattern,
    "format": _format,
    "dependencies": _plain("dependencies", "Dependencies were not validated"),
    "divisibleBy": _named("divisibleBy", "Value not divisible by"),
    "disallow": _named("disallow", "Value is disallowed by"),
}
