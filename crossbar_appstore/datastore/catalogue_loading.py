"""Reads the catalogue: whole through the view, or only what changed.

The view ``apps_store/crossbar_listing`` decides in which order apps come: its collation is CouchDB's own. Where the
view is missing the apps are searched for. Nothing is ever written.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.ids import account_db

from .couch import Couch
from .counters import Counters
from .errors import ViewMissing
from .kinds import Key, Kind
from .master_account import MasterAccount
from .notices import NoticeBoard
from .snapshot import Check, Snapshot, in_view_order, is_app, make_snapshot, owned

logger = logging.getLogger(__name__)

VIEW = "apps_store/crossbar_listing"
DESIGN = "_design/apps_store"
RELOAD_SECONDS = 300.0
_MOST_CHANGES = 500
"""Above so many changed documents reading the whole is cheaper."""


@dataclass(frozen=True, slots=True)
class State:
    """The apps in order, as of the sequence ``since``; ``loaded_at`` (monotonic) is when the whole was read."""

    account_id: str = ""
    database: str = ""
    since: Json = None
    loaded_at: float = 0.0
    apps: tuple[JsonObject, ...] = ()


class Loader(Kind[Snapshot]):
    """The catalogue as a kind of cached answer, of which there is one."""

    def __init__(self, couch: Couch, master: MasterAccount, counters: Counters, check: Check) -> None:
        self._couch = couch
        self._master = master
        self._counters = counters
        self._check = check
        self._one_at_a_time = asyncio.Lock()
        self._snapshot: Snapshot | None = None
        self._stale: Snapshot | None = None
        self.state = State()

    def row(self, key: Key) -> int:
        """The catalogue's own row."""
        return NoticeBoard.CATALOGUE

    async def fetch(self, key: Key) -> Snapshot:
        """The newest snapshot: the last one itself if no app changed."""
        async with self._one_at_a_time:
            account_id = await self._master.id()
            old = self.state
            new = None
            if old.account_id == account_id and time.monotonic() < old.loaded_at + RELOAD_SECONDS:
                new = await self._catch_up(old)
            self.state = new or await self._load(account_id)
            return self._published(self.state)

    def is_same(self, old: Snapshot, new: Snapshot) -> bool:
        """Whether no app changed."""
        return old.generation == new.generation

    def as_stale(self, answer: Snapshot) -> Snapshot:
        """The same snapshot, marked; one object a generation."""
        if self._stale is None or self._stale.generation != answer.generation:
            self._stale = replace(answer, stale=True)
        return self._stale

    def pack(self, answer: Snapshot) -> bytes:
        """Nothing: there is only this one, always in use, and kept here."""
        return b""

    def unpack(self, packed: bytes) -> Snapshot:
        """The last one.

        Raises:
            LookupError: there was none yet.
        """
        if self._snapshot is None:
            raise LookupError("no snapshot was made yet")
        return self._snapshot

    async def _load(self, account_id: str) -> State:
        """Read the whole. What changes meanwhile is read again by the next catch-up: ``since`` is from before."""
        self._counters.catalogue_loads += 1
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
        changes, since = await self._couch.changes_since(old.database, old.since)
        ids = list(dict.fromkeys(change.id for change in changes))
        if DESIGN in ids or len(ids) > _MOST_CHANGES:
            return None
        if not ids:
            return replace(old, since=since)
        rows = await self._couch.all_docs(old.database, keys=ids, include_docs=True)
        changed = {app["_id"]: app for app in self._accepted((row.doc for row in rows), old.account_id)}
        before = {app["_id"]: app for app in old.apps}
        gone = set(ids) - set(changed)
        # Changed apps stay in their places, new ones come last.
        after = {id_: app for id_, app in before.items() if id_ not in gone} | changed
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
                self._counters.skipped_apps += 1
                logger.warning("app skipped", extra={"app_id": document.get("_id"), "fault": fault})

    def _published(self, state: State) -> Snapshot:
        last = self._snapshot
        if last is not None and _versions(last.apps) == _versions(state.apps):
            return last
        kept = {app["_id"]: app for app in last.apps} if last is not None else {}
        apps = [_kept(kept.get(app["_id"]), app) for app in state.apps]
        generation = 1 if last is None else last.generation + 1
        self._snapshot = make_snapshot(generation, state.account_id, apps, time.time())
        return self._snapshot


def _name(app: JsonObject | None) -> Json:
    # A missing app has a name that no app has.
    return app.get("name") if app is not None else ()


def _versions(apps: Iterable[JsonObject]) -> list[tuple[Json, ...]]:
    return [(app["_id"], app.get("_rev"), app["pvt_account_id"]) for app in apps]


def _kept(old: JsonObject | None, new: JsonObject) -> JsonObject:
    """The old object while the revision and its owner are the same: work may be remembered by its identity."""
    if old is not None and old.get("_rev") == new.get("_rev") and old["pvt_account_id"] == new["pvt_account_id"]:
        return old
    return new
