"""Whether requests cost the same however many apps and accounts there are."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

from crossbar_appstore.bench.cases import Case, Client, constant_cases, list_case, list_in_turn_case, log_in
from crossbar_appstore.bench.cold import app_of, list_of
from crossbar_appstore.bench.exchange import visit
from crossbar_appstore.bench.load import CONNECTIONS
from crossbar_appstore.bench.made_up import PATTERN, made_up_id
from crossbar_appstore.bench.processes import Server
from crossbar_appstore.bench.ratios import beside_bare_handler, in_turns
from crossbar_appstore.bench.rows import Row, Target
from crossbar_appstore.bench.stage import Stage
from crossbar_appstore.bench.stand_in import StandIn
from crossbar_appstore.bench.system import MASTER
from crossbar_appstore.bench.wire import Request

Asking = Callable[[Client, str], Request]

_SAME: Final = Target(least=0.85, most=1.15)
_FEW_ENOUGH: Final = 4_000
"""Accounts that fit into the caches, so that memory over accounts is memory an account."""
_ACCOUNT_KILOBYTES: Final = 3.0


async def apps(stage: Stage) -> AsyncGenerator[Row, None]:
    """The cost of one app, icon and 304 with many apps against few, and of the list against its bytes.

    Raises:
        CannotMeasure: the service answers otherwise than it should.
    """
    bench = stage.bench
    async with AsyncExitStack() as running:
        servers: dict[int, tuple[Server, Client]] = {}
        for count in bench.scale.apps:
            larger = await running.enter_async_context(bench.stage(count, lean=True))
            server = await running.enter_async_context(larger.serve())
            servers[count] = server, await larger.customer(server)
        few, *_, many = servers
        cases = {count: await constant_cases(*servers[count]) for count in (few, many)}
        for small, large in zip(cases[few], cases[many], strict=True):
            ends = (servers[few][0], small), (servers[many][0], large)
            yield await _same_cost(stage, f"{small.name}-apps", f"{small.title}: {many:,} apps against {few:,}", ends)
        for count, (server, client) in servers.items():
            case = list_case(client)
            row = await beside_bare_handler(server, case, bench.effort, bench.room)
            yield Row(
                f"list-{count}", f"{case.title}, {count:,} apps", row.value, "×", row.target, row.remark, row.figures
            )


async def accounts(stage: Stage) -> AsyncGenerator[Row, None]:
    """The cost with many known accounts against few, and of many in turn; and what an account takes of memory.

    The accounts are made up by a proxy before CouchDB; the service gets to know each by a request for its list. The
    proxy has a feed of databases, as CouchDB has it.

    Raises:
        CannotMeasure: the service answers otherwise than it should.
    """
    system = stage.system
    bench = stage.bench
    few, many = bench.scale.accounts
    async with AsyncExitStack() as running:
        stand_in = StandIn(stage.couchdb_url, system.master_id, system.app_ids, tells=True)
        couchdb = await running.enter_async_context(stand_in)
        ends: list[tuple[Server, Client]] = []
        for _ in range(2):
            server = await running.enter_async_context(stage.serve(couchdb_url=couchdb.url))
            master = await log_in(server, system, MASTER, system.master_id)
            await _get_known(server, master, range(few))
            ends.append((server, Client(master.token, made_up_id(0), system.app_ids[0])))
        (small, client), (large, _) = ends
        yield await _memory(large, client, few, min(many, _FEW_ENOUGH), many)
        cases = [await constant_cases(*end) for end in ends]
        for one, other in zip(*cases, strict=True):
            title = f"{one.title}: {many:,} known accounts against {few:,}"
            yield await _same_cost(stage, f"{one.name}-accounts", title, ((small, one), (large, other)))
        await _get_known(small, client, range(bench.scale.in_turn))
        in_turn = list_in_turn_case(client, PATTERN, bench.scale.in_turn)
        yield await beside_bare_handler(small, in_turn, bench.effort, bench.room)


async def _get_known(server: Server, client: Client, numbers: range, request: Asking = list_of) -> None:
    await visit(server, (request(client, made_up_id(number)) for number in numbers), CONNECTIONS)


async def _memory(server: Server, client: Client, few: int, some: int, many: int) -> Row:
    """Memory an account while all fit into the caches, of the second half; then all others are visited.

    The first half fills what has a fixed size.
    """
    half = (few + some) // 2
    resident = [_resident(server)]
    for numbers, request in ((range(few, half), list_of), (range(half, some), list_of), (range(some, many), app_of)):
        await _get_known(server, client, numbers, request)
        resident.append(_resident(server))
    numbers_known = [few, half, some, many]
    megabytes = [f"{each / 1e6:.1f} MB" for each in resident]
    return Row(
        "memory-account",
        "memory a cached account",
        (resident[2] - resident[1]) / max(1, some - half) / 1e3,
        "KB",
        Target(most=_ACCOUNT_KILOBYTES),
        ", ".join(f"{size} with {number:,}" for size, number in zip(megabytes, numbers_known, strict=True)),
        {"resident": resident, "accounts": numbers_known},
    )


def _resident(server: Server) -> int:
    return server.usage()[0].resident_bytes


async def _same_cost(stage: Stage, name: str, title: str, ends: Sequence[tuple[Server, Case]]) -> Row:
    few, many = await in_turns(ends, stage.bench.effort)
    # Both are the same program: what else the machine does can only add to either.
    few_us, many_us = (min(turn.cpu_us for turn in turns) for turns in (few, many))
    return Row(
        name,
        title,
        many_us / few_us,
        "×",
        _SAME,
        f"{many_us:.0f} µs against {few_us:.0f} µs",
        {"few_us": [turn.cpu_us for turn in few], "many_us": [turn.cpu_us for turn in many]},
    )
