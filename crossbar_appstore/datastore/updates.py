"""Changes of documents: read, apply, save; on a conflict once more with the newest document."""

import asyncio
from collections.abc import Callable
from typing import Final
from weakref import WeakValueDictionary

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.request_scope import time_limit

from .cache import Cache, Key
from .client import backoff
from .couch import Couch
from .documents import DOCUMENT
from .errors import Conflict, DatastoreError, DocumentMissing, TimedOut, Unavailable

ATTEMPTS: Final = 5
_PAUSE: Final = 0.01
"""Seconds before the first repetition; doubled for each further one."""

Change = Callable[[JsonObject | None], JsonObject]
"""From the newest document (None: there is none) to what is to be saved; never changes what it is given.

It is called again after a conflict.
"""


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

    async def update(self, database: str, doc_id: str, change: Change) -> JsonObject:
        """Apply a change to the newest document and save it; on a conflict read again and apply it again.

        Changes of one document are saved one after the other within this process. Attachments survive unless the change
        gives ``_attachments`` of its own. What ``change`` raises is passed on.

        Returns:
            What was saved, with its new ``_rev``. It is shared with the cache: never change it.

        Raises:
            Conflict: other writers were faster each time.
            DatastoreError: not saved; after OutcomeUnknown perhaps saved all the same.
        """
        key: Key = (DOCUMENT, database, doc_id)
        # The local name keeps the lock in the dictionary for as long as anybody waits for it.
        lock = self._locks.setdefault(key, asyncio.Lock())
        await _acquire(lock)
        try:
            failure: DatastoreError = Conflict(database, doc_id)
            for attempt in range(ATTEMPTS):
                current = (self._cache.peek(key) or await self._cache.newest(key)).value
                try:
                    return await self.save(database, _changed(doc_id, current, change))
                except Conflict as error:
                    self._couch.statistics.conflicts += 1
                    failure = error
                except Unavailable as error:
                    failure = error
                await backoff(_PAUSE * 2**attempt)
            raise failure
        finally:
            lock.release()

    async def save(self, database: str, document: JsonObject) -> JsonObject:
        """Save a document over the revision that it names, and cache it; errors as ``Couch.save_doc``.

        After a conflict the newest document is cached.
        """
        key: Key = (DOCUMENT, database, document["_id"])
        before = self._cache.stamp(key)
        try:
            saved = await self._couch.save_doc(database, document)
        except Conflict:
            newest: JsonObject | None = (await self._cache.newest(key)).value
            # aiohttp sends a PUT again where its connection closed before the reply: a conflict with ourselves.
            if newest is not None and _is_same_content(newest, document):
                return newest
            raise
        if not _has_inline_attachments(saved):
            self._cache.put(key, saved, before)
        return saved

    async def remove(self, database: str, doc_id: str) -> bool:
        """Delete the newest revision of a document, whatever it holds; False if there is none.

        Raises:
            Conflict: other writers were faster each time.
        """
        key: Key = (DOCUMENT, database, doc_id)
        for attempt in range(ATTEMPTS):
            current = (await self._cache.newest(key)).value
            if current is None:
                return False
            before = self._cache.stamp(key)
            try:
                await self._couch.delete_doc(database, doc_id, current["_rev"])
            except Conflict:
                self._couch.statistics.conflicts += 1
                await backoff(_PAUSE * 2**attempt)
            except DocumentMissing:
                return False
            else:
                self._cache.put(key, None, before)
                return True
        raise Conflict(database, doc_id)


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
