"""Files of the package that are sent as they are, with strong entity tags and compressed if the client accepts it."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Final

from aiohttp import hdrs, web

from crossbar_appstore.crossbar.negotiation import accepts_gzip

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_HEADERS: Final = {
    hdrs.CACHE_CONTROL: "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    hdrs.SERVER: "Cowboy",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is sent."""

    content_type: str
    body: bytes
    etag: str
    compressed: bytes

    @classmethod
    def of(cls, name: str, body: bytes) -> "StaticFile":
        """Take a file's content; the end of its name tells the media type."""
        etag = hashlib.blake2b(body, digest_size=16).hexdigest()
        return cls(_TYPES[_suffix(name)], body, etag, gzip.compress(body, mtime=0))

    def response(self, request: web.Request, **headers: str) -> web.Response:
        """The file, or 304 if the client has it, with more ``headers``."""
        zipped = accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
        # A strong tag belongs to the bytes, so each form has its own (RFC 9110 §8.8.3).
        etag = f"{self.etag}-gzip" if zipped else self.etag
        sent = {**_HEADERS, hdrs.ETAG: f'"{etag}"', hdrs.VARY: hdrs.ACCEPT_ENCODING, **headers}
        if any(each.value in ("*", etag) for each in request.if_none_match or ()):
            return web.Response(status=304, headers=sent)
        sent[hdrs.CONTENT_TYPE] = self.content_type
        if zipped:
            sent[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=self.compressed if zipped else self.body, headers=sent)


def static_files(folder: Traversable) -> Mapping[str, StaticFile]:
    """The files of a directory by name, but for those of other types."""
    names = (entry for entry in folder.iterdir() if _suffix(entry.name) in _TYPES)
    return {entry.name: StaticFile.of(entry.name, entry.read_bytes()) for entry in names}


def _suffix(name: str) -> str:
    return f".{name.rpartition('.')[2]}"
