"""From a finished context to status, headers and bytes."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.crossbar import csv_rendering, negotiation
from crossbar_appstore.crossbar.context import Binary, Context, PreparedJson
from crossbar_appstore.crossbar.disposition import attachment
from crossbar_appstore.crossbar.errors import CrossbarError, Refusal
from crossbar_appstore.crossbar.ranges import RangeNotSatisfiable, parse_range
from crossbar_appstore.json_codec import dumps_pretty, loads

JSON: Final = negotiation.JSON
JAVASCRIPT: Final = "application/javascript"
EXPIRED: Final = "Fri, 01 Jan 1999 00:00:00 GMT"
_COMPRESS_OVER: Final = 300
_CALLBACK: Final = re.compile(r"[A-Za-z0-9_$.]+(?:\[[0-9]+\][A-Za-z0-9_$.]*)*\Z")
_STALE: Final = '110 - "Response is stale"'


@dataclass(slots=True)
class HttpReply:
    """Status, headers and body as they go out."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Style:
    """How JSON replies of one request are dressed: indented, or wrapped into a JSONP callback."""

    pretty: bool = False
    callback: str | None = None


PLAIN: Final = Style()


def style_of(context: Context) -> Style:
    """What the request asked for in ``jsonp``, ``pretty_print`` and X-Pretty-Print.

    Raises:
        Refusal: 400, the callback is no name that may be echoed.
    """
    pretty = str(context.req_value("pretty_print") or context.headers.get("X-Pretty-Print", "")).lower() == "true"
    callback = context.req_value("jsonp")
    if callback is None:
        return Style(pretty) if pretty else PLAIN
    if not isinstance(callback, str) or not _CALLBACK.match(callback):
        raise Refusal(400, "jsonp callback is not a name")
    return Style(pretty, callback)


def json_reply(
    status: int, body: bytes, style: Style, headers: dict[str, str], *, accept_encoding: str | None
) -> HttpReply:
    """A JSON body, dressed and compressed as the request wants it."""
    headers["Content-Type"] = JSON
    headers["Cache-Control"] = "private, no-cache"
    if style is not PLAIN:
        if style.pretty:
            body = dumps_pretty(loads(body))
        if style.callback is not None:
            headers["Content-Type"] = JAVASCRIPT
            headers["X-Content-Type-Options"] = "nosniff"
            body = style.callback.encode() + b"(" + body + b");"
    return compressed(HttpReply(status, headers, body), accept_encoding)


def csv_reply(context: Context, status: int, headers: dict[str, str]) -> HttpReply:
    """The reply's data as a CSV download."""
    data = context.reply.data
    name = context.headers.get("X-File-Name") or context.req_value("file_name")
    headers["Content-Type"] = "text/csv"
    headers["Cache-Control"] = "private, no-cache"
    headers["Content-Disposition"] = csv_rendering.disposition(name if isinstance(name, str) else None)
    body = csv_rendering.render_csv(data.value if isinstance(data, PreparedJson) else data)
    return compressed(HttpReply(status, headers, body), context.headers.get("Accept-Encoding"))


async def binary_reply(binary: Binary, headers: dict[str, str], range_header: str | None) -> HttpReply:
    """A picture, or the part of it that a Range header asks for.

    Raises:
        CrossbarError: 416, the range begins beyond the end.
    """
    body = await binary.load()
    headers["Content-Type"] = binary.content_type
    headers["Content-Disposition"] = attachment(binary.file_name, quoted=False)
    headers["Cache-Control"] = binary.cache_control
    headers["X-Content-Type-Options"] = "nosniff"
    # A picture may be a document with scripts (SVG); it must not act in our origin.
    headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    if range_header is None:
        return HttpReply(200, headers, body)
    headers["Accept-Ranges"] = "bytes"
    length = len(body)
    try:
        wanted = parse_range(range_header, length)
    except RangeNotSatisfiable as error:
        content_range = {"Content-Range": f"bytes */{length}"}
        raise CrossbarError(416, "range not satisfiable", {}, headers=content_range) from error
    if wanted is None:
        return HttpReply(200, headers, body)
    first, last = wanted
    headers["Content-Range"] = f"bytes {first}-{last}/{length}"
    return HttpReply(206, headers, body[first : last + 1])


def compressed(reply: HttpReply, accept_encoding: str | None) -> HttpReply:
    """The reply in gzip where the client takes it and it is worth it (`cowboy_compress_h`)."""
    if accept_encoding is None or len(reply.body) <= _COMPRESS_OVER:
        return reply
    if negotiation.accepts_encoding(accept_encoding, "gzip"):
        reply.headers["Content-Encoding"] = "gzip"
        reply.body = zlib.compress(reply.body, level=5, wbits=31)
    return reply


def success_headers(context: Context, language: str, *, negotiated: bool, cacheable: bool) -> dict[str, str]:
    """The headers that every success has, but for those of its type.

    Args:
        negotiated: whether the type depends on the Accept header; a picture's does not.
        cacheable: whether this is a GET, whose JSON Crossbar marks as expired.
    """
    reply = context.reply
    headers = {
        "X-Request-ID": context.request_id,
        "Content-Language": language,
        "Vary": "accept-language, accept, accept-encoding" if negotiated else "accept-language",
    }
    if cacheable and reply.binary is None:
        headers["Expires"] = EXPIRED
    if reply.etag is not None:
        headers["ETag"] = f'"{reply.etag}"'
    if reply.location is not None:
        headers["Location"] = reply.location
    if reply.stale:
        headers["Warning"] = _STALE
    if reply.headers:
        headers.update(reply.headers)
    return headers


def merge(headers: dict[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Add headers in place, and return them."""
    headers.update(more)
    return headers
