"""How each kind of request is made: names checked, errors translated, writes told of."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from aiocouch import CouchDB, Database, Document
from aiocouch.design_document import DesignDocument

from crossbar_appstore.json_codec import Json, JsonObject, loads

from .connection import BrokenReply
from .counters import Counters
from .errors import DatabaseMissing, DocumentMissing
from .names import is_database_name, is_document_id
from .pool import Timeouts
from .replies import SaveResult, ViewRow, save_result, sequence, view_row
from .translation import TRANSLATED, Refused, Subject, translate
from .wire import TIMEOUTS, Wire, as_list, as_object, new_revision

HEARTBEAT = 0.4
"""Seconds between two signs of life that we ask of a feed."""
SILENCE = 1.2
"""Seconds without any after which a feed is given up: a half-open connection must not hide a change for 2 s."""


@dataclass(frozen=True, slots=True)
class Written:
    """One document that was written, or may have been.

    ``document`` is what was to be saved, ``replaced`` what it surely replaced; None where not known.
    """

    database: str
    doc_id: str
    document: JsonObject | None = None
    replaced: JsonObject | None = None


class Remote:
    """One CouchDB server and its connection pool, opened by the first request.

    ``on_write`` is called after each acknowledged write, and after each whose outcome is unknown, before the caller
    hears of it.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        timeouts: Timeouts = TIMEOUTS,
        counters: Counters | None = None,
    ) -> None:
        self.counters = counters if counters is not None else Counters()
        self.on_write: Callable[[Written], None] = _nobody
        self._wire = Wire(url, user, password, timeouts, self.counters)

    @property
    def address(self) -> str:
        """The server's URL, without user and password."""
        return self._wire.address

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def open(self) -> None:
        """Allow requests after a ``close``; before one they are allowed anyway."""
        self._wire.open()

    async def close(self) -> None:
        """Close the connections; requests raise Closed then."""
        await self._wire.close()

    def _client(self, database: str) -> CouchDB:
        if not is_database_name(database):
            raise DatabaseMissing(database)
        return self._wire.client

    def _database(self, database: str) -> Database:
        return Database(self._client(database), database)

    def _document(self, database: str, doc_id: str, data: JsonObject | None = None) -> Document:
        remote = self._database(database)
        if not is_document_id(doc_id):
            raise DocumentMissing(database, doc_id)
        if not doc_id.startswith("_design/"):
            return Document(remote, doc_id, data=data)
        content: JsonObject = data if data is not None else {}
        design = DesignDocument(remote, doc_id.removeprefix("_design/"), data=content)
        # aiocouch puts the bare name there, and PouchDB Server believes the body more than the address.
        content["_id"] = doc_id
        return design

    async def _write(self, written: Written, operation: Callable[[], Awaitable[object]]) -> None:
        try:
            await self._wire.tell(Subject(written.database, doc_id=written.doc_id), operation)
        except BaseException:
            # A conflict proves that what we know is old, a time-out may be a save.
            self.on_write(replace(written, replaced=None))
            raise
        self.on_write(written)

    async def _put(self, database: str, doc: JsonObject, replaced: JsonObject | None) -> JsonObject:
        doc_id = doc["_id"]
        endpoint = self._document(database, doc_id).endpoint
        saved = dict(doc)

        async def put() -> None:
            saved["_rev"] = new_revision(await self._wire.request("PUT", endpoint, json=doc))

        await self._write(Written(database, doc_id, saved, replaced), put)
        return saved

    async def _save_some(self, database: str, docs: Sequence[JsonObject]) -> list[SaveResult]:
        # Past aiocouch's bulk operation, which relies on an order of the results that PouchDB Server does not keep.
        endpoint = f"{self._database(database).endpoint}/_bulk_docs"

        async def save() -> list[SaveResult]:
            reply = await self._wire.request("POST", endpoint, json={"docs": list(docs)})
            results = {result.id: result for result in map(save_result, as_list(reply.json()))}
            return [results.get(doc["_id"], SaveResult(doc["_id"], None, "no reply")) for doc in docs]

        try:
            return await self._wire.tell(Subject(database), save)
        finally:
            for doc in docs:
                self.on_write(Written(database, doc["_id"], doc))

    async def _rows(
        self, subject: Subject, endpoint: str, keys: Sequence[Json] | None, params: dict[str, str]
    ) -> list[ViewRow]:
        # Past aiocouch's View, which fails on the reply of a view that has a reduce function.
        async def read() -> list[ViewRow]:
            if keys is None:
                reply = await self._get_object(endpoint, params)
            else:
                reply = await self._post_object(endpoint, {"keys": list(keys)}, params)
            return [view_row(raw) for raw in as_list(reply.get("rows")) if not _is_missing(raw)]

        return await self._wire.ask(subject, read)

    async def _get_object(self, endpoint: str, params: dict[str, str] | None = None) -> JsonObject:
        return as_object((await self._wire.request("GET", endpoint, params=params)).json())

    async def _post_object(self, endpoint: str, query: JsonObject, params: dict[str, str] | None = None) -> JsonObject:
        return as_object((await self._wire.request("POST", endpoint, params=params, json=query)).json())

    async def _lines(self, subject: Subject, endpoint: str, since: Json) -> AsyncGenerator[list[JsonObject], None]:
        """The lines of a continuous feed as objects, as many as came together."""
        self._wire.refuse_while_locked()
        params = {"feed": "continuous", "heartbeat": str(int(HEARTBEAT * 1000)), "since": sequence(since)}
        try:
            async with aclosing(self._wire.stream(endpoint, params, SILENCE)) as lines:
                async for batch in lines:
                    yield [as_object(loads(line)) for line in batch]
            return
        except (*TRANSLATED, Refused) as error:
            trouble = translate(error, subject)
        raise trouble


def _is_missing(row: JsonObject) -> bool:
    """Whether a row says that there is nothing under its key; BrokenReply where it says that it could not be read."""
    error = row.get("error")
    if error not in (None, "not_found"):
        raise BrokenReply(f"a row could not be read: {error}")
    return error is not None


def _nobody(written: Written) -> None:
    """Nobody wants to hear of writes."""
