"""From a finished context, or a refusal, to an outcome; and from an outcome to headers and bytes."""

import zlib
from typing import Final

from multidict import CIMultiDict, istr

from crossbar_appstore.crossbar import csv_rendering
from crossbar_appstore.crossbar.compression import ENCODINGS, GZIP, spliced
from crossbar_appstore.crossbar.context import PLAIN, Binary, Context, PreparedJson, bucket_of
from crossbar_appstore.crossbar.cors import cors_headers, is_cors
from crossbar_appstore.crossbar.disposition import attachment
from crossbar_appstore.crossbar.envelope import Envelope, Form
from crossbar_appstore.crossbar.errors import CrossbarError
from crossbar_appstore.crossbar.json_style import dress
from crossbar_appstore.crossbar.media_types import JSON
from crossbar_appstore.crossbar.negotiation import CSV_TYPES, choose_coding
from crossbar_appstore.crossbar.outcome import Outcome
from crossbar_appstore.crossbar.pieces import WORTHWHILE, Pieces
from crossbar_appstore.crossbar.ranges import RangeNotSatisfiable, parse_range
from crossbar_appstore.crossbar.throttling import Throttle

_X_REQUEST_ID: Final = istr("X-Request-ID")
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


class Renderer:
    """Makes replies.

    Args:
        envelope: renders the JSON of this node.
        throttle: knows what is left in a caller's bucket.
    """

    def __init__(self, envelope: Envelope, throttle: Throttle) -> None:
        self._envelope = envelope
        self._throttle = throttle

    async def success(self, context: Context, media_type: str, language: str) -> Outcome:
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
            return await _picture(context, reply.binary, headers)
        if context.method == "GET" and _wants_csv(context, media_type):
            return _csv(context, headers)
        return _json(context, reply.status, headers, self._envelope.success(context))

    def not_modified(self, context: Context, language: str) -> Outcome:
        """304: the headers of the success without its body."""
        return Outcome.of(context, 304, _headers(context, language))

    def refusal(self, context: Context, error: CrossbarError) -> Outcome:
        """An error envelope; it has the CORS headers whether or not they were asked for.

        Raises:
            ValueError: the data of ``error`` is no JSON.
        """
        headers = CIMultiDict({"Cache-Control": _CACHE_CONTROL})
        headers.update(cors_headers(context.headers, context.allowed_methods))
        headers.update(error.headers)
        return _json(context, error.code, headers, self._envelope.error(context, error))

    def reply(self, outcome: Outcome, request_id: str, client_ip: str) -> tuple[CIMultiDict[str], bytes | Pieces]:
        """Headers and body of an outcome, with what is of this one request."""
        headers = outcome.headers.copy()
        if outcome.has_id:
            headers[_X_REQUEST_ID] = request_id
        form = outcome.body
        if isinstance(form, bytes):
            return headers, form
        remaining = self._throttle.level(bucket_of(client_ip, outcome.account_id))
        head = self._envelope.head(form, request_id, remaining)
        if outcome.style is PLAIN and form.data is not None:
            coding = _coding(outcome.accept_encoding, len(form.raw))
            if coding is not None:
                headers["Content-Encoding"] = coding
                return headers, spliced(coding, head, form.data, form.tail)
            if len(form.raw) > WORTHWHILE:
                return headers, Pieces(head, form.raw, form.tail)
        body = b"".join((head, form.raw, form.tail))
        if outcome.style is not PLAIN:
            body = dress(body, outcome.style)
        return headers, _compressed(outcome.accept_encoding, headers, body)


def _headers(context: Context, language: str) -> CIMultiDict[str]:
    """The headers of every success, but for those of its type."""
    reply = context.reply
    headers = CIMultiDict({"Content-Language": language})
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


def _json(context: Context, status: int, headers: CIMultiDict[str], form: Form) -> Outcome:
    headers["Content-Type"] = JSON
    if context.style.callback is not None:
        headers["Content-Type"] = JAVASCRIPT
        headers["X-Content-Type-Options"] = "nosniff"
    return Outcome.of(context, status, headers, form)


def _csv(context: Context, headers: CIMultiDict[str]) -> Outcome:
    data = context.reply.data
    name = context.headers.get("X-File-Name") or context.req_value("file_name")
    headers["Content-Type"] = "text/csv"
    headers["Content-Disposition"] = csv_rendering.disposition(name if isinstance(name, str) else None)
    # The entity tag is that of the JSON.
    headers.pop("ETag", None)
    body = csv_rendering.render_csv(data.value if isinstance(data, PreparedJson) else data)
    body = _compressed(context.headers.get("Accept-Encoding"), headers, body)
    return Outcome.of(context, context.reply.status, headers, body)


async def _picture(context: Context, binary: Binary, headers: CIMultiDict[str]) -> Outcome:
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
        return Outcome.of(context, 200, headers, body)
    first, last = wanted
    headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
    return Outcome.of(context, 206, headers, body[first : last + 1])


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


def _compressed(accept_encoding: str | None, headers: CIMultiDict[str], body: bytes) -> bytes:
    """The body in gzip where the client takes it and it is worth it (`cowboy_compress_h`)."""
    if _coding(accept_encoding, len(body), _GZIP_ALONE) is None:
        return body
    headers["Content-Encoding"] = GZIP
    return zlib.compress(body, level=1, wbits=_GZIP_FORMAT)


def _coding(accept_encoding: str | None, length: int, offered: tuple[str, ...] = ENCODINGS) -> str | None:
    """The content coding for a body of that length; None where it goes out as it is."""
    if accept_encoding is None or length <= _COMPRESS_OVER:
        return None
    return choose_coding(accept_encoding, offered)
