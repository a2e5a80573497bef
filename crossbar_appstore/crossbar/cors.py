"""Cross-origin requests: the middleware and its headers (`api_util:add_cors_headers/2`)."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from crossbar_appstore.crossbar.context import CONTEXT

ALL_METHODS: Final = ("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS")

_ALLOW_HEADERS: Final = (
    "content-type, depth, user-agent, x-http-method-override, x-file-size, x-requested-with, "
    "if-modified-since, x-file-name, cache-control, x-auth-token, x-kazoo-cluster-id, if-match, "
    "if-none-match, x-auth-account-id, x-request-id, authorization"
)
_EXPOSE_HEADERS: Final = (
    "content-type, x-auth-token, x-request-id, x-kazoo-cluster-id, location, etag, "
    "content-disposition, retry-after, warning"
)


@web.middleware
async def cors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Add the CORS headers to every answer to a cross-origin request, and to every error."""
    response = await handler(request)
    headers = request.headers
    # Without them a browser would hide the error from the page.
    if response.status >= 400 or is_cors(headers):
        response.headers.update(cors_headers(headers, request[CONTEXT].allowed_methods))
    return response


def is_cors(headers: Mapping[str, str]) -> bool:
    """Whether the request comes from another origin (`api_util:is_cors_request/1`)."""
    return (
        hdrs.ORIGIN in headers
        or hdrs.ACCESS_CONTROL_REQUEST_METHOD in headers
        or hdrs.ACCESS_CONTROL_REQUEST_HEADERS in headers
    )


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether this is a CORS preflight; preflights are answered for every path (deviation D19)."""
    return method == "OPTIONS" and is_cors(headers)


def cors_headers(headers: Mapping[str, str], allowed: Sequence[str] | None) -> Mapping[str, str]:
    """The five CORS headers; ``allowed`` is None before the methods of the resource are known."""
    methods = ALL_METHODS if allowed is None else tuple(allowed)
    return _cors_headers(headers.get(hdrs.ACCESS_CONTROL_REQUEST_METHOD), methods)


@lru_cache(maxsize=256)
def _cors_headers(requested: str | None, allowed: tuple[str, ...]) -> Mapping[str, str]:
    methods = ["OPTIONS", *allowed]
    # The requested method is echoed, so only letters are allowed in it.
    if requested is not None and requested not in methods and requested.isascii() and requested.isalpha():
        methods.insert(0, requested)
    return {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": _ALLOW_HEADERS,
        "Access-Control-Expose-Headers": _EXPOSE_HEADERS,
        "Access-Control-Max-Age": "86400",
    }
