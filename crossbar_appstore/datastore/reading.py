"""Reading what an answer is made of, so that it can be told later whether all of it still is as it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from crossbar_appstore.json_codec import JsonObject

from .cache import Cache
from .kinds import Key
from .known import query_key
from .replies import ViewRow
from .snapshot import Snapshot

if TYPE_CHECKING:
    from .store import Datastore


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


class Reading:
    """Reads for one answer, by ``Datastore.reading``; errors as its own methods have them."""

    def __init__(self, store: "Datastore") -> None:
        self._store = store
        self._documents: dict[str, int] = {}
        self._views: dict[str, int] = {}
        self._families: dict[str, int] = {}
        self._snapshot: Snapshot | None = None
        self._lasts = True
        self.stale = False
        """Whether anything that was read may be old, since CouchDB is away."""

    async def document(self, database: str, doc_id: str) -> JsonObject | None:
        """A document, None if there is none."""
        known = await self._store.open(database, doc_id)
        return self._noted(self._store.documents, self._documents, (database, doc_id), known).document

    async def rows(self, database: str, view: str) -> Sequence[ViewRow] | None:
        """The rows of a small view, None if there is no such view."""
        known = await self._store.rows(database, view)
        return self._noted(self._store.views, self._views, query_key(database, view), known).rows

    async def family(self, database: str, prefix: str) -> Sequence[JsonObject]:
        """The documents whose ids begin alike."""
        known = await self._store.family(database, prefix)
        return self._noted(self._store.families, self._families, (database, prefix), known).documents

    async def catalogue(self) -> Snapshot:
        """The apps of the master account."""
        snapshot = await self._store.catalogue.snapshot()
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

    def _noted(self, cache: Cache[A], versions: dict[str, int], key: Key, answer: A) -> A:
        """The answer whose version is noted: who waited may be given one that has been replaced meanwhile."""
        self.stale = self.stale or answer.stale
        found = None if answer.stale else cache.versioned(key)
        if found is None:
            self._lasts = False
            return answer
        # Asked twice, it may have been another one the first time.
        self._lasts = self._lasts and versions.setdefault(found.name, found.version) == found.version
        return found.answer
