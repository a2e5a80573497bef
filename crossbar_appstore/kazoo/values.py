"""Reads JSON values by KAZOO's rules in ``kz_json`` and ``kz_term``.

Every function accepts any JSON value and raises nothing. ``MISSING`` stands for an absent key, which is not ``null``.
"""

import math
import re
from enum import Enum
from typing import Any, Final

from crossbar_appstore import json_codec
from crossbar_appstore.json_codec import Json, JsonObject

# The lengths are bounded because Python refuses to parse integers of more than 4300 digits.
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,100}")
_FLOAT: Final = re.compile(r"[+-]?[0-9]{1,100}\.[0-9]{1,400}(?:[eE][+-]?[0-9]{1,5})?")


class Missing(Enum):
    """The type of ``MISSING``, which type checkers distinguish from JSON."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


def get(value: Json | Missing, *path: str) -> Json | Missing:
    """Returns the value under a path of keys, ``MISSING`` if there is none (``kz_json:get_value/2``)."""
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return value


def object_at(value: Json | Missing, *path: str) -> JsonObject:
    """Returns the object under a path, ``{}`` for anything else."""
    found = get(value, *path)
    return found if isinstance(found, dict) else {}


def list_at(value: Json | Missing, *path: str) -> list[Any]:
    """Returns the array under a path, ``[]`` for anything else (``kz_json:get_list_value/3``)."""
    found = get(value, *path)
    return found if isinstance(found, list) else []


def string_at(value: Json | Missing, *path: str) -> str | None:
    """Returns the string under a path, ``None`` for anything else; unlike ``nonempty_text_at`` it converts nothing."""
    found = get(value, *path)
    return found if isinstance(found, str) else None


def nonempty_text_at(value: Json | Missing, *path: str) -> str | None:
    """Returns ``as_text`` of the value under a path, ``None`` if that is empty (``kz_json:get_ne_binary_value/2``)."""
    return as_text(get(value, *path)) or None


def as_boolean(value: Json | Missing) -> bool | None:
    """Returns the boolean that a value is or spells, ``None`` for anything else (``kz_json:get_boolean_value/2``)."""
    if is_true(value):
        return True
    return False if value is False or value == "false" else None


def is_true(value: Json | Missing) -> bool:
    """Whether the value is ``true`` or ``"true"`` (``kz_term:is_true/1``)."""
    return value is True or value == "true"


def as_text(value: Json | Missing) -> str | None:
    """Returns the value converted to text, ``None`` where ``kz_json:get_binary_value/2`` returns its default."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case int() | float():
            return repr(value)
        case list():
            # KAZOO takes an array for the bytes and strings of a text.
            try:
                return _joined(value).decode("utf-8", "surrogatepass")
            except ValueError:
                return None
        case dict():
            return json_codec.dumps(value).decode()
        case _:
            return None


def as_number(value: Json | Missing) -> int | float | None:
    """Returns a number, also from a text in Erlang's notation (``1.0e3``, not ``1e3``; ``kz_term:to_number/1``)."""
    if isinstance(value, str):
        if _INTEGER.fullmatch(value):
            return int(value)
        value = float(value) if _FLOAT.fullmatch(value) else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def as_integer(value: Json | Missing) -> int | None:
    """Returns ``as_number`` rounded half away from zero (``kz_term:to_integer/1``)."""
    number = as_number(value)
    if isinstance(number, float):
        return math.floor(number + 0.5) if number >= 0 else math.ceil(number - 0.5)
    return number


def is_empty(value: Json | Missing) -> bool:
    """Whether the value is empty for KAZOO: absent, null, zero, an empty text, array or object.

    The texts ``"0"``, ``"NULL"`` and ``"undefined"`` are empty, too; ``false`` is not.
    """
    return value in (MISSING, None, "", "0", "NULL", "undefined", 0, [], {}) and not isinstance(value, bool)


def _joined(items: list[Any]) -> bytes:
    """Joins strings, bytes given as integers, and arrays of these, as ``iolist_to_binary``; ValueError for others."""
    parts = []
    for item in items:
        match item:
            case str():
                parts.append(item.encode("utf-8", "surrogatepass"))
            case list():
                parts.append(_joined(item))
            case int() if not isinstance(item, bool) and 0 <= item <= 255:
                parts.append(bytes((item,)))
            case _:
                raise ValueError(f"no part of a text: {type(item).__name__}")
    return b"".join(parts)
