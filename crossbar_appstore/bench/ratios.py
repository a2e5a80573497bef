"""What requests cost beside a bare handler that returns the same bytes, in alternating rounds."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from crossbar_appstore.bench.cases import Case
from crossbar_appstore.bench.exchange import expect
from crossbar_appstore.bench.load import CONNECTIONS, Generate
from crossbar_appstore.bench.processes import CannotMeasure, Server, bare_handler
from crossbar_appstore.bench.rows import Row, Target

_FEWEST: Final = 20
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Effort:
    """How often is measured, how many seconds each time, and by which load generator."""

    generate: Generate
    rounds: int
    seconds: float = 1.0
    warm_up: float = 1.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of one server: processor microseconds a request, and requests a second."""

    cpu_us: float
    rate: float


def paired_ratio(ours: Iterable[Turn], theirs: Iterable[Turn]) -> float:
    """The median of the ratios of neighbouring turns, which what else the machine does hits alike."""
    return median(a.cpu_us / b.cpu_us for a, b in zip(ours, theirs, strict=True))


@asynccontextmanager
async def replaying(server: Server, case: Case, room: Path) -> AsyncIterator[Server]:
    """A bare handler that gives the reply of the service to a case; ``room`` is a folder for the recording.

    Raises:
        CannotMeasure: the reply has another status than the case's.
    """
    reply = await expect(server, case.request, case.status)
    recording = room / f"{case.name}.reply"
    reply.save(recording, case.route)
    async with bare_handler(recording, room / "bare.log") as bare:
        if (await expect(bare, case.request, case.status)).body != reply.body:
            raise CannotMeasure(f"the bare handler does not return the bytes of {case.title}")
        yield bare


async def beside_bare_handler(server: Server, case: Case, effort: Effort, room: Path) -> Row:
    """A case of the service and of a bare handler in turns; ``room`` is a folder for the recording.

    Raises:
        CannotMeasure: a reply had another status than the case's.
    """
    length = len((await expect(server, case.request, case.status)).body)
    async with replaying(server, case, room) as bare:
        ours, theirs = await in_turns(((server, case), (bare, case)), effort)
    ratio = paired_ratio(ours, theirs)
    service_us, bare_us = (median(turn.cpu_us for turn in turns) for turns in (ours, theirs))
    return Row(
        case.name,
        case.title,
        ratio,
        "×",
        None if case.target is None else Target(most=case.target),
        f"{service_us:.0f} µs, bare {bare_us:.0f} µs, {length:,} bytes",
        {
            "bytes": length,
            "service_us": [turn.cpu_us for turn in ours],
            "bare_us": [turn.cpu_us for turn in theirs],
            "service_rate": median(turn.rate for turn in ours),
            "bare_rate": median(turn.rate for turn in theirs),
        },
    )


async def in_turns(contestants: Iterable[tuple[Server, Case]], effort: Effort) -> list[list[Turn]]:
    """The turns of each: A B C A B C …, after a warm-up of each.

    Raises:
        CannotMeasure: a reply had another status than the case's.
    """
    turns = [(server, case, list[Turn]()) for server, case in contestants]
    for server, case, _ in turns:
        await effort.generate(server, case.request, effort.warm_up, CONNECTIONS)
    for _ in range(effort.rounds):
        for server, case, taken in turns:
            taken.append(await measure(server, case, effort))
    return [taken for _, _, taken in turns]


async def measure(server: Server, case: Case, effort: Effort) -> Turn:
    """One turn: processor time of the server's processes over the requests that they answered.

    Raises:
        CannotMeasure: a reply had another status than the case's, or there were hardly any.
    """
    for _ in range(_TRIES):
        before = server.cpu_seconds()
        load = await effort.generate(server, case.request, effort.seconds, CONNECTIONS)
        spent = server.cpu_seconds() - before
        # Where others take the whole machine, a turn may pass with nothing done.
        if load.requests >= _FEWEST:
            load.check(f"{server.name}: {case.title}", case.status)
            return Turn(spent / load.requests * 1e6, load.rate)
    raise CannotMeasure(f"{server.name}: {case.title}: hardly any replies; this machine is too busy")
