"""The aiohttp side: one handler for every path, from ``web.Request`` to context and from reply to ``web.Response``."""

import asyncio
import string
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib import resources
from random import getrandbits
from typing import Final
from urllib.parse import quote

from aiohttp import web
from multidict import CIMultiDict, istr

from crossbar_appstore.crossbar.access_log import AccessLog, Answered
from crossbar_appstore.crossbar.body import MAX_BODY, too_large
from crossbar_appstore.crossbar.client_address import Networks, client_address
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.cors import cors_headers, is_cors, is_preflight
from crossbar_appstore.crossbar.decision import DecisionOrder
from crossbar_appstore.crossbar.errors import Refusal
from crossbar_appstore.crossbar.outcome import Outcome
from crossbar_appstore.crossbar.paths import NOWHERE, ApiPath, PathParser
from crossbar_appstore.crossbar.query import MalformedQuery, parse_query
from crossbar_appstore.crossbar.rendering import Renderer
from crossbar_appstore.crossbar.request_headers import DECIDING, RequestHeaders

BODY_SECONDS: Final = 120.0
"""How long a client may take to send its body (cowboy's idle_timeout)."""

REFUSED_METHODS: Final = frozenset({"CONNECT", "TRACE"})
"""Refused before anything is looked at, as cowboy does."""

_REQUEST_ID_LENGTH: Final = 256
_MOST_OUTCOMES: Final = 1_000
_X_FORWARDED_FOR: Final = istr("X-Forwarded-For")
_X_REQUEST_ID: Final = istr("X-Request-ID")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


Question = tuple[str | None, ...]
"""The method and target of a request without body, then the headers that count (``DECIDING``)."""


