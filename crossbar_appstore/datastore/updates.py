"""Changes of documents: read, apply, save; on a conflict once more with the newest document."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final
from weakref import WeakValueDictionary

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.values import list_at
from crossbar_appstore.request_scope import record_change, time_limit

from .cache import Cache, Key
from .client import backoff
from .confirmation import Confirmation, Superseded
from .couch import Couch
from .documents import DOCUMENT
from .errors import Conflict, DocumentMissing, OutcomeUnknown, RevisionsLeft, TimedOut, Troubled, Unavailable
from .replies import history

ATTEMPTS: Final = 5
_PAUSE: Final = 0.01
"""Seconds before the first repetition; doubled for each further one."""

Change = Callable[[JsonObject | None], JsonObject]
"""From the newest document (None: there is none) to what is to be saved; never changes what it is given.

It is called again after a conflict.
"""


def accept(_: JsonObject) -> None:
    """The default of ``check``."""


class Updates:
    """Saves documents and keeps the cache current.

    Args:
        couch: where documents are saved.
        cache: where the newest known ones are.
    """

    def __init__(self, couch: Couch, cache: Cache) -> None:
        self._couch = couch
        self._cache = cache
        self._locks: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()
        self._confirmation = Confirmation(couch, self._lock)

    async def close(self) -> None:
        """End what is done in the background."""
        await self._confirmation.close()

    async def update(self, database: str, doc_id: str, change: Change) -> JsonObject:
        """Apply a change to the newest document and save it; on a conflict read again and apply it again.

        Changes of one document are saved one after the other within this process. Attachments survive unless the change
        gives ``_attachments`` of its own. What ``change`` raises is passed on. On a cluster the change is also applied
        again if another branch of the document has won (``confirmation``).

        Returns:
            What was saved, with its new ``_rev``. It is shared with the cache: never change it.

        Raises:
            Conflict: other writers were faster each time.
            DatastoreError: not saved; after OutcomeUnknown perhaps saved all the same.
        """
        key: Key = (DOCUMENT, database, doc_id)
        # The local name keeps the lock in the dictionary for as long as anybody waits for it.
        lock = self._lock(key)
        await _acquire(lock)
        try:
            return await self._update(key, change)
        finally:
            lock.release()

    async def _update(self, key: Key, change: Change) -> JsonObject:
        _, database, doc_id = key
        attempts: list[JsonObject] = []
        base: JsonObject | None = None
        winner: JsonObject | None = None
        failure: Exception = Conflict(database, doc_id)
        for attempt in range(ATTEMPTS):
            base = winner or (self._cache.peek(key) or await self._cache.newest(key)).value
            try:
                attempts.append(_changed(doc_id, base, change))
            except Exception as error:  # noqa: BLE001 - it is raised below
                failure = error
                break
            try:
                return await self._save(key, base, attempts[-1])
            except Superseded as superseded:
                winner = superseded.winner
            except Conflict as error:
                winner, failure = None, error
                self._couch.statistics.conflicts += 1
            except Unavailable as error:
                failure = error
            await backoff(_PAUSE * 2**attempt)
        # A repeated request may have met itself, after another writer has changed what it saved.
        saved = await self._saved(key, attempts) if attempts else None
        if saved is None:
            raise failure
        record_change(database, doc_id, base, saved)
        return saved

    async def save(self, database: str, document: JsonObject) -> JsonObject:
        """Save a document that does not exist, and cache it; errors as ``Couch.save_doc``.

        After a conflict the newest document is cached.
        """
        key: Key = (DOCUMENT, database, document["_id"])
        lock = self._lock(key)
        await _acquire(lock)
        try:
            return await self._save(key, None, document)
        finally:
            lock.release()

    async def _save(self, key: Key, base: JsonObject | None, document: JsonObject) -> JsonObject:
        """Save a document over the revision that it names, and cache it; errors as ``Couch.save_doc``, and Superseded.

        ``base`` is the document of that revision. After a conflict the newest document is cached.
        """
        _, database, _ = key
        before, newest = self._cache.stamp(key), None
        try:
            saved = await self._couch.save_doc(database, document)
        except Conflict:
            newest = (await self._cache.newest(key)).value
            # aiohttp sends a PUT again where its connection closed before the reply: a conflict with ourselves.
            if newest is None or not _is_same_content(newest, document):
                raise
            saved = newest
        except OutcomeUnknown:
            self._confirmation.remember_unknown(key, base, document)
            raise
        confirmed = await self._confirmation.confirm(key, base, document, saved)
        if confirmed is not newest and not _has_inline_attachments(confirmed):
            self._cache.put(key, confirmed, before)
        record_change(*key[1:], base, document)
        return confirmed

    async def remove(self, database: str, doc_id: str, check: Callable[[JsonObject], None] = accept) -> bool:
        """Delete a document, and cache that there is none; as ``remove_document``."""
        key: Key = (DOCUMENT, database, doc_id)
        before = self._cache.stamp(key)
        found = await remove_document(self._couch, database, doc_id, check)
        self._cache.put(key, None, before)
        return found

    async def _saved(self, key: Key, attempts: Iterable[JsonObject]) -> JsonObject | None:
        """The newest document, if it descends from one of those that were to be saved, as far as CouchDB knows.

        Raises:
            OutcomeUnknown: CouchDB does not answer.
        """
        _, database, doc_id = key
        try:
            newest = await self._couch.open_doc(database, doc_id, revs=True)
            revisions = history(newest)
            for attempt in attempts:
                replaced = attempt.get("_rev")
                if replaced not in (None, *revisions):
                    continue
                # The first revision after the one that was replaced.
                later = revisions[: revisions.index(replaced)] if replaced in revisions else revisions
                if later and _is_same_content(await self._couch.open_doc(database, doc_id, rev=later[-1]), attempt):
                    return {name: value for name, value in newest.items() if name != "_revisions"}
        except DocumentMissing:
            pass  # deleted, or compacted
        except Troubled as error:
            raise OutcomeUnknown(error.reason) from None
        return None

    def _lock(self, key: Key) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())


async def remove_document(
    couch: Couch, database: str, doc_id: str, check: Callable[[JsonObject], None] = accept
) -> bool:
    """Delete a document, whatever it holds; False if there is none.

    All its branches are deleted, the winning one last: a losing one would come up in its place. ``check`` is called
    with the winning revision before anything is deleted, and again after a conflict; what it raises is passed on.

    Raises:
        RevisionsLeft: other writers were faster each time.
    """
    found, left = False, [""]
    before: JsonObject | None = None
    for attempt in range(ATTEMPTS):
        try:
            stored = await couch.open_doc(database, doc_id, conflicts=True)
            if not found:
                check(stored)
                before = stored
            left = [*list_at(stored, "_conflicts"), stored["_rev"]]
            tombstone = {name: value for name, value in stored.items() if name != "_rev"} | {"_deleted": True}
            while left:
                await couch.delete_doc(database, doc_id, left[0], after=stored if len(left) > 1 else tombstone)
                left.pop(0)
            found = True
            # On a cluster this copy may not have known of another branch.
            if not await couch.cluster.exists():
                break
        except DocumentMissing:
            break
        except Conflict:
            couch.statistics.conflicts += 1
            await backoff(_PAUSE * 2**attempt)
    else:
        raise RevisionsLeft(database, doc_id, left)
    if found:
        record_change(database, doc_id, before, None)
    return found


async def _acquire(lock: asyncio.Lock) -> None:
    try:
        async with time_limit():
            await lock.acquire()
    except TimeoutError:
        raise TimedOut("another change of the document takes too long") from None


def _changed(doc_id: str, base: JsonObject | None, change: Change) -> JsonObject:
    """The changed document, over the revision it was made from, with the attachments of that."""
    document = dict(change(base))
    document["_id"] = doc_id
    document.pop("_rev", None)
    if base is not None:
        document["_rev"] = base["_rev"]
        if "_attachments" in base:
            document.setdefault("_attachments", base["_attachments"])
    return document


def _is_same_content(newest: JsonObject, attempted: JsonObject) -> bool:
    """Whether a stored document is the one that was to be saved."""
    apart = dict.fromkeys(("_rev", "_attachments"))
    return {**newest, **apart} == {**attempted, **apart}


def _has_inline_attachments(document: JsonObject) -> bool:
    """Whether the document brings bytes of attachments with it, for which only CouchDB makes stubs."""
    stubs = document.get("_attachments")
    return isinstance(stubs, dict) and not all(isinstance(stub, dict) and stub.get("stub") for stub in stubs.values())
