"""The experiments: each measures some rows of the table."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from statistics import median
from typing import Final

import psutil

from benchmarks.load import CONNECTIONS, Request
from benchmarks.rows import Row, median_ratio
from benchmarks.servers import Bench, Case, Server, Turn
from benchmarks.stand_in import made_up_id, stand_in
from benchmarks.system import CUSTOMER, MASTER, RESELLER, SCREENSHOTS, Client, System, couchdb
from crossbar_appstore.kazoo.ids import account_db

Rows = AsyncGenerator[Row, None]

APPS: Final = 25
_MEMORY_APPS: Final = 60
_ADDRESSES: Final = 5_000
"""Of clients without a valid token: each address may send ten requests per second."""
_BUSY: Final = 0.7
_BUSY_WITHIN: Final = 0.05
_LONGER: Final = 4
"""Times as long as another turn are those for latencies, since a percentile takes many requests."""
_TRIES: Final = 4
"""At most for each turn with the right load."""
_MOSTLY_IDLE: Final = 0.5
"""The part of the time that a server is busy, below which it is compared with a bare handler that waits as well."""
_COLD_DELAY: Final = 0.05
_GROWN: Final = 3_000
"""CachedDocument accounts until which memory is measured; the first third fills what has a fixed size."""


async def requests(bench: Bench, system: System) -> Rows:
    """Requests of one client against the bare handler."""
    client = system.client()
    anonymous = [
        replace(client.get(), headers={"X-Forwarded-For": f"10.0.{n >> 8}.{n & 255}"}) for n in range(_ADDRESSES)
    ]
    others = [
        Case("401", "401, no token", anonymous, 5.0, 401),
        Case("404", "404, unknown app", [client.get(f"/{'f' * 32}")], 5.0, 404),
        Case("post", "POST permission", [client.post_permission()], 15.0, drain=0.5),
    ]
    async with bench.service(system) as server:
        for case in [*await _reads(bench, server, [client]), *others]:
            if case.name in bench.wanted:
                yield await _against_bare_handler(bench, server, case)


async def _reads(bench: Bench, server: Server, clients: Sequence[Client]) -> list[Case]:
    """The reads that have targets, of all clients in turn."""
    lists, icons = [client.get() for client in clients], [client.get(f"{client.app}/icon") for client in clients]
    return [
        Case("list", "GET list", lists, 3.0),
        Case("one", "GET one app", [client.get(client.app) for client in clients], 3.0),
        Case("icon", "GET icon", icons, 3.0),
        Case("list-304", "GET list, answered 304", await _conditional(bench, server, lists), 3.0, 304),
        Case("icon-304", "GET icon, answered 304", await _conditional(bench, server, icons), 3.0, 304),
    ]


async def _conditional(bench: Bench, server: Server, requests: Sequence[Request]) -> list[Request]:
    """The requests with the entity tags of their responses."""
    pairs = zip(requests, await bench.etags(server, requests), strict=True)
    return [replace(request, headers={**request.headers, "If-None-Match": etag}) for request, etag in pairs]


async def _against_bare_handler(bench: Bench, server: Server, case: Case) -> Row:
    """The median of the ratios of neighbouring turns."""
    if bench.profiles is not None:
        await bench.profile(server, case, bench.profiles / f"{case.name}.stacks")
    length = len((await bench.ask(server.host, case)).body)
    async with bench.bare_handler(server, case) as bare:
        turns = await bench.in_turns((server, case), (bare, case))
        ours, theirs = ([turn.cpu_us for turn in each] for each in turns)
        remark = f"{median(ours):.0f} µs, bare {median(theirs):.0f} µs, {length:,} bytes"
        figures = {"service_us": ours, "bare_us": theirs}
        if median(turn.busy for turn in turns[0]) < _MOSTLY_IDLE:
            figures["bare_as_often_us"] = await _as_often(bench, bare, case, median(turn.rate for turn in turns[0]))
            remark += f"; bare {median(figures['bare_as_often_us']):.0f} µs when asked as often"
    return Row(case.name, case.title, median_ratio(ours, theirs), most=case.most, remark=remark, figures=figures)


async def _as_often(bench: Bench, bare: Server, case: Case, rate: float) -> list[float]:
    """CPU time of the bare handler where it waits between requests, too: waking up is part of each."""
    think, seconds = 1e3 / rate, _LONGER * bench.scale.seconds
    turns = [await bench.turn(bare, case, seconds, think, connections=1) for _ in range(bench.scale.turns)]
    return [turn.cpu_us for turn in turns]


async def in_turn(bench: Bench, system: System) -> Rows:
    """Reads of many accounts, each with a token of its own, one after the other."""
    clients = [system.client(made_up_id(number)) for number in range(bench.scale.in_turn)]
    async with stand_in(bench.session, system) as proxy, bench.service(system, url=proxy.url) as server:
        for case in await _reads(bench, server, clients):
            name, title = f"{case.name}-in-turn", f"{case.title}, {len(clients):,} accounts and tokens in turn"
            if name in bench.wanted:
                most = 3.5 if case.name == "list" else None
                yield await _against_bare_handler(bench, server, replace(case, name=name, title=title, most=most))


async def workers(bench: Bench, system: System) -> Rows:
    """Two workers against one, by CPU time: each fills a core, and wrk needs another, which not every machine has."""
    case = Case("workers", "GET list", [system.client().get()])
    async with bench.service(system) as one, bench.service(system, workers=2) as two:
        alone, together = await bench.in_turns((one, case), (two, case))
    one_us, two_us = ([turn.cpu_us for turn in each] for each in (alone, together))
    rate = median_ratio([turn.rate for turn in together], [turn.rate for turn in alone])
    remark = f"by CPU time; {rate:.2f}× in responses per second on {os.cpu_count()} cores"
    figures = {"one_us": one_us, "two_us": two_us, "by_rate": rate}
    title = "throughput of 2 workers against one"
    yield Row("workers", title, 2 * median_ratio(one_us, two_us), least=1.8, remark=remark, figures=figures)


async def latency(bench: Bench, system: System) -> Rows:
    """Latencies of the list while the server is busy for 70 % of the time, alone and while others write."""
    case = Case("latency", "GET list", [system.client().get()])
    async with bench.service(system) as server, bench.bare_handler(server, case) as bare:
        with _undisturbed(server, bare):
            spread = median(turn.p99 / turn.p50 for turn in await _at_load(bench, bare, case))
            row = _latency_row(await _at_load(bench, server, case))
            yield replace(row, most=3.0, remark=f"{row.remark}; the bare handler {spread:.2f}×")
            if "latency-writes" in bench.wanted:
                async with _writing(bench, system, server):
                    row = _latency_row(await _at_load(bench, server, case))
                yield replace(row, name="latency-writes", title="the same while apps and accounts are written")


@contextlib.contextmanager
def _undisturbed(*servers: Server) -> Iterator[None]:
    """Keep these servers on the last core, and everything else that the benchmarks start off it.

    They and wrk are scheduled before other programs if the system allows it. Nothing changes on a single core.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    children = psutil.Process().children(recursive=True) if len(cores) > 1 else []
    own, measured = os.getpid(), [server.process.pid for server in servers]

    def schedule(pid: int, cores: list[int], priority: int) -> None:
        os.sched_setaffinity(pid, cores)
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(pid, os.SCHED_RR if priority else os.SCHED_OTHER, os.sched_param(priority))

    pids = [own, *(child.pid for child in children)] if children else []
    for pid in pids:
        schedule(pid, cores[-1:] if pid in measured else cores[:-1], int(pid in (own, *measured)))
    try:
        yield
    finally:
        for pid in pids:
            schedule(pid, cores, 0)


