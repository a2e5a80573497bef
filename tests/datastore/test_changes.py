"""The feed's rules, with connections that a test makes one by one."""

import asyncio
import logging
from collections.abc import AsyncGenerator

import pytest
from crossbar_appstore.datastore.changes import Feed
from crossbar_appstore.datastore.statistics import Counters

from crossbar_appstore.datastore import changes as changes_module
from crossbar_appstore.datastore.errors import DatabaseMissing, DatastoreError, Misconfigured, Unreachable


class Line:
    """What feeds connect to: each connection gives its pieces, then raises its end (None: ends), then they hang."""

    def __init__(self, *connections: tuple[list[list[str]], Exception | None]) -> None:
        self.connections = list(connections)
        self.connected = 0
        self.taken: list[str] = []
        self.trouble: list[Exception] = []
        self.done = asyncio.Event()

    async def connect(self) -> AsyncGenerator[list[str], None]:
        self.connected += 1
        if not self.connections:
            self.done.set()
            yield []
            await asyncio.Event().wait()
        pieces, end = self.connections.pop(0)
        for piece in pieces:
            yield piece
        if end is not None:
            raise end

    async def take(self, piece: list[str]) -> None:
        if piece and self.trouble:
            raise self.trouble.pop()
        self.taken += piece

    def feed(self, refused_pause: float = 0.0) -> Feed[str]:
        return Feed("a test", self.connect, self.take, Counters(), refused_pause=refused_pause)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes_module, "FIRST_PAUSE", 0.0)


@pytest.mark.parametrize("end", [None, Unreachable("reset"), DatabaseMissing("accounts"), Misconfigured("no")])
async def test_a_feed_connects_again_whatever_ended_it(end: DatastoreError | None) -> None:
    line = Line(([["a"], [], ["b", "c"]], end), ([["d"]], end))
    feed = line.feed()
    feed.start()
    feed.start()
    await line.done.wait()
    await feed.stop()
    assert line.taken == ["a", "b", "c", "d"]
    assert line.connected == 3


async def test_a_feed_outlives_a_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    line = Line(([["a"]], None), ([["b"]], None))
    line.trouble = [ZeroDivisionError()]
    feed = line.feed()
    feed.start()
    await line.done.wait()
    await feed.stop()
    assert line.taken == ["b"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_refusal_is_not_asked_again_soon() -> None:
    line = Line(([], Misconfigured("no")))
    feed = line.feed(refused_pause=1000.0)
    feed.start()
    while not line.connected:
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)
    await feed.stop()
    assert line.connected == 1


async def test_a_feed_is_healthy_while_it_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line()
    feed = line.feed()
    assert not feed.is_healthy()
    feed.start()
    await line.done.wait()
    await asyncio.sleep(0)
    assert feed.is_healthy()
    assert feed.connected_at <= feed.heard_at
    monkeypatch.setattr(changes_module, "SILENCE", -1.0)
    assert not feed.is_healthy()
    monkeypatch.undo()
    await feed.stop()
    await feed.stop()
    assert not feed.is_healthy()
    assert feed.connected_at == float("inf")


async def test_a_piece_that_was_not_taken_was_not_heard() -> None:
    line = Line(([["a"]], None))
    line.trouble = [Unreachable("away")]
    feed = line.feed()
    heard: list[bool] = []
    monitored = feed._lost

    def lost() -> None:
        heard.append(feed.is_healthy())
        monitored()

    feed._lost = lost  # type: ignore[method-assign]  # to look at the moment before
    feed.start()
    await line.done.wait()
    await feed.stop()
    assert heard[0] is False
