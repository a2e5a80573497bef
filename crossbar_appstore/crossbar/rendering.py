"""From a finished context, or an error, to a ``web.Response``: JSON, JSONP, CSV and pictures."""

import asyncio
import csv
import io
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from typing import Any, Final

from aiohttp import hdrs, web
from multidict import CIMultiDict, istr

from crossbar_appstore.crossbar.context import Binary, Context, SerializedJson
from crossbar_appstore.crossbar.envelope import Envelope
from crossbar_appstore.crossbar.errors import CrossbarError, Refusal
from crossbar_appstore.crossbar.headers import JSON, attachment, parse_range
from crossbar_appstore.crossbar.negotiation import CSV_TYPES
from crossbar_appstore.crossbar.rate_limits import RateLimiter
from crossbar_appstore.json_codec import Json, dumps, loads

JAVASCRIPT: Final = "application/javascript"
CSV: Final = "text/csv"

_X_REQUEST_ID: Final = istr("X-Request-ID")
_X_CONTENT_TYPE_OPTIONS: Final = istr("X-Content-Type-Options")
_STALE: Final = '110 - "Response is stale"'
_INERT: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""The policy of pictures: SVG documents may hold scripts, which must not run in the service's origin."""

# Headers that responses start with; copied for each.
_SERVER: Final = CIMultiDict({"Server": "crossbar-appstore"})
_ERROR: Final = CIMultiDict({**_SERVER, "Cache-Control": "private, no-cache", "Content-Type": JSON})
_WRITTEN: Final = CIMultiDict({**_ERROR, "Vary": "accept-language, accept, accept-encoding"})
_READ: Final = CIMultiDict({**_WRITTEN, "Expires": "Fri, 01 Jan 1999 00:00:00 GMT"})
_PICTURE: Final = CIMultiDict({**_SERVER, "Vary": "accept-language"})

_CSV_OVERRIDES: Final = ("csv", *CSV_TYPES)
_CSV_HEADINGS: Final[Mapping[str, str]] = {
    "account_id": "Account ID",
    "account_name": "Account Name",
    "amount": "Amount",
    "description": "Description",
    "id": "ID",
    "period_end": "End Time",
    "period_start": "Start Time",
    "source_id": "Source ID",
    "source_service": "Source Service",
    "usage_quantity": "Usage Quantity",
    "usage_type": "Usage Type",
    "usage_unit": "Usage Unit",
}
"""Column → heading, KAZOO's own except those for calls (`crossbar.hrl` CSV_HEADER_MAP)."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_CALLBACK: Final = re.compile(r"[A-Za-z0-9_$.]+(?:\[[0-9]+\][A-Za-z0-9_$.]*)*\Z")
_LONGEST_CALLBACK: Final = 256
_INDENT: Final = "  "
_LARGE: Final = 262_144


class Renderer:
    """Makes responses; envelopes say how many tokens ``limiter`` has left in the caller's bucket."""

    def __init__(self, envelope: Envelope, limiter: RateLimiter) -> None:
        self._envelope = envelope
        self._limiter = limiter
        self._banner = resources.files(__package__).joinpath("banner.txt").read_bytes()

    async def success(self, context: Context, media_type: str, language: str) -> web.Response:
        """The reply of the resource, in the negotiated type and language.

        Raises:
            CrossbarError: 416, a Range begins beyond the end of a picture.
        """
        reply = context.reply
        if context.verb == "PUT" and reply.status == 200:
            reply.status = 201
        # Crossbar names the request's own path if the resource names none.
        if reply.status == 201 and reply.location is None:
            reply.location = context.path
        response = _response(context, reply.status, language)
        if reply.binary is not None:
            await _set_picture(response, context, reply.binary)
        elif context.method == "GET" and (media_type in CSV_TYPES or context.req_value("accept") in _CSV_OVERRIDES):
            await _set_csv(response, context)
        else:
            body = self._envelope.success(context, self._limiter.level(context.bucket))
            if context.pretty:
                body = await off_loop(len(body), _pretty, body)
            _set_json(response, context, body)
        return response

    def not_modified(self, context: Context, language: str) -> web.Response:
        """304: the headers of the success without body and type."""
        response = _response(context, 304, language)
        response.headers.pop(hdrs.CONTENT_TYPE, None)
        return response

    def error(self, context: Context, error: CrossbarError) -> web.Response:
        """An error envelope.

        Raises:
            ValueError: the data of ``error`` is no JSON.
        """
        response = web.Response(status=error.code, headers=_ERROR)
        response.headers[_X_REQUEST_ID] = context.request_id
        response.headers.update(error.headers)
        body = self._envelope.error(context, error, self._limiter.level(context.bucket))
        _set_json(response, context, _pretty(body) if context.pretty else body)
        return response

    def preflight(self, context: Context) -> web.Response:
        """The empty answer to a preflight; the CORS middleware adds its headers."""
        response = web.Response(headers=_SERVER)
        response.headers[hdrs.CONTENT_TYPE] = JSON
        response.headers[_X_REQUEST_ID] = context.request_id
        return response

    def banner(self) -> web.Response:
        """The text for ``GET /`` (`crossbar_default_handler`)."""
        response = web.Response(headers=_SERVER, body=self._banner)
        response.headers[hdrs.CONTENT_TYPE] = "text/plain; charset=UTF-8"
        return response


async def off_loop(size: int, render: Callable[..., bytes], *args: Any) -> bytes:
    """What a function makes of so many bytes; if they are many it runs in a thread, so that other requests go on."""
    return await asyncio.to_thread(render, *args) if size > _LARGE else render(*args)


