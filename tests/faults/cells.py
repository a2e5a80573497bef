"""One cell of the fault matrix: a service of its own behind a proxy of its own, and what it must do."""

import asyncio
import contextvars
import logging
import time
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, Final

from crossbar_appstore.datastore.errors import TimedOut
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.maintenance.lookup import retry_conflicts
from tests.datastore.fault_proxy import FaultProxy
from tests.faults.kinds import Kind
from tests.faults.rows import Row, Stage, data_of
from tests.kit.service import Answer, Service

SECONDS: Final = "3"
"""The deadline of a request, as ``CROSSBAR_REQUEST_SECONDS``."""
SLOWEST: Final = 6.0
"""Seconds for a request: the deadline, on a machine that does a dozen other things."""
RECOVERY: Final = 5.0
"""Seconds after a fault until all is as before: three, on such a machine."""
_PREPARATION: Final = 60.0
"""Seconds for what a test stores itself before its request, on a machine that is busy."""
_AGE: Final = 1.6
"""Seconds after which what was cached is read again."""

CELL: Final[contextvars.ContextVar[str]] = contextvars.ContextVar("cell", default="")


class Known(Enum):
    """What the service has read before the fault."""

    COLD = "cold"
    """Nothing: the fault is there when the service starts."""
    HALF = "half"
    """Who the caller is, not what the request is about."""
    WARM = "warm"
    """Everything, a while ago, so that it has to be read again."""


@dataclass
class Outcome:
    """What became of one cell."""

    cell: "Cell"
    status: int = 0
    stale: bool = False
    seconds: float = 0.0
    recovery: float = 0.0
    problems: list[str] = field(default_factory=list)


class ErrorLog(logging.Handler):
    """Collects tracebacks at ERROR by cell: the tasks of a service inherit the context in which it was started."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: dict[str, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            text = f"{record.name}: {record.getMessage()}: {record.exc_info[1]!r}"
            self.found.setdefault(CELL.get(), []).append(text)


@dataclass(frozen=True)
class Cell:
    row: Row
    kind: Kind
    known: Known

    @property
    def name(self) -> str:
        return f"{self.row.name} × {self.kind.name} × {self.known.value}"

    async def run(self, stage: Stage, couchdb_url: str, log: ErrorLog) -> Outcome:
        """Runs in a task of its own."""
        CELL.set(self.name)
        outcome = Outcome(self)
        await self._prepare(stage)
        async with FaultProxy(couchdb_url) as proxy:
            # No mail server is there.
            more = {"SMTP_URL": "smtp://127.0.0.1:1"}
            service = Service(stage.system, proxy.url, CROSSBAR_REQUEST_SECONDS=SECONDS, **more)
            try:
                await self._run(outcome, stage, proxy, service)
            finally:
                await service.stop()
        outcome.problems += log.found.pop(self.name, [])
        return outcome

    async def _run(self, outcome: Outcome, stage: Stage, proxy: FaultProxy, service: Service) -> None:
        if self.known is not Known.COLD:
            if self.known is Known.WARM:
                await self.row.warm(service, stage)
            else:
                await service.get("token_auth", self.row.caller(stage) or stage.sub)
            await asyncio.sleep(_AGE)
        await self.kind.arm(proxy, self._database(stage))
        begun = time.monotonic()
        try:
            answer = await self.row.send(service, stage)
        except (TimeoutError, OSError) as error:
            outcome.problems.append(f"no answer: {error!r}")
            answer = None
        outcome.seconds = time.monotonic() - begun
        if answer is not None:
            outcome.status, outcome.stale = answer.status, "Warning" in answer.headers
            outcome.problems += [
                *self._wrong(answer),
                *self._wrong_data(answer, stage.baselines.get(self.row.name, [])),
            ]
        if outcome.seconds > SLOWEST:
            outcome.problems.append(f"took {outcome.seconds:.1f} s")
        await self.kind.heal(proxy)
        healed = time.monotonic()
        if self.row.method != "GET":
            if answer is not None and answer.status == self.row.status and not await self.row.check(stage, answer):
                outcome.problems.append("acknowledged, but not stored")
            await self._prepare(stage)
        outcome.problems += await self._recover(stage, service)
        outcome.recovery = time.monotonic() - healed

    async def _prepare(self, stage: Stage) -> None:
        end = time.monotonic() + _PREPARATION
        while True:
            try:
                # What the service did at last may meet it.
                return await retry_conflicts(partial(self.row.prepare, stage))
            except TimedOut:
                # The test's own read, past the proxy: the machine is busy.
                if time.monotonic() > end:
                    raise

    def _database(self, stage: Stage) -> str:
        """The quoted name of the database of the account that the request is about."""
        path = self.row.path(stage)
        accounts = (stage.child, stage.parent, stage.reseller)
        account = next((each for each in accounts if each.id in path), stage.sub)
        return account_db(account.id).replace("/", "%2F")

    def _wrong(self, answer: Answer) -> list[str]:
        """What is wrong with status, headers and form."""
        if answer.status == self.row.status:
            return []
        if answer.status not in self.kind.statuses:
            return [f"{answer.status} {answer.raw[:300]!r}"]
        found = []
        if answer.headers.get("Content-Type") != "application/json" or answer.refusal[0] != answer.status:
            found.append(f"no envelope: {answer.raw[:200]!r}")
        retry_after = answer.headers.get("Retry-After", "")
        if answer.status == 503 and self.kind.retry_after and not (retry_after.isdigit() and int(retry_after) > 0):
            found.append(f"no Retry-After: {answer.raw[:300]!r}")
        return found

    def _wrong_data(self, answer: Answer, allowed: list[Any]) -> list[str]:
        if answer.status != self.row.status or self.row.method != "GET" or self.row.varies:
            return []
        return [] if data_of(answer) in allowed else [f"other data: {answer.raw[:300]!r}"]

    async def _recover(self, stage: Stage, service: Service) -> list[str]:
        """Ask until the answer is as before."""
        end = time.monotonic() + RECOVERY
        while True:
            try:
                answer = await self.row.send(service, stage)
            except (TimeoutError, OSError) as error:
                wrong = [repr(error)]
            else:
                wrong = [] if answer.status == self.row.status else [f"{answer.status} {answer.raw[:300]!r}"]
                wrong = wrong or self._wrong_data(answer, stage.baselines.get(self.row.name, [])[:1])
                if not wrong and self.row.method != "GET" and not await self.row.check(stage, answer):
                    return ["after the fault: acknowledged, but not stored"]
            if not wrong:
                return []
            if time.monotonic() > end:
                return [f"after the fault: {each}" for each in wrong]
            if self.row.method != "GET":
                # What was refused may have been done, so that nothing is left to do.
                await self._prepare(stage)
            await asyncio.sleep(0.1)
