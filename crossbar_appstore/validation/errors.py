"""Converts jsonschema errors to Crossbar's rules, messages and members (``kz_json_schema:error_to_jobj/2``)."""

from collections.abc import Mapping
from typing import Final

from jsonschema.exceptions import ValidationError

from crossbar_appstore import json_codec
from crossbar_appstore.json_codec import Json, JsonObject

SchemaErrors = dict[str, dict[str, JsonObject]]
"""Path → rule → details. The keys of a path are joined by dots; a dot inside a key is written ``%2E``."""

STRICT_PROPERTIES: Final = "Strict checking of data is enabled; only include schema-defined properties"
STRICT_ITEMS: Final = "Strict checking of data is enabled; only include schema-defined items"

Rule = tuple[str, JsonObject]
"""The rule's name and its details."""

_MESSAGES: Final[Mapping[str, str]] = {
    "uniqueItems": "List of items is not unique",
    "additionalProperties": STRICT_PROPERTIES,
    "additionalItems": STRICT_ITEMS,
    "dependencies": "Dependencies were not validated",
}
_MESSAGES_WITH_TARGET: Final[Mapping[str, str]] = {
    "enum": "Value not found in enumerated list of values",
    "minimum": "Value must be at least {}",
    "maximum": "Value must be at most {}",
    "minItems": "The list must have at least {} items",
    "maxItems": "The list is more than {} items",
    "minProperties": "The object must have at least {} keys",
    "pattern": "Failed to match pattern '{}'",
}
"""``{}`` stands for the keyword's value in the schema, which is also the member ``target``."""
_JESSE_NAMES: Final[Mapping[str, str]] = {
    "allOf": "all_schemas_not_valid",
    "anyOf": "any_schemas_not_valid",
    "maxProperties": "too_many_properties",
    "multipleOf": "not_multiple_of",
    "not": "not_schema_valid",
    "oneOf": "not_one_schema_valid",
}
"""Rules that are named by jesse, KAZOO's validator."""


def crossbar_error(failure: ValidationError) -> tuple[str, str, JsonObject]:
    """Returns path, rule and details of one jsonschema error."""
    rule, details = _rule(failure)
    return joined_path(*failure.absolute_path), rule, details


def joined_path(*keys: str | int) -> str:
    """Returns the path of a value from its keys and 0-based indexes, as Crossbar names the field of an error."""
    return ".".join(str(key).replace(".", "%2E") for key in keys)


def wrong_type(types: str, value: Json) -> Rule:
    """Returns the error of a value that has none of the types; ``types`` is comma-separated."""
    return "type", {"message": f"Value did not match type(s): {types}", "target": types, "value": value}


def missing(name: str) -> Rule:
    """Returns the error of a missing property."""
    return "required", {"message": "Field is required but missing", "value": name}


def _rule(failure: ValidationError) -> Rule:
    keyword, value, target = str(failure.validator), failure.instance, failure.validator_value
    match keyword:
        case "required":
            return missing(str(failure.path[-1]))
        case "type":
            return wrong_type(", ".join(target) if isinstance(target, list) else str(target), value)
        case "minLength" | "maxLength":
            return _length(failure)
        case "format":
            return "wrong_format", {"message": "Field is not in the correct format", "value": value, "format": target}
    if keyword in _MESSAGES:
        return keyword, {"message": _MESSAGES[keyword], "value": value}
    if keyword in _MESSAGES_WITH_TARGET:
        # A text is stated without the quotes of JSON.
        stated = target if isinstance(target, str) else json_codec.dumps(target).decode()
        message = _MESSAGES_WITH_TARGET[keyword].format(stated)
        return keyword, {"message": message, "target": target, "value": value}
    return _JESSE_NAMES.get(keyword, keyword), {"message": "failed to validate", "value": value}


def _length(failure: ValidationError) -> Rule:
    """Decides between too short and too long by the bytes, as KAZOO does, although the limits are in characters."""
    schema, text = failure.schema, str(failure.instance)
    limits = schema if isinstance(schema, Mapping) else {}
    shortest, longest = limits.get("minLength"), limits.get("maxLength")
    if shortest is not None and len(text.encode("utf-8", "surrogatepass")) < shortest:
        rule, target, message = "minLength", shortest, f"String must be at least {shortest} characters"
    else:
        stated = "undefined" if longest is None else longest
        rule, target, message = "maxLength", longest, f"String must not be more than {stated} characters"
    details = {"message": message, "cause": text, "value": text}
    return rule, details if target is None else {**details, "target": target}
