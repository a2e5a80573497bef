"""An HTTP client of the service, and the application in this process on a free port."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDictProxy
from yarl import URL

from crossbar_appstore.application import STORE, create_application
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import loads
from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.settings import Settings
from tests.kit.accounts import PASSWORD, Account, ApiKey, User
from tests.kit.system import System

NOTHING: Any = object()
Caller = Account | User | ApiKey | None
"""An account stands for its administrator, None for a caller without a token."""
_PATIENCE = 10.0


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: CIMultiDictProxy[str]
    raw: bytes

    @cached_property
    def envelope(self) -> Any:
        assert self.headers["Content-Type"] == "application/json"
        return loads(self.raw)

    @property
    def data(self) -> Any:
        return self.envelope["data"]

    @property
    def etag(self) -> str:
        return self.headers["ETag"]

    @property
    def refusal(self) -> tuple[int, str, Any]:
        """Code, message and data of an error envelope."""
        assert self.envelope["status"] == "error"
        assert self.envelope["error"] == str(self.status)
        return self.status, self.envelope["message"], self.envelope.get("data")


class Client:
    """Calls a service at an address."""

    def __init__(self, system: System, address: str = "", *, fresh_connections: bool = False) -> None:
        self.system = system
        self._address = address
        self._fresh = fresh_connections
        self._session: aiohttp.ClientSession | None = None

    async def address(self) -> str:
        """``http://host:port``"""
        return self._address

    async def stop(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        caller: Caller = None,
        data: Any = NOTHING,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send a request; ``path`` is percent-encoded and follows ``/v2/``, ``data`` is put into an envelope."""
        url = URL(f"{await self.address()}/v2/{path}", encoded=True)
        sent = dict(headers or {})
        if caller is not None:
            token = self.system.token(_token_holder(caller))
        if token is not None:
            sent["X-Auth-Token"] = token
        more: dict[str, Any] = {"data": body} if data is NOTHING else {"json": {"data": data}}
        if self._session is None:
            # By default aiohttp sends a Content-Type without a body.
            connector = aiohttp.TCPConnector(force_close=self._fresh)
            self._session = aiohttp.ClientSession(connector=connector, skip_auto_headers=("Content-Type",))
        async with asyncio.timeout(_PATIENCE), self._session.request(method, url, headers=sent, **more) as reply:
            return Answer(reply.status, reply.headers, await reply.read())

    async def get(self, path: str, caller: Caller = None, **more: Any) -> Answer:
        return await self.call("GET", path, caller, **more)

    async def put(self, path: str, caller: Caller, data: Any = NOTHING, **more: Any) -> Answer:
        return await self.call("PUT", path, caller, data, **more)

    async def post(self, path: str, caller: Caller, data: Any = NOTHING, **more: Any) -> Answer:
        return await self.call("POST", path, caller, data, **more)

    async def patch(self, path: str, caller: Caller, data: Any = NOTHING, **more: Any) -> Answer:
        return await self.call("PATCH", path, caller, data, **more)

    async def delete(self, path: str, caller: Caller, data: Any = NOTHING, **more: Any) -> Answer:
        return await self.call("DELETE", path, caller, data, **more)

    async def names(self, account: Account, caller: Caller = None) -> list[str]:
        """The names of the apps in an account's list, in its order."""
        answer = await self.get(account.path, caller or account)
        assert answer.status == 200, answer.raw
        return [app["name"] for app in answer.data]

    async def login(self, user: User) -> Answer:
        """Log in as the web client does."""
        md5, _ = password_hashes(user.name, PASSWORD)
        return await self.put("user_auth", None, {"credentials": md5, "account_name": user.account.name})


class Service(Client):
    """The application in this process; it starts with the first call, so that a test can fill the database before."""

    def __init__(self, system: System, couchdb_url: str, **settings: str) -> None:
        super().__init__(system)
        self._settings = Settings.load({"COUCHDB_URL": couchdb_url, **settings})
        self._runner: web.AppRunner | None = None
        self._starting = asyncio.Lock()

    @property
    def application(self) -> web.Application:
        """The running application."""
        assert self._runner is not None
        return self._runner.app

    @property
    def store(self) -> Datastore:
        """The datastore of the running application."""
        return self.application[STORE]

    async def address(self) -> str:
        async with self._starting:
            if self._runner is None:
                runner = web.AppRunner(create_application(self._settings))
                await runner.setup()
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                self._runner, self._address = runner, "http://{}:{}".format(*runner.addresses[0])
        return self._address

    async def stop(self) -> None:
        await super().stop()
        if self._runner is not None:
            await self._runner.cleanup()


def _token_holder(caller: Account | User | ApiKey) -> Account | User:
    """The account or user whose token is sent; an account with an API key has a token without a user."""
    if isinstance(caller, ApiKey):
        return caller.account
    return caller.admin if isinstance(caller, Account) else caller
