"""Request bodies: the JSON envelope, forms, multipart, base64 and raw files (`api_util:get_req_data/2`)."""

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from aiohttp import hdrs, web

from crossbar_appstore.crossbar.context import File
from crossbar_appstore.crossbar.errors import CrossbarError, Refusal, ValidationError
from crossbar_appstore.crossbar.headers import (
    BASE64_TYPES,
    FORM,
    JSON,
    JSON_TYPES,
    TOKEN,
    MalformedQuery,
    parameter,
    parse_content_type,
    parse_pairs,
)
from crossbar_appstore.json_codec import Json, JsonObject, loads

FREE_BODY: Final = 4_096
"""Bytes of a body that cost a caller without a valid token nothing; each further token pays for as many."""

ANONYMOUS_BODY: Final = 65_536
"""Bytes a body may have without a valid token (deviation D29)."""

MAX_JSON: Final = 1_048_576
"""Bytes a body may have that is no upload, and all JSON in a multipart body."""

MAX_UPLOAD: Final = 8_000_000
"""Bytes the body of an upload may have (`api_util` max_upload_size)."""

MAX_DEPTH: Final = 100
"""How deep objects and lists may be nested in a request."""

MAX_MEMBERS: Final = 10_000
"""Members of objects and items of lists that the JSON of a request may have in all."""

MAX_DIGITS: Final = 512
"""Digits of an integer in a request; converting one takes time that grows with their square."""

MAX_PARTS: Final = 100
"""Parts that a multipart body may have, those of nested multipart bodies included."""

Admission = Callable[[int], Awaitable[int]]
"""Called with the size of a body, or of what of it has been received; returns the bytes that it may have."""

# A piece of JSON up to the next comma or opening bracket outside texts, of which at most two are before it. Each member
# has such a mark before it, and may be an empty list or object, which has one more.
_PIECE: Final = re.compile(rb'[^"\[{,]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"?[^"\[{,]*+){0,2}+[\[{,]?', re.DOTALL)
_MAX_PIECES: Final = 2 * MAX_MEMBERS + 10
_MAX_BITS: Final = (10**MAX_DIGITS).bit_length()
_LONGEST_PART_HEAD: Final = 4_096
_MOST_PART_HEADERS: Final = 16
_MOST_DELIMITERS: Final = 1_000
_LONGEST_BOUNDARY: Final = 200
_MALFORMED: Final = "malformed multipart body"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_DATA_URI: Final = re.compile(rf"data:({TOKEN}/{TOKEN})?.*;base64,".encode(), re.DOTALL)
_LONGEST_DATA_URI: Final = 1_024


@dataclass(frozen=True, slots=True)
class Body:
    """A parsed body; ``envelope`` has normalised keys.

    The media type of a multipart body without an envelope is that of its first file.
    """

    content_type: str = JSON
    envelope: JsonObject = field(default_factory=dict)
    data: Any = field(default_factory=dict)
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body: its headers with names in lower case, and its bytes."""

    headers: Mapping[str, str]
    body: bytes


async def receive_body(request: web.Request, admit: Admission, *, seconds: float, pause: float) -> bytes:
    """Read the whole body of a request, in at most ``seconds`` with at most ``pause`` seconds between two pieces.

    ``admit`` is called for bodies over ``FREE_BODY`` bytes, before they are read if their size is known.

    Raises:
        CrossbarError: 400, it is malformed; 408, it did not arrive in time; 413, it is too large.
    """
    size = request.content_length
    limit = ANONYMOUS_BODY
    if size is not None and size > FREE_BODY:
        limit = await admit(size)
        # Refused unread; aiohttp discards the body, so that the client sees the answer.
        if size > limit:
            raise _too_large(limit)
    try:
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.version >= (1, 1):
            # As aiohttp's own handler of the header does it, but only once the body is wanted.
            await request.writer.write(_CONTINUE)
            request.writer.output_size = 0
        pieces, received = [], 0
        async for piece in _pieces(request, seconds, pause):
            pieces.append(piece)
            received += len(piece)
            if received > limit and size is None and limit == ANONYMOUS_BODY:
                limit = await admit(received)
            if received > limit:
                raise _too_large(limit)
    except TimeoutError as error:
        raise Refusal(408, "request timeout") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise Refusal(400, "malformed request body") from error
    if size is None and FREE_BODY < received <= ANONYMOUS_BODY:
        await admit(received)
    return b"".join(pieces)


async def _pieces(request: web.Request, seconds: float, pause: float) -> AsyncIterator[bytes]:
    """The pieces of a body as they arrive; raises TimeoutError."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        async with asyncio.timeout_at(min(end, loop.time() + pause)):
            piece = await request.content.readany()
        if not piece:
            return
        yield piece