async def _at_load(bench: Bench, server: Server, case: Case) -> list[Turn]:
    """Turns in which the server was about as busy as is wanted; if there is none, the one that came closest."""
    think, turns, counted = 2.0, list[Turn](), list[Turn]()
    while len(counted) < bench.scale.turns and len(turns) < _TRIES * bench.scale.turns:
        turn = await bench.turn(server, case, _LONGER * bench.scale.seconds, think)
        turns.append(turn)
        counted += [turn] if abs(turn.busy - _BUSY) <= _BUSY_WITHIN else []
        # Half of what seems missing: clients that wait for whole milliseconds overshoot.
        think = max(0.0, think + 0.5 * 1e3 * CONNECTIONS / turn.rate * (turn.busy / _BUSY - 1))
    return counted or [min(turns, key=lambda each: abs(each.busy - _BUSY))]


def _latency_row(turns: Sequence[Turn]) -> Row:
    p50, p99, rate, busy = (
        median(each) for each in zip(*((turn.p50, turn.p99, turn.rate, turn.busy) for turn in turns), strict=True)
    )
    remark = f"p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms, {rate:,.0f} responses per second, {busy:.0%} busy"
    figures = {"p50": [turn.p50 for turn in turns], "p99": [turn.p99 for turn in turns]}
    spread = median(turn.p99 / turn.p50 for turn in turns)
    return Row("latency", "p99 against p50 at 70 % load", spread, remark=remark, figures=figures)


