"""Reading what an answer is made of, so that it can be told later whether all of it still is as it was."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from crossbar_appstore.json_codec import JsonObject

from .cache import Cache, name_of
from .catalogue import Catalogue
from .families import KnownFamily
from .kinds import Key
from .known import Known, KnownRows, query_key
from .replies import ViewRow
from .snapshot import Snapshot


class _Answer(Protocol):
    @property
    def stale(self) -> bool: ...


A = TypeVar("A", bound=_Answer)


@dataclass(frozen=True, slots=True)
class Sources:
    """What an answer was made of, in little memory: the caches' names of it, and the sum of its versions.

    ``names`` are those of documents, then of views, from ``views_at`` on, then of families. ``generation`` is the
    catalogue's.
    """

    names: tuple[str, ...]
    views_at: int
    families_at: int
    version: int
    generation: int

    @property
    def documents(self) -> tuple[str, ...]:
        """The names of documents."""
        return self.names[: self.views_at]

    @property
    def views(self) -> tuple[str, ...]:
        """The names of views."""
        return self.names[self.views_at : self.families_at]

    @property
    def families(self) -> tuple[str, ...]:
        """The names of families."""
        return self.names[self.families_at :]


@dataclass(frozen=True, slots=True)
class Readings:
    """Begins readings, and tells whether what was read before still holds."""

    documents: Cache[Known]
    views: Cache[KnownRows]
    families: Cache[KnownFamily]
    catalogue: Catalogue

    def begin(self) -> "Reading":
        """A reading of which nothing was read yet."""
        return Reading(self)

    def hold(self, sources: Sources) -> Snapshot | None:
        """The catalogue, if that and all else is known to be as it was, without asking CouchDB."""
        snapshot = self.catalogue.peek()
        if snapshot is None or snapshot.generation != sources.generation:
            return None
        documents = self.documents.version(sources.documents)
        views = self.views.version(sources.views)
        families = self.families.version(sources.families)
        if documents is None or views is None or families is None:
            return None
        return snapshot if documents + views + families == sources.version else None

    async def still_hold(self, sources: Sources) -> Snapshot | None:
        """The catalogue, if everything is as it was; CouchDB is asked for what cannot be trusted without.

        Raises:
            DatastoreError: something was forgotten meanwhile, and CouchDB is away.
        """
        await self.catalogue.snapshot()
        await self.ask(sources.documents, sources.views, sources.families)
        return self.hold(sources)

    async def ask(self, documents: Iterable[str], views: Iterable[str], families: Iterable[str]) -> None:
        """Ask CouchDB for what cannot be trusted without, all at once; errors as ``still_hold``."""
        asking = [*self.documents.asking(documents), *self.views.asking(views), *self.families.asking(families)]
        # Nearly always everything is known, and a task costs more than all of the reading.
        if asking:
            await asyncio.gather(*asking)


class Reading:
    """Reads what one answer is made of.

    Each read raises ``DatastoreError`` where CouchDB is away, and nothing is known from before.
    """

    def __init__(self, readings: Readings) -> None:
        self._from = readings
        self._documents: dict[str, int] = {}
        self._views: dict[str, int] = {}
        self._families: dict[str, int] = {}
        self._snapshot: Snapshot | None = None
        self._lasts = True
        self.stale = False
        """Whether anything that was read may be old, since CouchDB is away."""

    async def ahead(
        self, *, documents: Iterable[Key] = (), views: Iterable[Key] = (), families: Iterable[Key] = ()
    ) -> None:
        """Have at hand what will be read next: what is not known is asked for together, not one after the other.

        Args:
            documents: databases and ids.
            views: databases and names.
            families: databases and prefixes.
        """
        await self._from.ask(
            [name_of(key) for key in documents],
            [name_of(query_key(*key)) for key in views],
            [name_of(key) for key in families],
        )

    async def documents(self, keys: Sequence[Key]) -> list[JsonObject | None]:
        """Documents, by database and id, in the order of the keys; None for those that there are not."""
        await self.ahead(documents=keys)
        return [await self.document(*key) for key in keys]

    async def document(self, database: str, doc_id: str) -> JsonObject | None:
        """A document, None if there is none."""
        return (await self._read(self._from.documents, self._documents, (database, doc_id))).document

    async def rows(self, database: str, view: str) -> Sequence[ViewRow] | None:
        """The rows of a small view, None if there is no such view."""
        return (await self._read(self._from.views, self._views, query_key(database, view))).rows

    async def family(self, database: str, prefix: str) -> Sequence[JsonObject]:
        """The documents whose ids begin alike, up to the first dash."""
        return (await self._read(self._from.families, self._families, (database, prefix))).documents

    async def catalogue(self) -> Snapshot:
        """The apps of the master account."""
        snapshot = await self._from.catalogue.snapshot()
        self.stale = self.stale or snapshot.stale
        self._lasts = self._lasts and (self._snapshot is None or snapshot.generation == self._snapshot.generation)
        self._snapshot = snapshot
        return snapshot

    def sources(self) -> Sources | None:
        """What was read; None if it cannot be told later whether it has changed."""
        if self._snapshot is None or self.stale or not self._lasts:
            return None
        documents, views, families = self._documents, self._views, self._families
        version = sum(sum(versions.values()) for versions in (documents, views, families))
        views_at, families_at = len(documents), len(documents) + len(views)
        return Sources((*documents, *views, *families), views_at, families_at, version, self._snapshot.generation)

    async def _read(self, cache: Cache[A], versions: dict[str, int], key: Key) -> A:
        """The answer whose version is noted: who waited may be given one that has been replaced meanwhile."""
        found = cache.peek_versioned(key)
        if found is None:
            answer = await cache.get(key)
            self.stale = self.stale or answer.stale
            found = None if answer.stale else cache.versioned(key)
            if found is None:
                self._lasts = False
                return answer
        # Asked twice, it may have been another one the first time.
        self._lasts = self._lasts and versions.setdefault(found.name, found.version) == found.version
        return found.answer
