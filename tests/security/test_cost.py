"""What the requests that cost most take of the processor: of the thread with the event loop, by its own clock."""

import contextlib
import gc
import statistics
import time
from collections.abc import Iterable, Iterator

import pytest
from aiohttp import web

from tests.crossbar.conftest import sample_application
from tests.crossbar.sample import LIST, MINE, Accounts, Notes
from tests.crossbar.wire import Connection, Wire
from tests.kit.service import Service
from tests.kit.system import System
from tests.security.costs import Costly, body_requests, header_requests, target_requests

pytestmark = pytest.mark.timeout(900)  # of the long forms

LIMIT = 0.25
"""Seconds; five times what a request may take, as other programs run beside the tests."""
RUNS = 3
PRINTED = 15


@pytest.fixture(autouse=True)
def frozen() -> Iterator[None]:
    """What exists before a test is not scanned for garbage, as in a worker: a test run has much of it."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


async def measure(service: Service, requests: Iterable[Costly], *, long_form: bool) -> None:
    """Print what takes longest; assert that nothing takes long, or fails."""
    port = int((await service.address()).rpartition(":")[2])
    token = service.system.token(service.system.master.admin)
    results = []
    for costly in requests:
        raw = _request(costly, token)
        taken, status = await _seconds(port, raw)
        if long_form or taken > LIMIT / 2:
            taken = statistics.median([taken, *[(await _seconds(port, raw))[0] for _ in range(RUNS - 1)]])
        results.append((taken, status, costly.name))
    results.sort(reverse=True)
    for taken, status, name in results[:PRINTED]:
        print(f"{taken * 1000:7.1f} ms  {status}  {name}")
    print(f"{len(results)} requests")
    assert not [name for taken, status, name in results if taken > LIMIT or status >= 500]


def _request(costly: Costly, token: str) -> bytes:
    lines = [f"{costly.method} /v2/{costly.target} HTTP/1.1", "Host: x", "Connection: close"]
    if costly.has_token:
        lines.append(f"X-Auth-Token: {token}")
    if costly.body is not None:
        lines.append(f"Content-Length: {len(costly.body)}")
    lines += [f"{name}: {value}" for name, value in costly.headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (costly.body or b"")


async def _seconds(port: int, raw: bytes) -> tuple[float, int]:
    """What a request takes, with the sending of it, and its status, 0 where the connection was only closed."""
    reply = b""
    begun = time.thread_time()
    with contextlib.suppress(ConnectionError):
        async with Connection(port) as connection:
            await connection.send(raw)
            reply = await connection.rest()
    taken = time.thread_time() - begun
    return taken, int(reply.split(b" ", 2)[1]) if reply else 0


async def test_body_takes_little_time_whatever_it_holds(service: Service, system: System, long_form: bool) -> None:
    await measure(service, body_requests(system), long_form=long_form)


async def test_header_takes_little_time_whatever_it_holds(service: Service, system: System, long_form: bool) -> None:
    await measure(service, header_requests(system.master.path), long_form=long_form)


async def test_target_takes_little_time_whatever_it_holds(service: Service, system: System, long_form: bool) -> None:
    await measure(service, target_requests(system.master.path), long_form=long_form)


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("", {"Accept-Encoding": "gzip"}),
        ("?pretty_print=true", {"Accept-Encoding": "gzip"}),
        ("", {"Accept": "text/csv", "Accept-Encoding": "gzip"}),
    ],
    ids=["JSON", "gzip", "indented", "CSV"],
)
async def test_long_list_takes_little_time_of_event_loop(query: str, headers: dict[str, str]) -> None:
    """A list of some megabytes: what takes long is done in a thread, beside which other requests are answered."""
    notes = Notes()
    labels = {language: {"label": "A label", "description": "Some words " * 20} for language in ("en-US", "de-DE")}
    notes.notes = {str(number): {"id": str(number), "i18n": labels, "tags": ["a", "b"]} for number in range(4_000)}
    runner = web.AppRunner(sample_application(Accounts(), notes))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ask = Wire(runner.addresses[0][1])
        taken = []
        for _ in range(RUNS):
            begun = time.thread_time()
            assert (await ask("GET", LIST + query, {**MINE, **headers})).status == 200
            taken.append(time.thread_time() - begun)
    finally:
        await runner.cleanup()
    print(f"{statistics.median(taken) * 1000:7.1f} ms  {query} {headers}")
    assert statistics.median(taken) < LIMIT
