"""The API in OpenAPI: the document at ``/v2/openapi.json``, and a viewer of it at ``/docs``.

The viewer is Swagger UI, in the version that ``viewer/VERSION`` names; its files are sent as they are.
"""

import asyncio
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

from aiohttp import web

from crossbar_appstore import json_codec
from crossbar_appstore.api_docs.document import openapi_document
from crossbar_appstore.crossbar.static_files import StaticFile, static_files

PATHS: Final = ("/v2/openapi.json", "/docs", "/docs/{name}")
_PAGE: Final = "index.html"
_POLICY: Final = {
    # The viewer sets styles of its own; pictures of its buttons are data URIs.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}
_ANY_ORIGIN: Final = {"Access-Control-Allow-Origin": "*"}


def routes() -> list[web.RouteDef]:
    """The routes, to be added to an application. Files are read with the first request."""
    document, page, file = PATHS
    return [web.get(document, _document), web.get(page, _page), web.get(file, _file)]


async def _document(request: web.Request) -> web.Response:
    return (await asyncio.to_thread(_description)).response(request, **_ANY_ORIGIN)


async def _page(request: web.Request) -> web.Response:
    return (await asyncio.to_thread(_files))[_PAGE].response(request, **_POLICY)


async def _file(request: web.Request) -> web.Response:
    found = (await asyncio.to_thread(_files)).get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    return found.response(request, **_POLICY)


@cache
def _description() -> StaticFile:
    return StaticFile.of("openapi.json", json_codec.dumps(openapi_document()))


@cache
def _files() -> Mapping[str, StaticFile]:
    return static_files(resources.files(__package__) / "viewer")
