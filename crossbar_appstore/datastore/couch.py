"""CouchDB as the rest of the service knows it: documents, views, attachments and feeds of named databases.

Databases are named as they are (``account/aa/bb/…``, ``accounts``); quoting is done here. Works the same on Apache
CouchDB 2 and 3 and on PouchDB Server 4.2. Every method raises ``DatastoreError`` and nothing else; every one that
reads asks again where the connection failed, none that writes does.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any
from urllib.parse import quote

from aiocouch.attachment import Attachment as RemoteAttachment
from aiocouch.exception import PreconditionFailedError

from crossbar_appstore.json_codec import Json, JsonObject

from .errors import AttachmentMissing, Conflict, DatabaseMissing, DocumentMissing
from .names import is_attachment_name
from .remote import Remote, Written
from .replies import (
    Attachment,
    Change,
    DatabaseUpdate,
    SaveResult,
    ServerInfo,
    ViewRow,
    change_line,
    sequence,
    update_line,
)
from .translation import Subject
from .wire import json_params

_BULK = 200
_FIND_PAGE = 1000


class Couch(Remote):
    """What one CouchDB server can be asked for."""

    # Documents

    async def open_doc(
        self, database: str, doc_id: str, *, attachments: bool = False, conflicts: bool = False
    ) -> JsonObject:
        """The newest revision of a document as CouchDB has it, ``_rev`` and attachment stubs included.

        ``attachments`` puts the attachments' bytes (base64) in place of their stubs; ``conflicts`` adds
        ``_conflicts`` where other branches are stored.

        Raises:
            DocumentMissing: never there, or deleted.
            DatabaseMissing: no such database.
        """
        document = self._document(database, doc_id)
        subject = Subject(database, doc_id=doc_id)
        wanted = json_params(attachments=attachments or None, conflicts=conflicts or None)
        return await self._wire.ask(subject, lambda: self._get_object(document.endpoint, wanted))

    async def save_doc(self, database: str, doc: JsonObject) -> JsonObject:
        """Save a document under its ``_id``, over the revision that its ``_rev`` names; the document is not changed.

        Attachment stubs are kept where the document holds them, and may be given inline
        (``{name: {"content_type", "data": base64}}``).

        Returns:
            The document as given, with its new ``_rev``.

        Raises:
            Conflict: ``_rev`` is not the newest, or is missing though the document exists.
            TimedOut, Unreachable: it may have been saved or not.
        """
        return await self._put(database, doc, None)

    async def replace_doc(self, database: str, doc: JsonObject, replaced: JsonObject) -> JsonObject:
        """``save_doc`` over the revision that ``replaced`` is: whoever is told of the write is told of both."""
        return await self._put(database, doc, replaced)

    async def delete_doc(self, database: str, doc_id: str, rev: str) -> None:
        """Delete the revision of a document.

        Raises:
            Conflict: it is not the newest.
            DocumentMissing: there is none.
        """
        document = self._document(database, doc_id, {"_rev": rev})
        try:
            await self._write(Written(database, doc_id), lambda: document.delete(discard_changes=True))
        except (Conflict, DocumentMissing):
            # Servers differ in what they call an old revision, and one of a deleted document.
            await self.open_doc(database, doc_id)
            raise Conflict(database, doc_id) from None

    async def save_docs(self, database: str, docs: Sequence[JsonObject]) -> list[SaveResult]:
        """Save many documents, each with its ``_id``, no id twice; what became of each, in the same order."""
        results: list[SaveResult] = []
        for start in range(0, len(docs), _BULK):
            results += await self._save_some(database, docs[start : start + _BULK])
        return results

    async def revision(self, database: str, doc_id: str) -> str:
        """The newest ``_rev``. Read from the document: PouchDB's ETag is another thing."""
        return str((await self.open_doc(database, doc_id))["_rev"])

    async def copy_doc(self, database: str, doc_id: str, new_id: str, *, over_rev: str | None = None) -> None:
        """Copy a document on the server, over the revision ``over_rev`` of ``new_id`` where that exists.

        PouchDB Server cannot copy design documents (DocumentMissing).
        """
        source = self._document(database, doc_id)
        self._document(database, new_id)
        destination = quote(new_id, safe="/") + (f"?rev={over_rev}" if over_rev else "")
        await self._write(Written(database, new_id), lambda: source.copy(destination))

    async def open_attachment(self, database: str, doc_id: str, name: str) -> Attachment:
        """One attachment whole, with its type and digest.

        Raises:
            AttachmentMissing: the document, or the attachment in it, is not there.
        """
        document = self._document(database, doc_id)
        if not is_attachment_name(name):
            raise AttachmentMissing(database, doc_id, name)
        endpoint = RemoteAttachment(document, name).endpoint
        reply = await self._wire.ask(
            Subject(database, doc_id=doc_id, attachment=name), lambda: self._wire.request("GET", endpoint)
        )
        content_type = reply.headers.get("content-type", "application/octet-stream")
        # The ETag is the base64 of the MD5 on CouchDB and on PouchDB; the stub writes it "md5-…".
        digest = "md5-" + reply.headers.get("etag", "").removeprefix("W/").strip('"')
        return Attachment(name, content_type, digest, reply.body)

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
        skip: int | None = None,
        include_docs: bool = False,
        reduce: bool | None = None,
        group: bool | None = None,
        inclusive_end: bool | None = None,
    ) -> list[ViewRow]:
        """The rows of ``"design/view"``; None means that a parameter is not given.

        Raises:
            ViewMissing: the design document, or the view in it.
            DatabaseMissing: no such database.
        """
        design, _, name = view.partition("/")
        endpoint = self._database(database).view(design, name).endpoint
        params = json_params(
            key=key,
            startkey=startkey,
            endkey=endkey,
            descending=descending or None,
            limit=limit,
            skip=skip,
            include_docs=include_docs or None,
            reduce=reduce,
            group=group,
            inclusive_end=inclusive_end,
        )
        return await self._rows(Subject(database, view=view), endpoint, keys, params)

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
        return await self._rows(Subject(database), endpoint, keys, params)

    async def family(self, database: str, prefix: str) -> list[JsonObject]:
        """The documents whose ids begin with a prefix (at least one ASCII character), in the order of their ids."""
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        rows = await self.all_docs(database, startkey=prefix, endkey=after, include_docs=True)
        return [row.doc for row in rows if row.doc is not None and row.doc["_id"].startswith(prefix)]

    async def find(
        self,
        database: str,
        selector: JsonObject,
        *,
        limit: int | None = None,
        fields: Sequence[str] | None = None,
    ) -> list[JsonObject]:
        """Documents that match a Mango selector, read by scanning the database: for when a view is missing."""
        endpoint = f"{self._database(database).endpoint}/_find"
        query: JsonObject = {"selector": selector, "limit": limit if limit is not None else _FIND_PAGE}
        if fields is not None:
            query["fields"] = list(fields)
        found: list[JsonObject] = []
        while True:
            page = await self._wire.ask(Subject(database), partial(self._post_object, endpoint, query))
            docs = page.get("docs") or []
            found += docs
            if limit is not None or len(docs) < _FIND_PAGE:
                return found
            # PouchDB has no bookmarks, but skips; CouchDB's bookmark is the cheaper way.
            bookmark = page.get("bookmark")
            query = query | ({"bookmark": bookmark} if bookmark else {"skip": len(found)})

    # Databases and the server

    async def create_database(self, database: str, *, q: int | None = None) -> bool:
        """Create a database, of ``q`` shards where the server has shards; False if it exists."""
        client = self._client(database)
        options: dict[str, Any] = {} if q is None else {"q": q}

        async def create() -> bool:
            try:
                await client.create(database, **options)
            except PreconditionFailedError:
                return False
            return True

        return await self._wire.tell(Subject(database), create)

    async def delete_database(self, database: str) -> None:
        """Delete a database with all that is in it; DatabaseMissing if there is none."""
        await self._write(Written(database, ""), self._database(database).delete)

    async def database_exists(self, database: str) -> bool:
        """Whether the database is there."""
        try:
            endpoint = self._database(database).endpoint
            await self._wire.ask(Subject(database), lambda: self._wire.request("HEAD", endpoint))
        except DatabaseMissing:
            return False
        return True

    async def databases(self) -> list[str]:
        """The databases' names as the server lists them; PouchDB Server drops slashes from them."""
        return await self._wire.ask(Subject(), self._wire.client.keys)

    async def update_seq(self, database: str) -> Json:
        """Where the database's ``_changes`` stand now, to be given as ``since``."""
        info = await self._wire.ask(Subject(database), lambda: self._database(database).info())
        return info["update_seq"]

    async def server(self) -> ServerInfo:
        """Who answers, and in which version."""
        info = await self._wire.ask(Subject(), self._wire.client.info)
        vendor = info.get("vendor")
        name = vendor.get("name") if isinstance(vendor, dict) else None
        vendor_name = "PouchDB" if "express-pouchdb" in info else str(name or "unknown")
        return ServerInfo(vendor_name.lower(), str(info.get("version", "")))

    async def security(self, database: str) -> JsonObject:
        """The database's security object; {} where none was set."""
        document = await self._wire.ask(Subject(database), self._database(database).security)
        return dict(document.items())

    # Feeds

    async def changes_since(self, database: str, since: Json) -> tuple[list[Change], Json]:
        """What changed after ``since``, each document once, and the sequence that the next call starts from."""
        endpoint = f"{self._database(database).endpoint}/_changes"
        reply = await self._wire.ask(Subject(database), lambda: self._get_object(endpoint, {"since": sequence(since)}))
        return [change_line(raw) for raw in reply["results"]], reply["last_seq"]

    async def changes(self, database: str, *, since: Json) -> AsyncGenerator[list[Change], None]:
        """One connection to the continuous feed, ids only; an empty list for each sign of life.

        Ends when the server ends it; raises when it breaks or falls silent. Reconnecting is ``changes.Feed``'s task.
        """
        endpoint = f"{self._database(database).endpoint}/_changes"
        async with aclosing(self._lines(Subject(database), endpoint, since)) as lines:
            async for batch in lines:
                yield [change_line(raw) for raw in batch if "id" in raw]

    async def db_updates(self, *, since: Json) -> AsyncGenerator[list[DatabaseUpdate], None]:
        """The continuous feed of databases that changed, as ``changes``; CouchDB 2 and newer.

        Raises:
            DatabaseMissing: the server has no such feed (PouchDB).
        """
        async with aclosing(self._lines(Subject("_db_updates"), "/_db_updates", since)) as lines:
            async for batch in lines:
                yield [update_line(raw) for raw in batch if "db_name" in raw]
