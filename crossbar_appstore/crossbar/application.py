"""The aiohttp side of the framework: one route for the API, and the middlewares around it."""

import asyncio
import logging
import time
import zlib
from collections.abc import Callable, Container, Iterable, Sequence
from random import getrandbits
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from multidict import istr

from crossbar_appstore.crossbar.access_log import server_log, without_tokens
from crossbar_appstore.crossbar.context import CONTEXT, Context
from crossbar_appstore.crossbar.cors import cors
from crossbar_appstore.crossbar.envelope import Envelope
from crossbar_appstore.crossbar.errors import CrossbarError, Refusal, UnspecifiedFault
from crossbar_appstore.crossbar.headers import JSON
from crossbar_appstore.crossbar.negotiation import accepts_gzip
from crossbar_appstore.crossbar.pipeline import Gatekeeper, Pipeline, Root, TimeLimits
from crossbar_appstore.crossbar.rate_limits import RateLimiter, Rates
from crossbar_appstore.crossbar.rendering import CSV, JAVASCRIPT, Renderer, off_loop
from crossbar_appstore.crossbar.resource import Resource
from crossbar_appstore.crossbar.trusted_proxies import TrustedProxies

ErrorMapping = Callable[[Exception], CrossbarError | None]
Observer = Callable[[Context, web.StreamResponse | None, float], None]
"""Is told of each request at its end: the response, None if it was cancelled, and the seconds that it took."""

RESOURCES: Final = web.AppKey("resources", tuple[Resource, ...])
"""The endpoints of an application."""

_X_FORWARDED_FOR: Final = istr("X-Forwarded-For")
_X_REQUEST_ID: Final = istr("X-Request-ID")
_LONGEST_REQUEST_ID: Final = 256
_THIS_MACHINE: Final = "127.0.0.1"
_COMPRESSED_TYPES: Final = frozenset({JSON, JAVASCRIPT, CSV})
_COMPRESSED_OVER: Final = 300
_GZIP_FORMAT: Final = 31

log = logging.getLogger(__name__)


def create_web_application(
    resources: Iterable[Resource],
    gatekeeper: Gatekeeper,
    envelope: Envelope,
    *,
    map_error: ErrorMapping,
    limiter: RateLimiter | None = None,
    rates: Rates | None = None,
    trusted_proxies: TrustedProxies | None = None,
    times: TimeLimits | None = None,
    observers: Iterable[Observer] = (),
    quiet_paths: Container[str] = (),
    is_draining: Callable[[], bool] = lambda: False,
    root: Root | None = None,
) -> web.Application:
    """An aiohttp application that serves the resources.

    Args:
        map_error: the Crossbar error for an exception of another package; None for an unexpected exception.
        limiter: token buckets of callers without a valid JWT; with KAZOO's default limits if not given.
        rates: configured limits and costs.
        trusted_proxies: peers whose X-Forwarded-For is believed; none if not given.
        times: how long a request and its answer may take.
        observers: the access log and whatever else looks at requests.
        quiet_paths: paths that observers are not told of.
        is_draining: whether to close each connection after its next response.
        root: answers ``GET /``; with the banner if not given.
    """
    limiter = limiter or RateLimiter()
    times = times or TimeLimits()
    proxies = trusted_proxies or TrustedProxies()
    renderer = Renderer(envelope, limiter)
    by_noun = {resource.noun: resource for resource in resources}
    pipeline = Pipeline(
        by_noun,
        gatekeeper,
        limiter,
        renderer,
        rates=rates,
        proxies=proxies,
        times=times,
        root=root or _banner_alone,
    )
    # The first middleware is the outermost.
    middlewares = (
        request_context(proxies, tuple(observers), quiet_paths, is_draining),
        compression,
        cors,
        error_envelopes(renderer, map_error),
    )
    # These win over the arguments of whatever runner is used: aiohttp's access log would hold query strings and with
    # them tokens, and Crossbar does not decompress bodies.
    handler_args = {
        "access_log": None,
        "auto_decompress": False,
        "logger": server_log,
        "keepalive_timeout": times.head,
    }
    application = web.Application(middlewares=middlewares, handler_args=handler_args)
    application.router.add_route("*", "/{path:(?s:.*)}", pipeline.run, expect_handler=_no_continue)
    application[RESOURCES] = tuple(by_noun.values())
    return application


async def _banner_alone(_: web.Request, banner: web.Response) -> web.Response:
    return banner


