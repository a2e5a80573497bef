"""The facade that resources and auth use: cached documents, the catalogue, and updates that lose nothing."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self

from crossbar_appstore.json_codec import Json, JsonObject

from .ages import FeedAges
from .cache import Cache, Limits, name_of
from .catalogue import Catalogue
from .changes import Feed
from .commits import ATTEMPTS, Change, Commits, has_inline_attachments
from .configuration import Configuration
from .couch import Couch
from .errors import Conflict, DocumentMissing
from .families import FamilyKind, family_of
from .keyed_views import KEYED_VIEWS, may_change, notice_row
from .known import DocumentKind, Known, KnownRows, RowsKind, query_key
from .master_account import MasterAccount
from .moments import Moments
from .notices import NoticeBoard, row_of
from .pauses import pause
from .reading import Readings
from .remote import Written
from .replies import DatabaseUpdate
from .snapshot import Check, fault_of

_FEW = Limits(entries=20_000, packed_bytes=4_000_000, unpacked=500)
_PAUSE = 0.01


class Datastore:
    """One a process. Entered, it follows CouchDB's feeds; left, it closes the connections.

    ``board`` is what the workers share (``NoticeBoard``); alone, a process needs none.
    """

    def __init__(
        self, couch: Couch, *, board: NoticeBoard | None = None, check: Check = fault_of, feeds: bool = True
    ) -> None:
        self.couch = couch
        self.counters = couch.counters
        self._board = board if board is not None else NoticeBoard.alone()
        self._outside = NoticeBoard.alone()
        self.moments = Moments(self._board, self._outside)
        self._feeds = feeds
        self._updates = Feed("database updates", self._connect, self._take, self.counters)
        self._ages = ages = FeedAges(self._updates)
        self._documents = Cache(DocumentKind(couch), self._board, self._outside, ages, self.counters)
        self._commits = Commits(self._documents, self._save, self.counters)
        self._rows = Cache(RowsKind(couch), self._board, self._outside, ages, self.counters, _FEW)
        self._families = Cache(FamilyKind(couch), self._board, self._outside, ages, self.counters)
        self.config = Configuration(self.open)
        self.master = MasterAccount(couch, self.config, Configuration(self._open_newest))
        self.catalogue = Catalogue(couch, self.master, self._board, self.counters, check)
        self.readings = Readings(self._documents, self._rows, self._families, self.catalogue)
        couch.on_write = self._wrote

    async def __aenter__(self) -> Self:
        self.couch.open()
        if self._feeds:
            self._updates.start()
            self.catalogue.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._updates.stop()
        await self.catalogue.stop()
        await self._commits.close()
        await self._documents.close()
        await self._rows.close()
        await self._families.close()
        await self.couch.close()

    @property
    def away(self) -> bool:
        """Whether CouchDB was away when a document was last asked for."""
        return self._documents.away

    # Reading

    async def open(self, database: str, doc_id: str, *, along: Sequence[str] = ()) -> Known:
        """A document as it is in CouchDB, or was a moment ago; soft-deleted ones as they are.

        Args:
            database: where it is.
            doc_id: its id.
            along: ids of documents of the same database that will be asked for next. Where CouchDB has to be asked
                for the document, it is asked for those of them that it would be asked for in the same request.

        Raises:
            DatastoreError: CouchDB is away, and the document was never read. A missing one is no error.
        """
        key = (database, doc_id)
        known = self._documents.peek(key)
        if known is not None:
            return known
        return await self._documents.get(key, [(database, each) for each in dict.fromkeys(along) if each != doc_id])

    def peek(self, database: str, doc_id: str) -> Known | None:
        """The document, if it can be trusted without asking CouchDB."""
        return self._documents.peek((database, doc_id))

    async def open_many(self, wanted: Iterable[tuple[str, str]]) -> list[Known]:
        """Several documents (database, id), asked for together, in their order; errors as ``open``."""
        keys = list(wanted)
        await asyncio.gather(*self._documents.asking(map(name_of, keys)))
        return [await self._documents.get(key) for key in keys]

    async def _open_newest(self, database: str, doc_id: str) -> Known:
        return await self._documents.refresh((database, doc_id))

    async def rows(self, database: str, view: str, **query: Json) -> KnownRows:
        """The rows of a small view, cached as documents are; ``query`` as ``Couch.view`` takes it.

        Raises:
            DatastoreError: CouchDB is away, and this was never asked. A missing view is no error.
        """
        return await self._rows.get(query_key(database, view, **query))

    async def ping(self) -> None:
        """Ask CouchDB whether it is there; DatastoreError if not."""
        await self.couch.server()

    # Writing

    async def update(self, database: str, doc_id: str, change: Change) -> JsonObject:
        """Apply a change to the newest document and save it; on a conflict read again and re-apply.

        Attachments survive unless the change gives ``_attachments`` of its own. What ``change`` raises is passed on.
        Changes of one document that come together are saved together, in their order (``commits``).

        Returns:
            What was saved, with its new ``_rev``; where a later change went into the same save, what this one made,
            with a ``_rev`` that is not the newest. It is shared with the cache: never change it.

        Raises:
            Conflict: other writers were faster each time.
            DatastoreError: not saved; after TimedOut and Unreachable perhaps saved all the same.
        """
        return await self._commits.commit((database, doc_id), change)

    async def create(self, database: str, document: JsonObject) -> JsonObject:
        """Save a document that does not exist yet, under its ``_id``; Conflict if it does."""
        return await self._save(database, {name: value for name, value in document.items() if name != "_rev"})

    async def remove(self, database: str, doc_id: str, *, attempts: int = ATTEMPTS) -> bool:
        """Delete the newest revision of a document, whatever it holds; False if there is none."""
        for attempt in range(attempts):
            known = await self._documents.refresh((database, doc_id))
            if known.document is None:
                return False
            try:
                await self.couch.delete_doc(database, doc_id, known.document["_rev"])
            except Conflict:
                self.counters.conflicts += 1
                await pause(_PAUSE * 2**attempt)
            except DocumentMissing:
                return False
            else:
                return True
        raise Conflict(database, doc_id)

    async def _save(self, database: str, document: JsonObject, replaces: JsonObject | None = None) -> JsonObject:
        key = (database, document["_id"])
        before = self._documents.stamp(key)
        saved = await (
            self.couch.save_doc(database, document)
            if replaces is None
            else self.couch.replace_doc(database, document, replaces)
        )
        if not has_inline_attachments(saved):
            self._documents.put_own(key, Known(saved), before)
        return saved

    def _wrote(self, written: Written) -> None:
        self._board.count_up(row_of(written.database, written.doc_id))
        if written.doc_id:
            self._board.count_up(row_of(written.database, ""))
        for view in KEYED_VIEWS:
            if may_change(written, view):
                self._board.count_up(notice_row(written.database, view))
        family = family_of(written.doc_id)
        if family is not None:
            self._board.count_up(row_of(written.database, family))
        self.catalogue.notice(written)

    # The feed of databases

    async def _connect(self) -> AsyncGenerator[list[DatabaseUpdate], None]:
        # What changed before is covered by short ages, so it begins now, each time.
        async with aclosing(self.couch.db_updates(since="now")) as pieces:
            async for piece in pieces:
                yield piece

    async def _take(self, updates: list[DatabaseUpdate]) -> None:
        self._ages.proved = self._ages.proved or bool(updates)
        for update in updates:
            self._outside.count_up(row_of(update.database, ""))
