"""The store page: a client of the API for web browsers, served beside it.

``index.html``, the style sheet and the ES modules of this directory are sent as they are; there is no build step. They
are read with the first request, and answered with strong entity tags: a browser asks for them again and gets 304.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib import resources
from typing import Final

from aiohttp import hdrs, web

from crossbar_appstore.crossbar.errors import NotFound, Refusal
from crossbar_appstore.crossbar.negotiation import choose_media_type
from crossbar_appstore.crossbar.static_files import StaticFile, static_files

FOLDER: Final = "/store/"
"""Where the files other than the page itself are; the page names them relative to itself."""

_PAGE: Final = "index.html"
_HTML: Final = "text/html"
_OFFERED: Final = ("text/plain", _HTML)
# Pictures are loaded with the token in a header, never in an address, and shown from memory (blob:).
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    hdrs.VARY: f"{hdrs.ACCEPT}, {hdrs.ACCEPT_ENCODING}",
}

Shown = Callable[[], Awaitable[bool]]
"""Whether the page is shown at all, asked for each request."""


class StorePage:
    """Answers with the page and its files; ``shown`` tells whether there is one, else as without it."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown

    async def root(self, request: web.Request, banner: web.Response) -> web.Response:
        """The answer to ``GET /``: the page for clients that prefer HTML, the banner for all others."""
        if prefers_html(request.headers.get(hdrs.ACCEPT)) and await self._shown():
            return (await asyncio.to_thread(_files))[_PAGE].response(request, **_HEADERS)
        banner.headers[hdrs.VARY] = hdrs.ACCEPT
        return banner

    def routes(self) -> list[web.RouteDef]:
        """The routes of the other files."""
        return [web.get(f"{FOLDER}{{name}}", self._file)]

    async def _file(self, request: web.Request) -> web.Response:
        found = (await asyncio.to_thread(_files)).get(request.match_info["name"])
        if found is None or not await self._shown():
            raise NotFound
        return found.response(request, **_HEADERS)


@cache
def _files() -> Mapping[str, StaticFile]:
    return static_files(resources.files(__package__))


def prefers_html(accept: str | None) -> bool:
    """Whether an Accept header names HTML before plain text, as that of a web browser does and ``*/*`` does not."""
    try:
        return choose_media_type(accept, _OFFERED) == _HTML
    except Refusal:
        return False
