"""Validates by JSON Schema (draft 4), with Crossbar's errors by the path of the invalid value and the rule's name.

``{"i18n.en-US.label": {"minLength": {"message": "String must be at least 3 characters", "target": 3, …}}}``
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, Final

from jsonschema import Draft4Validator, validators
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.values import as_integer, as_number
from crossbar_appstore.package_data import load_schema, schema_names
from crossbar_appstore.validation.errors import SchemaErrors, crossbar_error
from crossbar_appstore.validation.keywords import DRAFT4_KEYWORDS, Keyword

MAX_ERRORS: Final = 20
"""Errors that are looked for in one value."""
MAX_COERCED: Final = 1_000
"""Wrong types that are converted in one value."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled JSON Schema."""

    validator: Validator

    def errors(self, value: Json) -> SchemaErrors:
        """Returns the errors of a value, empty if it is valid."""
        found: SchemaErrors = {}
        for error in islice(self.validator.iter_errors(value), MAX_ERRORS):
            path, rule, details = crossbar_error(error)
            found.setdefault(path, {})[rule] = details
        return found

    def with_defaults(self, value: Json) -> Json:
        """Returns a copy of the value with the schema's defaults filled in (jesse's ``use_defaults``)."""
        return _with_defaults(self.validator.schema, value)

    def coerced(self, value: Json) -> Json:
        """Returns the value with wrong types converted, where possible (``kz_json_schema:fix_js_types/2``)."""
        # Where the schema allows several types, none of them is the one to convert to.
        wrong = [
            (list(error.absolute_path), error.validator_value)
            for error in islice(self.validator.iter_errors(value), MAX_COERCED)
            if error.validator == "type" and isinstance(error.validator_value, str) and error.absolute_path
        ]
        fixed = _copy(value) if wrong else value
        for path, wanted in wrong:
            _coerce(fixed, path, wanted)
        return fixed


@cache
def schema(name: str) -> Schema:
    """Returns the installed schema of that name, compiled once; raises UnknownFile."""
    return compile_schema(load_schema(name))


def compile_schema(content: JsonObject) -> Schema:
    """Compiles a schema; a ``$ref`` in it may name an installed schema."""
    return Schema(_VALIDATOR(content, registry=_registry()))


def validate_coercing(name: str, value: Json) -> tuple[Json, SchemaErrors]:
    """Returns the value, coerced where it is invalid otherwise, and its remaining errors by the schema of that name.

    Follows ``cb_context:validate_request_data/2`` without ``schema_strict_validation``.
    """
    by = schema(name)
    errors = by.errors(value)
    if not errors:
        return value, errors
    fixed = by.coerced(value)
    return (fixed, by.errors(fixed)) if fixed != value else (value, errors)


def _with_defaults(schema: Json, value: Json) -> Json:
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for name, below in schema.get("properties", {}).items():
        if name not in filled and "default" in below:
            filled[name] = copy.deepcopy(below["default"])
        if name in filled:
            filled[name] = _with_defaults(below, filled[name])
    return filled


def _copy(value: Json) -> Json:
    """Returns a copy of a JSON value; several times as fast as ``deepcopy`` for thousands of members."""
    if isinstance(value, dict):
        return {key: _copy(member) for key, member in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _coerce(value: Json, path: list[str | int], wanted: str) -> None:
    """Converts the value at a path to the wanted type, in place; does nothing if that is impossible."""
    *parents, last = path
    for key in parents:
        value = value[key]
    if wanted == "boolean" and isinstance(value[last], str):
        converted: Json = {"true": True, "false": False}.get(value[last])
    else:
        convert = {"integer": as_integer, "number": as_number}.get(wanted)
        converted = None if convert is None else convert(value[last])
    if converted is not None:
        value[last] = converted


@cache
def _registry() -> "Registry[Any]":
    """Returns the installed schemas by name."""
    registry: Registry[Any] = Registry()
    for name in schema_names():
        # By ``$schema`` jsonschema would choose its own validator class, without DRAFT4_KEYWORDS.
        content = {key: value for key, value in load_schema(name).items() if key != "$schema"}
        registry = registry.with_resource(name, DRAFT4.create_resource(content))
    return registry


# The stubs leave this function untyped.
_extend: Final[Callable[[type[Validator], Mapping[str, Keyword]], type[Validator]]] = validators.extend

_VALIDATOR: Final = _extend(Draft4Validator, DRAFT4_KEYWORDS)
