"""Validation by JSON Schema, with errors in the shape that Crossbar gives them.

An error is found under the path of the offending value and the name of the rule::

    {
        "i18n.en-US.label": {
            "minLength": {"message": "String must be at least 3 characters", "target": 3, "cause": "ab", "value": "ab"}
        }
    }

Rules, messages and extra members are those of ``kz_json_schema:error_to_jobj/2``. Schemas of draft 3 and draft 4 are
read, each with its own form of ``required``.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, Final

from jsonschema import Draft3Validator, Draft4Validator, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from crossbar_appstore import json_codec
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.number_text import parse_number, round_half_away
from crossbar_appstore.package_data import load_schema, schema_names
from crossbar_appstore.schema_errors import SchemaErrors, crossbar_error
from crossbar_appstore.schema_keywords import DRAFT3_KEYWORDS, DRAFT4_KEYWORDS, Keyword

MAX_ERRORS: Final = 1000
MAX_ERROR_BYTES: Final = 1_000_000
"""A body made to fail in a million places is not repeated a million times: errors past these limits are left out."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A JSON Schema ready for use."""

    content: JsonObject
    validator: Validator

    def errors(self, value: Json) -> SchemaErrors:
        """Path → rule → details of everything that is wrong with the value; empty if it is valid."""
        found: SchemaErrors = {}
        size = 0
        for error in self._failures(value):
            path, rule, details = crossbar_error(error)
            found.setdefault(path, {})[rule] = details
            size += len(json_codec.dumps(details))
            if size > MAX_ERROR_BYTES:
                break
        return found

    def with_defaults(self, value: Json) -> Json:
        """The value with the defaults of the schema filled in, as a new value (jesse's ``use_defaults``)."""
        return _with_defaults(self.content, value)

    def coerced(self, value: Json) -> Json:
        """The value with texts turned into the numbers and booleans that the schema asks for, as a new value.

        Only what has the wrong type and can be converted changes (``kz_json_schema:fix_js_types/2``).
        """
        fixed = copy.deepcopy(value)
        for error in self._failures(value):
            if error.validator == "type" and isinstance(error.validator_value, str) and error.absolute_path:
                _coerce(fixed, list(error.absolute_path), error.validator_value)
        return fixed

    def _failures(self, value: Json) -> Iterator[ValidationError]:
        return islice(self.validator.iter_errors(value), MAX_ERRORS)


@cache
def schema(name: str) -> Schema:
    """The program's own schema of that name.

    Raises:
        UnknownFile: there is no such schema.
    """
    return compile_schema(load_schema(name))


def compile_schema(content: JsonObject) -> Schema:
    """A schema from elsewhere; a ``$ref`` in it may name a schema of the program."""
    validator = _DRAFT3 if "draft-03" in str(content.get("$schema")) else _DRAFT4
    return Schema(content, validator(content, registry=_registry()))


def validate(name: str, value: Json) -> SchemaErrors:
    """Path → rule → details of what is wrong with the value by the program's schema of that name; empty if nothing.

    Raises:
        UnknownFile: there is no such schema.
    """
    return schema(name).errors(value)


def validate_coercing(name: str, value: Json) -> tuple[Json, SchemaErrors]:
    """The value, coerced where that helps, and what is wrong with it then.

    What ``cb_context:validate_request_data/2`` does unless ``schema_strict_validation`` is set.

    Raises:
        UnknownFile: there is no such schema.
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


def _coerce(value: Json, path: list[str | int], wanted: str) -> None:
    """Replace what the path leads to, in place, if it converts to the type wanted."""
    *way, last = path
    for key in way:
        value = value[key]
    converted = _converted(value[last], wanted)
    if converted is not None:
        value[last] = converted


def _converted(value: Json, wanted: str) -> Json | None:
    if wanted == "boolean":
        return {"true": True, "false": False}.get(value) if isinstance(value, str) else None
    number = parse_number(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or wanted not in {"integer", "number"}:
        return None
    return round_half_away(number) if wanted == "integer" and isinstance(number, float) else number


@cache
def _registry() -> "Registry[Any]":
    resources = ((name, DRAFT4.create_resource(_undeclared(load_schema(name)))) for name in schema_names())
    empty: Registry[Any] = Registry()
    return empty.with_resources(resources)


def _undeclared(content: JsonObject) -> JsonObject:
    # jsonschema would choose its own validator class by the declaration, without our keywords.
    return {key: value for key, value in content.items() if key != "$schema"}


# The stubs leave this function untyped.
_extend: Final[Callable[[type[Validator], Mapping[str, Keyword]], type[Validator]]] = validators.extend

_DRAFT3: Final = _extend(Draft3Validator, DRAFT3_KEYWORDS)
_DRAFT4: Final = _extend(Draft4Validator, DRAFT4_KEYWORDS)
