"""Every experiment for real, with little to do: whether it measures, not what."""

import os
from pathlib import Path

import pytest

from crossbar_appstore.bench import load, ratios
from crossbar_appstore.bench.cases import LOGGED, NAMES, Case
from crossbar_appstore.bench.load import Load
from crossbar_appstore.bench.processes import CannotMeasure, Server
from crossbar_appstore.bench.ratios import Effort
from crossbar_appstore.bench.rows import Row
from crossbar_appstore.bench.running import EXPERIMENTS, measure
from crossbar_appstore.bench.stage import Scale
from crossbar_appstore.bench.wire import Request

EFFORT = Effort(load.python, rounds=1, seconds=0.3, warm_up=0.1)
SCALE = Scale(apps=(2, 3), accounts=(1, 3), in_turn=5, clients=5)
ROWS = (
    *("workers", "latency", "latency-writes"),
    *("one-apps", "list-304-apps", "icon-304-apps", "icon-apps", "list-2", "list-3"),
    *("memory-account", "one-accounts", "list-304-accounts", "icon-304-accounts", "icon-accounts", "list-in-turn"),
    *("cold", "cold-clients", "memory", "ready"),
)
pytestmark = pytest.mark.timeout(240)


async def rows(cache: Path, *wanted: str) -> dict[str, Row]:
    told: list[Row] = []
    measured = await measure(cache, EFFORT, SCALE, wanted, told.append)
    assert measured == told
    return {row.name: row for row in measured}


async def test_each_request_is_measured_beside_a_bare_handler(embedded_cache: Path) -> None:
    found = await rows(embedded_cache, *NAMES, LOGGED)
    assert tuple(found) == (*NAMES, LOGGED)
    for row in found.values():
        assert row.value > 0
        assert (row.target is None) == (row.name in (LOGGED, "list-gzip", "list-each"))
        assert len(row.figures["service_us"]) == len(row.figures["bare_us"]) == EFFORT.rounds
    assert 28_000 < found["list"].figures["bytes"] < 40_000
    assert found["list-gzip"].figures["bytes"] < found["list"].figures["bytes"] / 3
    assert 24_000 < found["icon"].figures["bytes"] < 27_000
    assert found["list-304"].figures["bytes"] == found["icon-304"].figures["bytes"] == 0


async def test_each_experiment_gives_its_rows(embedded_cache: Path) -> None:
    found = await rows(embedded_cache, *EXPERIMENTS)
    assert tuple(found) == ROWS
    # Little as there is here, an account may take no page of memory more.
    assert all(row.value > 0 for row in found.values() if row.name != "memory-account")
    # As many reads for many clients as for one.
    assert 1 <= found["cold"].value == found["cold-clients"].value <= 5


async def test_a_server_that_answers_hardly_anything_is_not_measured() -> None:
    async def starved(*_: object, **__: object) -> Load:
        return Load(requests=3, refused=0, failures=0, seconds=1.0, p50=0.1, p99=0.2)

    case = Case("list", "GET list", None, 200, "/{x}", Request("GET", "/", {}))
    with pytest.raises(CannotMeasure, match="too busy"):
        await ratios.measure(Server("the service", "http://127.0.0.1:1", os.getpid()), case, Effort(starved, 1))
