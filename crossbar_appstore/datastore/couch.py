"""CouchDB as the rest of the service uses it: documents, views and attachments of named databases.

Databases are named as they are (``account/aa/bb/…``, ``accounts``); quoting is done here. Works the same on Apache
CouchDB 2 and 3 and on PouchDB Server 4.2. Every method raises ``DatastoreError`` and nothing else. Reads are repeated
where the connection failed. Writes are not, but aiohttp sends a PUT or DELETE once more where the connection closed
before the reply, so that a conflict may be one with ourselves.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Final, Self

from aiocouch import Document
from aiocouch.attachment import Attachment as RemoteAttachment
from aiocouch.design_document import DesignDocument
from aiohttp import TraceConfig

from crossbar_appstore.json_codec import Json, JsonObject, dumps, loads

from .client import CouchClient, Statistics, Timeouts, json_params
from .cluster import Cluster
from .credentials import Tries
from .databases import Databases
from .errors import (
    AttachmentMissing,
    Conflict,
    DatastoreError,
    DocumentMissing,
    DocumentRefused,
    Fault,
    MalformedReply,
    OutcomeUnknown,
    ServerFault,
    Subject,
    TimedOut,
    Troubled,
    Unavailable,
    Unreachable,
)
from .feeds import Feeds
from .replies import (
    Attachment,
    SaveResult,
    ViewRow,
    attachment_of,
    is_attachment_name,
    is_document,
    is_document_id,
    view_rows,
)

TIMEOUTS: Final = Timeouts()
_BULK: Final = 200
_FIND_PAGE: Final = 1000
_NO_REPLY: Final = "no reply"


@dataclass(frozen=True, slots=True)
class Written:
    """One document that was written, or may have been; ``document`` is what was to be saved.

    After a deletion it is the tombstone, None if what was deleted is not known; after that of a losing branch the
    winning revision, which stays.

    An empty ``doc_id`` stands for the whole database.
    """

    database: str
    doc_id: str
    document: JsonObject | None = None
    """With its new ``_rev``, if that is known."""
    created: bool = False
    """Whether it replaces no revision."""
    refused: bool = False
    """Whether CouchDB certainly did not save it."""


class Couch(Databases):
    """One CouchDB server, or the nodes of one cluster, of which one at a time gets the requests (``nodes``).

    Each function of ``on_write`` is called after each write, acknowledged, refused, or of unknown outcome, before the
    caller gets the result. ``trace_configs`` are told of each request (aiohttp's client tracing).
    """

    def __init__(
        self,
        *urls: str,
        user: str | None = None,
        password: str | None = None,
        timeouts: Timeouts = TIMEOUTS,
        tls: ssl.SSLContext | None = None,
        tries: Tries | None = None,
        trace_configs: Sequence[TraceConfig] = (),
    ) -> None:
        self.statistics = Statistics()
        self.on_write: list[Callable[[Written], None]] = []
        super().__init__(CouchClient(urls, user, password, timeouts, self.statistics, tls, tries, trace_configs))
        self.cluster = Cluster(self._client)
        self.feeds = Feeds(self._client)

    @property
    def address(self) -> str:
        """The URL of the server, or of the node that gets the requests, without user and password."""
        return self._client.address

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def open(self) -> None:
        """Allow requests again after ``close``."""
        self._client.open()

    async def close(self) -> None:
        """Close the connections; requests raise Closed then."""
        await self._client.close()

    # Documents

    async def open_doc(self, database: str, doc_id: str, **query: Json) -> JsonObject:
        """The newest revision of a document as CouchDB has it, ``_rev`` and attachment stubs included.

        ``query`` are CouchDB's parameters: ``conflicts=True`` adds ``_conflicts`` where other branches are stored.

        Raises:
            DocumentMissing: it never existed, or was deleted.
            DatabaseMissing: no such database.
        """

        async def fetch() -> JsonObject:
            document = self._document(database, doc_id)
            if query:
                # aiocouch takes no parameters here.
                params = {
                    name: value if isinstance(value, str) else dumps(value).decode() for name, value in query.items()
                }
                found: Json = (await self._client.request("GET", document.endpoint, params=params)).object()
            else:
                await document.fetch(discard_changes=True)
                found = document.data
            if not is_document(found) or found["_id"] != doc_id:
                raise MalformedReply("the reply is not the document")
            return found

        return await self._client.read(Subject(database, doc_id=doc_id), fetch)

    async def save_doc(self, database: str, doc: JsonObject) -> JsonObject:
        """Save a document under its ``_id``, over the revision that its ``_rev`` names; the document is not changed.

        Attachment stubs are kept where the document holds them, and may be given inline
        (``{name: {"content_type", "data": base64}}``).

        Returns:
            The document as given, with its new ``_rev``.

        Raises:
            Conflict: ``_rev`` is not the newest, or is missing though the document exists.
            DocumentRefused: CouchDB does not take it, since it is too large for instance. OutcomeUnknown: saved or not.
        """
        doc_id, saved = doc["_id"], dict(doc)

        async def put() -> None:
            await self._document(database, doc_id, saved).save()
            if saved.get("_rev") == doc.get("_rev") or not isinstance(saved["_rev"], str):
                raise MalformedReply("the reply names no revision")

        await self._write(Written(database, doc_id, saved, created="_rev" not in doc), put)
        return saved

    async def delete_doc(self, database: str, doc_id: str, rev: str, *, after: JsonObject | None = None) -> None:
        """Delete the revision of a document; ``after`` is what it is then, for ``on_write`` (``Written.document``).

        Raises:
            Conflict: it is not the newest.
            DocumentMissing: there is none.
        """

        async def delete() -> None:
            await self._document(database, doc_id, {"_rev": rev}).delete(discard_changes=True)

        try:
            await self._write(Written(database, doc_id, after), delete)
        except (Conflict, DocumentMissing):
            # Servers differ in what they call an old revision, and one of a deleted document.
            await self.open_doc(database, doc_id)
            raise Conflict(database, doc_id) from None

    async def save_docs(self, database: str, docs: Sequence[JsonObject]) -> list[SaveResult]:
        """Save many documents, each with its ``_id``, no id twice; what became of each, in the same order."""
        batches = [docs[start : start + _BULK] for start in range(0, len(docs), _BULK)]
        return [result for batch in batches for result in await self._save_some(database, batch)]

    async def _save_some(self, database: str, docs: Sequence[JsonObject]) -> list[SaveResult]:
        # aiocouch's bulk operation relies on an order of the results that PouchDB Server does not keep.
        endpoint = f"{self._database(database).endpoint}/_bulk_docs"

        async def save() -> list[SaveResult]:
            reply = await self._client.request("POST", endpoint, json={"docs": list(docs)})
            results = {
                raw.get("id"): SaveResult(str(raw.get("id")), raw.get("rev"), raw.get("error"), raw.get("reason"))
                for raw in loads(reply.body)
            }
            return [results.get(doc["_id"], SaveResult(doc["_id"], None, _NO_REPLY)) for doc in docs]

        results: list[SaveResult] = []
        refused = False
        try:
            results = await self._client.once(Subject(database), save)
        except DatastoreError as error:
            refused = _did_nothing(error)
            raise
        finally:
            known = {result.id: result for result in results}
            for doc in docs:
                self._tell(_outcome(database, doc, known.get(doc["_id"]), refused=refused))
        return results

    async def open_attachment(self, database: str, doc_id: str, name: str) -> Attachment:
        """One attachment whole, with its type and digest.

        Raises:
            AttachmentMissing: the document, or the attachment in it, does not exist.
        """
        document = self._document(database, doc_id)
        if not is_attachment_name(name):
            raise AttachmentMissing(database, doc_id, name)
        # aiocouch gives the bytes without their digest.
        endpoint = RemoteAttachment(document, name).endpoint

        async def read() -> Attachment:
            reply = await self._client.request("GET", endpoint)
            return attachment_of(name, reply.headers, reply.body)

        return await self._client.read(Subject(database, doc_id=doc_id, attachment=name), read)

    # Views and lists

    async def view(
        self,
        database: str,
        view: str,
        *,
        key: Json = None,
        keys: Sequence[Json] | None = None,
        startkey: Json = None,
        endkey: Json = None,
        descending: bool = False,
        limit: int | None = None,
        include_docs: bool = False,
        group_level: int | None = None,
    ) -> list[ViewRow]:
        """The rows of ``"design/view"``; None means that a parameter is not given.

        ``group_level`` asks for the rows of the reduce function, one for all keys with so many equal first members.

        Raises:
            ViewMissing: the design document, or the view in it.
            DatabaseMissing: no such database.
        """
        design, _, name = view.partition("/")
        params = json_params(
            key=key,
            startkey=startkey,
            endkey=endkey,
            descending=descending or None,
            limit=limit,
            include_docs=include_docs or None,
            reduce=False if group_level is None else None,
            group_level=group_level,
        )

        async def read() -> list[ViewRow]:
            remote = self._database(database).view(design, name)
            if group_level is not None:
                # aiocouch fails on reduced rows, which come without a total.
                reply = (await self._client.request("GET", remote.endpoint, params=params)).object()
                return view_rows(reply.get("rows"))
            response = await (remote.get(**params) if keys is None else remote.post(list(keys), **params))
            return view_rows(response.rows)

        return await self._client.read(Subject(database, view=view), read)

    async def all_docs(
        self,
        database: str,
        *,
        keys: Sequence[str] | None = None,
        startkey: str | None = None,
        endkey: str | None = None,
        include_docs: bool = False,
        limit: int | None = None,
    ) -> list[ViewRow]:
        """Documents by id; with ``keys`` in their order.

        A deleted one has a row without ``doc``, one that never existed has none.
        """
        # aiocouch leaves the slashes of the database's name unquoted here.
        endpoint = f"{self._database(database).endpoint}/_all_docs"
        params = json_params(startkey=startkey, endkey=endkey, include_docs=include_docs or None, limit=limit)
        method, query = ("GET", None) if keys is None else ("POST", {"keys": list(keys)})

        async def read() -> list[ViewRow]:
            reply = await self._client.request(method, endpoint, params=params, json=query)
            found = reply.object().get("rows")
            rows = view_rows(found)
            # Each key has a row, also where there is no document: one that is left out does not mean that.
            if keys is not None and (not isinstance(found, list) or len(found) != len(keys)):
                raise MalformedReply("a key has no row")
            if any(row.id != row.key for row in rows):
                raise MalformedReply("a row is another document's")
            return rows

        return await self._client.read(Subject(database), read)

    async def open_docs(self, database: str, doc_ids: Sequence[str]) -> list[JsonObject | None]:
        """Documents by id, in that order; None for those that do not exist.

        On a cluster each is read from a quorum of copies: ``_all_docs`` reads from one, which may be behind.
        """
        if await self.cluster.exists():
            return await asyncio.gather(*(self._open_doc_or_none(database, doc_id) for doc_id in doc_ids))
        rows = await self.all_docs(database, keys=doc_ids, include_docs=True)
        found = {row.key: row.doc for row in rows}
        return [found.get(doc_id) for doc_id in doc_ids]

    async def _open_doc_or_none(self, database: str, doc_id: str) -> JsonObject | None:
        try:
            return await self.open_doc(database, doc_id)
        except DocumentMissing:
            return None

    async def docs_by_prefix(self, database: str, prefix: str) -> list[JsonObject]:
        """The documents whose ids begin with a prefix (at least one ASCII character), in the order of their ids."""
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        rows = await self.all_docs(database, startkey=prefix, endkey=after, include_docs=True)
        return [row.doc for row in rows if row.doc is not None and row.doc["_id"].startswith(prefix)]

    async def find(
        self, database: str, selector: JsonObject, *, fields: Sequence[str] | None = None
    ) -> list[JsonObject]:
        """All documents that match a Mango selector, read by scanning the database: for when a view is missing."""
        # aiocouch relies on bookmarks, which PouchDB Server does not send.
        endpoint = f"{self._database(database).endpoint}/_find"
        query: JsonObject = {"selector": selector, "limit": _FIND_PAGE}
        if fields is not None:
            query["fields"] = list(fields)
        found: list[JsonObject] = []
        while True:
            page = await self._client.read(Subject(database), partial(self._find_page, endpoint, query))
            docs = page["docs"]
            found += docs
            if len(docs) < _FIND_PAGE:
                return found
            # CouchDB's bookmark is the cheaper way.
            bookmark = page.get("bookmark")
            query = query | ({"bookmark": bookmark} if bookmark else {"skip": len(found)})

    async def _find_page(self, endpoint: str, query: JsonObject) -> JsonObject:
        page = (await self._client.request("POST", endpoint, json=query)).object()
        docs = page.get("docs")
        if not isinstance(docs, list) or not all(isinstance(each, dict) for each in docs):
            raise MalformedReply("no list of documents")
        return page

    async def delete_database(self, database: str) -> None:
        """Delete a database with all that is in it; DatabaseMissing if there is none."""
        await self._write(Written(database, ""), lambda: self._database(database).delete())

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
        refused = False
        try:
            await self._client.once(Subject(written.database, doc_id=written.doc_id), operation)
        except DatastoreError as error:
            refused = _did_nothing(error)
            if isinstance(error, Troubled) and not refused:
                raise OutcomeUnknown(error.reason) from None
            if isinstance(error, Fault):
                raise DocumentRefused(written.database, written.doc_id, error.reason, error.status) from None
            raise
        finally:
            # Also after an error: a conflict proves that what is cached is old, a time-out may be a save.
            self._tell(replace(written, refused=refused))

    def _tell(self, written: Written) -> None:
        for listener in self.on_write:
            listener(written)


def _did_nothing(error: DatastoreError) -> bool:
    """Whether a write that ended in this error certainly saved nothing."""
    return isinstance(error, Unavailable) or not isinstance(error, Unreachable | TimedOut | ServerFault)


def _outcome(database: str, doc: JsonObject, result: SaveResult | None, *, refused: bool) -> Written:
    """What became of one of many documents; ``result`` is None if nothing is known."""
    is_new = "_rev" not in doc
    if result is None or result.error == _NO_REPLY:
        return Written(database, doc["_id"], doc, created=is_new, refused=refused)
    saved = doc if result.rev is None else {**doc, "_rev": result.rev}
    return Written(database, doc["_id"], saved, created=is_new, refused=result.error is not None)