def _response(context: Context, status: int, language: str) -> web.Response:
    """A response without body, with the headers of every success."""
    reply = context.reply
    if reply.binary is not None:
        response = web.Response(status=status, headers=_PICTURE)
        response.headers[hdrs.CACHE_CONTROL] = reply.binary.cache_control
    else:
        response = web.Response(status=status, headers=_READ if context.method == "GET" else _WRITTEN)
    headers = response.headers
    headers[hdrs.CONTENT_LANGUAGE] = language
    headers[_X_REQUEST_ID] = context.request_id
    if reply.etag is not None and context.verb == "GET":
        headers[hdrs.ETAG] = f'"{reply.etag}"'
    if reply.location is not None:
        headers[hdrs.LOCATION] = reply.location
    if reply.stale:
        headers[hdrs.WARNING] = _STALE
    return response


# JSON


def read_style(context: Context) -> None:
    """Set what the request asks for in ``jsonp``, and in X-Pretty-Print or else ``pretty_print``.

    Raises:
        Refusal: 400, the callback is not a name that may be echoed.
    """
    wish = context.headers.get("X-Pretty-Print")
    if wish is None:
        wish = context.req_value("pretty_print")
    context.pretty = wish is True or wish == "true"
    callback = context.req_value("jsonp")
    if callback is not None:
        if not isinstance(callback, str) or len(callback) > _LONGEST_CALLBACK or not _CALLBACK.match(callback):
            raise Refusal(400, "jsonp callback is not a name")
        context.callback = callback


def _set_json(response: web.Response, context: Context, body: bytes) -> None:
    if context.callback is not None:
        body = b"%b(%b);" % (context.callback.encode(), body)
        response.headers[hdrs.CONTENT_TYPE] = JAVASCRIPT
        response.headers[_X_CONTENT_TYPE_OPTIONS] = "nosniff"
    response.body = body


def _pretty(body: bytes) -> bytes:
    return indented(loads(body)).encode()


def indented(value: Json, depth: int = 0) -> str:
    """JSON as jiffy indents it: ``"key" : value``, and a blank indented line in empty objects and lists."""
    if not isinstance(value, dict | list):
        return dumps(value).decode()
    inner, outer = f"\n{_INDENT * (depth + 1)}", f"\n{_INDENT * depth}"
    if isinstance(value, dict):
        members = [f"{dumps(key).decode()} : {indented(member, depth + 1)}" for key, member in value.items()]
        return f"{{{inner}{f',{inner}'.join(members)}{outer}}}"
    items = [indented(item, depth + 1) for item in value]
    return f"[{inner}{f',{inner}'.join(items)}{outer}]"


# CSV


def render_csv(data: Json) -> bytes:
    """A header row and a flattened row for each object in a list, or for one (`api_util:create_csv_resp_content/2`)."""
    rows = [dict(_flatten(item)) for item in (data if isinstance(data, list) else [data])]
    # Objects may differ; a column is placed where it first occurs.
    columns = list(dict.fromkeys(column for row in rows for column in row))
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    if columns:
        writer.writerow([_neutral(_CSV_HEADINGS.get(column, column)) for column in columns])
        writer.writerows([_neutral(row.get(column, "")) for column in columns] for row in rows)
    return out.getvalue().encode("utf-8", "replace")


async def _set_csv(response: web.Response, context: Context) -> None:
    """The reply as a download; its name is chosen at random if the client gives none."""
    name = context.headers.get("X-File-Name") or context.req_value("file_name")
    if not isinstance(name, str) or not name:
        name = f"json_{secrets.token_hex(11)}.csv"
    data = context.reply.data
    raw = data.raw if isinstance(data, SerializedJson) else dumps(data)
    response.body = await off_loop(len(raw), lambda: render_csv(loads(raw)))
    response.headers[hdrs.CONTENT_TYPE] = CSV
    response.headers[hdrs.CONTENT_DISPOSITION] = attachment(name)
    # The entity tag is that of the JSON.
    response.headers.pop(hdrs.ETAG, None)


def _flatten(value: Json, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _flatten(member, f"{prefix}_{key}" if prefix else key)
    elif isinstance(value, list):
        yield prefix, ",".join(_cell(member) for member in value)
    else:
        yield prefix, _cell(value)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else dumps(value).decode()


def _neutral(cell: str) -> str:
    # A spreadsheet evaluates a cell that begins like a formula.
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


# Pictures


async def _set_picture(response: web.Response, context: Context, binary: Binary) -> None:
    """The bytes of a picture, or the range of them that the client asks for."""
    body = await binary.load()
    headers = response.headers
    wish, condition = context.headers.get(hdrs.RANGE), context.headers.get(hdrs.IF_RANGE)
    wanted = None
    # A client that holds a part of another version needs the whole file.
    if wish is not None and context.method == "GET" and condition in (None, f'"{context.reply.etag}"'):
        wanted = parse_range(wish, len(body))
    if wanted is not None:
        first, last = wanted
        headers[hdrs.CONTENT_RANGE] = f"bytes {first}-{last}/{len(body)}"
        response.set_status(206)
        body = body[first : last + 1]
    response.body = body
    # Documents in CouchDB hold any text as type; only header characters may be sent.
    kind = binary.content_type
    headers[hdrs.CONTENT_TYPE] = kind if kind.isascii() and kind.isprintable() else "application/octet-stream"
    headers[hdrs.CONTENT_DISPOSITION] = attachment(binary.file_name, quoted=False)
    headers[hdrs.ACCEPT_RANGES] = "bytes"
    headers[_X_CONTENT_TYPE_OPTIONS] = "nosniff"
    headers["Content-Security-Policy"] = _INERT
