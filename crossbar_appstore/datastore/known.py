"""The two kinds of cached answers: a document, and the rows of a small view."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from crossbar_appstore.json_codec import Json, JsonObject, dumps, loads

from .couch import Couch
from .errors import DatabaseMissing, DocumentMissing, ViewMissing
from .keyed_views import notice_row
from .kinds import Key, Kind
from .names import is_document_id
from .notices import row_of
from .packing import pack, unpack
from .replies import ViewRow


@dataclass(frozen=True, slots=True)
class Known:
    """A document as last read; None where there is none (or no such database).

    ``stale``: CouchDB could not be asked, this is what it said before. The document is shared: never change it.
    The same object is given as long as the revision is the same, so work on it can be remembered by identity.
    """

    document: JsonObject | None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class KnownRows:
    """The rows of a view as last read; None where there is no such view (or database)."""

    rows: tuple[ViewRow, ...] | None
    stale: bool = False


_MISSING = Known(None)


class DocumentKind:
    """How documents are cached: by revision."""

    def __init__(self, couch: Couch) -> None:
        self._couch = couch

    def row(self, key: Key) -> int:
        """The document's own row."""
        return row_of(*key)

    async def fetch(self, key: Key) -> Known:
        """The document from CouchDB; a missing one is an answer."""
        try:
            return Known(await self._couch.open_doc(*key))
        except (DocumentMissing, DatabaseMissing):
            return _MISSING

    async def fetch_many(self, keys: Sequence[Key]) -> list[Known]:
        """Documents of one database in one read, in the order of the keys."""
        wanted = [doc_id for _, doc_id in keys if _is_listed(doc_id)]
        try:
            rows = await self._couch.all_docs(keys[0][0], keys=wanted, include_docs=True)
        except DatabaseMissing:
            rows = []
        found = {row.key: Known(row.doc) for row in rows if row.doc is not None}
        return [
            found.get(doc_id, _MISSING) if _is_listed(doc_id) else await self.fetch((database, doc_id))
            for database, doc_id in keys
        ]

    def is_same(self, old: Known, new: Known) -> bool:
        """Whether both are of the same revision."""
        if old.document is None or new.document is None:
            return old.document is new.document
        return old.document.get("_rev") == new.document.get("_rev")

    def as_stale(self, answer: Known) -> Known:
        """The same document, marked."""
        return replace(answer, stale=True)

    def pack(self, answer: Known) -> bytes:
        """Its JSON, compressed; nothing for a missing one."""
        return b"" if answer.document is None else pack(answer.document)

    def unpack(self, packed: bytes) -> Known:
        """The document parsed anew."""
        return Known(unpack(packed)) if packed else _MISSING


def _is_listed(doc_id: str) -> bool:
    """Whether CouchDB's ``_all_docs`` would tell of a document of that id."""
    return is_document_id(doc_id) and not doc_id.startswith("_local/")


class RowsKind(Kind[KnownRows]):
    """How views are cached; the key's second part is the query, as ``query_key`` makes it."""

    def __init__(self, couch: Couch) -> None:
        self._couch = couch

    def row(self, key: Key) -> int:
        """The row of those writes that may change the view."""
        return notice_row(key[0], loads(key[1])["view"])

    async def fetch(self, key: Key) -> KnownRows:
        """The rows from CouchDB; a missing view is an answer."""
        query = loads(key[1])
        try:
            return KnownRows(tuple(await self._couch.view(key[0], query.pop("view"), **query)))
        except (ViewMissing, DatabaseMissing):
            return KnownRows(None)

    def is_same(self, old: KnownRows, new: KnownRows) -> bool:
        """Whether all rows are equal."""
        return old.rows == new.rows

    def as_stale(self, answer: KnownRows) -> KnownRows:
        """The same rows, marked."""
        return replace(answer, stale=True)

    def pack(self, answer: KnownRows) -> bytes:
        """The rows as JSON, compressed; nothing for a missing view."""
        if answer.rows is None:
            return b""
        return pack([[row.id, row.key, row.value, row.doc] for row in answer.rows])

    def unpack(self, packed: bytes) -> KnownRows:
        """The rows parsed anew."""
        return KnownRows(tuple(ViewRow(*row) for row in unpack(packed))) if packed else KnownRows(None)


def query_key(database: str, view: str, **query: Json) -> Key:
    """The cache's key of a view query."""
    return database, dumps({"view": view, **query}).decode()
