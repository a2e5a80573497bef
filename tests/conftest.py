"""What every test may ask for.

``couchdb_url``        a CouchDB-compatible server for the whole session; make databases of your own names in it
``account_id``         an account id that nobody else uses
``embedded_cache``     where PouchDB Server is installed, for tests that start servers of their own
``embedded_couchdb``   a server of this test's own, to stop, kill or fill
``shared``             the recorded material beside the checkout
``need``               ``need("chromium", found)``: skips by name where a component is missing, fails on a CI machine
"""

import asyncio
import os
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from crossbar_appstore.embedded import EmbeddedCouchDB, NodeMissing
from crossbar_appstore.settings import Settings

Need = Callable[[str, object], None]

_SHARED = Path(__file__).parents[2] / "shared"


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
def shared(need: Need) -> Path:
    need("../shared", _SHARED.is_dir())
    return _SHARED


@pytest.fixture(scope="session")
def embedded_cache() -> Path:
    return Settings.load().cache_dir


@pytest.fixture(scope="session")
def couchdb_url(tmp_path_factory: pytest.TempPathFactory, embedded_cache: Path, need: Need) -> Iterator[str]:
    named = os.environ.get("COUCHDB_URL")
    if named:
        yield named.rstrip("/")
        return
    session = _Session(EmbeddedCouchDB(data_dir=tmp_path_factory.mktemp("couchdb"), cache=embedded_cache))
    session.begin(need)
    try:
        yield session.server.url
    finally:
        session.end()


@pytest.fixture
async def embedded_couchdb(tmp_path: Path, embedded_cache: Path, need: Need) -> AsyncIterator[EmbeddedCouchDB]:
    server = EmbeddedCouchDB(data_dir=tmp_path / "couchdb", cache=embedded_cache)
    try:
        await server.__aenter__()
    except NodeMissing as error:
        need(str(error), None)
    try:
        yield server
    finally:
        await server.__aexit__(None, None, None)


@pytest.fixture
def account_id() -> str:
    return uuid.uuid4().hex


class _Session:
    """Keeps an embedded server through many event loops, by giving it a loop of its own in a thread."""

    def __init__(self, server: EmbeddedCouchDB) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def begin(self, need: Need) -> None:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self.server.__aenter__(), self._loop).result()
        except NodeMissing as error:
            self._close()
            need(str(error), None)
        except BaseException:
            self._close()
            raise

    def end(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.__aexit__(None, None, None), self._loop).result()
        self._close()

    def _close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
