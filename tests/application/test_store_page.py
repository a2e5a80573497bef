"""The store page over HTTP: who gets it, and with which headers."""

import gzip
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import resources

import aiohttp
import pytest

from crossbar_appstore import store_page
from crossbar_appstore.store_page import CONTENT_SECURITY_POLICY, prefers_html
from tests.kit.fixtures import NewService
from tests.kit.service import Service
from tests.kit.system import System

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
FILES = sorted(entry.name for entry in resources.files(store_page).iterdir() if not entry.name.startswith("__"))

Get = Callable[..., Awaitable[tuple[aiohttp.ClientResponse, bytes]]]


@asynccontextmanager
async def asking(service: Service) -> AsyncIterator[Get]:
    address = await service.address()
    async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=("Accept-Encoding",)) as client:

        async def get(path: str, method: str = "GET", **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            async with client.request(method, address + path, headers=named) as reply:
                return reply, await reply.read()

        yield get


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("text/plain;q=0.5, text/html", True),
        ("*/*", False),
        (None, False),
        ("application/json, text/javascript, */*; q=0.01", False),
        ("text/plain, text/html;q=0.9", False),
        ("image/png", False),
        ("nonsense", False),
    ],
)
def test_prefers_html_by_accept_header(accept: str | None, html: bool) -> None:
    assert prefers_html(accept) is html


async def test_root_is_page_for_browsers_and_banner_for_everyone_else(service: Service) -> None:
    async with asking(service) as get:
        reply, body = await get("/", Accept=BROWSER)
        assert (reply.status, reply.content_type) == (200, "text/html")
        assert body.startswith(b"<!doctype html>")
        assert reply.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        for headers in ({}, {"Accept": "application/json"}):
            reply, body = await get("/", **headers)
            assert (reply.status, reply.content_type) == (200, "text/plain")
            assert "accept" in reply.headers["Vary"].lower()
        reply, body = await get("/", method="HEAD", Accept=BROWSER)
        assert (reply.status, reply.content_type, body) == (200, "text/html", b"")
        reply, _ = await get("/", method="POST", Accept=BROWSER)
        assert (reply.status, reply.content_type) == (404, "application/json")


async def test_files_are_revalidated_and_compressed(service: Service) -> None:
    async with asking(service) as get:
        for name in FILES:
            reply, body = await get(f"/store/{name}")
            assert reply.status == 200
            assert body == (resources.files(store_page) / name).read_bytes()
            assert reply.headers["Cache-Control"] == "no-cache"
            tag = reply.headers["ETag"]
            known, nothing = await get(f"/store/{name}", If_None_Match=tag)
            assert (known.status, nothing, known.headers["ETag"]) == (304, b"", tag)
            zipped, small = await get(f"/store/{name}", Accept_Encoding="gzip, br", If_None_Match=tag)
            assert (zipped.status, zipped.headers["Content-Encoding"]) == (200, "gzip")
            assert gzip.decompress(small) == body
            assert zipped.headers["ETag"] != tag


async def test_files_name_only_existing_files() -> None:
    for name in FILES:
        text = (resources.files(store_page) / name).read_text("utf-8")
        named = re.findall(r'(?:from|import\() ?"\./([\w.-]+)"|"store/([\w.-]+)"|url\("([\w.-]+)"\)', text)
        assert {found for groups in named for found in groups if found} <= set(FILES), name
        # Another origin, an inline script or style, or text that is read as HTML: the policy forbids each of them.
        assert not re.search(
            r"(src|href)=\"https?:|@import|innerHTML|<style|style=|<script(?! type=\"module\" src=)", text
        )


async def test_unknown_file_is_answered_as_without_page(service: Service) -> None:
    async with asking(service) as get:
        for path in ("/store/unknown.js", "/store/__init__.py", "/store/..%2Fsettings.py", "/store/", "/storefront"):
            reply, body = await get(path, Accept=BROWSER)
            assert reply.status == 404
            assert b"<html" not in body
            assert b"import" not in body


async def test_setting_turns_page_off_and_on(new_service: NewService, system: System) -> None:
    async with asking(new_service(CROSSBAR_STORE_PAGE="false")) as get:
        reply, _ = await get("/", Accept=BROWSER)
        assert (reply.status, reply.content_type) == (200, "text/plain")
        reply, _ = await get("/store/main.js", Accept=BROWSER)
        assert (reply.status, reply.content_type) == (404, "application/json")
    await system.couch.create_database("system_data")
    try:
        async with asking(new_service()) as get:
            reply, _ = await get("/", Accept=BROWSER)
            assert reply.content_type == "text/plain"
        async with asking(new_service(CROSSBAR_STORE_PAGE="true")) as get:
            reply, _ = await get("/", Accept=BROWSER)
            assert reply.content_type == "text/html"
    finally:
        await system.couch.delete_database("system_data")


async def test_page_texts_have_same_keys_and_placeholders_in_every_language() -> None:
    texts = {
        name: _texts((resources.files(store_page) / name).read_text("utf-8")) for name in FILES if "texts-" in name
    }
    assert set(texts) == {"texts-de.js", "texts-en.js"}
    assert texts["texts-de.js"] == texts["texts-en.js"]
    used = {
        key
        for name in FILES
        if name.endswith(".js")
        for key in re.findall(r'\bt\(\s*"([\w. ]+)"', (resources.files(store_page) / name).read_text("utf-8"))
    }
    assert used <= set(texts["texts-en.js"])


def _texts(source: str) -> dict[str, set[str]]:
    """Key → placeholders."""
    found = re.split(r'^  (?:"([^"]+)"|(\w+)):', source, flags=re.MULTILINE)
    keys, values = [quoted or plain for quoted, plain in zip(found[1::3], found[2::3], strict=True)], found[3::3]
    return {key: set(re.findall(r"\{(\w+)\}", value)) for key, value in zip(keys, values, strict=True)}
