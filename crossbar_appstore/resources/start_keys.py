"""The paging keys of listings as Crossbar shows them: Erlang's external term format in base64.

That is `api_util:encode_start_key/1`. Clients only hand them back. Written in KAZOO's form, a page that KAZOO began can
be continued here, and the other way round.
Format: https://www.erlang.org/doc/apps/erts/erl_ext_dist.html
"""

import base64
import binascii
import struct
from typing import Final

from crossbar_appstore.json_codec import Json

_VERSION: Final = 131
_SMALL_INTEGER: Final = 97
_INTEGER: Final = 98
_FLOAT: Final = 70
_ATOM: Final = 100
_SMALL_TUPLE: Final = 104
_NIL: Final = 106
_LIST: Final = 108
_BINARY: Final = 109

_EMPTY_OBJECT: Final = bytes([_SMALL_TUPLE, 1, _NIL])
"""KAZOO's JSON object is a tuple of one list of pairs."""

_BYTE: Final = struct.Struct(">B")
_SHORT: Final = struct.Struct(">H")
_LONG: Final = struct.Struct(">I")
_FIXED: Final = {_SMALL_INTEGER: _BYTE, _INTEGER: struct.Struct(">i"), _FLOAT: struct.Struct(">d")}
_ATOMS: Final = {b"true": True, b"false": False, b"null": None}
_DEEPEST: Final = 16
_LONGEST: Final = 10_000


class NotAKey(ValueError):
    """The text is no key that a listing gave."""


def encode_start_key(key: Json) -> str:
    """A view's key as the text that clients send back.

    Raises:
        ValueError: an integer beyond 32 bits, or an object that is not empty; the keys of our views have neither.
    """
    try:
        return base64.urlsafe_b64encode(bytes([_VERSION]) + _encoded(key)).rstrip(b"=").decode()
    except struct.error as error:
        raise ValueError(f"no paging key: {key!r}") from error


def decode_start_key(text: str) -> Json:
    """The view's key in a text from a client; any other text stands for itself (`api_util:decode_start_key/1`)."""
    try:
        return _decoded_text(text)
    except NotAKey:
        return text


def _decoded_text(text: str) -> Json:
    if not text.isascii() or len(text) > _LONGEST:
        raise NotAKey
    try:
        raw = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
        if raw[:1] != bytes([_VERSION]):
            raise NotAKey
        value, end = _decoded(raw, 1, _DEEPEST)
    except (binascii.Error, struct.error, UnicodeDecodeError, IndexError) as error:
        raise NotAKey from error
    if end != len(raw):
        raise NotAKey
    return value


def _encoded(value: Json) -> bytes:
    match value:
        case None | bool():
            name = {True: b"true", False: b"false", None: b"null"}[value]
            return struct.pack(">BH", _ATOM, len(name)) + name
        case str():
            raw = value.encode()
            return struct.pack(">BI", _BINARY, len(raw)) + raw
        case int():
            return (
                struct.pack(">BB", _SMALL_INTEGER, value) if 0 <= value < 256 else struct.pack(">Bi", _INTEGER, value)
            )
        case float():
            return struct.pack(">Bd", _FLOAT, value)
        case list():
            return _encoded_list([_encoded(item) for item in value])
        case dict() if not value:
            return _EMPTY_OBJECT
        case _:
            raise ValueError("an object in a paging key")


def _encoded_list(items: list[bytes]) -> bytes:
    nil = bytes([_NIL])
    return struct.pack(">BI", _LIST, len(items)) + b"".join(items) + nil if items else nil


def _decoded(raw: bytes, at: int, depth: int) -> tuple[Json, int]:
    """The term at an offset, and where it ends."""
    tag, at = raw[at], at + 1
    if tag in _FIXED:
        layout = _FIXED[tag]
        return layout.unpack_from(raw, at)[0], at + layout.size
    match tag:
        case 100 | 119:
            return _atom(raw, at, _SHORT if tag == _ATOM else _BYTE)
        case 106:
            return [], at
        case 107:
            text, at = _sized(raw, at, _SHORT)
            return list(text), at
        case 108 if depth > 0:
            return _list(raw, at, depth - 1)
        case 109:
            text, at = _sized(raw, at, _LONG)
            return text.decode(), at
        case 104 if raw[at - 1 : at + 2] == _EMPTY_OBJECT:
            return {}, at + 2
    raise NotAKey


def _sized(raw: bytes, at: int, length: struct.Struct) -> tuple[bytes, int]:
    """Bytes behind their length, and where they end."""
    begin = at + length.size
    end = begin + length.unpack_from(raw, at)[0]
    if end > len(raw):
        raise NotAKey
    return raw[begin:end], end


def _atom(raw: bytes, at: int, length: struct.Struct) -> tuple[Json, int]:
    name, at = _sized(raw, at, length)
    if name not in _ATOMS:
        raise NotAKey
    return _ATOMS[name], at


def _list(raw: bytes, at: int, depth: int) -> tuple[Json, int]:
    length = _LONG.unpack_from(raw, at)[0]
    items, at = [], at + _LONG.size
    for _ in range(min(length, _LONGEST)):
        item, at = _decoded(raw, at, depth)
        items.append(item)
    if raw[at] != _NIL:
        raise NotAKey
    return items, at + 1
