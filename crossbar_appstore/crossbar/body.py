"""Request bodies: the JSON envelope, forms, multipart, base64 and raw files (`api_util:get_req_data/2`)."""

import asyncio
import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from aiohttp import hdrs, web

from crossbar_appstore.crossbar.context import File
from crossbar_appstore.crossbar.errors import Refusal, ValidationError
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

MAX_BODY: Final = 8_000_000
"""Bytes a request body may have (`api_util` max_upload_size)."""

MAX_DEPTH: Final = 200
"""How deep objects and lists may be nested in a request."""

MAX_PARTS: Final = 100
"""Parts that a multipart body may have, those of nested multipart bodies included."""

BODY_SECONDS: Final = 120.0
"""The time limit for receiving a body (cowboy's idle_timeout)."""

_LONGEST_BOUNDARY: Final = 200
_MALFORMED: Final = "malformed multipart body"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_DATA_URI: Final = re.compile(rf"data:({TOKEN}/{TOKEN})?[^,]*;base64,".encode())


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


async def receive_body(request: web.Request, seconds: float) -> bytes:
    """Read the whole body of a request, at most for so many seconds.

    Raises:
        CrossbarError: 400, it is too large or malformed; 408, it did not arrive in time.
    """
    # Refused unread; aiohttp discards the body, so that the client sees the answer.
    if (request.content_length or 0) > MAX_BODY:
        raise _too_large()
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.version >= (1, 1):
        # As aiohttp's own handler of the header does it, but only once the body is wanted.
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0
    try:
        async with asyncio.timeout(seconds):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise _too_large() from error
    except TimeoutError as error:
        raise Refusal(408, "request timeout") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise Refusal(400, "malformed request body") from error


def _too_large() -> ValidationError:
    """The refusal of a body over ``MAX_BODY`` bytes: 400, not 413, as recorded."""
    message = f"Payload or Files must not be more than {MAX_BODY} bytes"
    return ValidationError({"file": {"maxSize": {"message": message, "target": MAX_BODY}}})


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
    try:
        envelope = loads(raw)
    except ValueError as error:
        raise _invalid_json(f"invalid_json around {getattr(error, 'pos', 0) + 1}") from error
    if not isinstance(envelope, dict):
        raise _invalid_json("All JSON must be valid")
    # Counting brackets is cheap and rules out nearly every body.
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _is_deeper_than(MAX_DEPTH, envelope):
        raise _invalid_json("nested too deeply")
    # A null member counts as absent, as in KAZOO's objects.
    return {key.lower().replace("-", "_"): value for key, value in envelope.items() if value is not None}


def _invalid_json(message: str) -> ValidationError:
    return ValidationError({"json": {"invalid": {"message": message, "target": "body"}}})


def _is_deeper_than(limit: int, value: Json) -> bool:
    level: list[Json] = [value]
    for _ in range(limit):
        members = (each.values() if isinstance(each, dict) else each for each in level)
        level = [member for member in chain.from_iterable(members) if isinstance(member, dict | list)]
    return bool(level)


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
    """A form, or JSON sent with the Content-Type that curl has by default."""
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
    for part in _leaves(raw, boundary):
        parsed = _parse_part(part)
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


def _parse_part(part: Part) -> Body:
    """A part without Content-Type is JSON, as is a whole body without one."""
    declared = part.headers.get("content-type") or JSON
    file_name = parameter(";" + part.headers.get("content-disposition", "").partition(";")[2], "filename")
    media_type = parse_content_type(declared)[0]
    if media_type in JSON_TYPES:
        return _enveloped(media_type, _parse_envelope(part.body))
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
    mark = re.escape(boundary.encode("utf-8", "surrogateescape"))
    delimiter = re.compile(rb"\r\n--" + mark + rb"(--)?[ \t]*(?=\r\n|\Z)")
    parts: list[Part] = []
    begin = None
    # The first delimiter has no line end before it, so it gets one.
    framed = b"\r\n" + raw
    for found in delimiter.finditer(framed):
        if begin is not None:
            parts.append(_part(framed[begin : found.start()]))
        if found[1] and parts:
            return parts
        # The closing delimiter came without a part, or the parts are too many.
        if found[1] or len(parts) >= MAX_PARTS:
            break
        begin = found.end()
    raise Refusal(400, _MALFORMED)


def _part(raw: bytes) -> Part:
    # The bytes between two delimiters begin with the line end of the first one.
    head, separator, body = raw.partition(b"\r\n\r\n")
    if not separator:
        raise Refusal(400, _MALFORMED)
    headers = {}
    for line in head.decode("utf-8", "replace").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Part(headers, body)


def _decode_base64(media_type: str, raw: bytes, file_name: str | None) -> File:
    """Decode base64 with or without padding, white space and a ``data:`` prefix (`kz_attachment:decode_base64/1`)."""
    prefix = _DATA_URI.match(raw)
    encoded = b"".join((raw[prefix.end() :] if prefix else raw).split())
    kind = prefix[1].decode().lower() if prefix and prefix[1] else media_type
    try:
        return File(base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True), kind, file_name)
    except binascii.Error as error:
        raise ValidationError({"file": {"encoding": {"message": "failed to decode base64 data"}}}) from error
