"""``/livez``, ``/readyz`` and ``/metrics``: of a worker, or of the supervisor of several."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import hdrs, web

from crossbar_appstore.json_codec import Json, dumps

from .health import DEADLINE, Health, combined, unanswered
from .metrics import Metrics, counted, exposition, merged
from .workers import METRICS, READINESS, Workers

LIVEZ: Final = "/livez"
READYZ: Final = "/readyz"
METRICS_PATH: Final = "/metrics"
PATHS: Final = frozenset({LIVEZ, READYZ, METRICS_PATH})

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_ASK_SECONDS: Final = DEADLINE + 0.3
"""Within which other workers must answer: their checks, and the pause before they look at a question."""


class Operations:
    """Answers for a service, from this process and the other workers.

    Args:
        health: of this process; None in the supervisor, which has no part in answering requests.
        metrics: of this process; None in the supervisor.
        workers: the processes of the service; None if there is only this one.
    """

    def __init__(self, health: Health | None, metrics: Metrics | None, workers: Workers | None) -> None:
        self._health = health
        self.metrics = metrics
        self._workers = workers
        self._draining = False

    def is_draining(self) -> bool:
        """Whether the process was told to stop."""
        return self._draining

    def drain(self) -> None:
        """Be not ready from now on, since the process was told to stop."""
        self._draining = True
        if self._health is not None:
            self._health.drain()

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answer what other processes of the service ask of this worker, for as long as the context is entered."""
        if self._workers is None or self._health is None or self.metrics is None:
            yield
            return
        async with self._workers.answering({READINESS: self._health.report, METRICS: self.metrics.report}):
            yield

    def routes(self) -> Iterable[web.RouteDef]:
        """The routes, of GET and HEAD each."""
        return [web.get(LIVEZ, self._livez), web.get(READYZ, self._readyz), web.get(METRICS_PATH, self._metrics)]

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n", headers={hdrs.CACHE_CONTROL: "no-store"})

    async def _readyz(self, _: web.Request) -> web.Response:
        own, others = await asyncio.gather(self._own_readiness(), self._ask(READINESS))
        reports = own + [unanswered(name) if report is None else report for name, report in others.items()]
        found = combined(reports, draining=self._draining)
        return web.Response(
            status=200 if found["ready"] else 503,
            body=dumps(found),
            headers={hdrs.CONTENT_TYPE: "application/json", hdrs.CACHE_CONTROL: "no-store"},
        )

    async def _metrics(self, _: web.Request) -> web.Response:
        reports = [] if self.metrics is None else [await self.metrics.report()]
        if self._workers is not None:
            for name, answer in (answers := await self._ask(METRICS)).items():
                # Without one that hangs, counters would seem to begin again.
                reports.append(counted(None, self._workers.last_metrics(name) or []) if answer is None else answer)
            reports.append(self._workers.ended(counted, answers) or [])
        body = exposition(merged(reports))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: _TEXT, hdrs.CACHE_CONTROL: "no-store"})

    async def _own_readiness(self) -> list[Json]:
        return [] if self._health is None else [await self._health.report()]

    async def _ask(self, topic: str) -> dict[str, Json]:
        return {} if self._workers is None else await self._workers.ask(topic, _ASK_SECONDS)


def operations_application(operations: Operations) -> web.Application:
    """An application with these pages only, for a port of its own."""
    application = web.Application(handler_args={"access_log": None})
    application.add_routes(operations.routes())
    return application