@contextlib.asynccontextmanager
async def _writing(bench: Bench, system: System, server: Server) -> AsyncIterator[None]:
    """Change an app, an account and a permission ten times per second."""
    post = Case("", "POST permission", [system.client(RESELLER).post_permission()])
    documents = ((account_db(MASTER), system.app_ids[-1]), (account_db(CUSTOMER), CUSTOMER), ("accounts", CUSTOMER))

    async def write() -> None:
        while True:
            for place in documents:
                document = await couchdb(bench.session, "GET", system.url, *place)
                await couchdb(bench.session, "PUT", system.url, *place, {**document, "changed": time.time()})
            await bench.ask(server.host, post)
            await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(write())
        yield
        task.cancel()


async def apps(bench: Bench, system: System) -> Rows:
    """The cost of requests for one app, where there are few and many of them."""
    few, many = bench.scale.apps
    async with AsyncExitStack() as started:
        ends = []
        for count in (few, many):
            larger = await started.enter_async_context(bench.system(count, lean=True))
            ends.append((await started.enter_async_context(bench.service(larger)), larger.client()))
        async for row in _growth(bench, "apps", f"{many:,} apps against {few:,}", *ends):
            yield row


async def accounts(bench: Bench, system: System) -> Rows:
    """The memory that a known account takes, and the cost of requests where few and many accounts are known."""
    few, many = bench.scale.accounts
    client, master = system.client(made_up_id(0)), system.client(MASTER)
    async with AsyncExitStack() as started:
        proxy = await started.enter_async_context(stand_in(bench.session, system))
        small, large = [await started.enter_async_context(bench.service(system, url=proxy.url)) for _ in range(2)]

        async def visit(server: Server, first: int, last: int, path: str = "") -> int:
            each = (replace(master, account_id=made_up_id(number)).get(path) for number in range(first, last))
            await bench.etags(server, each)
            return server.resident_bytes()

        await visit(small, 0, few)
        some, grown = min(_GROWN, many) // 3, min(_GROWN, many)
        sizes = [(some, await visit(large, 0, some)), (grown, await visit(large, some, grown))]
        kilobytes = (sizes[1][1] - sizes[0][1]) / (grown - some) / 1e3
        sizes.append((many, await visit(large, grown, many, client.app)))
        remark = ", ".join(f"{size / 1e6:.1f} MB with {count:,}" for count, size in sizes)
        yield Row("memory-account", "memory of a known account", kilobytes, "KB", most=8.0, remark=remark)
        title = f"{many:,} known accounts against {few:,}"
        async for row in _growth(bench, "accounts", title, (small, client), (large, client)):
            yield row


