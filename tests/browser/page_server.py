"""Serves the page from another origin than the API, as Monster UI is served."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import web

from crossbar_appstore import store_page

PAGE: Final = Path(__file__).with_name("page")
_MD5: Final = Path(store_page.__file__).with_name("md5.js")
CLUSTER_ID: Final = "0f6a5ae3d5f44ed28ae3b0b3d8cb1b11"
"""Monster UI sends it as a header of every call."""


@asynccontextmanager
async def page_served(api: str) -> AsyncIterator[int]:
    """Serve the page, configured for an API, on a free port of 127.0.0.1; yields the port."""
    config = f"window.config = {json.dumps({'api': {'default': api}, 'kazooClusterId': CLUSTER_ID})};"

    async def configured(request: web.Request) -> web.Response:
        return web.Response(text=config, content_type="text/javascript")

    async def start(request: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / "index.html")

    async def md5(request: web.Request) -> web.FileResponse:
        return web.FileResponse(_MD5)

    application = web.Application()
    application.router.add_get("/md5.js", md5)
    application.router.add_get("/", start)
    application.router.add_get("/config.js", configured)
    application.router.add_static("/", PAGE)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port: int = runner.addresses[0][1]
        yield port
    finally:
        await runner.cleanup()
