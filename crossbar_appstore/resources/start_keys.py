"""The paging keys of listings as Crossbar shows them: Erlang's external term format in base64.

Clients only send them back. In KAZOO's form (`api_util:encode_start_key/1`) they continue a listing that KAZOO began.
Format: https://www.erlang.org/doc/apps/erts/erl_ext_dist.html
"""

import base64
import struct
from io import BytesIO
from typing import Any, Final

from crossbar_appstore.json_codec import Json

_VERSION: Final = b"\x83"
_SMALL_INTEGER: Final = 97
_INTEGER: Final = 98
_FLOAT: Final = 70
_ATOM: Final = 100
_SMALL_ATOM_UTF8: Final = 119
_SMALL_TUPLE: Final = 104
_NIL: Final = 106
_STRING: Final = 107
_LIST: Final = 108
_BINARY: Final = 109
_SMALL_BIG: Final = 110

_FIXED: Final = {_SMALL_INTEGER: ">B", _INTEGER: ">i", _FLOAT: ">d"}
_SIZED: Final = {_ATOM: ">H", _SMALL_ATOM_UTF8: ">B", _STRING: ">H", _BINARY: ">I"}
"""Tags of bytes that follow their length, and the length's format."""
_EMPTY_OBJECT: Final = bytes([_SMALL_TUPLE, 1, _NIL])
"""KAZOO's JSON object is a tuple of one list of pairs."""
_ATOMS: Final = {b"true": True, b"false": False, b"null": None}
_LONG: Final = 8
"""Bytes of the largest integer."""
_MAX_DEPTH: Final = 16
_MAX_LENGTH: Final = 10_000


def encode_start_key(key: Json) -> str:
    """A view's key as the text that clients send back.

    Raises:
        ValueError: an integer beyond 64 bits, or an object that is not empty; the keys of our views have neither.
    """
    try:
        return base64.urlsafe_b64encode(_VERSION + _encoded(key)).rstrip(b"=").decode()
    except struct.error as error:
        raise ValueError(f"no paging key: {key!r}") from error


def decode_start_key(text: str) -> Json:
    """The view's key in a text from a client; any other text stands for itself (`api_util:decode_start_key/1`)."""
    bare = text.rstrip("=")
    if not text.isascii() or len(text) > _MAX_LENGTH:
        return text
    try:
        stream = BytesIO(base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True))
        if _take(stream, 1) != _VERSION:
            return text
        key = _term(stream, _MAX_DEPTH)
        return text if stream.read(1) else key
    except (ValueError, KeyError, struct.error):
        return text


def _encoded(value: Json) -> bytes:
    match value:
        # Before the integers, among which Python counts the booleans.
        case None | bool():
            name = {True: b"true", False: b"false", None: b"null"}[value]
            return struct.pack(">BH", _ATOM, len(name)) + name
        case str():
            raw = value.encode()
            return struct.pack(">BI", _BINARY, len(raw)) + raw
        case int() if 0 <= value < 256:
            return struct.pack(">BB", _SMALL_INTEGER, value)
        case int() if -(2**31) <= value < 2**31:
            return struct.pack(">Bi", _INTEGER, value)
        case int():
            # Gregorian seconds, for example.
            raw = struct.pack("<Q", abs(value)).rstrip(b"\0")
            return struct.pack(">BBB", _SMALL_BIG, len(raw), value < 0) + raw
        case float():
            return struct.pack(">Bd", _FLOAT, value)
        case []:
            return bytes([_NIL])
        case list():
            items = b"".join(_encoded(item) for item in value)
            return struct.pack(">BI", _LIST, len(value)) + items + bytes([_NIL])
        case {} if not value:
            return _EMPTY_OBJECT
        case _:
            raise ValueError("an object in a paging key")


def _term(stream: BytesIO, depth: int) -> Json:
    """Read a term with lists in at most ``depth`` levels; raises ValueError, KeyError or struct.error for others."""
    (tag,) = _take(stream, 1)
    if tag in _FIXED:
        return _number(stream, _FIXED[tag])
    if tag in _SIZED:
        body = _take(stream, _number(stream, _SIZED[tag]))
        if tag == _BINARY:
            return body.decode()
        return list(body) if tag == _STRING else _ATOMS[body]
    if tag == _SMALL_BIG:
        size, is_negative = _take(stream, 2)
        # A view's key is at most a double.
        if size <= _LONG:
            value = int.from_bytes(_take(stream, size), "little")
            return -value if is_negative else value
    if tag == _NIL:
        return []
    if tag == _LIST and depth > 0:
        items = [_term(stream, depth - 1) for _ in range(_number(stream, ">I"))]
        # Erlang's lists may end in something else than the empty list; JSON has none of these.
        if _take(stream, 1) == bytes([_NIL]):
            return items
    if tag == _SMALL_TUPLE and _take(stream, 2) == _EMPTY_OBJECT[1:]:
        return {}
    raise ValueError(f"no key has a term with tag {tag}")


def _number(stream: BytesIO, layout: str) -> Any:
    return struct.unpack(layout, _take(stream, struct.calcsize(layout)))[0]


def _take(stream: BytesIO, size: int) -> bytes:
    taken = stream.read(size)
    if len(taken) < size:
        raise ValueError("the key is truncated")
    return taken
