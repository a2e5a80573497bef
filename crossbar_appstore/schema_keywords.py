"""The keywords of JSON Schema that we check in our own way, for jsonschema's validator classes.

Missing and extra properties become one failure each, with the property as the last part of its path, and lists are
checked for uniqueness in linear time. The formats are those that KAZOO's validator knows; a ``uri`` may be anything.

jsonschema makes a validator for every value that it descends to, which is most of what checking costs. Here values are
descended to for what is wrong with them, once their keywords say that something is.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from itertools import repeat
from typing import Any, Final

from jsonschema import Draft4Validator
from jsonschema.exceptions import ValidationError

from crossbar_appstore.json_codec import Json, JsonObject

Keyword = Callable[[Any, Any, Json, JsonObject], Iterable[ValidationError]]
"""Validator, value of the keyword, instance, schema that holds the keyword → failures."""


_TYPES: Final[Mapping[type, str]] = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
"""Types that have one name; numbers have two."""


def _required(validator: Any, names: list[str], instance: Json, schema: JsonObject) -> Iterator[ValidationError]:
    """``required`` of draft 4: a list of names."""
    if isinstance(instance, dict):
        for name in names:
            if name not in instance:
                yield ValidationError(f"{name!r} is missing", path=(name,))


def _type(validator: Any, wanted: str | list[Any], instance: Json, schema: JsonObject) -> Iterable[ValidationError]:
    name = _TYPES.get(type(instance))
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
            # Many patterns only allow names, whatever their values are.
            for name, value in instance.items() if below else ():
                if re.search(pattern, name) and not _holds(validator, value, below):
                    yield from validator.descend(value, below, path=name, schema_path=pattern)


def _items(
    validator: Any, below: JsonObject | list[JsonObject], instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    """``items`` of draft 4: one schema for all items, or one for each."""
    if isinstance(instance, list):
        schemas = repeat(below) if isinstance(below, dict) else below
        for index, (item, wanted) in enumerate(zip(instance, schemas, strict=False)):
            if not _holds(validator, item, wanted):
                place = index if isinstance(below, list) else None
                yield from validator.descend(item, wanted, path=index, schema_path=place)


def _holds(validator: Any, instance: Json, schema: JsonObject) -> bool:
    """Whether the value is known to be valid without descending to it."""
    if "$ref" in schema or "id" in schema:
        # What references mean is decided where they stand.
        return False
    for keyword, wanted in schema.items():
        check = validator.VALIDATORS.get(keyword)
        if check is not None:
            for _ in check(validator, wanted, instance, schema) or ():
                return False
    return True


def _additional_properties(
    validator: Any, allowed: Json, instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for name in _extra_names(instance, schema):
        if isinstance(allowed, dict):
            yield from validator.descend(instance[name], allowed, path=name)
        elif not allowed:
            yield ValidationError(f"{name!r} is not a property of the schema", path=(name,))


def _extra_names(instance: JsonObject, schema: JsonObject) -> Iterator[str]:
    properties = schema.get("properties", {})
    patterns = [re.compile(pattern) for pattern in schema.get("patternProperties", {})]
    for name in instance:
        if name not in properties and not any(pattern.search(name) for pattern in patterns):
            yield name


def _unique_items(validator: Any, wanted: Json, instance: Json, schema: JsonObject) -> Iterator[ValidationError]:
    if wanted and isinstance(instance, list) and len({_identity(item) for item in instance}) != len(instance):
        yield ValidationError("the items are not unique")


def _format(validator: Any, name: str, instance: Json, schema: JsonObject) -> Iterator[ValidationError]:
    if isinstance(instance, str) and name in _FORMATS and not _FORMATS[name](instance):
        yield ValidationError(f"{instance!r} is no {name}")


def _is_email(text: str) -> bool:
    return re.fullmatch(r"[^@]+@[^@]+", text) is not None


def _is_moment(text: str) -> bool:
    if re.fullmatch(r"[0-9-]{10}T[0-9:]{8}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})", text) is None:
        return False
    return _parses(datetime.fromisoformat, text)


def _parses(parser: Callable[[str], object], text: str) -> bool:
    with suppress(ValueError):
        parser(text)
        return True
    return False


_FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "date-time": _is_moment,
    "email": _is_email,
    "ipv4": lambda text: _parses(IPv4Address, text),
    "ipv6": lambda text: _parses(IPv6Address, text),
}


def _identity(value: Json) -> Any:
    """Something hashable that is equal for equal JSON values and for no others; 1 and 1.0 are equal, 1 and true not."""
    match value:
        case dict():
            return "object", frozenset((key, _identity(member)) for key, member in value.items())
        case list():
            return "array", tuple(_identity(item) for item in value)
        case bool():
            return "boolean", value
        case _:
            return value


_SHARED: Final[Mapping[str, Keyword]] = {
    "additionalProperties": _additional_properties,
    "format": _format,
    "uniqueItems": _unique_items,
}

DRAFT3_KEYWORDS: Final[Mapping[str, Keyword]] = _SHARED
DRAFT4_KEYWORDS: Final[Mapping[str, Keyword]] = {
    **_SHARED,
    "items": _items,
    "patternProperties": _pattern_properties,
    "properties": _properties,
    "required": _required,
    "type": _type,
}
