"""JSON in and out: strict on the way in, compact unescaped UTF-8 on the way out, as KAZOO's codec does it."""

import json
import math
from typing import Any, Final, Never

import orjson

Json = Any
JsonObject = dict[str, Any]


def loads(raw: bytes | str) -> Json:
    """Parse one JSON text.

    Integers of any size keep their value. ``NaN``, ``Infinity``, numbers beyond a double, lone surrogates, invalid
    UTF-8, a byte order mark and nesting too deep for the interpreter are refused.

    Raises:
        ValueError: the text is not JSON.
    """
    text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if "\\u" in text:
        # An escaped lone surrogate parses, but no UTF-8 document can hold it.
        dumps(value)
    return value


def dumps(value: Json) -> bytes:
    """Serialise to compact UTF-8 bytes.

    Raises:
        ValueError: the value holds something JSON has no form for.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        # orjson stops at 64-bit integers and at surrogates; documents may hold larger numbers.
        return _dumps_slowly(value)


def dumps_exactly(value: Json) -> bytes | None:
    """As ``dumps``, for ``loads_trusted``; None where that would not read the same value again."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return None


def loads_trusted(raw: bytes) -> Json:
    """Parse what ``dumps_exactly`` made, in a fifth of the time: without looking for what it cannot hold."""
    return orjson.loads(raw)


def dumps_pretty(value: Json) -> bytes:
    """Serialise with two-space indents, for people."""
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
        raise ValueError(f"{number} is too large a number")
    return value


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


# json.loads would make one for every text.
_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
