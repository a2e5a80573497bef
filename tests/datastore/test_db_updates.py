"""The feed of databases, as CouchDB 2 and newer send it; PouchDB Server has none."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from crossbar_appstore.datastore import ages
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatastoreError, Unreachable
from crossbar_appstore.datastore.replies import DatabaseUpdate
from crossbar_appstore.datastore.store import Datastore

from .fault_proxy import FaultProxy

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"


@dataclass
class Updates:
    """A server's ``_db_updates``: says what it is told to, and gives signs of life."""

    said: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    heard: int = 0

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        while True:
            try:
                piece = await asyncio.wait_for(self.said.get(), 0.1)
            except TimeoutError:
                piece = b"\n"
            writer.write(piece)
            await writer.drain()
            self.heard += 1

    async def say(self, text: bytes) -> None:
        """Say something, and wait until a sign of life followed it."""
        await self.said.put(text)
        goal = self.heard + 3
        while self.heard < goal:
            await asyncio.sleep(0.02)

    async def name(self, database: str) -> None:
        update = {"db_name": database, "type": "updated", "seq": "7-abc"}
        await self.say(json.dumps(update).encode() + b"\n")


@pytest.fixture
async def updates(proxy: FaultProxy) -> Updates:
    told = Updates()
    proxy.scripts["/_db_updates"] = told.answer
    return told


@pytest.fixture
async def watching(proxy: FaultProxy, updates: Updates, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Datastore]:
    # Without the feed every document would be read again each time.
    monkeypatch.setattr(ages, "UNWATCHED_SECONDS", -1.0)
    async with Datastore(Couch(proxy.url)) as store:
        await updates.say(b"\n")
        yield store


async def test_lines_are_read_however_they_are_cut(behind: Couch, updates: Updates) -> None:
    long_name = "x" * 600_000
    pieces = [
        b'\n{"db_name":"a","type":"created","seq":1}\n{"db_name":"b","ty',
        b'pe":"deleted"}\n\n{"last_seq":2}\n',
        b'{"db_name":"' + long_name.encode() + b'"}\n',
    ]
    for piece in pieces:
        updates.said.put_nowait(piece)
    seen: list[DatabaseUpdate] = []
    async for update in behind.db_updates(since="now"):
        seen += update
        if len(seen) == 3:
            break
    assert seen == [
        DatabaseUpdate(1, "a", "created"),
        DatabaseUpdate(None, "b", "deleted"),
        DatabaseUpdate(None, long_name, "updated"),
    ]


@pytest.mark.parametrize("line", [b"not json\n", b"[1]\n", b'"text"\n'])
async def test_a_line_that_is_no_object_ends_the_connection(behind: Couch, updates: Updates, line: bytes) -> None:
    updates.said.put_nowait(line)

    async def listen() -> DatastoreError | None:
        async for _ in behind.db_updates(since="now"):
            pass
        return None

    with pytest.raises(Unreachable):
        await listen()


async def test_a_feed_that_never_named_anything_is_not_trusted(
    couch: Couch, watching: Datastore, database: str
) -> None:
    await watching.open(database, "x")
    assert watching.peek(database, "x") is None


async def test_a_trusted_feed_lets_documents_live_until_it_names_their_database(
    couch: Couch, watching: Datastore, updates: Updates, database: str
) -> None:
    saved = await couch.save_doc(database, {"_id": "x"})
    await updates.name("another")
    known = await watching.open(database, "x")
    assert watching.peek(database, "x") is known
    newest = await couch.save_doc(database, {**saved, "n": 1})
    await updates.name("another")
    assert watching.peek(database, "x") is known
    await updates.name(database)
    assert watching.peek(database, "x") is None
    assert (await watching.open(database, "x")).document == newest


async def test_what_was_asked_for_before_the_feed_connected_is_not_trusted(
    couch: Couch, proxy: FaultProxy, watching: Datastore, updates: Updates, database: str
) -> None:
    await updates.name("another")
    await watching.open(database, "x")
    assert watching.peek(database, "x") is not None
    # A broken connection may have missed something.
    proxy.heal()
    restarts = watching.counters.feed_restarts
    while watching.counters.feed_restarts == restarts:
        await asyncio.sleep(0.01)
    assert watching.peek(database, "x") is None
    await updates.say(b"\n")
    assert watching.peek(database, "x") is None
    await watching.open(database, "x")
    assert watching.peek(database, "x") is not None
