"""How KAZOO reads JSON values: the rules of its ``kz_json`` and ``kz_term`` that decide results.

Every function takes any JSON value and never raises. Absent keys are told from ``null`` by ``MISSING``.
"""

import math
from enum import Enum
from typing import Any, Final

from crossbar_appstore import json_codec
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.number_text import parse_number, round_half_away


class Missing(Enum):
    """The type of ``MISSING``, so that a checker can tell it from JSON."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


def get(value: Json | Missing, *path: str) -> Json | Missing:
    """The value under a path of keys, ``MISSING`` where the path leaves the objects (``kz_json:get_value/2``)."""
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return value


def object_at(value: Json | Missing, *path: str) -> JsonObject:
    """The object under a path, ``{}`` for anything else."""
    found = get(value, *path)
    return found if isinstance(found, dict) else {}


def list_at(value: Json | Missing, *path: str) -> list[Any]:
    """The array under a path, ``[]`` for anything else (``kz_json:get_list_value/3``)."""
    found = get(value, *path)
    return found if isinstance(found, list) else []


def string_at(value: Json | Missing, *path: str) -> str | None:
    """The string under a path, ``None`` for anything else; unlike KAZOO's ``get_binary_value`` it converts nothing."""
    found = get(value, *path)
    return found if isinstance(found, str) else None


def as_boolean(value: Json | Missing) -> bool | None:
    """``true``, ``false`` and their spellings as text; ``None`` for all else (``kz_json:get_boolean_value/2``)."""
    if value is True or value == "true":
        return True
    if value is False or value == "false":
        return False
    return None


def is_true(value: Json | Missing) -> bool:
    """Whether the value is ``true`` or ``"true"`` (``kz_term:is_true/1``)."""
    return value is True or value == "true"


def as_text(value: Json | Missing) -> str | None:
    """The value as text the way ``kz_json:get_binary_value/2`` makes it; ``None`` where that gives its default.

    Literals become their names, numbers their digits, arrays the text of their bytes and strings joined, objects
    their JSON.
    """
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case int():
            return str(value)
        case float():
            return _float_text(value)
        case list():
            return _joined(value)
        case dict():
            return json_codec.dumps(value).decode()
        case _:
            return None


def text_at(value: Json | Missing, *path: str) -> str | None:
    """``as_text`` of what is under a path."""
    return as_text(get(value, *path))


def nonempty_text_at(value: Json | Missing, *path: str) -> str | None:
    """``as_text`` of what is under a path, ``None`` for the empty text (``kz_json:get_ne_binary_value/2``)."""
    return text_at(value, *path) or None


def as_number(value: Json | Missing) -> int | float | None:
    """A number, or the one that a text spells in Erlang's notation; ``None`` for all else (``kz_term:to_number/1``)."""
    if isinstance(value, str):
        return parse_number(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if math.isfinite(value) else None
    return None


def as_integer(value: Json | Missing) -> int | None:
    """``as_number`` rounded half away from zero (``kz_term:to_integer/1``)."""
    number = as_number(value)
    return round_half_away(number) if isinstance(number, float) else number


def is_empty(value: Json | Missing) -> bool:
    """Whether KAZOO's ``is_empty`` holds: absent, null, zero, and the empty text, array or object.

    The texts ``"0"``, ``"NULL"`` and ``"undefined"`` count as empty too; ``false`` does not.
    """
    if value is MISSING or value is None:
        return True
    if isinstance(value, bool):
        return False
    return value in ("", "0", "NULL", "undefined", 0, [], {})


def _float_text(value: float) -> str:
    return repr(value)


def _joined(items: list[Any]) -> str | None:
    """An array as Erlang's ``iolist_to_binary`` sees it: strings, bytes as integers, and arrays of these."""
    collected = _collected(items)
    if collected is None:
        return None
    try:
        return collected.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def _collected(items: list[Any]) -> bytes | None:
    parts = bytearray()
    for item in items:
        match item:
            case str():
                parts += item.encode("utf-8", "surrogatepass")
            case int() if not isinstance(item, bool) and 0 <= item <= 255:
                parts.append(item)
            case list():
                inner = _collected(item)
                if inner is None:
                    return None
                parts += inner
            case _:
                return None
    return bytes(parts)
