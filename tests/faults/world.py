"""A system on a disk, the real service in a process of its own, and clients that remember what was acknowledged."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatabaseMissing, DocumentMissing
from crossbar_appstore.embedded import EmbeddedCouchDB
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.maintenance.accounts import NewAccount, create_account
from tests.kit.apps import FIRST, ICON, Picture

MASTER: Final = NewAccount("Master Ltd", "master.example.com", "boss", "boss-password")
PATIENCE: Final = 30.0
_PAUSE: Final = 0.1
Place = tuple[str, str]
"""An account and an app, or another part of its ``apps_store``."""


class Server:
    """The embedded CouchDB on one port, which can be killed."""

    def __init__(self, data_dir: Path, cache: Path) -> None:
        self._embedded = EmbeddedCouchDB(data_dir=data_dir, cache=cache)

    @property
    def url(self) -> str:
        return self._embedded.url

    async def start(self) -> None:
        await self._embedded.__aenter__()

    async def stop(self) -> None:
        await self._embedded.__aexit__(None, None, None)

    async def kill(self) -> None:
        """SIGKILL."""
        process = self._embedded._running()
        process.kill()
        await process.wait()


@dataclass
class Api:
    """Requests to the service as an administrator of the master account; where it is now may change."""

    session: aiohttp.ClientSession
    address: str = ""
    token: str = ""
    working: bool = True
    """Whether those who change something go on."""

    async def call(self, method: str, path: str, data: Any = None, picture: Picture | None = None) -> tuple[int, Any]:
        """Status and envelope; raises OSError or aiohttp.ClientError where there is no answer."""
        headers = {"X-Auth-Token": self.token} if self.token else {}
        sent: dict[str, Any] = {} if data is None else {"json": {"data": data}}
        if picture is not None:
            headers |= {"Content-Type": picture.content_type, "X-File-Name": "new.png"}
            sent["data"] = picture.body
        url = f"{self.address}/v2/{path}"
        async with asyncio.timeout(PATIENCE), self.session.request(method, url, headers=headers, **sent) as reply:
            return reply.status, await reply.json()

    async def log_in(self) -> None:
        md5, _ = password_hashes(MASTER.username, MASTER.password)
        data = {"credentials": md5, "account_realm": MASTER.realm}
        status, envelope = await self.until((201,), "PUT", "user_auth", data)
        assert status == 201
        self.token = envelope["auth_token"]

    async def until(self, statuses: tuple[int, ...], method: str, path: str, data: Any = None) -> tuple[int, Any]:
        """Repeat a request until it is answered so."""
        answer: object = None
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while True:
                    with suppress(OSError, aiohttp.ClientError):
                        status, envelope = answer = await self.call(method, path, data)
                        if status in statuses:
                            return status, envelope
                    await asyncio.sleep(_PAUSE)
        raise AssertionError(f"{method} {path}: {answer}")


@dataclass
class Writer:
    """Changes one part of an ``apps_store`` document again and again; each change is a number of its own."""

    api: Api
    account_id: str
    app_id: str
    acknowledged: int | None = None
    possible: set[int | None] = field(default_factory=set)
    """Changes without an answer, or with one that does not tell."""
    changes: int = 0
    done: int = 0

    @property
    def path(self) -> str:
        return f"accounts/{self.account_id}/apps_store/{self.app_id}"

    async def run(self) -> None:
        """Until a request is not answered, or all are to end."""
        while self.api.working:
            self.changes += 1
            method, data, after = self._next()
            self.possible.add(after)
            try:
                status, _ = await self.api.call(method, self.path, data)
            except (OSError, aiohttp.ClientError, TimeoutError):
                return
            if status not in (200, 201):
                return
            self.acknowledged, self.possible = after, set()
            self.done += 1

    def _next(self) -> tuple[str, JsonObject | None, int | None]:
        if self.acknowledged is not None and self.changes % 4 == 0:
            return "DELETE", None, None
        data = {"allowed_users": "all", "marker": self.changes}
        return ("PUT" if self.acknowledged is None else "POST"), data, self.changes

    async def verify(self, couch: Couch) -> None:
        """Check what is stored, and go on from there."""
        stored = await stored_document(couch, account_db(self.account_id), "apps_store")
        found = ((stored or {}).get("apps", {}).get(self.app_id) or {}).get("marker")
        assert found in {self.acknowledged, *self.possible}, (self, stored)
        self.acknowledged, self.possible = found, set()


@dataclass
class Blacklister(Writer):
    """Changes the blacklist."""

    @property
    def path(self) -> str:
        return f"accounts/{self.account_id}/apps_store/blacklist"

    def _next(self) -> tuple[str, JsonObject | None, int | None]:
        return "POST", {"blacklist": [f"{self.changes:032}"]}, self.changes

    async def verify(self, couch: Couch) -> None:
        stored = await stored_document(couch, account_db(self.account_id), "apps_store")
        listed = (stored or {}).get("blacklist") or []
        found = int(listed[0]) if listed else None
        assert found in {self.acknowledged, *self.possible}, (self, stored)
        self.acknowledged, self.possible = found, set()


@dataclass
class Uploader(Writer):
    """Uploads the icon of an override, one picture after the other."""

    @property
    def path(self) -> str:
        return f"accounts/{self.account_id}/apps_store/{self.app_id}/override/icon"

    async def run(self) -> None:
        while self.api.working:
            self.changes += 1
            self.possible.add(self.changes % 2)
            picture = (ICON, FIRST)[self.changes % 2]
            try:
                status, _ = await self.api.call("POST", self.path, picture=picture)
            except (OSError, aiohttp.ClientError, TimeoutError):
                return
            if status != 200:
                return
            self.acknowledged, self.possible = self.changes % 2, set()
            self.done += 1

    async def verify(self, couch: Couch) -> None:
        database, doc_id = account_db(self.account_id), f"app_whitelabel-{self.app_id}"
        stored = await stored_document(couch, database, doc_id)
        assert stored is not None
        name = stored.get("i18n", {}).get("en-US", {}).get("icon")
        if name is None:
            assert self.acknowledged is None
            return
        body = (await couch.open_attachment(database, doc_id, name)).body
        found = [ICON.body, FIRST.body].index(body)
        assert found in {self.acknowledged, *self.possible}
        self.acknowledged, self.possible = found, set()


@dataclass
class Creator:
    """Creates accounts below the master account."""

    api: Api
    parent: str
    name: str
    created: dict[str, str] = field(default_factory=dict)
    """Name → id of what was acknowledged."""
    tried: int = 0
    unknown: list[str] = field(default_factory=list)
    """Names of accounts whose creation was not acknowledged."""

    async def run(self) -> None:
        """Until a request is not answered, or all are to end."""
        while self.api.working:
            self.tried += 1
            name = f"{self.name} {self.tried}"
            self.unknown.append(name)
            try:
                status, envelope = await self.api.call("PUT", f"accounts/{self.parent}", {"name": name})
            except (OSError, aiohttp.ClientError, TimeoutError):
                return
            if status != 201:
                return
            self.unknown.remove(name)
            self.created[name] = envelope["data"]["id"]

    async def again(self) -> None:
        """Repeat what was not acknowledged: it is created, unless it was."""
        for name in self.unknown:
            status, envelope = await self.api.until((201, 400), "PUT", f"accounts/{self.parent}", {"name": name})
            if status == 201:
                self.created[name] = envelope["data"]["id"]
            else:
                assert "unique" in envelope["data"]["name"], envelope
        self.unknown.clear()


async def stored_document(couch: Couch, database: str, doc_id: str) -> JsonObject | None:
    try:
        return await couch.open_doc(database, doc_id)
    except (DocumentMissing, DatabaseMissing):
        return None


async def until_killed(
    api: Api, seconds: float, work: list[Callable[[], Awaitable[None]]], kill: Callable[[], Awaitable[None]]
) -> None:
    """Let some work run for so long, kill, and wait until all of it has noticed."""
    api.working = True
    tasks = [asyncio.ensure_future(each()) for each in work]
    await asyncio.sleep(seconds)
    await kill()
    # Who talks to a worker that lives would never end.
    api.working = False
    await asyncio.gather(*tasks)


@asynccontextmanager
async def fresh_server(data_dir: Path, cache: Path) -> AsyncIterator[Server]:
    server = Server(data_dir, cache)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def create_master(couch: Couch) -> str:
    return (await create_account(couch, MASTER)).account_id
