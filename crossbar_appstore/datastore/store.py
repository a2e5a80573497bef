"""The facade that resources and auth use: cached documents, the catalogue, and updates that lose nothing."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Final, Self

from crossbar_appstore.json_codec import Json, JsonObject

from .cache import MAX_ENTRIES, Cache
from .catalogue import Catalogue
from .client import Availability
from .couch import Couch, Written
from .documents import DOCUMENT, CachedDocument, CachedRows, CouchSource, Reading, Sources, count_write, view_key
from .errors import Troubled
from .freshness import ChangeFeed, Freshness, WriteCounters, row_of
from .master_account import Configuration, MasterAccount
from .snapshot import Check, fault_of
from .updates import Change, Updates, accept

SETTLED_SECONDS: Final = 1.0
"""Seconds after which all copies of a database on a cluster have a change."""


class Datastore:
    """One a process. Entered, it follows CouchDB's feeds; left, it closes the connections.

    Args:
        couch: the CouchDB.
        counters: what the workers share; alone, a process needs none.
        check: may refuse app documents (``catalogue``).
        feeds: whether to follow feeds; without them short maximum ages do.
        max_entries: how many documents and views are cached.
    """

    def __init__(
        self,
        couch: Couch,
        *,
        counters: WriteCounters | None = None,
        check: Check = fault_of,
        feeds: bool = True,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        self.couch = couch
        self.statistics = couch.statistics
        self._feeds = feeds
        self._counters = counters if counters is not None else WriteCounters.alone()
        self._outside = WriteCounters.alone()
        self._availability = Availability(couch.server)
        self._updates_feed: ChangeFeed[str] = ChangeFeed(
            "database updates",
            self._connect,
            self._handle,
            couch.statistics,
            is_away=self._availability.is_away,
        )
        # A feed that never named anything is not trusted.
        self._freshness = Freshness(self._counters, self._outside, self._updates_feed, trusted=False)
        self._cache = Cache(CouchSource(couch), self._freshness, self._availability, couch.statistics, max_entries)
        self._updates = Updates(couch, self._cache)
        self.config = Configuration(self._read)
        self.master = MasterAccount(couch, self.config, Configuration(self._read_newest))
        self.catalogue = Catalogue(couch, self.master, self._counters, self._availability, check)
        couch.on_write.append(self._count_write)

    async def __aenter__(self) -> Self:
        self.couch.open()
        if self._feeds:
            self._updates_feed.start()
            self.catalogue.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._updates_feed.stop()
        await self.catalogue.stop()
        await self._updates.close()
        await self._cache.close()
        await self._availability.close()
        await self.couch.close()

    @property
    def away(self) -> bool:
        """Whether CouchDB did not answer when last asked."""
        return self._availability.away

    async def require_available(self) -> None:
        """Raise Unavailable if CouchDB does not answer."""
        await self._availability.require()

    def feeds_up(self) -> dict[str, bool]:
        """Whether each change feed is connected; that of databases never is where CouchDB has none."""
        return {"catalogue": self.catalogue.feed.is_healthy(), "databases": self._updates_feed.is_healthy()}

    @property
    def writes(self) -> int:
        """The number of writes of all workers; only good for comparing."""
        return self._counters.read(WriteCounters.TOTAL)

    # Reading

    async def open(self, database: str, doc_id: str, *, prefetch: Iterable[str] = ()) -> CachedDocument:
        """A document, perhaps from the cache; soft-deleted ones as they are.

        Args:
            database: where it is.
            doc_id: its id.
            prefetch: ids of documents of the same database that will be asked for next. Where CouchDB has to be asked
                for the document, those of them that are not cached are read with the same request.

        Raises:
            DatastoreError: CouchDB does not answer, and the document is not cached. A missing one is no error.
        """
        others = [(DOCUMENT, database, each) for each in prefetch]
        entry, stale = await self._cache.get((DOCUMENT, database, doc_id), others)
        return CachedDocument(entry.value, stale)

    async def open_many(self, wanted: Iterable[tuple[str, str]]) -> list[CachedDocument]:
        """Several documents (database, id), read together, in their order; errors as ``open``."""
        documents = list(wanted)
        await self._cache.prefetch((DOCUMENT, *each) for each in documents)
        return [await self.open(*each) for each in documents]

    async def open_newest(self, database: str, doc_id: str) -> CachedDocument:
        """A document as it is in CouchDB now, whatever is cached. Raises DatastoreError."""
        return CachedDocument((await self._cache.newest((DOCUMENT, database, doc_id))).value)

    async def rows(self, database: str, view: str, **query: Json) -> CachedRows:
        """The rows of a small view; ``query`` as ``Couch.view`` takes it.

        Raises:
            DatastoreError: CouchDB does not answer, and they are not cached. A missing view is no error.
        """
        entry, stale = await self._cache.get(view_key(database, view, **query))
        return CachedRows(entry.value, stale)

    def read(self) -> Reading:
        """Begin to read what an answer is made of."""
        return Reading(self._cache, self.catalogue)

    def are_current(self, sources: Sources | None) -> bool:
        """Whether everything that an answer was made of is still the newest known, without asking CouchDB."""
        if sources is None or (sources.snapshot is not None and self.catalogue.peek() is not sources.snapshot):
            return False
        return self._cache.are_current(sources.entries)

    async def are_unchanged(self, sources: Sources | None) -> bool:
        """Whether the documents and views that an answer was made of are the same where they are read again.

        Raises:
            DatastoreError: CouchDB does not answer, and the request does not accept stale data.
        """
        if sources is None:
            return False
        # Whether each of them can be had is told below.
        with suppress(Troubled):
            await self._cache.prefetch(entry.key for entry in sources.entries)
        for entry in sources.entries:
            if (await self._cache.get(entry.key)).entry is not entry:
                return False
        return True

    async def _read(self, database: str, doc_id: str) -> JsonObject | None:
        return (await self.open(database, doc_id)).document

    async def _read_newest(self, database: str, doc_id: str) -> JsonObject | None:
        return (await self.open_newest(database, doc_id)).document

    # Writing

    async def update(self, database: str, doc_id: str, change: Change) -> JsonObject:
        """Apply a change to the newest document and save it; as ``Updates.update``."""
        return await self._updates.update(database, doc_id, change)

    async def create(self, database: str, document: JsonObject) -> JsonObject:
        """Save a document that does not exist yet, under its ``_id``; Conflict if it does."""
        return await self._updates.save(database, {name: value for name, value in document.items() if name != "_rev"})

    async def remove(self, database: str, doc_id: str, check: Callable[[JsonObject], None] = accept) -> bool:
        """Delete the newest revision of a document; as ``Updates.remove``."""
        return await self._updates.remove(database, doc_id, check)

    def _count_write(self, written: Written) -> None:
        count_write(self._counters, written)
        self.catalogue.count_write(written)

    # The feed of databases

    async def _connect(self) -> AsyncGenerator[list[str], None]:
        # What changed before is covered by maximum ages, so it begins now, each time.
        async with aclosing(self.couch.feeds.db_updates(since="now")) as batches:
            async for batch in batches:
                yield batch

    async def _handle(self, databases: list[str]) -> None:
        self._freshness.trusted = self._freshness.trusted or bool(databases)
        await self.invalidate(databases)

    async def invalidate(self, databases: Collection[str]) -> None:
        """Read documents of these databases again when they are next asked for: somebody else wrote to them."""
        self._count_outside(databases)
        if databases and await self.couch.cluster.exists():
            # The copy that is read next may not have the change yet.
            asyncio.get_running_loop().call_later(SETTLED_SECONDS, self._count_outside, databases)

    def _count_outside(self, databases: Iterable[str]) -> None:
        for database in databases:
            self._outside.increment(row_of(database, ""))
