"""Where audit events go: to the logger ``audit``, always, and to a CouchDB database if the settings name one.

A writer saves events from a bounded queue in the background, so that no request waits for the database, or fails with
it. It has a client of its own: its writes are nobody's changes, and are not announced as such.
"""

import asyncio
import logging
import re
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from crossbar_appstore.datastore.client import backoff
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatabaseMissing, DatastoreError, Troubled
from crossbar_appstore.datastore.views import standing_alone
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.logs import Reminder
from crossbar_appstore.request_scope import shared_context

AUDIT: Final = "audit"
KEPT_DAYS: Final = 365
"""Days for which events are kept in the database."""
QUEUED: Final = 10_000
"""Events that wait for the database at most."""
CLOSE_SECONDS: Final = 5.0
"""Seconds for which the events that wait are still saved at the end."""
_BATCH: Final = 200
_DELAY: Final = 0.2
"""Seconds in which events are collected for one request to CouchDB."""
_LONGEST_PAUSE: Final = 30.0
_SWEEP_SECONDS: Final = 3600.0
_PAGE: Final = 500
_EVENT_ID: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z-[0-9a-f]{12}")

audit_log: Final = logging.getLogger(AUDIT)
"""The logger of the events, each with its action as message and its other members."""
audit_log.setLevel(logging.INFO)

log = logging.getLogger(__name__)


class AuditTrail:
    """Logs events and passes them to the writer, if there is one."""

    def __init__(self, writer: "AuditWriter | None" = None) -> None:
        self._writer = writer

    def write(self, event: JsonObject) -> None:
        """Log an event, and save it soon; takes no time and raises nothing."""
        members = {name: value for name, value in event.items() if name != "action"}
        audit_log.info(event["action"], extra=members)
        if self._writer is not None:
            self._writer.put(event)


class AuditWriter:
    """Saves events in a database, which it creates where no KAZOO uses the CouchDB. Entered and left with the service.

    Args:
        couch: a client of its own.
        database: the name of the database.
        queued: how many events wait at most; more are only logged.
    """

    def __init__(self, couch: Couch, database: str, *, queued: int = QUEUED) -> None:
        self._couch = couch
        self._database = database
        self._queued = queued
        self._queue: deque[JsonObject] = deque()
        self._task: asyncio.Task[None] | None = None
        self._reminder = Reminder()
        self._dropping = Reminder()
        self._swept_at = float("-inf")
        self.dropped = 0
        """Events that were not saved."""

    async def __aenter__(self) -> Self:
        self._couch.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._queue:
            self._drop(len(self._queue))
        await self._couch.close()

    def put(self, event: JsonObject) -> None:
        """Save an event soon."""
        if len(self._queue) >= self._queued:
            self._drop(1)
            return
        self._queue.append({"_id": f"{event['time']}-{secrets.token_hex(6)}", **event})
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), context=shared_context())

    def _drop(self, events: int) -> None:
        self.dropped += events
        if self._dropping.due("dropping"):
            log.error("audit events not saved", extra={"database": self._database, "events": self.dropped})

    async def _run(self) -> None:
        await asyncio.sleep(_DELAY)
        pause = 1.0
        while self._queue:
            batch = [self._queue[index] for index in range(min(_BATCH, len(self._queue)))]
            try:
                await self._save(batch)
                pause = 1.0
            except (Troubled, DatabaseMissing) as error:
                if self._reminder.due(type(error)):
                    log.warning("audit events wait", extra={"database": self._database, "reason": str(error)})
                await backoff(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            except DatastoreError as error:
                log.warning("audit events wait", extra={"database": self._database, "reason": str(error)})
                self._drop(len(batch))
            for _ in batch:
                self._queue.popleft()

    async def _save(self, batch: list[JsonObject]) -> None:
        try:
            # Those that an earlier attempt has saved already are conflicts.
            await self._couch.save_docs(self._database, batch)
        except DatabaseMissing:
            if not await standing_alone(self._couch):
                raise
            await self._couch.create_database(self._database, q=1)
            await self._couch.save_docs(self._database, batch)
        if time.monotonic() > self._swept_at + _SWEEP_SECONDS:
            self._swept_at = time.monotonic()
            await remove_old(self._couch, self._database)


async def remove_old(couch: Couch, database: str, days: int = KEPT_DAYS) -> int:
    """Delete the events that are older than so many days; how many. Raises ``DatastoreError``."""
    before, removed = _stamp(datetime.now(UTC) - timedelta(days=days)), 0
    start: str | None = None
    while True:
        rows = await couch.all_docs(database, startkey=start, endkey=before, limit=_PAGE)
        old = [
            {"_id": row.id, "_rev": row.value["rev"], "_deleted": True}
            for row in rows
            if row.id is not None and _EVENT_ID.fullmatch(row.id)
        ]
        if old:
            # Another worker may delete them at the same time.
            results = await couch.save_docs(database, old)
            removed += sum(result.error is None for result in results)
        if len(rows) < _PAGE:
            return removed
        start = f"{rows[-1].id}\0"


async def saved_events(couch: Couch, database: str, since: datetime) -> AsyncIterator[JsonObject]:
    """The events from a time on, oldest first; none where there is no database. Raises ``DatastoreError``."""
    start = _stamp(since)
    with suppress(DatabaseMissing):
        while True:
            rows = await couch.all_docs(database, startkey=start, include_docs=True, limit=_PAGE)
            for row in rows:
                if row.doc is not None and _EVENT_ID.fullmatch(row.doc["_id"]):
                    yield {name: value for name, value in row.doc.items() if not name.startswith("_")}
            if len(rows) < _PAGE:
                return
            start = f"{rows[-1].id}\0"


def _stamp(moment: datetime) -> str:
    """A time as events have it, of which ids begin."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
