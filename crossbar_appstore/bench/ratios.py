"""Rows of the table of ratios: the service beside the bare handler, in alternating rounds."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from crossbar_appstore.bench.cases import Case, expect
from crossbar_appstore.bench.load import CONNECTIONS, Load
from crossbar_appstore.bench.processes import CannotMeasure, Server, bare_handler
from crossbar_appstore.bench.recording import Request

Generate = Callable[[Server, Request, float, int], Awaitable[Load]]
"""Server, request, seconds, connections."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how often is measured."""

    rounds: int = 7
    seconds: float = 1.0
    warm_up: float = 1.0


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of one server: processor microseconds a request, and requests a second."""

    cpu_us: float
    rate: float
    requests: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One case measured; ``ratio`` is the median of the ratios of each pair of neighbouring rounds."""

    case: Case
    bytes: int
    service: tuple[Round, ...]
    bare: tuple[Round, ...]

    @property
    def ratios(self) -> list[float]:
        """One a pair."""
        return [ours.cpu_us / theirs.cpu_us for ours, theirs in zip(self.service, self.bare, strict=True)]

    @property
    def ratio(self) -> float:
        """Times the bare handler's processor time."""
        return median(self.ratios)

    @property
    def holds(self) -> bool:
        """Whether the target is met."""
        return self.ratio <= self.case.target

    @property
    def service_us(self) -> float:
        """Processor microseconds a request of the service."""
        return median(each.cpu_us for each in self.service)

    @property
    def bare_us(self) -> float:
        """Processor microseconds a request of the bare handler."""
        return median(each.cpu_us for each in self.bare)


async def compare(server: Server, case: Case, generate: Generate, effort: Effort, room: Path) -> Comparison:
    """Measure one case; ``room`` is a folder for the recording.

    Raises:
        CannotMeasure: a reply had another status than the case's.
    """
    reply = await expect(server, case.request, case.status)
    recording = room / f"{case.name}.reply"
    reply.save(recording, case.route)
    service_rounds, bare_rounds = [], []
    async with AsyncExitStack() as running:
        bare = await running.enter_async_context(bare_handler(recording, room / "bare.log"))
        await _check_same(bare, case, reply.body)
        for each in (server, bare):
            await generate(each, case.request, effort.warm_up, CONNECTIONS)
        for _ in range(effort.rounds):
            service_rounds.append(await measure(server, case, generate, effort.seconds))
            bare_rounds.append(await measure(bare, case, generate, effort.seconds))
    return Comparison(case, len(reply.body), tuple(service_rounds), tuple(bare_rounds))


async def measure(
    server: Server, case: Case, generate: Generate, seconds: float, connections: int = CONNECTIONS
) -> Round:
    """One turn: processor time of the server's process over the requests that it answered.

    Raises:
        CannotMeasure: a reply had another status than the case's.
    """
    before = server.cpu_seconds()
    load = await generate(server, case.request, seconds, connections)
    spent = server.cpu_seconds() - before
    if load.failures or set(load.statuses) != {case.status}:
        raise CannotMeasure(
            f"{server.name}: {case.title}: {load.failures} failures, and the statuses {load.statuses} instead of "
            f"{case.status} alone"
        )
    return Round(spent / load.requests * 1e6, load.rate, load.requests)


async def _check_same(bare: Server, case: Case, body: bytes) -> None:
    if (await expect(bare, case.request, case.status)).body != body:
        raise CannotMeasure(f"the bare handler does not return the bytes of {case.title}")
