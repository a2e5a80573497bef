"""The aiohttp side: one handler for every path, from ``web.Request`` to context and from reply to ``web.Response``."""

import asyncio
import contextlib
import secrets
from importlib import resources
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from aiohttp import web

from crossbar_appstore.crossbar.body import MAX_BODY, too_large
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.cors import cors_headers, is_cors
from crossbar_appstore.crossbar.decision import DecisionOrder
from crossbar_appstore.crossbar.errors import CrossbarError, Refusal
from crossbar_appstore.crossbar.paths import ApiPath, BadEscape, PathParser, parse_query
from crossbar_appstore.crossbar.rendering import HttpReply

_DRAIN: Final = 16_000_000
_REQUEST_ID_LENGTH: Final = 128
_NOWHERE: Final = ApiPath("v2", ())
_SERVER: Final = "crossbar-appstore"


class Handler:
    """Answers every request of the application.

    Args:
        order: the decision order.
        parser: splits paths into nouns.
        trusted_proxies: peers whose X-Forwarded-For is believed (`crossbar` reverse_proxies).
        banner: the text for paths that name no version of the API.
    """

    def __init__(
        self,
        order: DecisionOrder,
        parser: PathParser,
        trusted_proxies: tuple[IPv4Network | IPv6Network, ...],
        banner: str,
    ) -> None:
        self._order = order
        self._parser = parser
        self._trusted = trusted_proxies
        self._banner = banner.encode()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """The aiohttp handler."""
        raw_path, _, raw_query = request.raw_path.partition("?")
        context = Context(
            request_id=_request_id(request),
            method=request.method,
            path=raw_path,
            headers=request.headers,
            query={},
            client_ip=self._client_ip(request),
        )
        refused: CrossbarError | None = None
        path: ApiPath | None = _NOWHERE
        try:
            path = self._parser.parse(raw_path)
            context.query = parse_query(raw_query)
        except BadEscape:
            refused = Refusal(400, "malformed request target")
        if "Host" not in request.headers and request.version >= (1, 1):
            refused = Refusal(400, "missing host header")
        if path is None and refused is None:
            return self._show_banner(context)
        reply = await self._order.reply(context, path or _NOWHERE, refused or await _read(request))
        return _response(reply)

    def _show_banner(self, context: Context) -> web.Response:
        headers = {"Content-Type": "text/plain; charset=UTF-8"}
        if is_cors(context.headers):
            headers.update(cors_headers(context.headers, None))
        return _response(HttpReply(200, headers, self._banner))

    def _client_ip(self, request: web.Request) -> str:
        peer = request.remote or ""
        forwarded = request.headers.get("X-Forwarded-For")
        if forwarded is None:
            return peer
        # From the nearest hop outwards: the first address that is no trusted proxy is the client.
        for hop in [*reversed(forwarded.split(",")), ""]:
            if not self._is_trusted(peer) or not hop.strip():
                break
            peer = hop.strip()
        return peer

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)


def create_web_application(handler: Handler) -> web.Application:
    """An aiohttp application in which one handler answers every method and path."""
    application = web.Application(client_max_size=MAX_BODY + 1)
    application.router.add_route("*", "/{path:.*}", handler)
    return application


def load_banner() -> str:
    """The text that stands where no API is."""
    return resources.files(__package__).joinpath("banner.txt").read_text()


def _request_id(request: web.Request) -> str:
    given = request.headers.get("X-Request-ID")
    if given and len(given) <= _REQUEST_ID_LENGTH and given.isascii() and given.isprintable():
        return given
    return secrets.token_hex(16)


async def _read(request: web.Request) -> bytes | CrossbarError:
    if not request.body_exists:
        return b""
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        await _drain(request)
        return too_large()
    return too_large() if len(body) > MAX_BODY else body


async def _drain(request: web.Request) -> None:
    # A client that is still sending does not see the answer before it is done.
    with contextlib.suppress(asyncio.TimeoutError, ConnectionError):
        async with asyncio.timeout(10):
            dropped = 0
            while dropped < _DRAIN and (chunk := await request.content.readany()):
                dropped += len(chunk)


def _response(reply: HttpReply) -> web.Response:
    headers = reply.headers
    headers["Server"] = _SERVER
    return web.Response(status=reply.status, headers=headers, body=reply.body)
