"""The catalogue in memory: the master account's apps, as numbered snapshots kept current by a feed."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from .cache import Cache
from .catalogue_loading import DESIGN, RELOAD_SECONDS, Loader
from .changes import Feed
from .couch import Couch
from .counters import Counters
from .kinds import Key
from .master_account import MasterAccount
from .notices import NoticeBoard
from .pauses import pause
from .remote import Written
from .replies import Change
from .snapshot import Check, Snapshot, fault_of

UNWATCHED_SECONDS = 1.5
"""How long a snapshot is believed while the feed is not heard of."""
GATHERED_SECONDS = 0.2
"""Between two readings of what the feed rang for: who loads apps one by one shall not make as many snapshots."""
_KEY: Key = ("", "catalogue")


class Catalogue:
    """The current snapshot, loaded at the first question.

    ``check`` may refuse documents that the domain could not work with; they are skipped, logged and counted.
    """

    def __init__(
        self, couch: Couch, master: MasterAccount, board: NoticeBoard, counters: Counters, check: Check = fault_of
    ) -> None:
        self._couch = couch
        self._board = board
        self._followed = ""
        self._taken_at = float("-inf")
        self._loader = Loader(couch, master, counters, check)
        self.feed: Feed[Change] = Feed("the catalogue", self._connect, self._take, counters, refused_pause=5.0)
        self._cache = Cache(self._loader, board, NoticeBoard.alone(), self, counters)

    async def snapshot(self) -> Snapshot:
        """The apps as they are now; as they were, marked stale, while CouchDB is away.

        Raises:
            NoMasterAccount: there is no account yet.
            DatastoreError: CouchDB is away, and the catalogue was never loaded.
        """
        return await self._cache.get(_KEY)

    def peek(self) -> Snapshot | None:
        """The snapshot, if it can be trusted without asking CouchDB."""
        return self._cache.peek(_KEY)

    def start(self) -> None:
        """Follow the master account's changes."""
        self.feed.start()

    async def stop(self) -> None:
        """End the feed and whatever is under way."""
        await self.feed.stop()
        await self._cache.close()

    def notice(self, written: Written) -> None:
        """A document was written through this process: if it may be an app, every worker looks again."""
        if self._concerns(written):
            self._board.count_up(NoticeBoard.CATALOGUE)

    def _concerns(self, written: Written) -> bool:
        state = self._loader.state
        # Before the first load here, it may concern other workers.
        if state.database not in ("", written.database):
            return False
        if written.document is None or written.doc_id == DESIGN or written.document.get("pvt_type") == "app":
            return True
        return any(app["_id"] == written.doc_id for app in state.apps)

    async def _connect(self) -> AsyncGenerator[list[Change], None]:
        await self.snapshot()
        state = self._loader.state
        self._followed = state.database
        async with aclosing(self._couch.changes(state.database, since=state.since)) as pieces:
            async for piece in pieces:
                if self._loader.state.database != self._followed:
                    return
                yield piece

    async def _take(self, changes: list[Change]) -> None:
        # The feed only rings: what to read is asked from where the snapshot stands.
        if changes:
            await pause(self._taken_at + GATHERED_SECONDS - time.monotonic())
            await self._cache.refresh(_KEY)
            self._taken_at = time.monotonic()

    def limit(self, asked_at: float) -> float:
        """Seconds that a snapshot is believed: until the next whole load while the feed is heard of, else briefly."""
        followed = self._loader.state.database == self._followed and self.feed.is_healthy()
        return RELOAD_SECONDS if followed else UNWATCHED_SECONDS
