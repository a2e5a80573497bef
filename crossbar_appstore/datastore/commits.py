"""Group commit: the changes that come while a document is being saved go into its next save together.

They are applied in the order in which they came, each to what the one before it left, so it is as if they had been
saved one after the other, with nobody looking in between. Each caller hears of its own change alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import getrandbits
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject

from .cache import Cache
from .counters import Counters
from .errors import Conflict, DatabaseMissing, Misconfigured, TimedOut, Unreachable
from .kinds import Key
from .known import Known
from .pauses import pause

Change = Callable[[JsonObject | None], JsonObject]
"""From a copy of the newest document (None: there is none) to what shall be saved. It may be called again."""
Save = Callable[[str, JsonObject, JsonObject | None], Awaitable[JsonObject]]
"""Saves a document of a database over the one that it was made from; what was saved, with its new ``_rev``."""

ATTEMPTS: Final = 5
_PAUSE: Final = 0.01
_LONGEST_GATHERING: Final = 0.01
"""Seconds between two saves of a document for which several wait at once."""
_MOST: Final = 100
"""Changes in one save; applying more would hold up other requests."""
_NOBODYS_FAULT: Final = (Conflict, DatabaseMissing, Misconfigured, TimedOut, Unreachable)
"""Failures that would have met each change by itself, too."""


@dataclass(eq=False, slots=True)
class _Caller:
    """Whoever waits for a change of its own."""

    change: Change
    answer: "asyncio.Future[JsonObject]"

    def tell(self, outcome: JsonObject | Exception) -> None:
        """Give it its answer, unless it has gone."""
        if self.answer.done():
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


@dataclass(slots=True)
class _Round:
    """A group's changes applied to one revision of the document: what is to be saved, None for nothing."""

    document: JsonObject | None = None
    outcomes: list[tuple[_Caller, JsonObject | Exception]] = field(default_factory=list)

    @property
    def callers(self) -> list[_Caller]:
        """Whose outcomes hang on the save."""
        return [caller for caller, _ in self.outcomes]

    def tell(self, saved: JsonObject) -> None:
        """It was saved: each its own outcome, and what was saved to the last one who changed anything."""
        for caller, outcome in self.outcomes:
            caller.tell(saved if outcome is self.document else outcome)


@dataclass(eq=False, slots=True)
class _Queue:
    """Those who wait for the next save of a document."""

    callers: list[_Caller] = field(default_factory=list)
    _enough: int = 0
    _gathered: "asyncio.Future[None] | None" = None

    def join(self, caller: _Caller) -> None:
        """The last one whose change goes into the next save, if there is room."""
        self.callers.append(caller)
        if self._gathered is not None and len(self.callers) >= self._enough:
            self._end()

    async def gather(self, newcomers: int, longest: float) -> None:
        """Wait until so many have come, or there are enough for a save; at the longest for some seconds."""
        loop = asyncio.get_running_loop()
        self._enough = min(_MOST, len(self.callers) + newcomers)
        if len(self.callers) >= self._enough:
            return
        self._gathered = loop.create_future()
        timer = loop.call_later(longest, self._end)
        try:
            await self._gathered
        finally:
            timer.cancel()
            self._gathered = None

    def _end(self) -> None:
        if self._gathered is not None and not self._gathered.done():
            self._gathered.set_result(None)


