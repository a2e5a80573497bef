"""The store page: a client of the API for web browsers, served beside it.

``index.html``, the style sheet and the ES modules of this directory are sent as they are; there is no build step. They
are read once, and answered with strong entity tags, so that a browser asks for them again and gets 304.
"""

import gzip
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from aiohttp import ETag, hdrs, web
from aiohttp.typedefs import Handler

from crossbar_appstore.crossbar.errors import Refusal
from crossbar_appstore.crossbar.negotiation import accepts_gzip, choose_media_type

FOLDER: Final = "/store/"
"""Where the files other than the page itself are; the page names them relative to itself."""

_PAGE: Final = "index.html"
_HTML: Final = "text/html"
_OFFERED: Final = ("text/plain", _HTML)
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Pictures are loaded with the token in a header, never in an address, and shown from memory (blob:).
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    hdrs.CACHE_CONTROL: "no-cache",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    hdrs.SERVER: "crossbar-appstore",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Shown = Callable[[], Awaitable[bool]]
"""Whether the page is shown at all, asked for each request."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent, with the entity tags of both its forms."""

    content_type: str
    body: bytes
    etag: str
    compressed: bytes

    @classmethod
    def of(cls, name: str, body: bytes) -> "File":
        """Take a file's content; its name tells the media type."""
        etag = hashlib.blake2b(body, digest_size=16).hexdigest()
        return cls(_TYPES[_suffix(name)], body, etag, gzip.compress(body, mtime=0))

    def response(self, request: web.Request) -> web.Response:
        """The file, or 304 if the client has it; compressed if the client accepts it."""
        zipped = accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
        # A strong tag belongs to the bytes, so each form has its own (RFC 9110 §8.8.3).
        etag = f"{self.etag}-gzip" if zipped else self.etag
        headers = {**_HEADERS, hdrs.ETAG: f'"{etag}"', hdrs.VARY: f"{hdrs.ACCEPT}, {hdrs.ACCEPT_ENCODING}"}
        if _matches(request, etag):
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = self.content_type
        if zipped:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=self.compressed if zipped else self.body, headers=headers)


class StorePage:
    """The routes of the page; ``shown`` tells whether there is one, else they answer as without it."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._files: Mapping[str, File] = dict(_files(resources.files(__package__)))

    def routes(self, otherwise: Handler) -> tuple[web.RouteDef, ...]:
        """``/`` for clients that prefer HTML, and the files; ``otherwise`` answers everybody and everything else."""

        async def page(request: web.Request) -> web.StreamResponse:
            if prefers_html(request.headers.get(hdrs.ACCEPT)) and await self._shown():
                return self._files[_PAGE].response(request)
            response = await otherwise(request)
            response.headers[hdrs.VARY] = hdrs.ACCEPT
            return response

        async def file(request: web.Request) -> web.StreamResponse:
            found = self._files.get(request.match_info["name"])
            if found is None or not await self._shown():
                return await otherwise(request)
            return found.response(request)

        return web.get("/", page), web.get(f"{FOLDER}{{name}}", file)


def prefers_html(accept: str | None) -> bool:
    """Whether an Accept header names HTML before plain text, as that of a web browser does and ``*/*`` does not."""
    try:
        return choose_media_type(accept, _OFFERED) == _HTML
    except Refusal:
        return False


def _matches(request: web.Request, etag: str) -> bool:
    wanted: tuple[ETag, ...] = request.if_none_match or ()
    return any(each.value in ("*", etag) for each in wanted)


def _files(folder: Traversable) -> Iterator[tuple[str, File]]:
    for entry in folder.iterdir():
        if _suffix(entry.name) in _TYPES:
            yield entry.name, File.of(entry.name, entry.read_bytes())


def _suffix(name: str) -> str:
    return f".{name.rpartition('.')[2]}"
