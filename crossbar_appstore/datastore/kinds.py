"""What a cache must be told of the answers that it keeps."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

A = TypeVar("A")

Key = tuple[str, str]
"""Database and document id; or database and any other text, for what the whole database decides."""


class Kind(Protocol[A]):
    """How one kind of answer ``A`` is got, compared and packed."""

    def row(self, key: Key) -> int:
        """The row of the notice board that tells of writes."""
        ...

    async def fetch(self, key: Key) -> A:
        """Ask CouchDB; what is missing is an answer, too. Raises DatastoreError."""
        ...

    async def fetch_many(self, keys: Sequence[Key]) -> Sequence[A]:
        """The answers of several keys of one database, in their order; with one request where there is such."""
        return [await self.fetch(key) for key in keys]

    def is_same(self, old: A, new: A) -> bool:
        """Whether the new answer says nothing new, so that the old object is kept."""
        ...

    def as_stale(self, answer: A) -> A:
        """The answer, marked stale."""
        ...

    def pack(self, answer: A) -> bytes:
        """The answer in little memory."""
        ...

    def unpack(self, packed: bytes) -> A:
        """The answer again."""
        ...


class Ages(Protocol):
    """How long answers may be believed."""

    def limit(self, asked_at: float) -> float:
        """Seconds, for an answer that was asked for at that moment (monotonic)."""
        ...
