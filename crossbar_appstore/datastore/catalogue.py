"""The catalogue in memory: the master account's apps, as numbered snapshots kept current by a change feed.

The view ``apps_store/crossbar_listing`` decides in which order apps come: its collation is CouchDB's own. Where the
view is missing the apps are searched for. Nothing is ever written.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.ids import account_db

from .cache import Cache, Key
from .client import Availability, backoff
from .couch import Couch, Written
from .errors import ViewMissing
from .freshness import ChangeFeed, Freshness, WriteCounters
from .master_account import MasterAccount
from .snapshot import Check, Snapshot, fault_of, in_view_order, is_app, make_snapshot, owned

logger = logging.getLogger(__name__)

VIEW: Final = "apps_store/crossbar_listing"
DESIGN: Final = "_design/apps_store"
RELOAD_SECONDS: Final = 300.0
"""Maximum age of a snapshot that the feed keeps current: then the whole catalogue is read again."""
GATHERED_SECONDS: Final = 0.2
"""Between two reads for changes: who loads apps one by one must not make as many snapshots."""
CATCH_UP_SECONDS: Final = 2.0
"""Within which CouchDB must tell what changed, else the whole is read: a cluster waits for the node whose shards the
sequence names, for as long as that hangs. Below ``cache.PATIENCE``."""
_MAX_CHANGES: Final = 500
"""Above so many changed documents reading the whole is cheaper."""
_KEY: Key = ("catalogue", "", "")


@dataclass(frozen=True, slots=True)
class State:
    """The apps in order, as of the sequence ``since``; ``loaded_at`` (monotonic) is when the whole was read."""

    account_id: str = ""
    database: str = ""
    since: Json = None
    loaded_at: float = 0.0
    apps: tuple[JsonObject, ...] = ()


class CatalogueSource:
    """Reads the catalogue, the one value of its cache: whole, or only what changed.

    ``check`` may refuse documents that the domain could not work with; they are skipped, logged and counted.
    """

    def __init__(self, couch: Couch, master: MasterAccount, check: Check) -> None:
        self._couch = couch
        self._master = master
        self._check = check
        self._one_at_a_time = asyncio.Lock()
        self.last: Snapshot | None = None
        """The newest snapshot; None before the first."""
        self.state = State()

    def row(self, key: Key) -> int:
        """The catalogue's own row."""
        return WriteCounters.CATALOGUE

    def batches(self, keys: Iterable[Key]) -> list[list[Key]]:
        """The only one."""
        return [[key] for key in keys]

    async def read(self, keys: Sequence[Key]) -> Sequence[Snapshot]:
        """The newest snapshot: the last one itself if no app changed."""
        async with self._one_at_a_time:
            account_id = await self._master.id()
            old = self.state
            new = None
            if old.account_id == account_id and time.monotonic() < old.loaded_at + RELOAD_SECONDS:
                new = await self._catch_up(old)
            self.state = new or await self._load(account_id)
            return [self._published(self.state)]

    def is_same(self, key: Key, old: Snapshot, new: Snapshot) -> bool:
        """Whether no app changed."""
        return old is new

    async def _load(self, account_id: str) -> State:
        """Read the whole. What changes meanwhile is read again by the next catch-up: ``since`` is from before."""
        self._couch.statistics.catalogue_loads += 1
        database = account_db(account_id)
        since = await self._couch.update_seq(database)
        loaded_at = time.monotonic()
        try:
            rows = await self._couch.view(database, VIEW, include_docs=True)
            apps = list(self._accepted((row.doc for row in rows), account_id))
        except ViewMissing:
            found = await self._couch.find(database, {"pvt_type": "app"})
            apps = in_view_order(self._accepted(found, account_id))
        return State(account_id, database, since, loaded_at, tuple({app["_id"]: app for app in apps}.values()))

    async def _catch_up(self, old: State) -> State | None:
        """Apply what changed since; None if the whole should be read."""
        try:
            async with asyncio.timeout(CATCH_UP_SECONDS):
                ids, since = await self._couch.feeds.changes_since(old.database, old.since)
        except TimeoutError:
            return None
        if DESIGN in ids or len(ids) > _MAX_CHANGES:
            return None
        if not ids:
            return replace(old, since=since)
        documents = await self._couch.open_docs(old.database, ids)
        changed = {app["_id"]: app for app in self._accepted(documents, old.account_id)}
        before = {app["_id"]: app for app in old.apps}
        gone = set(ids) - set(changed)
        # Changed apps stay in their places, new ones come last …
        after = {id_: app for id_, app in before.items() if id_ not in gone} | changed
        # … until the view says where an app with another name belongs.
        if any(_name(app) != _name(before.get(id_)) for id_, app in changed.items()):
            after = await self._in_order(old.database, after)
        return replace(old, since=since, apps=tuple(after.values()))

    async def _in_order(self, database: str, apps: dict[str, JsonObject]) -> dict[str, JsonObject]:
        try:
            ids = [row.id for row in await self._couch.view(database, VIEW)]
        except ViewMissing:
            ids = [app["_id"] for app in in_view_order(apps.values())]
        return {id_: apps[id_] for id_ in ids if id_ is not None and id_ in apps}

    def _accepted(self, documents: Iterable[JsonObject | None], account_id: str) -> Iterable[JsonObject]:
        """Those that are apps, without the malformed ones."""
        for document in documents:
            if document is None or not is_app(document):
                continue
            fault = self._check(document)
            if fault is None:
                yield owned(document, account_id)
            else:
                self._couch.statistics.skipped_apps += 1
                logger.warning("app skipped", extra={"app_id": document.get("_id"), "fault": fault})

    def _published(self, state: State) -> Snapshot:
        last = self.last
        if last is not None and _versions(last.apps) == _versions(state.apps):
            return last
        generation = 1 if last is None else last.generation + 1
        self.last = make_snapshot(generation, state.account_id, state.apps, time.time())
        return self.last


