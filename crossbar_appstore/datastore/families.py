"""Families: the documents of a database whose ids begin alike, up to the first dash, read and cached as one answer."""

from dataclasses import dataclass, replace

from crossbar_appstore.json_codec import JsonObject

from .couch import Couch
from .errors import DatabaseMissing
from .kinds import Key, Kind
from .notices import row_of
from .packing import pack, unpack

_DASH = "-"


@dataclass(frozen=True, slots=True)
class KnownFamily:
    """The documents as last read, in the order of their ids, soft-deleted ones as they are. Never change them.

    The same object is given as long as the revisions are the same.
    """

    documents: tuple[JsonObject, ...]
    stale: bool = False


_NOBODY = KnownFamily(())


def family_of(doc_id: str) -> str | None:
    """The beginning that a document's id shares with its family, dash included; None where it has no dash."""
    name, dash, _ = doc_id.partition(_DASH)
    return name + dash if name and dash else None


class FamilyKind(Kind[KnownFamily]):
    """How families are cached; the key's second part is what the ids begin with."""

    def __init__(self, couch: Couch) -> None:
        self._couch = couch

    def row(self, key: Key) -> int:
        """The family's own row; whoever tells of a write of one of its documents tells of it."""
        return row_of(*key)

    async def fetch(self, key: Key) -> KnownFamily:
        """The documents from CouchDB, in one read."""
        try:
            documents = await self._couch.family(*key)
        except DatabaseMissing:
            return _NOBODY
        return KnownFamily(tuple(documents)) if documents else _NOBODY

    def is_same(self, old: KnownFamily, new: KnownFamily) -> bool:
        """Whether the revisions are the same."""
        return _revisions(old) == _revisions(new)

    def as_stale(self, answer: KnownFamily) -> KnownFamily:
        """The same documents, marked."""
        return replace(answer, stale=True)

    def pack(self, answer: KnownFamily) -> bytes:
        """Their JSON, compressed; nothing where there are none."""
        return pack(list(answer.documents)) if answer.documents else b""

    def unpack(self, packed: bytes) -> KnownFamily:
        """The documents parsed anew."""
        return KnownFamily(tuple(unpack(packed))) if packed else _NOBODY


def _revisions(family: KnownFamily) -> list[tuple[str, str]]:
    return [(document["_id"], document["_rev"]) for document in family.documents]
