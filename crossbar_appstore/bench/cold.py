"""What CouchDB is asked for an account that the service does not know yet."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Final

from crossbar_appstore.bench.cases import Client, log_in
from crossbar_appstore.bench.exchange import connection, visit
from crossbar_appstore.bench.made_up import made_up_id
from crossbar_appstore.bench.processes import CannotMeasure, Server
from crossbar_appstore.bench.rows import Row, Target
from crossbar_appstore.bench.stage import Stage
from crossbar_appstore.bench.stand_in import StandIn
from crossbar_appstore.bench.system import MASTER
from crossbar_appstore.bench.wire import Request

_READS: Final = 5
_DELAY: Final = 0.05
"""Seconds of a made-up answer: what is asked one after the other takes a multiple of it."""


async def cold(stage: Stage) -> AsyncGenerator[Row, None]:
    """Two rows: reads for one client, and for a thousand at once.

    Raises:
        CannotMeasure: the service answers otherwise than it should.
    """
    system, many = stage.system, stage.bench.scale.clients
    async with (
        StandIn(stage.couchdb_url, system.master_id, system.app_ids) as couchdb,
        stage.serve(couchdb_url=couchdb.url) as server,
    ):
        client = await log_in(server, system, MASTER, system.master_id)
        await visit(server, [list_of(client, made_up_id(number)) for number in range(3)], 1)
        couchdb.delay = _DELAY
        for name, title, clients in (
            ("cold", "reads for a cold account", 1),
            ("cold-clients", f"reads for a cold account that {many:,} clients ask for", many),
        ):
            yield await _measure(server, couchdb, client, clients, name, title)


def list_of(client: Client, account_id: str) -> Request:
    """The list of another account that the client may see."""
    return client.get(f"/v2/accounts/{account_id}/apps_store")


def app_of(client: Client, account_id: str) -> Request:
    """An app of another account, which takes the same documents."""
    return client.get(f"{list_of(client, account_id).path}/{client.app_id}")


async def _measure(server: Server, couchdb: StandIn, client: Client, clients: int, name: str, title: str) -> Row:
    account_id = made_up_id(1_000_000 + clients)
    couchdb.watch(account_id)
    seconds = await at_once(server, app_of(client, account_id), clients)
    return Row(
        name,
        title,
        couchdb.count,
        "reads",
        Target(most=_READS),
        f"{couchdb.most_at_once} at once; {seconds / _DELAY:.1f} times as long as one read",
        {"seconds": seconds, "delay": _DELAY, "at_once": couchdb.most_at_once, "clients": clients},
    )


async def at_once(server: Server, request: Request, clients: int) -> float:
    """Send a request on as many connections at the same time; seconds until the last one was answered.

    Raises:
        CannotMeasure: one was not answered with 200.
    """
    async with AsyncExitStack() as running:
        connections = [await running.enter_async_context(connection(server)) for _ in range(clients)]
        begun = time.perf_counter()
        replies = await asyncio.gather(*(each.ask(request) for each in connections))
        seconds = time.perf_counter() - begun
    refused = {reply.status for reply in replies} - {200}
    if refused:
        raise CannotMeasure(f"{server.name}: {request.path}: {refused}")
    return seconds
