"""The whole application on a port of its own, and calls to it as clients make them."""

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
from crossbar_appstore.crossbar.runner import Runner
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import loads
from crossbar_appstore.settings import Settings
from tests.kit.accounts import Account, User
from tests.kit.system import System

NOTHING: Any = object()
_PATIENCE = 10.0


@dataclass(frozen=True)
class Answer:
    """A reply as it came."""

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


class Service:
    """Starts at the first call, so that a test may first arrange what it finds.

    Callers are users; an account stands for its administrator, None for nobody.
    """

    def __init__(self, system: System, couchdb_url: str, **settings: str) -> None:
        self.system = system
        self._settings = Settings.load({"COUCHDB_URL": couchdb_url, **settings})
        self._runner: Runner | None = None
        self._starting = asyncio.Lock()
        self._base = URL()
        self._session: aiohttp.ClientSession | None = None

    @property
    def store(self) -> Datastore:
        """The datastore of the running application."""
        assert self._runner is not None
        return self._runner.app[STORE]

    async def start(self) -> URL:
        """Its address; once is enough."""
        async with self._starting:
            if self._runner is None:
                runner = Runner(create_application(self._settings), handler_cancellation=False)
                await runner.setup()
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                host, port = runner.addresses[0][:2]
                self._runner, self._base = runner, URL.build(scheme="http", host=host, port=port)
                # What a client says of a body that it does not send, is its own affair.
                self._session = aiohttp.ClientSession(skip_auto_headers=("Content-Type",))
        return self._base

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def call(
        self,
        method: str,
        path: str,
        caller: Account | User | None = None,
        data: Any = NOTHING,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """``path`` follows ``/v2/``, percent-encoded, perhaps with a query; ``data`` is put into an envelope."""
        await self.start()
        assert self._session is not None
        sent = dict(headers or {})
        if caller is not None:
            token = self.system.token(caller.admin if isinstance(caller, Account) else caller)
        if token is not None:
            sent["X-Auth-Token"] = token
        url = URL(f"{self._base}/v2/{path}", encoded=True)
        more: dict[str, Any] = {"data": body} if data is NOTHING else {"json": {"data": data}}
        async with asyncio.timeout(_PATIENCE), self._session.request(method, url, headers=sent, **more) as reply:
            return Answer(reply.status, reply.headers, await reply.read())

    async def get(self, path: str, caller: Account | User | None = None, **more: Any) -> Answer:
        return await self.call("GET", path, caller, **more)

    async def put(self, path: str, caller: Account | User | None, data: Any = NOTHING, **more: Any) -> Answer:
        return await self.call("PUT", path, caller, data, **more)

    async def post(self, path: str, caller: Account | User | None, data: Any = NOTHING, **more: Any) -> Answer:
        return await self.call("POST", path, caller, data, **more)

    async def delete(self, path: str, caller: Account | User | None, data: Any = NOTHING, **more: Any) -> Answer:
        return await self.call("DELETE", path, caller, data, **more)

    async def names(self, account: Account, caller: Account | User | None = None) -> list[str]:
        """The names of the apps in an account's list, in its order."""
        answer = await self.get(account.path, caller or account)
        assert answer.status == 200, answer.raw
        return [app["name"] for app in answer.data]
