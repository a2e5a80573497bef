"""A proxy in front of CouchDB that makes up accounts and counts the reads of one of them.

A hundred thousand accounts would be as many databases. Here each account whose id begins with ``PREFIX`` exists: its
documents are made when they are read. Everything else goes to the real CouchDB, except ``_db_updates``, which CouchDB
has and PouchDB Server lacks.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from yarl import URL

from benchmarks.system import MASTER, Document, System, account_documents
from crossbar_appstore.kazoo.ids import account_db

PREFIX: Final = "be9c4000"
_REVISION: Final = f"1-{PREFIX * 4}"
_ACCOUNT: Final = re.compile(rf"(account/{PREFIX[:2]}/{PREFIX[2:4]}/([^/]*))/?(.*)")
_SHARED: Final = re.compile(r"(accounts|services)/(.*)")
_HOP_BY_HOP: Final = frozenset({"connection", "host", "keep-alive", "transfer-encoding"})


def made_up_id(number: int) -> str:
    """The id of a made-up account, a child of the master account."""
    return f"{PREFIX}{number:024x}"


@contextlib.asynccontextmanager
async def stand_in(session: aiohttp.ClientSession, system: System) -> AsyncIterator["StandIn"]:
    """The proxy in front of a system's CouchDB, on a free port."""
    proxy = StandIn(session, system)
    server = web.Server(proxy.handle, access_log=None, handler_cancellation=True)
    runner = web.ServerRunner(server, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=2048).start()
        proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield proxy
    finally:
        await runner.cleanup()


class StandIn:
    """Answers CouchDB's requests at ``url``.

    ``reads`` counts the requests for the account ``watched``. Answers for made-up accounts take ``delay`` seconds.
    """

    def __init__(self, session: aiohttp.ClientSession, system: System) -> None:
        self._session = session
        self._system = system
        self.url = ""
        self.delay = 0.0
        self.watched = ""
        self.reads = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        path, body = unquote(request.raw_path.partition("?")[0]).strip("/"), await request.read()
        if self.watched and any(name in f"{path} {body!r}" for name in (self.watched, account_db(self.watched))):
            self.reads += 1
        if path == "_db_updates":
            return await _db_updates(request)
        query = {name: _value(text) for name, text in request.query.items()} | (json.loads(body) if body else {})
        if account := _ACCOUNT.fullmatch(path):
            await asyncio.sleep(self.delay)
            account_id = account[1].removeprefix("account/").replace("/", "")
            return _answer(self._documents(account_id, account[1]), account[3], query)
        shared = _SHARED.fullmatch(path)
        if shared and shared[2].startswith(PREFIX):
            await asyncio.sleep(self.delay)
            return _answer(self._documents(shared[2], shared[1]), shared[2], query)
        async with self._forwarded(request, body) as reply:
            if shared and shared[2] == "_all_docs":
                return web.json_response(self._with_made_up(shared[1], query, await reply.json(content_type=None)))
            return await _passed_on(request, reply)

    def _documents(self, account_id: str, database: str) -> dict[str, Document]:
        made = account_documents(account_id, (MASTER,), self._system.app_ids)[database]
        return {document["_id"]: {**document, "_rev": _REVISION} for document in made}

    def _with_made_up(self, database: str, query: Document, answer: Document) -> Document:
        """The answer of ``_all_docs`` of a shared database with the rows of made-up accounts filled in."""
        for number, key in enumerate(query.get("keys", ())):
            if key.startswith(PREFIX):
                answer["rows"][number] = _row(key, self._documents(key, database), query)
        return answer

    def _forwarded(self, request: web.BaseRequest, body: bytes) -> Any:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = URL(self._system.url + request.raw_path, encoded=True)
        return self._session.request(request.method, url, headers=headers, data=body or None)


async def _passed_on(request: web.BaseRequest, reply: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = {name: value for name, value in reply.headers.items() if name.lower() not in _HOP_BY_HOP}
    response = web.StreamResponse(status=reply.status, reason=reply.reason, headers=headers)
    # The service ends a change feed by closing the connection.
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        async for chunk in reply.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    return response


def _value(text: str) -> Any:
    """A query parameter of CouchDB: JSON, or a text as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _answer(documents: dict[str, Document], asked: str, query: Document) -> web.Response:
    """A document, ``_all_docs``, a view (all are empty), or the database itself."""
    rows: list[Document] = []
    if asked == "_all_docs":
        first, last = query.get("startkey", ""), query.get("endkey", "\uffff")
        keys = query.get("keys") or [doc_id for doc_id in sorted(documents) if first <= doc_id <= last]
        rows = [_row(key, documents, query) for key in keys]
    if asked == "_all_docs" or "/_view/" in asked:
        return web.json_response({"total_rows": len(rows), "offset": 0, "rows": rows})
    if asked and asked not in documents:
        return web.json_response({"error": "not_found", "reason": "missing"}, status=404)
    return web.json_response(documents.get(asked, {"doc_count": len(documents)}), headers={"ETag": f'"{_REVISION}"'})


def _row(key: str, documents: dict[str, Document], query: Document) -> Document:
    if key not in documents:
        return {"key": key, "error": "not_found"}
    document = {"doc": documents[key]} if query.get("include_docs") else {}
    return {"id": key, "key": key, "value": {"rev": _REVISION}, **document}


async def _db_updates(request: web.BaseRequest) -> web.StreamResponse:
    """A continuous feed that names a database once, so that it is believed, and then nothing but heartbeats."""
    response = web.StreamResponse()
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        await response.write(b'{"db_name":"numbers","type":"updated","seq":"1-a"}\n')
        while True:
            await asyncio.sleep(0.4)
            await response.write(b"\n")
    return response
