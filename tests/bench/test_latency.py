"""Which rounds count, and how clients get to think as long as they should."""

import os
from dataclasses import dataclass, field

import pytest

from crossbar_appstore.bench import latency
from crossbar_appstore.bench.cases import Case
from crossbar_appstore.bench.latency import adjusted, in_rounds
from crossbar_appstore.bench.load import CONNECTIONS, Load
from crossbar_appstore.bench.processes import Server
from crossbar_appstore.bench.ratios import Effort
from crossbar_appstore.bench.wire import Request

CASE = Case("list", "GET list", None, 200, "/{x}", Request("GET", "/", {}))
COST = 40e-6
"""Processor seconds a request of the server that is made up here."""


@dataclass
class Clock:
    """A server that is as busy as its clients make it: each of them asks once in the time that it thinks and waits.

    ``other`` is what else its processor does in a round, in parts of the round's time.
    """

    wait: float = 0.0006
    other: list[float] = field(default_factory=list)
    spent: float = 0.0
    thinks: list[float] = field(default_factory=list)

    async def generate(
        self, server: Server, request: Request, seconds: float, connections: int = CONNECTIONS, think: float = 0.0
    ) -> Load:
        self.thinks.append(think)
        requests = min(round(connections * seconds / (think + self.wait)), round(seconds / COST))
        other = self.other.pop(0) if self.other else 0.0
        self.spent += requests * COST + other * seconds
        return Load(requests, 0, 0, seconds, p50=0.001, p99=0.002 + 0.001 * len(self.thinks))

    def install(self, monkeypatch: pytest.MonkeyPatch) -> Server:
        monkeypatch.setattr(Server, "cpu_seconds", lambda _: self.spent)
        return Server("the service", "http://127.0.0.1:1", os.getpid())


def test_who_keeps_the_server_too_busy_thinks_longer() -> None:
    assert adjusted(0.001, 0.002, 0.7) == 0.001
    assert adjusted(0.001, 0.002, 0.35) == pytest.approx(0.0005)
    assert adjusted(0.001, 0.002, 1.05) == pytest.approx(0.0015)
    assert adjusted(0.0001, 0.002, 0.1) == 0.0


async def test_rounds_count_only_if_the_server_was_as_busy_as_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(other=[0.0] * 4 + [0.5])
    rounds = await in_rounds(clock.install(monkeypatch), CASE, Effort(clock.generate, rounds=3))
    assert len(rounds) == 3
    assert all(abs(each.busy - 0.7) <= 0.05 for each in rounds)
    # Some were needed to find out, and one was disturbed.
    assert len(clock.thinks) > 4


async def test_where_no_round_counts_the_closest_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    # Waiting alone takes so long that the server never gets busy.
    clock = Clock(wait=0.01)
    rounds = await in_rounds(clock.install(monkeypatch), CASE, Effort(clock.generate, rounds=2))
    assert len(clock.thinks) == 2 * latency.TRIES
    assert len(rounds) == 1
    assert rounds[0].busy == pytest.approx(CONNECTIONS / 0.01 * COST, rel=0.01)


async def test_a_row_has_the_median_of_its_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    rounds = await in_rounds(clock.install(monkeypatch), CASE, Effort(clock.generate, rounds=3))
    row = latency.row_of("latency", "p99 over p50", rounds)
    assert row.value == sorted(each.spread for each in rounds)[1]
    assert len(row.figures["busy"]) == 3
