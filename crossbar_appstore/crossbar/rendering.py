"""From a finished context, or a refusal, to status, headers and bytes."""

import zlib
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.crossbar import csv_rendering
from crossbar_appstore.crossbar.compression import ENCODINGS, GZIP, spliced
from crossbar_appstore.crossbar.context import PLAIN, Binary, Context, PreparedJson
from crossbar_appstore.crossbar.cors import cors_headers, is_cors
from crossbar_appstore.crossbar.disposition import attachment
from crossbar_appstore.crossbar.envelope import Envelope, Sandwich
from crossbar_appstore.crossbar.errors import CrossbarError
from crossbar_appstore.crossbar.json_style import dress
from crossbar_appstore.crossbar.media_types import JSON
from crossbar_appstore.crossbar.negotiation import CSV_TYPES, choose_coding
from crossbar_appstore.crossbar.ranges import RangeNotSatisfiable, parse_range
from crossbar_appstore.crossbar.throttling import Throttle

JAVASCRIPT: Final = "application/javascript"
_CACHE_CONTROL: Final = "private, no-cache"
_EXPIRED: Final = "Fri, 01 Jan 1999 00:00:00 GMT"
_STALE: Final = '110 - "Response is stale"'
_COMPRESS_OVER: Final = 300
_GZIP_FORMAT: Final = 31
_GZIP_ALONE: Final = (GZIP,)
_CSV_OVERRIDES: Final = frozenset({"csv", *CSV_TYPES})
_INERT: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""The policy of pictures: one may be a document with scripts (SVG), which must not act in our origin."""


@dataclass(slots=True)
class HttpReply:
    """Status, headers and body as they go out."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


class Renderer:
    """Makes replies.

    Args:
        envelope: renders the JSON of this node.
        throttle: knows what is left in a caller's bucket.
    """

    def __init__(self, envelope: Envelope, throttle: Throttle) -> None:
        self._envelope = envelope
        self._throttle = throttle

    async def success(self, context: Context, media_type: str, language: str) -> HttpReply:
        """What the resource answered, in the negotiated type and language.

        Raises:
            CrossbarError: 416, a Range begins beyond the end of a picture.
        """
        reply = context.reply
        if context.verb == "PUT" and reply.status == 200:
            reply.status = 201
        if reply.status == 201 and reply.location is None:
            reply.location = context.path
        headers = _headers(context, language)
        if reply.binary is not None:
            return await _binary_reply(context, reply.binary, headers)
        if context.method == "GET" and _wants_csv(context, media_type):
            return _csv_reply(context, headers)
        body = self._envelope.success(context, self._throttle.level(context.bucket))
        return _json_reply(context, reply.status, headers, body)

    def not_modified(self, context: Context, language: str) -> HttpReply:
        """304: the headers of the success without its body."""
        return HttpReply(304, _headers(context, language))

    def refusal(self, context: Context, error: CrossbarError) -> HttpReply:
        """An error envelope; it has the CORS headers whether or not they were asked for.

        Raises:
            ValueError: the data of ``error`` is no JSON.
        """
        body = self._envelope.error(context, error, self._throttle.level(context.bucket))
        headers = {"X-Request-ID": context.request_id, "Cache-Control": _CACHE_CONTROL}
        headers.update(cors_headers(context.headers, context.allowed_methods))
        headers.update(error.headers)
        return _json_reply(context, error.code, headers, body)


def _headers(context: Context, language: str) -> dict[str, str]:
    """The headers of every success, but for those of its type."""
    reply = context.reply
    headers = {"X-Request-ID": context.request_id, "Content-Language": language}
    if reply.binary is not None:
        headers["Vary"] = "accept-language"
        headers["Cache-Control"] = reply.binary.cache_control
    else:
        headers["Vary"] = "accept-language, accept, accept-encoding"
        headers["Cache-Control"] = _CACHE_CONTROL
        if context.method == "GET":
            headers["Expires"] = _EXPIRED
    if reply.etag is not None and context.verb == "GET":
        headers["ETag"] = f'"{reply.etag}"'
    if reply.location is not None:
        headers["Location"] = reply.location
    if reply.stale:
        headers["Warning"] = _STALE
    if reply.headers:
        headers.update(reply.headers)
    if is_cors(context.headers):
        headers.update(cors_headers(context.headers, context.allowed_methods))
    return headers


