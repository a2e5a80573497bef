"""The load generators against a little server."""

import asyncio
import shutil
from collections import Counter

import pytest
from aiohttp import web

from crossbar_appstore.bench import load
from crossbar_appstore.bench.generator_process import Plan, generate, percentile
from crossbar_appstore.bench.load import Generate, Load
from crossbar_appstore.bench.processes import CannotMeasure, Server
from crossbar_appstore.bench.wire import Request
from tests.bench.servers import serving, talking

WRK = pytest.param(load.wrk, id="wrk", marks=pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not here"))
GENERATORS = [WRK, pytest.param(load.python, id="python")]


class Counting:
    """Answers 200 with a large body, every third time 304; keeps what it saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str | None, str | None]] = []
        self.answered: Counter[int] = Counter()

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_route("*", "/{path}", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.Response:
        headers = request.headers
        body = await request.text()
        self.seen.append((request.method, body, headers.get("X-Auth-Token"), headers.get("X-Forwarded-For")))
        status = 304 if len(self.seen) % 3 == 0 else 200
        self.answered[status] += 1
        return web.Response(status=status, body=b"x" * 100_000 if status == 200 else None)


async def in_thread(plan: Plan) -> Load:
    """The Python generator within this process, so that its lines count as run."""
    return Load.of(await asyncio.to_thread(generate, plan))


def plan(server: Server, request: Request, *, connections: int = 3, seconds: float = 0.3, think: float = 0.0) -> Plan:
    return Plan(server.host, server.port, request, connections, seconds, think)


@pytest.mark.parametrize("generator", GENERATORS)
async def test_every_reply_is_counted(generator: Generate) -> None:
    counting = Counting()
    async with serving(counting.application()) as server:
        found = await generator(server, Request("POST", "/x", {"X-Auth-Token": "t"}, body='{"a":1}'), 1.0, 4)
    assert found.failures == 0
    assert found.requests > 10
    # wrk leaves while requests are under way.
    assert 0 <= counting.answered.total() - found.requests <= 4
    assert found.refused == 0
    assert set(counting.seen) == {("POST", '{"a":1}', "t", None)}


@pytest.mark.parametrize("generator", GENERATORS)
async def test_requests_come_from_many_addresses_in_turn(generator: Generate) -> None:
    counting = Counting()
    async with serving(counting.application()) as server:
        await generator(server, Request("GET", "/x", {}, addresses=5), 1.0, 2)
    addresses = Counter(address for *_, address in counting.seen)
    assert set(addresses) == {f"10.0.0.{number}" for number in range(5)}
    assert max(addresses.values()) - min(addresses.values()) <= 2


@pytest.mark.parametrize("generator", GENERATORS)
async def test_paths_are_asked_for_in_turn(generator: Generate) -> None:
    paths: Counter[str] = Counter()

    async def answer(request: web.Request) -> web.Response:
        paths[request.raw_path] += 1
        return web.Response()

    application = web.Application()
    application.router.add_route("GET", "/{path}", answer)
    async with serving(application) as server:
        await generator(server, Request("GET", "/ab%03x?n=1", {}, variants=12), 1.0, 2)
    assert set(paths) == {f"/ab{number:03x}?n=1" for number in range(12)}
    assert max(paths.values()) - min(paths.values()) <= 2


async def test_a_plan_without_a_rate_is_answered_as_often_as_it_asks() -> None:
    counting = Counting()
    async with serving(counting.application()) as server:
        found = await in_thread(plan(server, Request("GET", "/x", {})))
    assert found.requests == counting.answered.total()
    assert found.failures == 0
    assert 0 < found.p50 <= found.p99


@pytest.mark.parametrize("generator", GENERATORS)
async def test_a_client_thinks_before_it_asks_again(generator: Generate) -> None:
    counting = Counting()
    async with serving(counting.application()) as server:
        found = await generator(server, Request("GET", "/x", {}), 1.0, 2, think=0.05)
    # Two clients ask twenty times a second each, if they are answered at once.
    assert 2 <= found.requests <= 42


async def test_a_server_that_hangs_up_is_a_failure() -> None:
    async with talking(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nless") as server:
        found = await in_thread(plan(server, Request("GET", "/x", {})))
    assert (found.requests, found.failures) == (0, 3)


async def test_a_generator_that_fails_says_why() -> None:
    nowhere = Server("nobody", "http://127.0.0.1:1", 0)
    with pytest.raises(CannotMeasure, match="refused"):
        await load.python(nowhere, Request("GET", "/", {}), 0.1, 1)


async def test_a_generator_ends_with_the_one_who_waits_for_it() -> None:
    async with serving(Counting().application()) as server:
        waiting = asyncio.create_task(load.python(server, Request("GET", "/x", {}), 30.0, 1))
        await asyncio.sleep(0.3)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


def load_of(requests: int, refused: int = 0, failures: int = 0) -> Load:
    return Load(requests, refused, failures, seconds=1.0, p50=0.1, p99=0.2)


def test_other_statuses_and_failures_are_no_measurement() -> None:
    load_of(5).check("list", 200)
    load_of(5, refused=5).check("nothing", 404)
    for wrong, status in ((load_of(6, 1), 200), (load_of(5, 0, 1), 200), (load_of(0), 200), (load_of(5, 4), 404)):
        with pytest.raises(CannotMeasure, match="list"):
            wrong.check("list", status)


def test_wrk_is_taken_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/wrk")
    assert load.generator() == ("wrk", load.wrk)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert load.generator() == ("python", load.python)
    assert load.generator("wrk") == ("wrk", load.wrk)


def test_percentiles_are_nearest_ranks() -> None:
    assert percentile([], 0.99) == 0.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
    assert percentile([float(number) for number in range(100)], 0.99) == 99.0