class Handler:
    """Answers every request of the application.

    Args:
        order: the decision order.
        renderer: makes replies of what it decides.
        parser: splits paths into nouns.
        trusted_proxies: peers whose X-Forwarded-For is believed (`crossbar` reverse_proxies).
        banner: the text for paths that name no version of the API.
        access_log: where requests are logged; each one is, if not given.
        body_seconds: how long a client may take to send its body.
    """

    def __init__(
        self,
        order: DecisionOrder,
        renderer: Renderer,
        parser: PathParser,
        trusted_proxies: Networks,
        banner: str,
        *,
        access_log: AccessLog | None = None,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._order = order
        self._renderer = renderer
        self._parser = parser
        self._trusted = trusted_proxies
        self._banner = banner.encode()
        self._access_log = access_log if access_log is not None else AccessLog()
        self._body_seconds = body_seconds

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """The aiohttp handler."""
        begun = time.perf_counter()
        headers = request.headers
        client_ip = request.remote or ""
        if _X_FORWARDED_FOR in headers:
            client_ip = client_address(client_ip, headers.getall(_X_FORWARDED_FOR), self._trusted)
        request_id = _request_id(headers.get(_X_REQUEST_ID))
        values = tuple(map(headers.get, DECIDING))
        outcome = await self._decide(request, values, request_id, client_ip)
        return self._response(request, outcome, request_id, client_ip, begun)

    def refuse(self, request: web.BaseRequest, error: Exception) -> web.Response:
        """The response to what is no HTTP request, or could not be handled."""
        begun = time.perf_counter()
        request_id, client_ip = new_request_id(), request.remote or ""
        context = Context(request_id, request.method, "/", RequestHeaders(), {}, client_ip)
        return self._response(request, self._order.refuse(context, error), request_id, client_ip, begun)

    def _response(
        self, request: web.BaseRequest, outcome: Outcome, request_id: str, client_ip: str, begun: float
    ) -> web.Response:
        headers, body = self._renderer.reply(outcome, request_id, client_ip)
        status = outcome.status
        if self._access_log.is_due(status):
            seconds = time.perf_counter() - begun
            method, target, account_id = request.method, request.raw_path, outcome.account_id
            self._access_log.write(
                Answered(request_id, client_ip, method, target, account_id, status, len(body), seconds)
            )
        return web.Response(status=status, headers=headers, body=body)

    async def _decide(
        self, request: web.BaseRequest, values: Sequence[str | None], request_id: str, client_ip: str
    ) -> Outcome:
        target, _, query = _origin_form(request.raw_path).partition("?")
        context = Context(request_id, request.method, target, RequestHeaders(values), {}, client_ip)
        try:
            if context.method in REFUSED_METHODS:
                raise Refusal(501, "not implemented")
            path = self._path(context)
            if path is None:
                return self._show_banner(context)
            return await self._order.decide(context, path, partial(self._receive, request, context, query))
        except Exception as error:  # noqa: BLE001 - whatever happens, the client gets an envelope
            return self._order.refuse(context, error)

    def _path(self, context: Context) -> ApiPath | None:
        try:
            return self._parser.parse(context.path)
        except MalformedQuery as error:
            if not is_preflight(context.method, context.headers):
                raise Refusal(400, "malformed request target") from error
            return NOWHERE

    def _show_banner(self, context: Context) -> Outcome:
        headers = CIMultiDict({"Content-Type": "text/plain; charset=UTF-8"})
        if is_cors(context.headers):
            headers.update(cors_headers(context.headers, None))
        return replace(Outcome.of(context, 200, headers, self._banner), has_id=False)

    async def _receive(self, request: web.BaseRequest, context: Context, query: str) -> bytes:
        """The body; the query string goes into the context.

        Raises:
            CrossbarError: 400 or 408, one of them cannot be had.
        """
        try:
            context.query = parse_query(query)
        except MalformedQuery as error:
            raise Refusal(400, "malformed query string") from error
        return await self._body(request) if request.body_exists else b""

    async def _body(self, request: web.BaseRequest) -> bytes:
        # What is too large is refused unread; aiohttp lets the client finish sending, so that it sees the answer.
        if (request.content_length or 0) > MAX_BODY:
            raise too_large()
        if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= (1, 1):
            await request.writer.write(_CONTINUE)
            request.writer.output_size = 0
        try:
            if request.content.is_eof():
                # It came with the headers; a time limit would cost more than reading it.
                return await request.read()
            async with asyncio.timeout(self._body_seconds):
                return await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            raise too_large() from error
        except TimeoutError as error:
            raise Refusal(408, "request timeout") from error
        except (web.RequestPayloadError, ConnectionError) as error:
            raise Refusal(400, "malformed request body") from error


def create_web_application(handler: Handler) -> web.Application:
    """An aiohttp application in which one handler answers every method and path; run it with ``Runner``."""
    application = web.Application(client_max_size=MAX_BODY, handler_args={"auto_decompress": False})
    application.router.add_route("*", "/{path:(?s:.*)}", handler.answer, expect_handler=_leave_to_handler)
    application[HANDLER] = handler
    return application


HANDLER: Final = web.AppKey("handler", Handler)


async def _leave_to_handler(request: web.Request) -> None:
    """Expect: 100-continue is answered when the body is wanted, which a refusal may forestall."""


def load_banner() -> str:
    """The text that stands where no API is."""
    return resources.files(__package__).joinpath("banner.txt").read_text()


def _origin_form(target: str) -> str:
    """The path and query string of a request target, in ASCII."""
    if not target.startswith("/"):
        # absolute-form (RFC 9112 §3.2.2): http://host/path
        target = "/" + target.partition("://")[2].partition("/")[2]
    if not (target.isascii() and target.isprintable()):
        target = quote(target.encode("utf-8", "surrogateescape"), safe=string.punctuation)
    return target


def _request_id(given: str | None) -> str:
    if given and len(given) <= _REQUEST_ID_LENGTH and given.isascii() and given.isprintable():
        return given
    return new_request_id()


def new_request_id() -> str:
    """The id of a request that brought none of its own."""
    return f"{getrandbits(128):032x}"
