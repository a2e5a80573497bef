"""What every test may ask for.

``couchdb_url``        a CouchDB-compatible server for the whole session; make databases of your own names in it
``account_id``         an account id that no other test uses
``embedded_cache``     where PouchDB Server is installed, for tests that start servers of their own
``embedded_couchdb``   a server of this test's own, to stop, kill or fill
``shared``             the recorded material beside the checkout
``need``               ``need("chromium", found)``: skips by name where a component is missing, fails on a CI machine
``long_form``          whether ``--long`` asks for the long forms of the fault, security and history tests
``couchdb_nodes``      the addresses of a cluster's nodes, from ``COUCHDB_NODES``

Every test fails in which a token, a password, a hash or a key is logged (``tests/kit/leaks.py``).
"""

import asyncio
import os
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from crossbar_appstore.embedded import EmbeddedCouchDB
from crossbar_appstore.embedded.errors import NodeMissing
from crossbar_appstore.embedded.install import find_node
from crossbar_appstore.settings import Settings
from tests.kit.leaks import LOG_SEARCH

T = TypeVar("T")
Need = Callable[[str, object], None]

_SHARED = Path(__file__).parents[2] / "shared"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    LOG_SEARCH.install()


@pytest.fixture(autouse=True)
def _no_secret_is_logged() -> Iterator[None]:
    LOG_SEARCH.install()
    yield
    leaks = LOG_SEARCH.take()
    if leaks:
        pytest.fail("\n".join(leaks), pytrace=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long forms of the fault, security and history tests")
    parser.addoption("--accounts", type=int, default=200, help="accounts in the tests of scale (10000 takes long)")


@pytest.fixture(scope="session")
def long_form(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--long"))


@pytest.fixture(scope="session")
def couchdb_nodes() -> list[str]:
    # No program that a script could install.
    nodes = os.environ.get("COUCHDB_NODES", "")
    if not nodes:
        pytest.skip("COUCHDB_NODES names no cluster of Apache CouchDB")
    return [node.rstrip("/") for node in nodes.split(",")]


@pytest.fixture(scope="session")
def need() -> Need:
    def check(component: str, found: object) -> None:
        if found:
            return
        if os.environ.get("CI"):
            pytest.fail(f"{component} is missing on a CI machine", pytrace=False)
        pytest.skip(f"{component} is not here")

    return check


@pytest.fixture(scope="session")
def shared() -> Path:
    # No program that a machine could install: any clone passes without it.
    if not _SHARED.is_dir():
        pytest.skip("../shared is not here")
    return _SHARED


@pytest.fixture(scope="session")
def embedded_cache(need: Need) -> Path:
    try:
        find_node()
    except NodeMissing as error:
        need(str(error), None)
    return Settings.load().cache_dir


@pytest.fixture(scope="session")
def couchdb_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    named = os.environ.get("COUCHDB_URL")
    if named:
        yield named.rstrip("/")
        return
    cache = request.getfixturevalue("embedded_cache")
    with _background_loop() as run:
        server = run(EmbeddedCouchDB(data_dir=tmp_path_factory.mktemp("couchdb"), cache=cache).__aenter__())
        try:
            yield server.url
        finally:
            run(server.__aexit__(None, None, None))


@pytest.fixture
async def embedded_couchdb(tmp_path: Path, embedded_cache: Path) -> AsyncIterator[EmbeddedCouchDB]:
    async with EmbeddedCouchDB(data_dir=tmp_path / "couchdb", cache=embedded_cache) as server:
        yield server


@pytest.fixture
async def embedded_couchdb_in_memory(tmp_path: Path, embedded_cache: Path) -> AsyncIterator[EmbeddedCouchDB]:
    async with EmbeddedCouchDB(data_dir=tmp_path / "couchdb", cache=embedded_cache, in_memory=True) as server:
        yield server


@pytest.fixture
def account_id() -> str:
    return uuid.uuid4().hex


@contextmanager
def _background_loop() -> Iterator[Callable[[Coroutine[Any, Any, T]], T]]:
    """An event loop that outlives the loops of single tests, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(work, loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