class Catalogue:
    """The current snapshot, loaded when it is first asked for."""

    def __init__(
        self,
        couch: Couch,
        master: MasterAccount,
        counters: WriteCounters,
        availability: Availability,
        check: Check = fault_of,
    ) -> None:
        self._couch = couch
        self._counters = counters
        self._source = CatalogueSource(couch, master, check)
        self.feed: ChangeFeed[str] = ChangeFeed(
            "the catalogue",
            self._connect,
            self._handle,
            couch.statistics,
            refused_pause=5.0,
            is_away=availability.is_away,
        )
        self._freshness = Freshness(counters, WriteCounters.alone(), self.feed, watched=RELOAD_SECONDS)
        self._cache = Cache(self._source, self._freshness, availability, couch.statistics, max_entries=1)
        self._followed = ""
        self._read_at = float("-inf")

    async def snapshot(self) -> Snapshot:
        """The apps as they are now; as they were, marked stale, while CouchDB does not answer.

        Raises:
            NoMasterAccount: there is no account yet.
            DatastoreError: CouchDB does not answer, and the catalogue was never loaded.
        """
        entry, stale = await self._cache.get(_KEY)
        snapshot: Snapshot = entry.value
        return replace(snapshot, stale=True) if stale else snapshot

    def peek(self) -> Snapshot | None:
        """The snapshot, if it may be used without asking CouchDB."""
        entry = self._cache.peek(_KEY)
        return None if entry is None else entry.value

    @property
    def last(self) -> Snapshot | None:
        """The newest snapshot that was loaded, however old; None before the first."""
        return self._source.last

    def start(self) -> None:
        """Follow the master account's changes."""
        self.feed.start()

    async def stop(self) -> None:
        """End the feed and the reads that are running."""
        await self.feed.stop()
        await self._cache.close()

    def count_write(self, written: Written) -> None:
        """A document was written by this process: if it may be an app, every worker looks again."""
        if self._concerns(written):
            self._counters.increment(WriteCounters.CATALOGUE)

    def _concerns(self, written: Written) -> bool:
        state = self._source.state
        # Before the first load in this process, it may concern other workers.
        if state.database not in ("", written.database):
            return False
        if written.document is None or written.doc_id == DESIGN or written.document.get("pvt_type") == "app":
            return True
        return any(app["_id"] == written.doc_id for app in state.apps)

    async def _connect(self) -> AsyncGenerator[list[str], None]:
        await self.snapshot()
        state = self._source.state
        self._followed = state.database
        async with aclosing(self._couch.feeds.changes(state.database, since=state.since)) as batches:
            async for batch in batches:
                # Another account may have become the master account: its feed is followed then.
                self._freshness.trusted = self._source.state.database == self._followed
                if not self._freshness.trusted:
                    return
                yield batch

    async def _handle(self, changes: list[str]) -> None:
        # The feed only says that something changed: what to read is asked from where the snapshot stands.
        if changes:
            await backoff(self._read_at + GATHERED_SECONDS - time.monotonic())
            await self._cache.newest(_KEY)
            self._read_at = time.monotonic()


def _name(app: JsonObject | None) -> Json:
    # A missing app has a name that no app has.
    return app.get("name") if app is not None else ()


def _versions(apps: Iterable[JsonObject]) -> list[tuple[Json, ...]]:
    return [(app["_id"], app.get("_rev"), app["pvt_account_id"]) for app in apps]
