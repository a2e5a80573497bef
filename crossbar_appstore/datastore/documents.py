"""What is cached of CouchDB: documents, the rows of small views, and the documents whose ids have a common prefix."""

import logging
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from crossbar_appstore.json_codec import Json, JsonObject, dumps, loads
from crossbar_appstore.kazoo.documents import is_soft_deleted
from crossbar_appstore.kazoo.ids import account_db, parse_account_id

from .cache import Cache, Entry, Key
from .catalogue import Catalogue
from .couch import Couch, Written
from .errors import DatabaseMissing, DocumentMissing, Unreachable, ViewMissing
from .freshness import WriteCounters, row_of
from .replies import ViewRow, is_document_id
from .snapshot import Snapshot

logger = logging.getLogger(__name__)

ACCOUNTS: Final = "accounts"
"""The database with a copy of every account document."""
DOCUMENT: Final = "document"
VIEW: Final = "view"
PREFIX: Final = "prefix"
"""The kinds of cached values: a key's last part is a document id, a view and its query, or a prefix up to a dash."""

_BATCH: Final = 50
"""Documents read with one request at most."""
_MAX_SHARED: Final = 64
_ALL_VIEWS: Final = "/views"
"""The name of the row of a database that counts the writes that may change its views; no document has this id."""
_IN_NO_VIEW: Final = "apps_store"
"""The document that is written most: no view that we read has a row that depends on what is written to it."""


@dataclass(frozen=True, slots=True)
class CachedDocument:
    """A document as last read; None where there is none (or no such database).

    ``stale``: CouchDB did not answer, this is what it said before. The document is shared: never change it. The same
    object is given as long as the revision is the same.
    """

    document: JsonObject | None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class CachedRows:
    """The rows of a view as last read; None where there is no such view (or database)."""

    rows: tuple[ViewRow, ...] | None
    stale: bool = False


def view_key(database: str, view: str, **query: Json) -> Key:
    """The key of a view query; ``query`` as ``Couch.view`` takes it."""
    return VIEW, database, f"{view} {dumps(query).decode()}" if query else view


class CouchSource:
    """Reads what is cached: ``document | None``, ``tuple[ViewRow, …] | None``, ``tuple[document, …]``."""

    def __init__(self, couch: Couch) -> None:
        self._couch = couch

    def row(self, key: Key) -> int:
        """The row of the document, of all views of the database, or of the prefix."""
        kind, database, name = key
        return row_of(database, _ALL_VIEWS if kind == VIEW else name)

    def batches(self, keys: Iterable[Key]) -> list[list[Key]]:
        """Documents of one database together, by fifties; anything else by itself."""
        batches: list[list[Key]] = []
        by_database: dict[str, list[Key]] = {}
        for key in keys:
            kind, database, name = key
            if kind != DOCUMENT or not is_document_id(name) or name.startswith("_local/"):
                batches.append([key])
                continue
            if len(by_database.get(database, ())) % _BATCH == 0:
                by_database[database] = []
                batches.append(by_database[database])
            by_database[database].append(key)
        return batches

    async def read(self, keys: Sequence[Key]) -> Sequence[Any]:
        """Read one value, or the documents of one database."""
        kind, database, name = keys[0]
        try:
            if len(keys) > 1:
                return [_shared(found) for found in await self._couch.open_docs(database, [each[2] for each in keys])]
            if kind == VIEW:
                view, _, query = name.partition(" ")
                return [tuple(await self._couch.view(database, view, **loads(query or "{}")))]
            if kind == PREFIX:
                return [tuple(map(_shared, await self._couch.docs_by_prefix(database, name)))]
            return [_shared(await self._couch.open_doc(database, name))]
        except DatabaseMissing:
            await refuse_lost_database(self._couch, database)
            return [() if kind == PREFIX else None] * len(keys)
        except (DocumentMissing, ViewMissing):
            return [() if kind == PREFIX else None] * len(keys)

    def is_same(self, key: Key, old: Any, new: Any) -> bool:
        """Whether the revisions, or the rows, are the same."""
        kind = key[0]
        if kind == VIEW or old is None or new is None:
            return bool(old == new)
        if kind == PREFIX:
            return [_version(document) for document in old] == [_version(document) for document in new]
        return _version(old) == _version(new)


