"""The aiohttp side: one handler for every path, from ``web.Request`` to context and from reply to ``web.Response``."""

import asyncio
import string
import time
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import resources
from random import getrandbits
from typing import Final
from urllib.parse import quote

from aiohttp import web

from crossbar_appstore.crossbar.access_log import AccessLog
from crossbar_appstore.crossbar.body import MAX_BODY, too_large
from crossbar_appstore.crossbar.client_address import Networks, client_address
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.cors import cors_headers, is_cors, is_preflight
from crossbar_appstore.crossbar.decision import DecisionOrder
from crossbar_appstore.crossbar.errors import Refusal
from crossbar_appstore.crossbar.paths import NOWHERE, PathParser
from crossbar_appstore.crossbar.query import MalformedQuery, parse_query
from crossbar_appstore.crossbar.rendering import HttpReply

BODY_SECONDS: Final = 120.0
"""How long a client may take to send its body (cowboy's idle_timeout)."""

REFUSED_METHODS: Final = frozenset({"CONNECT", "TRACE"})
"""Refused before anything is looked at, as cowboy does."""

_REQUEST_ID_LENGTH: Final = 256
_SERVER: Final = "crossbar-appstore"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Handler:
    """Answers every request of the application.

    Args:
        order: the decision order.
        parser: splits paths into nouns.
        trusted_proxies: peers whose X-Forwarded-For is believed (`crossbar` reverse_proxies).
        banner: the text for paths that name no version of the API.
        access_log: where requests are logged; each one is, if not given.
        body_seconds: how long a client may take to send its body.
    """

    def __init__(
        self,
        order: DecisionOrder,
        parser: PathParser,
        trusted_proxies: Networks,
        banner: str,
        *,
        access_log: AccessLog | None = None,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._order = order
        self._parser = parser
        self._trusted = trusted_proxies
        self._banner = banner.encode()
        self._access_log = access_log if access_log is not None else AccessLog()
        self._body_seconds = body_seconds

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """The aiohttp handler."""
        begun = time.perf_counter()
        target, _, query = _origin_form(request.raw_path).partition("?")
        context = self._context(request, target)
        try:
            reply = await self._reply(context, partial(self._receive, request, context, query))
        except Exception as error:  # noqa: BLE001 - whatever happens, the client gets an envelope
            reply = self._order.refuse(context, error)
        return self._response(context, reply, begun)

    def refuse(self, request: web.BaseRequest, error: Exception) -> web.Response:
        """The response to what is no HTTP request, or could not be handled."""
        begun = time.perf_counter()
        context = self._context(request, "/")
        return self._response(context, self._order.refuse(context, error), begun)

    def _response(self, context: Context, reply: HttpReply, begun: float) -> web.Response:
        headers = reply.headers
        headers["Server"] = _SERVER
        self._access_log.write(context, reply.status, len(reply.body), begun)
        return web.Response(status=reply.status, headers=headers, body=reply.body)

    def _context(self, request: web.BaseRequest, path: str) -> Context:
        headers = request.headers
        peer = request.remote or ""
        return Context(
            request_id=_request_id(headers.get("X-Request-ID")),
            method=request.method,
            path=path,
            headers=headers,
            query={},
            client_ip=client_address(peer, headers.getall("X-Forwarded-For"), self._trusted)
            if "X-Forwarded-For" in headers
            else peer,
        )

    async def _reply(self, context: Context, receive: Callable[[], Awaitable[bytes]]) -> HttpReply:
        if context.method in REFUSED_METHODS:
            raise Refusal(501, "not implemented")
        try:
            path = self._parser.parse(context.path)
        except MalformedQuery as error:
            if not is_preflight(context.method, context.headers):
                raise Refusal(400, "malformed request target") from error
            path = NOWHERE
        if path is None:
            return self._show_banner(context)
        return await self._order.reply(context, path, receive)

    def _show_banner(self, context: Context) -> HttpReply:
        headers = {"Content-Type": "text/plain; charset=UTF-8"}
        if is_cors(context.headers):
            headers.update(cors_headers(context.headers, None))
        return HttpReply(200, headers, self._banner)

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
    return f"{getrandbits(128):032x}"
