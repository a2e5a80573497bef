"""Which node of a cluster gets the requests: faults of nodes, in the middle of reads, writes and feeds.

The nodes are proxies before one server, or before those of ``COUCHDB_NODES``.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import pytest

from crossbar_appstore.datastore.catalogue import Catalogue
from crossbar_appstore.datastore.client import Availability
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import OutcomeUnknown, Troubled, Unreachable
from crossbar_appstore.datastore.freshness import WriteCounters
from crossbar_appstore.datastore.master_account import Configuration, MasterAccount
from crossbar_appstore.json_codec import JsonObject

from . import fault_proxy as broken
from .conftest import QUICK, eventually
from .fault_proxy import Status
from .nodes import UP, ClusterNode, cluster

SWITCHED = 4.0
"""Seconds within which a read must be answered by another node: 2 s, and as much for a slow machine."""


@pytest.fixture
async def nodes(couchdb_url: str) -> AsyncIterator[list[ClusterNode]]:
    named = os.environ.get("COUCHDB_NODES", "")
    targets = [each.rstrip("/") for each in named.split(",")] if named else [couchdb_url] * 3
    async with cluster(targets) as made:
        yield made


@pytest.fixture
async def couch(nodes: list[ClusterNode]) -> AsyncIterator[Couch]:
    """A client that reaches the cluster without faults, for what a test prepares."""
    async with Couch(nodes[0].proxy.target) as client:
        yield client


@pytest.fixture
async def clustered(nodes: list[ClusterNode]) -> AsyncIterator[Couch]:
    async with Couch(*(node.url for node in nodes)) as client:
        yield client


def used(client: Couch, nodes: list[ClusterNode]) -> int:
    """The place of the node that gets the requests."""
    return [node.address for node in nodes].index(client.address)


async def moved(client: Couch, nodes: list[ClusterNode], to: int) -> None:
    async def is_there() -> bool:
        return used(client, nodes) == to

    async with asyncio.timeout(SWITCHED):
        await eventually(is_there)


# One node


async def test_nodes_single_node_is_asked_nothing(
    couch: Couch, nodes: list[ClusterNode], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbar_appstore.datastore.nodes.WATCH_SECONDS", 0.01)
    (node, *_) = nodes
    async with Couch(node.url, timeouts=QUICK) as client:
        assert await client.database_exists(database)
        node.proxy.fail(Status(503), times=1)
        assert await client.database_exists(database)
        assert await client.cluster.states() == []
        await node.kill()
        for request in (client.open_doc(database, "x"), client.save_doc(database, {"_id": "x"})):
            with pytest.raises(Unreachable):
                await request
    assert node.proxy.count(path=UP) == 0


# The choice


async def test_nodes_first_node_gets_all_requests(clustered: Couch, nodes: list[ClusterNode], database: str) -> None:
    saved = await clustered.save_doc(database, {"_id": "x"})
    assert await clustered.open_doc(database, "x") == saved
    assert [node.count() for node in nodes] == [2, 0, 0]


@pytest.mark.parametrize("status", [200, 401])
async def test_nodes_current_node_is_watched_without_password(
    couch: Couch, nodes: list[ClusterNode], database: str, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr("crossbar_appstore.datastore.nodes.WATCH_SECONDS", 0.01)
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(Status(status if b" /_up " in heads[-1] else 200).reply())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://kazoo:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Couch(url, nodes[1].url) as client:
            await client.server()
            while len(heads) < 4:
                await asyncio.sleep(0.01)
            assert client.address in url.replace("kazoo:secret@", "")
    asked = [head for head in heads if b" /_up " in head]
    assert [head.split(b" ")[1] for head in heads if head not in asked] == [b"/_session", b"/"]
    assert not any(b"authorization" in head.lower() for head in asked)


async def test_nodes_client_stays_with_the_node_it_chose_until_that_fails(
    clustered: Couch, nodes: list[ClusterNode], database: str
) -> None:
    assert await clustered.database_exists(database)
    await nodes[0].kill()
    assert await clustered.database_exists(database)
    assert used(clustered, nodes) == 1
    await nodes[0].recover()
    assert await clustered.database_exists(database)
    assert used(clustered, nodes) == 1
    # The first that is usable, not the next.
    nodes[1].maintain()
    await moved(clustered, nodes, 0)
    assert await clustered.database_exists(database)


async def test_nodes_unusable_nodes_are_passed_over(clustered: Couch, nodes: list[ClusterNode], database: str) -> None:
    nodes[1].maintain()
    await nodes[0].kill()
    assert await clustered.database_exists(database)
    assert used(clustered, nodes) == 2


async def test_nodes_client_recovers_with_whichever_node_is_back_first(
    clustered: Couch, nodes: list[ClusterNode], database: str
) -> None:
    for node in nodes:
        await node.kill()
    with pytest.raises(Unreachable):
        await clustered.database_exists(database)
    with pytest.raises(Unreachable):
        await clustered.save_doc(database, {"_id": "x"})
    await nodes[2].recover()
    assert await clustered.database_exists(database)
    assert used(clustered, nodes) == 2


async def test_nodes_in_maintenance_alone_are_used_all_the_same(
    clustered: Couch, nodes: list[ClusterNode], database: str
) -> None:
    for node in nodes:
        node.maintain()
    assert await clustered.database_exists(database)
    await nodes[0].kill()
    assert await clustered.database_exists(database)
    assert used(clustered, nodes) == 1
    # Until a better one is there.
    await nodes[2].recover()
    await moved(clustered, nodes, 2)


# In the middle of requests


async def test_nodes_write_that_was_not_sent_goes_to_the_next_node(
    clustered: Couch, nodes: list[ClusterNode], database: str
) -> None:
    await nodes[0].kill()
    saved = await clustered.save_doc(database, {"_id": "x"})
    [result] = await clustered.save_docs(database, [{"_id": "y"}])
    assert result.error is None
    assert await clustered.open_doc(database, "x") == saved
    assert (nodes[1].count("PUT"), nodes[1].count("POST")) == (1, 1)


async def test_nodes_hung_node_is_left_and_its_reads_are_repeated(
    clustered: Couch, nodes: list[ClusterNode], database: str
) -> None:
    saved = await clustered.save_doc(database, {"_id": "x"})
    nodes[0].hang()
    began = time.monotonic()
    assert await asyncio.gather(*(clustered.open_doc(database, "x") for _ in range(5))) == [saved] * 5
    assert time.monotonic() - began < SWITCHED
    assert used(clustered, nodes) == 1


async def test_nodes_requests_that_wait_for_a_connection_of_a_hung_node_go_to_the_next(
    clustered: Couch, nodes: list[ClusterNode], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbar_appstore.datastore.client.CONNECTIONS", 2)
    nodes[0].hang()
    began = time.monotonic()
    reads = [asyncio.ensure_future(clustered.database_exists(database)) for _ in range(4)]
    await asyncio.sleep(0)  # the reads take the connections
    write = asyncio.ensure_future(clustered.save_doc(database, {"_id": "x"}))
    assert await asyncio.gather(*reads) == [True] * 4
    assert (await write)["_rev"]
    assert time.monotonic() - began < SWITCHED


@pytest.mark.parametrize("fault", [broken.Fault.RESET, broken.Fault.TRUNCATE, Status(503)])
async def test_nodes_read_that_breaks_off_is_repeated_where_the_node_is_well(
    clustered: Couch, nodes: list[ClusterNode], database: str, fault: broken.Fault | Status
) -> None:
    saved = await clustered.save_doc(database, {"_id": "x"})
    nodes[0].proxy.fail(fault, path=database.replace("/", "%2F"), times=1)
    assert await clustered.open_doc(database, "x") == saved
    # One reply tells nothing of the node: /_up does.
    assert used(clustered, nodes) == 0
    nodes[0].proxy.fail(fault, path=database.replace("/", "%2F"))
    nodes[0].maintain()
    assert await clustered.open_doc(database, "x") == saved
    assert used(clustered, nodes) == 1


async def hanging_write(client: Couch, nodes: list[ClusterNode], database: str) -> "asyncio.Task[JsonObject]":
    """A write that the first node got and does not answer."""
    assert await client.database_exists(database)
    nodes[0].proxy.fail(broken.Fault.STALL, method="PUT")
    writing = asyncio.ensure_future(client.save_doc(database, {"_id": "x"}))
    while not nodes[0].count("PUT"):
        await asyncio.sleep(0.01)
    return writing


async def test_nodes_write_of_unknown_outcome_is_not_repeated(
    clustered: Couch, nodes: list[ClusterNode], database: str
) -> None:
    writing = await hanging_write(clustered, nodes, database)
    began = time.monotonic()
    nodes[0].hang()
    with pytest.raises(OutcomeUnknown, match="connection failed"):
        await writing
    assert time.monotonic() - began < SWITCHED
    assert [node.count("PUT") for node in nodes[1:]] == [0, 0]
    # The next one is.
    assert (await clustered.save_doc(database, {"_id": "x"}))["_rev"]
    assert nodes[1].count("PUT") == 1


async def test_nodes_write_is_not_repeated_where_its_first_connection_broke(
    clustered: Couch, nodes: list[ClusterNode], database: str
) -> None:
    assert await clustered.database_exists(database)
    killing: list[asyncio.Task[None]] = []

    async def die(writer: asyncio.StreamWriter) -> None:
        killing.append(asyncio.ensure_future(nodes[0].kill()))
        await asyncio.Event().wait()

    # aiohttp sends it again, to a node that refuses connections by then: still it may have been saved.
    nodes[0].proxy.scripts["/" + database.replace("/", "%2F")] = die
    with pytest.raises(OutcomeUnknown):
        await clustered.save_doc(database, {"_id": "x"})
    await asyncio.gather(*killing)
    assert [node.count("PUT") for node in nodes] == [1, 0, 0]


async def test_nodes_request_under_way_at_a_node_that_goes_into_maintenance_is_answered(
    clustered: Couch, nodes: list[ClusterNode], database: str
) -> None:
    go_on = asyncio.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        await broken.answering({"ok": True, "id": "x", "rev": "1-a"})(writer)

    nodes[0].proxy.scripts["/" + database.replace("/", "%2F")] = answer
    writing = asyncio.ensure_future(clustered.save_doc(database, {"_id": "x"}))
    nodes[0].maintain()
    await moved(clustered, nodes, 1)
    go_on.set()
    assert (await writing)["_rev"] == "1-a"


# Feeds


@pytest.mark.parametrize("fault", ["kill", "hang", "maintain"])
async def test_nodes_feed_of_a_node_that_is_left_ends(
    clustered: Couch, nodes: list[ClusterNode], database: str, fault: str
) -> None:
    faults: dict[str, Callable[[], Awaitable[None] | None]] = {
        "kill": nodes[0].kill,
        "hang": nodes[0].hang,
        "maintain": nodes[0].maintain,
    }

    async def follow() -> None:
        begun = False
        async with aclosing(clustered.feeds.changes(database, since=0)) as batches:
            async for _ in batches:
                if not begun:
                    begun = True
                    waiting = faults[fault]()
                    if waiting is not None:
                        await waiting

    async with asyncio.timeout(SWITCHED):
        with pytest.raises(Troubled):
            await follow()
    await moved(clustered, nodes, 1)


@pytest.mark.parametrize("fault", ["kill", "hang", "maintain"])
async def test_nodes_catalogue_follows_the_changes_at_the_next_node(
    clustered: Couch, couch: Couch, nodes: list[ClusterNode], master: str, fault: str
) -> None:
    app: JsonObject = {"pvt_type": "app", "name": "voip", "pvt_account_id": "x", "pvt_account_db": "x"}
    first = await couch.save_doc(master, {**app, "_id": "1" * 32})
    config = Configuration(lambda database, doc_id: _nothing())
    catalogue = Catalogue(
        clustered, MasterAccount(clustered, config), WriteCounters.alone(), Availability(clustered.server)
    )
    catalogue.start()
    try:
        assert len((await catalogue.snapshot()).apps) == 1
        while not catalogue.feed.is_healthy():
            await asyncio.sleep(0.01)
        if fault == "kill":
            await nodes[0].kill()
        elif fault == "hang":
            nodes[0].hang()
        else:
            nodes[0].maintain()
        await moved(clustered, nodes, 1)
        await couch.save_doc(master, {**app, "_id": "2" * 32, "name": "second"})
        await couch.save_doc(master, {**first, "name": "changed"})

        async def is_seen() -> bool:
            return [each["name"] for each in (await catalogue.snapshot()).apps] == ["changed", "second"]

        async with asyncio.timeout(SWITCHED):
            await eventually(is_seen)
            while not catalogue.feed.is_healthy():
                await asyncio.sleep(0.01)
        # What changed meanwhile was caught up with, unless CouchDB waited for the node that the sequence names.
        assert clustered.statistics.catalogue_loads <= (2 if fault == "hang" else 1)
    finally:
        await catalogue.stop()


async def _nothing() -> None:
    return None


# What the doctor shows


async def test_nodes_states_tell_of_each_node(clustered: Couch, nodes: list[ClusterNode], database: str) -> None:
    for place, node in enumerate(nodes):
        node.proxy.scripts["/_node/_local"] = broken.answering({"name": f"couchdb@{place}"})
        node.proxy.scripts["/_membership"] = broken.answering({"cluster_nodes": ["couchdb@0", "couchdb@1"]})
    nodes[1].maintain()
    await nodes[2].kill()
    states = await clustered.cluster.states()
    assert [state.address for state in states] == [node.address for node in nodes]
    assert [state.trouble for state in states] == [
        None,
        "in maintenance",
        "connection failed: Connection refused",
    ]
    assert [state.is_current for state in states] == [True, False, False]
    assert [state.name for state in states] == ["couchdb@0", "couchdb@1", ""]
    assert states[0].version[0].isdigit()
    assert states[0].members == {"couchdb@0", "couchdb@1"}


async def test_nodes_states_of_a_server_that_tells_little_are_empty(clustered: Couch, nodes: list[ClusterNode]) -> None:
    for node in nodes:
        node.proxy.scripts["/_node/_local"] = broken.answering(["x"])
        node.proxy.fail(Status(401), path="/_membership")
    states = await clustered.cluster.states()
    assert [(state.trouble, state.name, state.members) for state in states] == [(None, "", frozenset())] * 3