async def refuse_lost_database(couch: Couch, database: str) -> None:
    """Raise Unreachable if a database that CouchDB says does not exist is that of an account that does.

    CouchDB answers so while it cannot find a database's shards, and KAZOO then as if the account did not exist. The
    copy of the account document in ``accounts`` tells. The database of a month need not exist, but the account's own
    does then.
    """
    account_id = parse_account_id(database)
    if account_id is None:
        account_id = parse_account_id(database.rpartition("-")[0])
        if account_id is None or await couch.database_exists(account_db(account_id)):
            return
    try:
        copy = await couch.open_doc(ACCOUNTS, account_id)
    except (DocumentMissing, DatabaseMissing):
        return
    if not is_soft_deleted(copy):
        logger.error("the database of an account is missing", extra={"database": database})
        raise Unreachable(f"the database {database} is missing, though its account exists")


def _shared(value: Json) -> Json:
    """The same JSON with names and short texts that are one object for all cached documents.

    Documents of accounts have most of them in common: a cached account takes 8 instead of 13 KB.
    """
    if isinstance(value, dict):
        return {sys.intern(name): _shared(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_shared(item) for item in value]
    return sys.intern(value) if isinstance(value, str) and len(value) <= _MAX_SHARED else value


def _version(document: JsonObject) -> tuple[str, str]:
    return document["_id"], document["_rev"]


def count_write(counters: WriteCounters, written: Written) -> None:
    """Tell every worker of a write: in the rows of the document, its prefix, and the views that it may be in."""
    database, doc_id = written.database, written.doc_id
    names = [doc_id]
    if doc_id != _IN_NO_VIEW:
        names.append(_ALL_VIEWS)
    prefix, dash, _ = doc_id.partition("-")
    if prefix and dash:
        names.append(prefix + dash)
    counters.increment(*(row_of(database, name) for name in names))


class Sources(NamedTuple):
    """What an answer was made of: equal sources are the very same values (``Datastore.are_current``)."""

    snapshot: Snapshot | None
    entries: tuple[Entry, ...]


class Reading:
    """Reads what an answer is made of; each read raises ``DatastoreError`` where nothing is cached and none answers."""

    def __init__(self, cache: Cache, catalogue: Catalogue) -> None:
        self._cache = cache
        self._catalogue = catalogue
        self._entries: dict[Key, Entry] = {}
        self._snapshot: Snapshot | None = None
        self.stale = False
        """Whether anything that was read may be outdated, since CouchDB did not answer."""

    async def prefetch(
        self,
        *,
        documents: Iterable[tuple[str, str]] = (),
        views: Iterable[tuple[str, str]] = (),
        prefixes: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Read together what will be asked for next, each given as database and id, view or prefix."""
        keys: list[Key] = [(DOCUMENT, *each) for each in documents]
        keys += [view_key(*each) for each in views]
        keys += [(PREFIX, *each) for each in prefixes]
        found = await self._cache.prefetch(key for key in keys if key not in self._entries)
        self._entries.update(found)

    async def documents(self, wanted: Sequence[tuple[str, str]]) -> list[JsonObject | None]:
        """Documents, by database and id, in that order; None for those that do not exist."""
        await self.prefetch(documents=wanted)
        return [await self.document(*each) for each in wanted]

    async def document(self, database: str, doc_id: str, *, prefetch: Iterable[str] = ()) -> JsonObject | None:
        """A document, None if there is none; ``prefetch`` as ``Datastore.open``, no part of the answer's sources."""
        others = [(DOCUMENT, database, each) for each in prefetch]
        found: JsonObject | None = await self._read((DOCUMENT, database, doc_id), others)
        return found

    async def rows(self, database: str, view: str) -> Sequence[ViewRow] | None:
        """All rows of a small view, None if there is no such view."""
        found: Sequence[ViewRow] | None = await self._read(view_key(database, view))
        return found

    async def by_prefix(self, database: str, prefix: str) -> Sequence[JsonObject]:
        """The documents whose ids begin with a prefix that ends with their first dash."""
        found: Sequence[JsonObject] = await self._read((PREFIX, database, prefix))
        return found

    async def catalogue(self) -> Snapshot:
        """The apps of the master account."""
        if self._snapshot is None:
            self._snapshot = await self._catalogue.snapshot()
            self.stale = self.stale or self._snapshot.stale
        return self._snapshot

    async def _read(self, key: Key, prefetch: Collection[Key] = ()) -> Any:
        """A value; the same one if it is read again."""
        entry = self._entries.get(key)
        if entry is None:
            entry, stale = await self._cache.get(key, prefetch)
            self._entries[key] = entry
            self.stale = self.stale or stale
        return entry.value

    def sources(self) -> Sources | None:
        """What was read; None if it is outdated."""
        return None if self.stale else Sources(self._snapshot, tuple(self._entries.values()))