def _too_large(limit: int) -> CrossbarError:
    """413 with the data of Crossbar's 400 (deviation D29)."""
    message = f"Payload or Files must not be more than {limit} bytes"
    return CrossbarError(413, "validation error", {"file": {"maxSize": {"message": message, "target": limit}}})


def parse_body(content_type: str | None, raw: bytes, file_name: str | None = None) -> Body:
    """Parse a whole request body according to its Content-Type header.

    Raises:
        ValidationError: the body is no JSON, no envelope, or no base64.
        Refusal: 400, the Content-Type or the body cannot be parsed.
    """
    # A body without a type is JSON, as in Crossbar.
    media_type, params = (JSON, "") if content_type is None else parse_content_type(content_type)
    if media_type in JSON_TYPES:
        return _enveloped(media_type, _parse_envelope(raw)) if raw else Body(media_type)
    if media_type == FORM:
        return _form_body(raw)
    if media_type.startswith("multipart/"):
        return _multipart_body(media_type, params, raw)
    if not raw:
        return Body(media_type)
    if media_type in BASE64_TYPES:
        return Body(media_type, files=(_decode_base64(media_type, raw, file_name),))
    return Body(media_type, files=(File(raw, media_type, file_name),))


def _parse_envelope(raw: bytes) -> JsonObject:
    _check_json(raw)
    return _parse_checked(raw)


def _check_json(raw: bytes) -> None:
    """Refuse JSON that would take long to parse; whether it is JSON is not checked."""
    if len(raw) > MAX_JSON:
        raise _too_large(MAX_JSON)
    if next(islice(_PIECE.finditer(raw), _MAX_PIECES, None), None) is not None:
        raise _too_many_members()


def _parse_checked(raw: bytes) -> JsonObject:
    try:
        envelope = loads(raw)
    except ValueError as error:
        raise _invalid_json(f"invalid_json around {getattr(error, 'pos', 0) + 1}") from error
    if not isinstance(envelope, dict):
        raise _invalid_json("All JSON must be valid")
    _check_members(envelope)
    # A null member counts as absent, as in KAZOO's objects.
    return {key.lower().replace("-", "_"): value for key, value in envelope.items() if value is not None}


def _too_many_members() -> ValidationError:
    return _invalid_json(f"more than {MAX_MEMBERS} members")


def _invalid_json(message: str) -> ValidationError:
    return ValidationError({"json": {"invalid": {"message": message, "target": "body"}}})


def _check_members(envelope: JsonObject) -> None:
    """Refuse JSON that is nested too deeply, has too many members, or too large integers."""
    level: list[dict[str, Json] | list[Json]] = [envelope]
    members = 0
    for _ in range(MAX_DEPTH):
        members += sum(map(len, level))
        if members > MAX_MEMBERS:
            raise _too_many_members()
        values = [value for each in level for value in (each.values() if isinstance(each, dict) else each)]
        if any(isinstance(value, int) and value.bit_length() > _MAX_BITS for value in values):
            raise _invalid_json(f"an integer of more than {MAX_DIGITS} digits")
        level = [value for value in values if isinstance(value, dict | list)]
        if not level:
            return
    raise _invalid_json("nested too deeply")


def _enveloped(media_type: str, envelope: JsonObject, files: tuple[File, ...] = ()) -> Body:
    if "data" not in envelope:
        raise ValidationError({"data": {"required": {"message": "Field is required but missing", "value": envelope}}})
    data = envelope["data"]
    if not isinstance(data, dict | list):
        target = "object, array"
        details = {"message": f"Value did not match type(s): {target}", "target": target, "value": data}
        raise ValidationError({"data": {"type": details}})
    # The paging key of listings is removed before any module sees the data (`api_resource`).
    envelope.pop("start_key", None)
    if isinstance(data, dict):
        data.pop("start_key", None)
    return Body(media_type, envelope, data, files)


def _form_body(raw: bytes) -> Body:
    """A form, or JSON sent with the Content-Type that curl has by default, as is all that is too long for a form."""
    if len(raw) > ANONYMOUS_BODY:
        return _enveloped(FORM, _parse_envelope(raw))
    try:
        pairs = parse_pairs(raw.decode("utf-8", "replace"), limit=100)
    except MalformedQuery:
        return _enveloped(FORM, _parse_envelope(raw))
    if len(pairs) == 1 and pairs[0][1] is None:
        return _enveloped(FORM, _parse_envelope(raw))
    envelope: JsonObject = {}
    for name, value in pairs:
        envelope.setdefault(name, True if value is None else value)
    return _enveloped(FORM, envelope)