def _wants_csv(context: Context, media_type: str) -> bool:
    return media_type in CSV_TYPES or context.req_value("accept") in _CSV_OVERRIDES


def _json_reply(context: Context, status: int, headers: dict[str, str], body: Sandwich) -> HttpReply:
    headers["Content-Type"] = JSON
    if context.style is PLAIN:
        coding = _coding(context, len(body.data.raw)) if body.data is not None else None
        if coding is None or body.data is None:
            return _compressed(context, HttpReply(status, headers, body.whole))
        headers["Content-Encoding"] = coding
        return HttpReply(status, headers, spliced(coding, body.head, body.data, body.tail))
    if context.style.callback is not None:
        headers["Content-Type"] = JAVASCRIPT
        headers["X-Content-Type-Options"] = "nosniff"
    return _compressed(context, HttpReply(status, headers, dress(body.whole, context.style)))


def _csv_reply(context: Context, headers: dict[str, str]) -> HttpReply:
    data = context.reply.data
    name = context.headers.get("X-File-Name") or context.req_value("file_name")
    headers["Content-Type"] = "text/csv"
    headers["Content-Disposition"] = csv_rendering.disposition(name if isinstance(name, str) else None)
    # The entity tag is that of the JSON.
    headers.pop("ETag", None)
    body = csv_rendering.render_csv(data.value if isinstance(data, PreparedJson) else data)
    return _compressed(context, HttpReply(context.reply.status, headers, body))


async def _binary_reply(context: Context, binary: Binary, headers: dict[str, str]) -> HttpReply:
    """A picture, or the part of it that a Range header asks for."""
    body = await binary.load()
    printable = binary.content_type.isascii() and binary.content_type.isprintable()
    headers["Content-Type"] = binary.content_type if printable else "application/octet-stream"
    headers["Content-Disposition"] = attachment(binary.file_name, quoted=False)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Content-Security-Policy"] = _INERT
    headers["Accept-Ranges"] = "bytes"
    wanted = _wanted_range(context, len(body))
    if wanted is None:
        return HttpReply(200, headers, body)
    first, last = wanted
    headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
    return HttpReply(206, headers, body[first : last + 1])


def _wanted_range(context: Context, length: int) -> tuple[int, int] | None:
    header = context.headers.get("Range")
    if header is None or context.method != "GET":
        return None
    condition = context.headers.get("If-Range")
    if condition is not None and condition != f'"{context.reply.etag}"':
        return None
    try:
        return parse_range(header, length)
    except RangeNotSatisfiable as error:
        content_range = {"Content-Range": f"bytes */{length}"}
        raise CrossbarError(416, "range not satisfiable", {}, headers=content_range) from error


def _compressed(context: Context, reply: HttpReply) -> HttpReply:
    """The reply in gzip where the client takes it and it is worth it (`cowboy_compress_h`)."""
    if _coding(context, len(reply.body), _GZIP_ALONE) is not None:
        reply.headers["Content-Encoding"] = GZIP
        reply.body = zlib.compress(reply.body, level=1, wbits=_GZIP_FORMAT)
    return reply


def _coding(context: Context, length: int, offered: tuple[str, ...] = ENCODINGS) -> str | None:
    """The content coding for a body of that length; None where it goes out as it is."""
    wanted = context.headers.get("Accept-Encoding")
    return None if wanted is None or length <= _COMPRESS_OVER else choose_coding(wanted, offered)
