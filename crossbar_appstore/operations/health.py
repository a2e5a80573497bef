"""Readiness: whether this process can answer requests as it should, found out by checks that run at the same time."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from crossbar_appstore.datastore.errors import DatastoreError, Troubled
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject

DEADLINE: Final = 1.5
"""Seconds that all checks have together; below the 2 s that HAProxy waits for a health check."""
_LATE: Final = "no answer in time"


class Health:
    """The checks of one process.

    Args:
        store: what is checked.
        seconds: the time limit for all checks.
    """

    def __init__(self, store: Datastore, seconds: float = DEADLINE) -> None:
        self._store = store
        self._seconds = seconds
        self._checks: dict[str, Callable[[], Awaitable[JsonObject]]] = {
            "couchdb": self._couchdb,
            "catalogue": self._catalogue,
            "master_account": self._master_account,
        }
        self._running: asyncio.Task[JsonObject] | None = None
        self.draining = False
        """Whether the process was told to stop, and only finishes the requests that it has."""

    def drain(self) -> None:
        """Be not ready from now on."""
        self.draining = True

    async def report(self) -> JsonObject:
        """``{"pid", "ready", "draining", "checks": {name: {"ok", "milliseconds", "reason"?, …}}}``.

        Those who ask while the checks run share them: asking often costs CouchDB one request at a time.
        """
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        checks = await asyncio.shield(self._running)
        ready = not self.draining and all(check["ok"] for check in checks.values())
        return {"pid": os.getpid(), "ready": ready, "draining": self.draining, "checks": checks}

    async def _run(self) -> JsonObject:
        results = await asyncio.gather(*map(self._timed, self._checks.values()))
        return dict(zip(self._checks, results, strict=True))

    async def _timed(self, check: Callable[[], Awaitable[JsonObject]]) -> JsonObject:
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(self._seconds):
                found: JsonObject = {"ok": True, **await check()}
        except TimeoutError:
            found = {"ok": False, "reason": _LATE}
        except Troubled as error:
            # Without its details, which may name hosts: the log has them.
            found = {"ok": False, "reason": error.words}
        except DatastoreError as error:
            found = {"ok": False, "reason": str(error)}
        return {**found, "milliseconds": round((time.perf_counter() - begun) * 1000, 2)}

    async def _couchdb(self) -> JsonObject:
        await self._store.couch.server()
        return {}

    async def _catalogue(self) -> JsonObject:
        snapshot = await self._store.catalogue.snapshot()
        return {"apps": len(snapshot.apps), "generation": snapshot.generation}

    async def _master_account(self) -> JsonObject:
        await self._store.master.id()
        return {}


def unanswered(name: str) -> JsonObject:
    """The report of a worker that gave none; its name begins with its process id."""
    return {
        "pid": int(name.partition("-")[0]),
        "ready": False,
        "draining": False,
        "checks": {"worker": {"ok": False, "reason": _LATE}},
    }


def combined(reports: Sequence[Json], *, draining: bool = False) -> JsonObject:
    """The readiness of a service whose workers gave these reports.

    It is ready if each worker is that is not draining, and there is one: a worker that is being replaced takes no
    requests. Of each check the result that is worst counts. Several workers' own reports are in ``workers``.
    """
    counted = [report for report in reports if not report["draining"]] or list(reports)
    checks: JsonObject = {}
    for report in counted:
        for name, check in report["checks"].items():
            if name not in checks or _badness(check) > _badness(checks[name]):
                checks[name] = check
    draining = draining or (bool(reports) and all(report["draining"] for report in reports))
    ready = not draining and bool(counted) and all(report["ready"] for report in counted)
    found: JsonObject = {"ready": ready, "draining": draining, "checks": checks}
    if len(reports) != 1:
        found["workers"] = sorted(reports, key=lambda report: int(report["pid"]))
    return found


def _badness(check: JsonObject) -> tuple[bool, float]:
    return not check["ok"], check.get("milliseconds", float("inf"))
