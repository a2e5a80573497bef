"""A proxy before CouchDB that makes up accounts and counts what is asked.

A hundred thousand accounts are as many databases. Here any account whose id begins with ``PREFIX`` exists: its
documents are made when they are asked for. Everything else is passed on to the real CouchDB.
"""

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from yarl import URL

from crossbar_appstore.json_codec import JsonObject, dumps
from crossbar_appstore.kazoo.accounts import Place, account_document, apps_store_document, services_document
from crossbar_appstore.kazoo.ids import account_db

PREFIX: Final = "be9c4000"
_NOT_PASSED_ON: Final = frozenset({"transfer-encoding", "connection"})


def made_up_id(number: int) -> str:
    """The id of a made-up account."""
    return f"{PREFIX}{number:024x}"


class StandIn:
    """Listens on a free port for as long as the ``async with`` lasts.

    Attributes:
        asked: the path of every request, percent-decoded, in order.
        delay: seconds that each made-up answer takes.
        most_at_once: how many made-up answers were under way at the same time.
    """

    def __init__(self, couchdb_url: str, master_id: str, app_ids: tuple[str, ...]) -> None:
        self._target = couchdb_url
        self._place = Place((master_id,), master_id)
        self._app_ids = app_ids
        self._session: aiohttp.ClientSession
        self._runner: web.ServerRunner
        self.asked: list[str] = []
        self.delay = 0.0
        self.most_at_once = 0
        self._at_once = 0

    @property
    def url(self) -> str:
        """As ``COUCHDB_URL`` has it."""
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    def count(self, account_id: str) -> int:
        """How many requests were for an account's documents, in whatever database."""
        database = account_db(account_id)
        return sum(account_id in path or database in path for path in self.asked)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(), auto_decompress=False
        )
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=2048).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = unquote(request.raw_path.partition("?")[0])
        self.asked.append(path)
        made = self._made_up(path)
        if made is None:
            return await self._pass_on(request)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(self.delay)
        finally:
            self._at_once -= 1
        status, body = made
        return web.Response(status=status, body=body, content_type="application/json")

    def _made_up(self, path: str) -> tuple[int, bytes] | None:
        """Status and body for a path within a made-up account; None for any other."""
        database, _, what = path.removeprefix("/").partition("/")
        if database == "account":
            first, second, rest, what = (what + "///").split("/", 3)
            account_id, what = first + second + rest, what.rstrip("/")
        else:
            account_id, what = (what, database) if database in ("accounts", "services") else ("", "")
        if not account_id.startswith(PREFIX):
            return None
        document = self._document(account_id, what)
        if document is None:
            return 404, b'{"error":"not_found","reason":"missing"}\n'
        return 200, dumps(document)

    def _document(self, account_id: str, what: str) -> JsonObject | None:
        if what.endswith("/object_plans"):
            return {"total_rows": 0, "offset": 0, "rows": []}
        makers: dict[str, Callable[[], JsonObject]] = {
            account_id: lambda: self._account(account_id),
            "accounts": lambda: self._account(account_id),
            "services": lambda: services_document(account_id, self._place, now=0),
            "apps_store": lambda: self._apps_store(account_id),
        }
        maker = makers.get(what)
        return None if maker is None else {**maker(), "_rev": "1-" + account_id}

    def _account(self, account_id: str) -> JsonObject:
        fields = {"name": f"Account {account_id[-6:]}", "realm": f"{account_id[-6:]}.bench.example.com"}
        return account_document(account_id, fields, self._place, now=0)

    def _apps_store(self, account_id: str) -> JsonObject:
        permissions = {app_id: {"allowed_users": "all", "users": []} for app_id in self._app_ids[:5]}
        return {**apps_store_document(account_id), "apps": permissions}

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        url = self._target + request.raw_path
        async with self._session.request(request.method, URL(url, encoded=True), headers=headers, data=body) as reply:
            kept = {name: value for name, value in reply.headers.items() if name.lower() not in _NOT_PASSED_ON}
            response = web.StreamResponse(status=reply.status, reason=reply.reason, headers=kept)
            # Whoever hangs up has heard enough, of a feed usually.
            with contextlib.suppress(ConnectionError):
                await response.prepare(request)
                async for piece in reply.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
            return response
