"""Parses JSON strictly and serializes it as compact, unescaped UTF-8, as KAZOO's codec does."""

import json
import math
from typing import Any, Final, Never

import orjson

Json = Any
JsonObject = dict[str, Any]


def loads(raw: bytes | str) -> Json:
    """Parses one JSON text.

    Integers of any size keep their value. ``NaN``, ``Infinity``, numbers beyond a double, lone surrogates, invalid
    UTF-8, a byte order mark and nesting beyond Python's recursion limit are rejected.

    Raises:
        ValueError: the text is not JSON.
    """
    text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
    # Not orjson, which turns integers beyond 64 bits into floats.
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if "\\u" in text:
        # An escaped lone surrogate can be parsed, but not be encoded as UTF-8.
        dumps(value)
    return value


def dumps(value: Json) -> bytes:
    """Serializes to compact UTF-8; raises ValueError where the value cannot be represented in JSON."""
    try:
        return orjson.dumps(value)
    except TypeError:
        # orjson supports neither integers beyond 64 bits, which documents may contain, nor surrogates.
        return _dumps_slowly(value)


def dumps_pretty(value: Json) -> bytes:
    """Serializes with an indent of two spaces."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2)
    except TypeError:
        return _dumps_slowly(value, indent=2)


def _dumps_slowly(value: Json, indent: int | None = None) -> bytes:
    separators = (",", ":") if indent is None else (",", ": ")
    try:
        return json.dumps(value, ensure_ascii=False, separators=separators, indent=indent, allow_nan=False).encode()
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"{number} is too large")
    return value


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


# json.loads would create a decoder for every text.
_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
