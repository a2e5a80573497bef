"""The server under the application: what aiohttp would answer itself is answered as Crossbar does it."""

import asyncio
import logging
import re
import socket
from functools import partial
from typing import Any, Final

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import BadHttpMethod, HttpProcessingError

from crossbar_appstore.crossbar.body import MAX_BODY
from crossbar_appstore.crossbar.decision import KNOWN_METHODS
from crossbar_appstore.crossbar.errors import Refusal
from crossbar_appstore.crossbar.server import HANDLER, REFUSED_METHODS, Handler

_METHOD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) (?=/)")
_UNKNOWN_METHOD: Final = b"LINK "
"""A method that aiohttp's parser knows and Crossbar does not."""
_LEFT_ALONE: Final = KNOWN_METHODS | REFUSED_METHODS

log = logging.getLogger(__name__)


class Runner(web.AppRunner):
    """``web.AppRunner`` for an application made by ``create_web_application``; it takes the same keywords.

    Requests go to the handler without aiohttp's router, which has answers of its own. There is no access log of
    aiohttp's, whose lines hold query strings and with them tokens, and bodies are not decompressed. aiohttp's limits
    stay: 8,190 bytes for the request line and for each header, 128 headers; what is beyond them is refused with 400.
    """

    def __init__(self, application: web.Application, **options: Any) -> None:
        super().__init__(application, **{"access_log": None, "auto_decompress": False, **options})

    async def listen(self, listener: socket.socket, backlog: int) -> None:
        """Answer what comes to a socket that is bound; with so many connections waiting at most."""
        await web.SockSite(self, listener, backlog=backlog).start()

    async def _make_server(self) -> web.Server:
        await super()._make_server()
        loop = asyncio.get_running_loop()
        # The plain request: what aiohttp adds for its router and signals is not used here.
        plain = partial(web.BaseRequest, loop=loop, client_max_size=MAX_BODY)
        return _Server(self.app[HANDLER], request_factory=plain, loop=loop, **self._kwargs)


class _Server(web.Server):
    def __init__(self, handler: Handler, **options: Any) -> None:
        super().__init__(handler.answer, **options)
        self._handler = handler

    def __call__(self) -> web.RequestHandler:
        return _Protocol(self._handler, self, loop=self._loop, **self._kwargs)


class _Protocol(web.RequestHandler):
    """One connection."""

    __slots__ = ("_fresh", "_handler")

    def __init__(self, handler: Handler, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._handler = handler
        self._fresh = True

    def data_received(self, data: bytes) -> None:
        if self._fresh:
            # The parser refuses methods that it never heard of; Crossbar looks at version and body first. Where a
            # later request of the connection begins, only the parser knows: such a one is refused below.
            self._fresh = False
            found = _METHOD.match(data)
            if found and found[1].decode() not in _LEFT_ALONE:
                data = _UNKNOWN_METHOD + data[found.end() :]
        super().data_received(data)
        if self._messages and not isinstance(self._messages[-1][0], RawRequestMessage):
            self._end_bodies()

    def _end_bodies(self) -> None:
        """After an error of the parser: whoever waits for the rest of a body would wait in vain."""
        bodies = [payload for _, payload in self._messages]
        if self._current_request is not None:
            bodies.append(self._current_request.content)
        for body in bodies:
            if not body.is_eof():
                body.set_exception(web.RequestPayloadError("malformed body"))

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what is no HTTP; the parser's message is not shown or logged, since it holds the request."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun")
        error: Exception
        if isinstance(exc, BadHttpMethod):
            error = Refusal(501, "not implemented")
        elif isinstance(exc, HttpProcessingError):
            error = Refusal(400, "malformed request")
        else:
            error = exc if isinstance(exc, Exception) else RuntimeError(message or f"status {status}")
        response = self._handler.refuse(request, error)
        response.force_close()
        return response
