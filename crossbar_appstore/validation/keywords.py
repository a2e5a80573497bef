"""Replaces some keywords of jsonschema's ``Draft4Validator``.

Each missing or extra property is an error of its own, with the property as the last key of its path. Uniqueness is
checked in linear time. The formats are those that KAZOO's validator checks; a ``uri`` may be any text.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from itertools import repeat
from typing import Any, Final

from jsonschema import Draft4Validator
from jsonschema.exceptions import ValidationError

from crossbar_appstore.json_codec import Json, JsonObject

Keyword = Callable[[Any, Any, Json, JsonObject], Iterable[ValidationError]]
"""Takes the validator, the keyword's value, the instance, and the schema that holds the keyword."""

_TYPES: Final[Mapping[type, str]] = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
"""The types with one name; a number may be ``number`` or ``integer``."""


def _required(validator: Any, names: list[str], instance: Json, schema: JsonObject) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name in names:
            if name not in instance:
                yield ValidationError(f"{name!r} is missing", path=(name,))


def _type(validator: Any, wanted: str | list[Any], instance: Json, schema: JsonObject) -> Iterable[ValidationError]:
    name = _TYPES.get(type(instance))
    # Numbers and wrong types are left to jsonschema: 1.0 is an integer, too.
    if name is not None and (name == wanted or (isinstance(wanted, list) and name in wanted)):
        return ()
    failures: Iterable[ValidationError] = Draft4Validator.VALIDATORS["type"](validator, wanted, instance, schema)
    return failures


def _properties(
    validator: Any, properties: JsonObject, instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name, below in properties.items():
            if name in instance and not _holds(validator, instance[name], below):
                yield from validator.descend(instance[name], below, path=name, schema_path=name)


def _pattern_properties(
    validator: Any, patterns: JsonObject, instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for pattern, below in patterns.items():
            if not below:
                continue  # The pattern allows names without restricting their values.
            for name, value in instance.items():
                if re.search(pattern, name) and not _holds(validator, value, below):
                    yield from validator.descend(value, below, path=name, schema_path=pattern)


def _items(
    validator: Any, below: JsonObject | list[JsonObject], instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    if isinstance(instance, list):
        # A single schema applies to every item, a list has one for each of the first items.
        schemas = repeat(below) if isinstance(below, dict) else below
        for index, (item, wanted) in enumerate(zip(instance, schemas, strict=False)):
            if not _holds(validator, item, wanted):
                place = index if isinstance(below, list) else None
                yield from validator.descend(item, wanted, path=index, schema_path=place)


def _holds(validator: Any, instance: Json, schema: JsonObject) -> bool:
    """Whether the value is valid without descending to it; False where only descending can tell."""
    # jsonschema creates a validator for every value that it descends to, which is most of the cost of a validation.
    if "$ref" in schema or "id" in schema:
        # References are resolved relative to the schema that holds them, which only ``descend`` tracks.
        return False
    for keyword, wanted in schema.items():
        check = validator.VALIDATORS.get(keyword)
        if check is not None and any(True for _ in check(validator, wanted, instance, schema) or ()):
            return False
    return True


def _additional_properties(
    validator: Any, allowed: Json, instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, value in instance.items():
        if name in properties or any(re.search(pattern, name) for pattern in patterns):
            continue
        if isinstance(allowed, dict):
            yield from validator.descend(value, allowed, path=name)
        elif not allowed:
            yield ValidationError(f"{name!r} is not a property of the schema", path=(name,))


def _unique_items(validator: Any, wanted: Json, instance: Json, schema: JsonObject) -> Iterator[ValidationError]:
    if wanted and isinstance(instance, list) and len({_identity(item) for item in instance}) != len(instance):
        yield ValidationError("the items are not unique")


def _format(validator: Any, name: str, instance: Json, schema: JsonObject) -> Iterator[ValidationError]:
    if isinstance(instance, str) and name in _FORMATS and not _FORMATS[name](instance):
        yield ValidationError(f"{instance!r} is not a valid {name}")


def _is_date_time(text: str) -> bool:
    # fromisoformat accepts further forms, such as dates without a time.
    form = r"[0-9-]{10}T[0-9:]{8}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
    return re.fullmatch(form, text) is not None and _parses(datetime.fromisoformat, text)


def _parses(parser: Callable[[str], object], text: str) -> bool:
    try:
        parser(text)
    except ValueError:
        return False
    return True


_FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "date-time": _is_date_time,
    "email": lambda text: re.fullmatch(r"[^@]+@[^@]+", text) is not None,
    "ipv4": lambda text: _parses(IPv4Address, text),
    "ipv6": lambda text: _parses(IPv6Address, text),
}


def _identity(value: Json) -> Any:
    """Returns a hashable value that is equal for equal JSON values only; 1 equals 1.0, but not true."""
    match value:
        case dict():
            return "object", frozenset((key, _identity(member)) for key, member in value.items())
        case list():
            return "array", tuple(_identity(item) for item in value)
        case bool():
            return "boolean", value
        case int() | float():
            # Numbers hash to themselves modulo a prime: a list of its multiples would take quadratic time.
            return "number", str(int(value)) if value == int(value) else repr(value)
        case _:
            return value


DRAFT4_KEYWORDS: Final[Mapping[str, Keyword]] = {
    "additionalProperties": _additional_properties,
    "format": _format,
    "items": _items,
    "patternProperties": _pattern_properties,
    "properties": _properties,
    "required": _required,
    "type": _type,
    "uniqueItems": _unique_items,
}