class Commits:
    """Saves the changes of this process's callers, one save of a document at a time."""

    def __init__(self, documents: Cache[Known], save: Save, counters: Counters) -> None:
        self._documents = documents
        self._save = save
        self._counters = counters
        self._queues: dict[Key, _Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def commit(self, key: Key, change: Change) -> JsonObject:
        """Apply a change to the newest document and save it; raises and returns as ``Datastore.update``."""
        loop = asyncio.get_running_loop()
        caller = _Caller(change, loop.create_future())
        queue = self._queues.get(key)
        if queue is not None:
            queue.join(caller)
        else:
            self._queues[key] = _Queue([caller])
            # A task of its own: whoever came first may go, the others' changes are saved all the same.
            task = loop.create_task(self._work(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await caller.answer

    async def close(self) -> None:
        """End the saves under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, key: Key) -> None:
        """Save until nobody waits any more."""
        loop, queue = asyncio.get_running_loop(), self._queues[key]
        waiting = queue.callers
        group: list[_Caller] = []
        try:
            while waiting:
                group = waiting[:_MOST]
                del waiting[:_MOST]
                begun = loop.time()
                await self._commit(key, group)
                # Those who found no place in the save are the first ones of the next.
                waiting[:0] = [caller for caller in group if not caller.answer.done()]
                if len(group) > 1:
                    # Who was answered just now may come again: a short wait saves a save.
                    await queue.gather(len(group), min(_LONGEST_GATHERING, loop.time() - begun))
        finally:
            del self._queues[key]
            for caller in (*group, *waiting):
                caller.answer.cancel()

    async def _commit(self, key: Key, group: Sequence[_Caller]) -> None:
        """Answer as many of a group as can be saved together, the first one at least."""
        taken = group
        try:
            known = self._documents.peek(key) or await self._documents.refresh(key)
            for attempt in range(ATTEMPTS):
                done = _applied(key[1], known.document, group)
                if done.document is None:
                    return
                taken = done.callers
                try:
                    saved: JsonObject | None = await self._save(key[0], done.document, known.document)
                except Conflict:
                    self._counters.conflicts += 1
                    await pause(_PAUSE * 2**attempt)
                    known = await self._documents.refresh(key)
                    saved = known.document if _is_ours(known.document, done.document) else None
                if saved is not None:
                    done.tell(saved)
                    return
            raise Conflict(*key)
        except _NOBODYS_FAULT as error:
            for caller in taken:
                caller.tell(error)
        except Exception as error:  # noqa: BLE001 - passed on to the one whose change it meets
            if len(taken) == 1:
                taken[0].tell(error)
                return
            for caller in taken:
                await self._commit(key, [caller])


def _applied(doc_id: str, base: JsonObject | None, group: Sequence[_Caller]) -> _Round:
    """The changes of those who still wait, one upon the other; whom the stored document refuses is told at once."""
    done = _Round()
    for caller in group:
        if caller.answer.done():
            continue
        before = base if done.document is None else _overtaken(done.document, base)
        try:
            document = _revised(doc_id, before, caller.change)
        except Exception as error:  # noqa: BLE001 - what a change raises is its caller's
            if done.document is None:
                caller.tell(error)
            else:
                done.outcomes.append((caller, error))
            continue
        done.document = document
        done.outcomes.append((caller, document))
        if has_inline_attachments(document):
            # Only CouchDB makes the stubs that the next change is to see.
            break
    if done.document is not None:
        done.document.pop("_rev", None)
        if base is not None:
            done.document["_rev"] = base["_rev"]
    return done


def _revised(doc_id: str, base: JsonObject | None, change: Change) -> JsonObject:
    """The changed document, over the revision it was made from, with the attachments of that."""
    document = dict(change(_copy(base)))
    document["_id"] = doc_id
    document.pop("_rev", None)
    if base is not None:
        document["_rev"] = base["_rev"]
        if "_attachments" in base:
            document.setdefault("_attachments", base["_attachments"])
    return document


def _overtaken(document: JsonObject, base: JsonObject | None) -> JsonObject:
    """The document under a revision of its own, which nobody will ever find stored.

    Whoever made it must not take it for what is saved in the end: If-Match with it has to fail.
    """
    generation = 1 if base is None else int(base["_rev"].partition("-")[0]) + 1
    document["_rev"] = f"{generation}-{getrandbits(128):032x}"
    return document


def _is_ours(newest: JsonObject | None, attempted: JsonObject) -> bool:
    """Whether the conflict was with ourselves: a PUT whose connection closed before the reply may be repeated."""
    apart = ("_rev", "_attachments")
    return newest is not None and {key: value for key, value in newest.items() if key not in apart} == {
        key: value for key, value in attempted.items() if key not in apart
    }


def has_inline_attachments(document: JsonObject) -> bool:
    """Whether the document brings bytes of attachments with it."""
    stubs = document.get("_attachments")
    return isinstance(stubs, dict) and not all(isinstance(stub, dict) and stub.get("stub") for stub in stubs.values())


def _copy(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _copy(item) if isinstance(item, dict | list) else item for name, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) if isinstance(item, dict | list) else item for item in value]
    return value