async def _growth(bench: Bench, suffix: str, title: str, *ends: tuple[Server, Client]) -> Rows:
    """Reads, but for lists, whose cost is that of their bytes, where there is little and where there is much."""
    (small, small_cases), (large, large_cases) = [(server, await _reads(bench, server, [who])) for server, who in ends]
    for one, other in zip(small_cases, large_cases, strict=True):
        name = f"{one.name}-{suffix}"
        if name in bench.wanted:
            turns = await bench.in_turns((small, one), (large, other))
            # Both are the same program, and what else the machine does can only add: the quietest turns count.
            few_us, many_us = ([turn.cpu_us for turn in each] for each in turns)
            ratio, remark = min(many_us) / min(few_us), f"{min(many_us):.0f} µs against {min(few_us):.0f} µs"
            figures = {"few_us": few_us, "many_us": many_us}
            yield Row(name, f"{one.title}: {title}", ratio, "×", 0.85, 1.15, remark, figures)


async def cold(bench: Bench, system: System) -> Rows:
    """How often CouchDB is asked for an account that the service does not know, by one client and by many at once."""
    async with stand_in(bench.session, system) as proxy, bench.service(system, url=proxy.url) as server:
        # What other accounts need too, such as the reseller's documents, is known afterwards.
        await bench.etags(server, [system.client(made_up_id(0)).get()])
        proxy.delay = _COLD_DELAY
        for name, clients in (("cold", 1), ("cold-clients", bench.scale.at_once)):
            client = system.client(made_up_id(clients))
            proxy.watched, proxy.reads = client.account_id, 0
            begun = time.perf_counter()
            await bench.etags(server, [client.get(client.app)] * clients, at_once=clients)
            times = (time.perf_counter() - begun) / _COLD_DELAY
            title = "reads for a cold account" + (f", {clients:,} clients at once" if clients > 1 else "")
            yield Row(name, title, proxy.reads, "reads", most=5, remark=f"{times:.1f} times as long as one read")


async def memory(bench: Bench, system: System) -> Rows:
    """Memory of a worker that has served everything of 60 apps, then lists under load."""
    async with bench.system(_MEMORY_APPS) as larger, bench.service(larger) as server:
        client, fresh = larger.client(), server.resident_bytes()
        parts = ("", "/icon", *(f"/screenshot/{number}" for number in range(SCREENSHOTS)))
        await bench.etags(server, [client.get(f"/{app_id}{part}") for app_id in larger.app_ids for part in parts])
        await bench.turn(server, Case("memory", "GET list", [client.get()]), bench.scale.seconds)
        megabytes = server.resident_bytes() / 1e6
    remark = f"{fresh / 1e6:.1f} MB after the first request"
    yield Row("memory", f"memory of a worker with {_MEMORY_APPS} apps", megabytes, "MB", most=80.0, remark=remark)


async def ready(bench: Bench, system: System) -> Rows:
    """From the start of the process to the first list."""
    seconds = []
    for _ in range(bench.scale.starts):
        async with bench.service(system) as server:
            seconds.append(server.started_after)
    remark, figures = f"{min(seconds):.2f} to {max(seconds):.2f} s", {"seconds": seconds}
    yield Row("ready", "from start to the first list", median(seconds), "s", most=1.0, remark=remark, figures=figures)


_READS: Final = ("list", "one", "icon", "list-304", "icon-304")
EXPERIMENTS: Final[dict[Callable[[Bench, System], Rows], tuple[str, ...]]] = {
    requests: (*_READS, "401", "404", "post"),
    in_turn: tuple(f"{name}-in-turn" for name in _READS),
    workers: ("workers",),
    latency: ("latency", "latency-writes"),
    apps: tuple(f"{name}-apps" for name in _READS[1:]),
    accounts: ("memory-account", *(f"{name}-accounts" for name in _READS[1:])),
    cold: ("cold", "cold-clients"),
    memory: ("memory",),
    ready: ("ready",),
}
"""Experiment → the names of its rows, in their order."""