async def _no_continue(request: web.Request) -> None:
    """Leave ``Expect: 100-continue`` to the pipeline, which asks for the body only if it is needed."""


def request_context(
    proxies: TrustedProxies,
    observers: Sequence[Observer],
    quiet_paths: Container[str],
    is_draining: Callable[[], bool],
) -> Middleware:
    """The middleware that gives a request its context, with its id and the client's address, and has it observed."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = time.perf_counter()
        headers = request.headers
        forwarded = headers.getall(_X_FORWARDED_FOR, ())
        peer = _peer(request)
        client_ip = proxies.client(peer, forwarded) if forwarded else peer
        request_id = _request_id(headers.get(_X_REQUEST_ID))
        path = request.rel_url.raw_path
        context = request[CONTEXT] = Context(request_id, request.method, path, headers, {}, client_ip, peer, forwarded)
        response: web.StreamResponse | None = None
        try:
            # The inner middlewares turn every exception into a response, except for a cancellation.
            response = await handler(request)
            # After CONNECT aiohttp's parser would take what was sent as a body for the next request.
            if is_draining() or request.method == hdrs.METH_CONNECT:
                response.force_close()
            _release_when_sent(response)
            return response
        finally:
            if path not in quiet_paths:
                seconds = time.perf_counter() - begun
                for observe in observers:
                    observe(context, response, seconds)

    return middleware


def _release_when_sent(response: web.StreamResponse) -> None:
    """Drop the body at the end of the request's task: aiohttp keeps a response until its connection's next request."""
    task = asyncio.current_task()
    if task is None or not isinstance(response, web.Response):
        return
    sent = response

    def release(_: "asyncio.Task[Any]") -> None:
        sent.body = None

    task.add_done_callback(release)


def _peer(request: web.Request) -> str:
    """The address of the other end of the connection, empty if unknown; a Unix socket's is on this machine."""
    remote = request.remote
    return _THIS_MACHINE if remote == "" else remote or ""


@web.middleware
async def compression(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Compress long JSON and CSV with gzip if the client accepts it (`cowboy_compress_h`)."""
    response = await handler(request)
    accept_encoding = request.headers.get(hdrs.ACCEPT_ENCODING)
    # Pictures are compressed already, and a few hundred bytes fit into one packet either way.
    if (
        accept_encoding is not None
        and isinstance(response, web.Response)
        and isinstance(response.body, bytes)
        and len(response.body) > _COMPRESSED_OVER
        and response.headers.get(hdrs.CONTENT_TYPE) in _COMPRESSED_TYPES
        and hdrs.CONTENT_ENCODING not in response.headers
        and accepts_gzip(accept_encoding)
    ):
        # Level 1: higher levels take several times as long for a few percent.
        body = response.body
        response.body = await off_loop(len(body), lambda: zlib.compress(body, level=1, wbits=_GZIP_FORMAT))
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
    return response


def error_envelopes(renderer: Renderer, map_error: ErrorMapping) -> Middleware:
    """The middleware that turns exceptions into responses: Crossbar's errors, mapped errors, and 500 for others."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except CrossbarError as error:
            refused = error
        except web.HTTPException as error:
            # aiohttp's router found no route: the request target is no path.
            refused = Refusal(error.status, error.reason.lower())
        except Exception as error:  # noqa: BLE001 - every request is answered with an envelope
            refused = _mapped(request[CONTEXT], error, map_error)
        context = request[CONTEXT]
        try:
            return renderer.error(context, refused)
        except ValueError as error:  # The data of the error is no JSON.
            return renderer.error(context, _unexpected(context, error))

    return middleware


def _mapped(context: Context, error: Exception, map_error: ErrorMapping) -> CrossbarError:
    mapped = map_error(error)
    if mapped is None:
        return _unexpected(context, error)
    reason = f"{type(error).__name__}: {error}"
    log.warning("refused", extra={"request_id": context.request_id, "code": mapped.code, "reason": reason})
    return mapped


def _unexpected(context: Context, error: Exception) -> CrossbarError:
    path = without_tokens(context.path)
    log.error("unhandled exception", exc_info=error, extra={"request_id": context.request_id, "path": path})
    return UnspecifiedFault()


def _request_id(given: str | None) -> str:
    """The client's request id, if it can be echoed; else a new one."""
    if given and len(given) <= _LONGEST_REQUEST_ID and given.isascii() and given.isprintable():
        return given
    return f"{getrandbits(128):032x}"
