"""Confirms changes on a cluster, where CouchDB acknowledges revisions that lose to another branch afterwards.

Two writers through two nodes can both get a 201 or 202 for the same revision replaced; CouchDB keeps both as branches,
and the one with the higher revision wins. So a change is acknowledged only if the winner, read from every copy that
answers, descends from it or has its values; else it is applied again to the winner. A branch that a node brings with it
when it comes back is found by looking once more at what was changed in the last minute:

- A lost entry (``edits``) gets the value of the losing branch again where the winner still has the value from before
  our change. Where it has another one, somebody else changed the entry too, and it is left as it is.
- A losing branch is removed if all that it changed is in the winner, or if it is an attempt that was not acknowledged.

Not found is what shows after more than a minute with all nodes connected, what this process forgot because it ended,
and what was deleted. ``doctor`` finds the branches that are left.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from typing import Final

from cachetools import LRUCache

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.values import Missing, list_at

from . import cluster
from .cache import Key
from .couch import Couch
from .edits import ATTACHMENTS, Edit, Path, edits, holds, value_at, with_values
from .errors import Conflict, DatastoreError, DocumentMissing, OutcomeUnknown
from .replies import history

logger = logging.getLogger(__name__)

LOOKS: Final = (0.5, 2.0, 10.0, 30.0, 60.0)
"""Seconds after a change, or after a node came back, at which its document is looked at again."""
MAX_DOCUMENTS: Final = 2_000
MAX_ATTEMPTS: Final = 500
"""Changes that are remembered of one document."""
_ALL_COPIES_SECONDS: Final = 1.0
"""Seconds to wait for all copies of a document, before a quorum has to do."""
_SLOW_SECONDS: Final = 10.0
"""Seconds for which a quorum has to do after that."""
_TRIES: Final = 5


class Superseded(Conflict):
    """A change was saved, but another branch has won; ``winner`` is what it is to be applied to now."""

    def __init__(self, database: str, doc_id: str, winner: JsonObject | None) -> None:
        super().__init__(database, doc_id)
        self.winner = winner


@dataclass(slots=True, eq=False)
class _Attempt:
    """One save. ``revision`` is that which has its values now, None if the outcome is unknown."""

    content: JsonObject
    edits: Mapping[Path, Edit]
    revision: str | None
    acknowledged: bool
    at: float


@dataclass(slots=True)
class _Changed:
    """A document that was changed in the last minute, and when to look at it next."""

    attempts: list[_Attempt] = field(default_factory=list)
    looks: int = 0
    due: float = float("inf")
    left: set[str] = field(default_factory=set)

    def look_from(self, now: float) -> None:
        self.looks, self.due = 0, min(self.due, now + LOOKS[0])


class Confirmation:
    """Tells whether changes have won, and keeps those of the last minute; does nothing where there is no cluster.

    Args:
        couch: where documents are saved.
        lock: a document's, under which this process changes it.
    """

    def __init__(self, couch: Couch, lock: Callable[[Key], asyncio.Lock]) -> None:
        self._couch = couch
        self._lock = lock
        self._statistics = couch.statistics
        self._cluster = couch.cluster
        self._looked_at = 0.0
        self._changed: LRUCache[Key, _Changed] = LRUCache(MAX_DOCUMENTS)
        self._slow_until = 0.0
        self._task: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """End looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def confirm(self, key: Key, base: JsonObject | None, wanted: JsonObject, saved: JsonObject) -> JsonObject:
        """Return what holds a change that was saved: ``saved``, or the winner if that has its values.

        Args:
            key: the document's.
            base: the document that was changed, None if there was none.
            wanted: the document as it was to be saved.
            saved: the same with its new revision.

        Raises:
            Superseded: another branch has won without it.
            OutcomeUnknown: the winner could not be read.
        """
        if not await self._cluster.exists():
            return saved
        attempt = self._remember(key, base, wanted, saved["_rev"])
        try:
            winner = await self._winner(key)
        except DatastoreError as error:
            raise OutcomeUnknown(str(error)) from None
        if winner is None or not _is_in(saved["_rev"], winner):
            if winner is None or not holds(winner, attempt.edits):
                self._statistics.changes_reapplied += 1
                raise Superseded(key[1], key[2], None if winner is None else _stored(winner))
            saved = _stored(winner)
            attempt.revision = winner["_rev"]
        attempt.acknowledged = True
        return saved

    def remember_unknown(self, key: Key, base: JsonObject | None, wanted: JsonObject) -> None:
        """Look later for what an attempt to save has left, whose outcome is unknown."""
        if len(self._cluster.members) > 1:
            self._remember(key, base, wanted, None)

    def _remember(self, key: Key, base: JsonObject | None, wanted: JsonObject, revision: str | None) -> _Attempt:
        now = time.monotonic()
        content = {name: value for name, value in wanted.items() if name not in ("_rev", ATTACHMENTS)}
        attempt = _Attempt(content, edits(base, wanted), revision, acknowledged=False, at=now)
        changed = self._changed.setdefault(key, _Changed())
        changed.attempts.append(attempt)
        del changed.attempts[:-MAX_ATTEMPTS]
        changed.look_from(now)
        if self._task is None:
            # It goes on after the request, so it has nothing of its context.
            self._task = asyncio.get_running_loop().create_task(self._watch(), context=Context())
        return attempt

    # Looking again

    async def _watch(self) -> None:
        while self._changed:
            await asyncio.sleep(LOOKS[0] / 2)
            await self._ask()
            due = [key for key, changed in self._changed.items() if changed.due <= time.monotonic()]
            for key in due:
                # CouchDB may be away: the next look finds the same.
                with suppress(DatastoreError):
                    await self._look(key)
                self._schedule(key)
        self._task = None

    def _schedule(self, key: Key) -> None:
        """Plan the next look; forget what is older than the last one, unless a node is missing."""
        changed = self._changed.get(key)
        if changed is None:
            return
        now = time.monotonic()
        if self._cluster.connected >= self._cluster.members:
            oldest = now - LOOKS[-1]
            changed.attempts = [each for each in changed.attempts if max(each.at, self._cluster.joined_at) > oldest]
        if not changed.attempts:
            del self._changed[key]
            return
        before, changed.looks = LOOKS[changed.looks], min(changed.looks + 1, len(LOOKS) - 1)
        changed.due = now + max(LOOKS[changed.looks] - before, LOOKS[1])

    async def _ask(self) -> None:
        """Ask for the nodes; where one came back, everything is looked at again."""
        await self._cluster.ask(cluster.ASK_SECONDS_CHANGING)
        if self._cluster.joined_at > self._looked_at:
            self._looked_at = time.monotonic()
            for changed in self._changed.values():
                changed.look_from(self._looked_at)

    async def _look(self, key: Key) -> None:
        """Apply again what has been lost of a document, and remove the losing branches that hold nothing else."""
        async with self._lock(key):
            changed = self._changed.get(key, _Changed())
            for _ in range(_TRIES):
                winner = await self._winner(key)
                losing = [] if winner is None else await self._losing(key, winner)
                if winner is None or not losing:
                    return
                if not await self._reapply(key, changed, winner, losing):
                    for loser in losing:
                        await self._settle(key, changed, winner, loser)
                    return

    async def _reapply(self, key: Key, changed: _Changed, winner: JsonObject, losing: Sequence[JsonObject]) -> bool:
        """Save the winner with the entries that were lost; False if there are none."""
        again: dict[Path, Json | Missing] = {}
        for attempt in changed.attempts:
            revision = attempt.revision
            if not attempt.acknowledged or revision is None:
                continue
            # One that is nowhere is on a node that is not connected.
            holder = next((branch for branch in (winner, *losing) if _is_in(revision, branch)), None)
            if holder is None:
                continue
            values = {path: value_at(holder, path) for path in attempt.edits}
            current = {path: value_at(winner, path) for path in values}
            lost = {path: value for path, value in values.items() if value != current[path]}
            if not lost:
                # A later change of ours is not to be undone by an earlier one.
                again = {path: value for path, value in again.items() if path not in values}
                if holder is not winner:
                    attempt.revision = winner["_rev"]
            for path, value in lost.items():
                is_ours = path in again or current[path] == attempt.edits[path].before
                # The bytes of an attachment are not at hand.
                if is_ours and path[0] != ATTACHMENTS:
                    again[path] = value
        if not again:
            return False
        with suppress(Conflict):
            await self._couch.save_doc(key[1], with_values(_stored(winner), again))
            self._statistics.changes_reapplied += 1
            logger.warning("lost change applied again", extra={"database": key[1], "document": key[2]})
        return True

    async def _settle(self, key: Key, changed: _Changed, winner: JsonObject, loser: JsonObject) -> None:
        """Remove a losing branch that holds nothing of value, or count that it is left."""
        _, database, doc_id = key
        revision = loser["_rev"]
        common = next((each for each in history(loser) if _is_in(each, winner)), None)
        try:
            before = None if common is None else await self._couch.open_doc(database, doc_id, rev=common)
            is_held = holds(winner, edits(before, loser))
        except DocumentMissing:
            is_held = False  # compacted
        content = {name: value for name, value in _stored(loser).items() if name not in ("_rev", ATTACHMENTS)}
        if is_held or any(not each.acknowledged and each.content == content for each in changed.attempts):
            with suppress(Conflict, DocumentMissing):
                await self._couch.delete_doc(database, doc_id, revision, after=winner)
                self._statistics.branches_removed += 1
        elif revision not in changed.left:
            changed.left.add(revision)
            self._statistics.branches_left += 1
            logger.warning("losing branch left", extra={"database": database, "document": doc_id, "revision": revision})

    # Reading branches

    async def _winner(self, key: Key) -> JsonObject | None:
        """The winning revision with ``_revisions`` and ``_conflicts``, from all copies; None if there is none.

        CouchDB gives copies that differ the missing revisions before it replies.
        """
        _, database, doc_id = key
        query: dict[str, Json] = {"revs": True, "conflicts": True}
        try:
            if time.monotonic() < self._slow_until:
                return await self._couch.open_doc(database, doc_id, **query)
            try:
                async with asyncio.timeout(_ALL_COPIES_SECONDS):
                    return await self._couch.open_doc(database, doc_id, r=len(self._cluster.members), **query)
            except TimeoutError:
                # A node that is connected and does not answer.
                self._slow_until = time.monotonic() + _SLOW_SECONDS
            return await self._couch.open_doc(database, doc_id, **query)
        except DocumentMissing:
            return None

    async def _losing(self, key: Key, winner: JsonObject) -> list[JsonObject]:
        """The revisions that lost, with ``_revisions``."""
        found = []
        for revision in list_at(winner, "_conflicts"):
            with suppress(DocumentMissing):
                found.append(await self._couch.open_doc(key[1], key[2], rev=revision, revs=True))
        return found


def _is_in(revision: str, document: JsonObject) -> bool:
    """Whether a revision is the document's, or one that it descends from."""
    return revision in history(document)


def _stored(document: JsonObject) -> JsonObject:
    """The document without what was only asked for."""
    return {name: value for name, value in document.items() if name not in ("_revisions", "_conflicts")}
