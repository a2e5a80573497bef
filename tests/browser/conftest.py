"""One system, one service and one browser for all tests of this directory; a tab without cookies for each test."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.embedded import EmbeddedCouchDB
from tests.browser.page_server import page_served
from tests.browser.service import Service
from tests.browser.system import Customer, Person, System, make_system
from tests.browser.tab import PATIENCE, Tab
from tests.conftest import Need

_FLAGS: Final = (
    "--no-sandbox",  # It does not work for root.
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def chromium(need: Need) -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    need("Chromium", found)
    return str(found)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def couchdb(
    chromium: str, tmp_path_factory: pytest.TempPathFactory, embedded_cache: Path
) -> AsyncIterator[EmbeddedCouchDB]:
    """A CouchDB of its own, because a CouchDB holds one system."""
    directory = tmp_path_factory.mktemp("browser-couchdb")
    async with EmbeddedCouchDB(data_dir=directory, cache=embedded_cache, in_memory=True) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def couch(couchdb: EmbeddedCouchDB) -> AsyncIterator[Couch]:
    async with Couch(couchdb.url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def operator(couch: Couch) -> Person:
    """The master account's administrator; the system is complete before a service reads it."""
    return await make_system(couch)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(
    couchdb: EmbeddedCouchDB, operator: Person, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """Two workers; the connections of the browser are spread over them."""
    log = tmp_path_factory.mktemp("browser-service") / "service.log"
    async with Service(couchdb.url, log, workers=2) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def system(couch: Couch, operator: Person, service: Service) -> AsyncIterator[System]:
    async with aiohttp.ClientSession() as client:
        made = System(couch, service.api, operator, client)
        await made.log_in()
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def page_port(service: Service) -> AsyncIterator[int]:
    async with page_served(service.api) as port:
        yield port


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE * 1000)
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def tab(browser: Browser, page_port: int) -> AsyncIterator[Tab]:
    """A tab; a failed load that the test does not remove from ``failed`` fails the test."""
    context = await browser.new_context(viewport={"width": 1000, "height": 800})
    context.set_default_timeout(PATIENCE * 1000)
    opened = Tab(await context.new_page(), page_port)
    yield opened
    await context.close()
    assert opened.complaints == []
    assert opened.failed == []


@pytest_asyncio.fixture(loop_scope="session")
async def customer(system: System) -> Customer:
    """A new account without installed apps."""
    return await system.customer()
