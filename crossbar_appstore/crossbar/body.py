"""Request bodies: the JSON envelope, forms, multipart, base64 and raw files (`api_util:get_req_data/2`)."""

import base64
import binascii
import re
from dataclasses import dataclass, field
from email import policy
from email.message import Message
from email.parser import BytesParser
from typing import Any, Final

from crossbar_appstore.crossbar.context import File
from crossbar_appstore.crossbar.errors import Refusal, ValidationError
from crossbar_appstore.crossbar.paths import BadEscape, parse_query
from crossbar_appstore.json_codec import JsonObject, loads

MAX_BODY: Final = 8_000_000
"""Bytes a request body may have (`api_util` max_upload_size)."""

FORM: Final = "application/x-www-form-urlencoded"
_JSON_TYPES: Final = frozenset({"application/json", "application/x-json"})
_BASE64_TYPES: Final = frozenset({"application/base64", "application/x-base64"})
_CONTENT_TYPE: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_DATA_URI: Final = re.compile(rb"data:([^;,]*);base64,")
_MOST_PARTS: Final = 100
_DEEPEST_PART: Final = 4


@dataclass(frozen=True, slots=True)
class Body:
    """A parsed body: its media type, its envelope with normalised keys, its ``data``, and uploaded files."""

    content_type: str = "application/json"
    envelope: JsonObject = field(default_factory=dict)
    data: Any = field(default_factory=dict)
    files: tuple[File, ...] = ()


def too_large() -> ValidationError:
    """The refusal of a body over ``MAX_BODY`` bytes: 400, not 413, as recorded."""
    message = f"Payload or Files must not be more than {MAX_BODY} bytes"
    return ValidationError({"file": {"maxSize": {"message": message, "target": MAX_BODY}}})


def parse_body(content_type: str | None, raw: bytes, file_name: str | None = None) -> Body:
    """Parse a whole request body by its Content-Type header.

    Raises:
        ValidationError: the body is no JSON, no envelope, or no base64.
        Refusal: 400, the Content-Type cannot be parsed or lacks its boundary.
    """
    if content_type is None:
        return _json_body("application/json", raw)
    media_type = content_type.partition(";")[0].strip().lower()
    if not _CONTENT_TYPE.match(media_type):
        raise Refusal(400, "malformed content-type header")
    if media_type in _JSON_TYPES:
        return _json_body(media_type, raw)
    if media_type == FORM:
        return _form_body(raw)
    if media_type.startswith("multipart/"):
        return _multipart_body(content_type, media_type, raw)
    if not raw:
        return Body(media_type)
    if media_type in _BASE64_TYPES:
        return Body(media_type, files=(_decode_base64(media_type, raw, file_name),))
    return Body(media_type, files=(File(raw, media_type, file_name),))


def _json_body(media_type: str, raw: bytes) -> Body:
    if not raw:
        return Body(media_type)
    return _validated(media_type, _parse_envelope(raw))


def _parse_envelope(raw: bytes) -> JsonObject:
    try:
        envelope = loads(raw)
    except ValueError as error:
        raise _invalid_json(_position(error)) from error
    if not isinstance(envelope, dict):
        raise _invalid_json("All JSON must be valid")
    # A null member counts as absent, as in KAZOO's own objects.
    return {_normalise(key): value for key, value in envelope.items() if value is not None}


def _position(error: ValueError) -> str:
    return f"invalid_json around {getattr(error, 'pos', 0) + 1}"


def _invalid_json(message: str) -> ValidationError:
    return ValidationError({"json": {"invalid": {"message": message, "target": "body"}}})


def _normalise(key: str) -> str:
    return key.lower().replace("-", "_")


def _validated(media_type: str, envelope: JsonObject, files: tuple[File, ...] = ()) -> Body:
    if "data" not in envelope:
        raise ValidationError({"data": {"required": {"message": "Field is required but missing", "value": envelope}}})
    data = envelope["data"]
    if not isinstance(data, dict | list):
        target = "object, array"
        details = {"message": f"Value did not match type(s): {target}", "target": target, "value": data}
        raise ValidationError({"data": {"type": details}})
    # The paging key of listings is taken out before any module sees the data (`api_resource`).
    if isinstance(data, dict) and "start_key" in data:
        data = {key: value for key, value in data.items() if key != "start_key"}
    return Body(media_type, {key: value for key, value in envelope.items() if key != "start_key"}, data, files)


def _form_body(raw: bytes) -> Body:
    text = raw.decode("utf-8", "replace")
    try:
        pairs = parse_query(text)
    except BadEscape:
        return _json_body(FORM, raw)
    valueless = {item for item in text.split("&") if item and "=" not in item}
    if len(pairs) == 1 and valueless:
        return _json_body(FORM, raw)
    bare = set(parse_query("&".join(valueless)))
    envelope: JsonObject = {name: True if name in bare else value for name, value in pairs.items()}
    return _validated(FORM, envelope)


def _multipart_body(header: str, media_type: str, raw: bytes) -> Body:
    message = BytesParser(policy=policy.HTTP).parsebytes(b"Content-Type: " + header.encode() + b"\r\n\r\n" + raw)
    if not message.get_boundary():
        raise Refusal(400, "multipart body without a boundary")
    envelope: JsonObject | None = None
    files: list[File] = []
    for part in _parts(message, _DEEPEST_PART)[:_MOST_PARTS]:
        content = _payload(part)
        kind = part.get_content_type() if part["Content-Type"] else "text/plain"
        if kind in _JSON_TYPES:
            envelope = {**(envelope or {}), **_parse_envelope(content)}
        elif kind in _BASE64_TYPES:
            files.append(_decode_base64(kind, content, part.get_filename()))
        else:
            files.append(File(content, kind, part.get_filename()))
    if envelope is None:
        return Body(media_type, files=tuple(files))
    return _validated(media_type, envelope, tuple(files))


def _parts(message: Message, depth: int) -> list[Message]:
    payload = message.get_payload()
    if not isinstance(payload, list):
        return []
    found: list[Message] = []
    for part in payload:
        if not isinstance(part, Message):
            continue
        if part.is_multipart():
            found.extend(_parts(part, depth - 1) if depth > 0 else [])
        else:
            found.append(part)
    return found


def _payload(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _decode_base64(media_type: str, raw: bytes, file_name: str | None) -> File:
    prefix = _DATA_URI.match(raw)
    encoded = raw[prefix.end() :] if prefix else raw
    kind = prefix[1].decode("latin-1") if prefix and prefix[1] else media_type
    try:
        return File(base64.b64decode(b"".join(encoded.split()), validate=True), kind, file_name)
    except binascii.Error as error:
        problem = {"message": "failed to decode base64 data"}
        raise ValidationError({"file": {"encoding": problem}}) from error
