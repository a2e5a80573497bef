"""A proxy before CouchDB that makes up accounts and counts what is asked of them.

A hundred thousand accounts are as many databases. Here any account whose id begins with ``PREFIX`` exists: its
documents are made when they are asked for. Everything else is passed on to the real CouchDB, but for the feed of
databases, which CouchDB has and PouchDB Server has not.
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qsl, unquote

import aiohttp
from aiohttp import web
from yarl import URL

from crossbar_appstore.bench.made_up import Database, MadeUpAccounts
from crossbar_appstore.json_codec import JsonObject, dumps, loads
from crossbar_appstore.kazoo.ids import account_db

_NOT_PASSED_ON: Final = frozenset({"transfer-encoding", "connection"})
_DRAIN: Final = 0.5
"""Seconds that feeds are waited for, which end by themselves only when they have something to say."""
_ALL_DOCS: Final = "_all_docs"
_UPDATES: Final = "_db_updates"
_UPDATE: Final = b'{"db_name":"numbers","type":"updated","seq":"1-a"}\n'
_SIGN_OF_LIFE_SECONDS: Final = 0.4
_MISSING: Final = b'{"error":"not_found","reason":"missing"}\n'


class StandIn:
    """Listens on a free port for as long as the ``async with`` lasts.

    ``delay`` is how many seconds each answer for a made-up account takes.

    Args:
        couchdb_url: of the real one.
        master_id: the parent of all made-up accounts.
        app_ids: of its apps.
        tells: whether the feed of databases is there: it names one database, and is alive from then on.
    """

    def __init__(self, couchdb_url: str, master_id: str, app_ids: tuple[str, ...], *, tells: bool = False) -> None:
        self._target = couchdb_url
        self._tells = tells
        self._accounts = MadeUpAccounts(master_id, app_ids)
        self._session: aiohttp.ClientSession
        self._runner: web.ServerRunner
        self._at_once = 0
        self._watched = ""
        self.delay = 0.0
        self.count = 0
        self.most_at_once = 0

    @property
    def url(self) -> str:
        """As ``COUCHDB_URL`` has it."""
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    def watch(self, account_id: str) -> None:
        """From now on ``count`` requests for this account, and ``most_at_once`` of them, in whatever database."""
        self._watched, self.count, self.most_at_once = account_id, 0, 0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(), auto_decompress=False
        )
        self._runner = web.ServerRunner(
            web.Server(self._answer, access_log=None, handler_cancellation=True), shutdown_timeout=_DRAIN
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=2048).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        path, body = unquote(path).removeprefix("/"), await request.read()
        watched = self._is_watched(path, body)
        self.count += watched
        self._at_once += watched
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            database = self._accounts.database(path)
            if path == _UPDATES and self._tells:
                return await _tell(request)
            if database is None:
                return await self._pass_on(request, body)
            await asyncio.sleep(self.delay)
            return _reply(database, dict(parse_qsl(query)), body)
        finally:
            self._at_once -= watched

    def _is_watched(self, path: str, body: bytes) -> bool:
        watched = self._watched
        return bool(watched) and (watched in path or account_db(watched) in path or watched.encode() in body)

    async def _pass_on(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        url = URL(self._target + request.raw_path, encoded=True)
        async with self._session.request(request.method, url, headers=headers, data=body or None) as reply:
            kept = {name: value for name, value in reply.headers.items() if name.lower() not in _NOT_PASSED_ON}
            response = web.StreamResponse(status=reply.status, reason=reply.reason, headers=kept)
            # Whoever hangs up has heard enough, of a feed usually.
            with contextlib.suppress(ConnectionError):
                await response.prepare(request)
                async for piece in reply.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
            return response


async def _tell(request: web.BaseRequest) -> web.StreamResponse:
    """The feed of databases in which nothing that is asked for ever changes."""
    response = web.StreamResponse()
    # Whoever hangs up has heard enough.
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        line = _UPDATE
        while True:
            await response.write(line)
            await asyncio.sleep(_SIGN_OF_LIFE_SECONDS)
            line = b"\n"
    return response


def _reply(database: Database, query: dict[str, str], body: bytes) -> web.Response:
    """CouchDB's reply to a read."""
    if database.asked == _ALL_DOCS:
        return _json(database.all_docs({name: loads(text) for name, text in (query | _keys_of(body)).items()}))
    if "/_view/" in database.asked:
        return _json({"total_rows": 0, "offset": 0, "rows": []})
    document = database.documents.get(database.asked)
    return web.Response(status=404, body=_MISSING) if document is None else _json(document)


def _keys_of(body: bytes) -> dict[str, str]:
    return {"keys": dumps(loads(body)["keys"]).decode()} if body else {}


def _json(value: JsonObject) -> web.Response:
    return web.Response(body=dumps(value), content_type="application/json")