def _multipart_body(media_type: str, params: str, raw: bytes) -> Body:
    boundary = parameter(params, "boundary")
    if boundary is None:
        raise Refusal(400, "multipart body without a boundary")
    if not raw:
        return Body(media_type)
    envelope: Body | None = None
    files: list[File] = []
    # A part without Content-Type is JSON, as is a whole body without one.
    leaves = [
        (parse_content_type(part.headers.get("content-type") or JSON)[0], part) for part in _leaves(raw, boundary)
    ]
    _check_json(b"".join(part.body for part_type, part in leaves if part_type in JSON_TYPES))
    for part_type, part in leaves:
        parsed = _parse_part(part_type, part)
        files.extend(parsed.files)
        # Of several envelopes the last one counts, as in Crossbar.
        envelope = envelope if parsed.files else parsed
    if envelope is None:
        return Body(files[0].content_type, files=tuple(files))
    return Body(media_type, envelope.envelope, envelope.data, tuple(files))


def _leaves(raw: bytes, boundary: str) -> Iterator[Part]:
    """The parts of a multipart body, including those of one nested multipart level."""
    count = 0
    for part in split_parts(raw, boundary):
        kind, _, params = part.headers.get("content-type", "").partition(";")
        is_nested = kind.strip().lower().startswith("multipart/")
        leaves = split_parts(part.body, parameter(f";{params}", "boundary") or "") if is_nested else [part]
        count += len(leaves)
        if count > MAX_PARTS:
            raise Refusal(400, _MALFORMED)
        yield from leaves


def _parse_part(media_type: str, part: Part) -> Body:
    if media_type in JSON_TYPES:
        return _enveloped(media_type, _parse_checked(part.body))
    file_name = parameter(";" + part.headers.get("content-disposition", "").partition(";")[2], "filename")
    if media_type in BASE64_TYPES or part.headers.get("content-transfer-encoding", "").lower() == "base64":
        return Body(media_type, files=(_decode_base64(media_type, part.body, file_name),))
    return Body(media_type, files=(File(part.body, media_type, file_name),))


def split_parts(raw: bytes, boundary: str) -> list[Part]:
    """Split a multipart body at its boundaries, without changing a byte of the parts (RFC 2046 §5.1).

    Raises:
        Refusal: 400, the parts cannot be told apart or are more than ``MAX_PARTS``.
    """
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY:
        raise Refusal(400, _MALFORMED)
    parts: list[Part] = []
    begin = None
    for at, end, closing in _delimiters(raw, b"\r\n--" + boundary.encode("utf-8", "surrogateescape")):
        if begin is not None:
            parts.append(_part(raw, begin, at))
        if closing and parts:
            return parts
        # The closing delimiter came without a part, or the parts are too many.
        if closing or len(parts) >= MAX_PARTS:
            break
        begin = end
    raise Refusal(400, _MALFORMED)


def _delimiters(raw: bytes, delimiter: bytes) -> Iterator[tuple[int, int, bool]]:
    """Where each delimiter line begins and ends, and whether it is the closing one."""
    # The first delimiter may have no line end before it.
    at = -2 if raw.startswith(delimiter[2:]) else raw.find(delimiter)
    # Other lines may begin like a delimiter; a body of nothing else would take long.
    for _ in range(_MOST_DELIMITERS):
        if at == -1:
            return
        begin = at + len(delimiter)
        end = raw.find(b"\r\n", begin)
        end = len(raw) if end < 0 else end
        closing = raw.startswith(b"--", begin)
        if not raw[begin + 2 * closing : end].strip(b" \t"):
            yield at, end, closing
        at = raw.find(delimiter, end)


def _part(raw: bytes, begin: int, end: int) -> Part:
    """The part between two delimiters, which begins with the line end of the first one."""
    head_end = raw.find(b"\r\n\r\n", begin, min(end, begin + _LONGEST_PART_HEAD))
    lines = raw[begin : max(head_end, begin)].decode("utf-8", "replace").split("\r\n")[1:]
    if head_end < 0 or len(lines) > _MOST_PART_HEADERS:
        raise Refusal(400, _MALFORMED)
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Part(headers, raw[head_end + 4 : end])


def _decode_base64(media_type: str, raw: bytes, file_name: str | None) -> File:
    """Decode base64 with or without padding, white space and a ``data:`` prefix (`kz_attachment:decode_base64/1`)."""
    prefix = _DATA_URI.fullmatch(raw, 0, raw.find(b",", 0, _LONGEST_DATA_URI) + 1)
    encoded = (raw[prefix.end() :] if prefix else raw).translate(None, b" \t\r\n\v\f")
    kind = prefix[1].decode().lower() if prefix and prefix[1] else media_type
    try:
        return File(base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True), kind, file_name)
    except binascii.Error as error:
        raise ValidationError({"file": {"encoding": {"message": "failed to decode base64 data"}}}) from error
