"""Converts jsonschema errors to Crossbar's rules, messages and members (``kz_json_schema:error_to_jobj/2``)."""

from collections.abc import Callable, Mapping
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
_Converter = Callable[[ValidationError], Rule]


def crossbar_error(failure: ValidationError) -> tuple[str, str, JsonObject]:
    """Returns path, rule and details of one jsonschema error."""
    rule, details = _CONVERTERS.get(str(failure.validator), _other)(failure)
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


def _required(failure: ValidationError) -> Rule:
    return missing(str(failure.path[-1]))


def _type(failure: ValidationError) -> Rule:
    types = failure.validator_value
    return wrong_type(", ".join(types) if isinstance(types, list) else str(types), failure.instance)


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


def _format(failure: ValidationError) -> Rule:
    message = "Field is not in the correct format"
    return "wrong_format", {"message": message, "value": failure.instance, "format": failure.validator_value}


def _plain(message: str) -> _Converter:
    return lambda failure: (str(failure.validator), {"message": message, "value": failure.instance})


def _with_target(message: str) -> _Converter:
    """The keyword's value in the schema is the target, and stands in the message for ``{}``."""

    def convert(failure: ValidationError) -> Rule:
        target = failure.validator_value
        stated = target if isinstance(target, str) else json_codec.dumps(target).decode()
        return str(failure.validator), {"message": message.format(stated), "target": target, "value": failure.instance}

    return convert


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
"""Rules that are named by jesse, KAZOO's validator."""

_CONVERTERS: Final[Mapping[str, _Converter]] = {
    "required": _required,
    "type": _type,
    "enum": _with_target("Value not found in enumerated list of values"),
    "minLength": _length,
    "maxLength": _length,
    "minimum": _with_target("Value must be at least {}"),
    "maximum": _with_target("Value must be at most {}"),
    "minItems": _with_target("The list must have at least {} items"),
    "maxItems": _with_target("The list is more than {} items"),
    "minProperties": _with_target("The object must have at least {} keys"),
    "uniqueItems": _plain("List of items is not unique"),
    "additionalProperties": _plain(STRICT_PROPERTIES),
    "additionalItems": _plain(STRICT_ITEMS),
    "pattern": _with_target("Failed to match pattern '{}'"),
    "format": _format,
    "dependencies": _plain("Dependencies were not validated"),
}
