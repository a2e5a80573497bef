"""The connection to the broker: lost, refused, slow, and back. Against Debian's RabbitMQ."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator

import aio_pika
import pytest

from crossbar_appstore.broker import broker as module
from crossbar_appstore.broker.broker import Broker
from crossbar_appstore.broker.messages import BrokerAway, Message, NotRouted, address_of
from crossbar_appstore.datastore.couch import Written
from tests.kit.rabbitmq import RabbitMQ

from .conftest import PATIENCE, Kazoo

DATABASE = "account/0f/1e/2d3c4b5a69788796a5b4c3d2e1f0"
NODE = "us@here"


class Heard:
    """Keeps the databases that others wrote to."""

    def __init__(self) -> None:
        self.databases: list[str] = []

    async def __call__(self, databases: list[str]) -> None:
        self.databases += databases


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts to connect follow soon."""
    monkeypatch.setattr(module, "MAX_PAUSE", 0.4)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def broker(rabbitmq: RabbitMQ, heard: Heard) -> AsyncIterator[Broker]:
    async with Broker(rabbitmq.url, node=NODE, heard=heard) as entered:
        await is_connected(entered)
        yield entered


async def is_connected(broker: Broker, *, connected: bool = True) -> None:
    async with asyncio.timeout(PATIENCE * 2):
        while broker.statistics.connected != connected:
            await asyncio.sleep(0.02)


def written(number: int) -> Written:
    return Written(DATABASE, f"doc-{number}", {"_rev": f"{number}-a"})


async def test_broker_announces_in_order_as_kazoo_does(broker: Broker, kazoo: Kazoo) -> None:
    for number in range(300):
        broker.announce(written(number))
    assert [body["ID"] for body in await kazoo.notices(300)] == [f"doc-{number}" for number in range(300)]
    first = kazoo.heard[0]
    assert first.content_type == "application/json"
    assert first.delivery_mode == 1
    assert first.routing_key == "doc_edited.account%2F0f%2F1e%2F2d3c4b5a69788796a5b4c3d2e1f0.undefined.doc-0"
    assert await broker.flush()
    assert (broker.statistics.announced, broker.statistics.waiting, broker.statistics.dropped) == (300, 0, 0)


async def test_broker_tells_of_the_notices_of_others_only(broker: Broker, kazoo: Kazoo, heard: Heard) -> None:
    broker.announce(written(1))
    await kazoo.notices(1)
    await kazoo.tell("doc_edited.x.user.y", b"\xff no JSON")
    await kazoo.tell("doc_edited.x.user.y", {"Node": NODE, "Database": "accounts"})
    await kazoo.tell("doc_edited.x.user.y", {"Node": "kazoo@there", "Database": "account%2F0f%2F1e%2Fabc"})
    async with asyncio.timeout(PATIENCE):
        while not heard.databases:
            await asyncio.sleep(0.01)
    assert heard.databases == ["account/0f/1e/abc"]
    assert broker.statistics.heard == 1


@pytest.mark.timeout(180)
async def test_broker_that_was_killed_gets_what_waited_once_it_is_back(
    broker: Broker, rabbitmq: RabbitMQ, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    rabbitmq.kill()
    await is_connected(broker, connected=False)
    for number in range(5):
        broker.announce(written(number))
    await asyncio.sleep(1)
    assert broker.statistics.waiting == 5
    assert not await broker.flush(0.1)
    away = [record for record in caplog.records if record.getMessage() == "message broker is away"]
    # The connection that was lost, and those that are refused: not each attempt.
    assert 1 <= len(away) <= 3
    assert "guest" not in str([record.__dict__ for record in away])
    await asyncio.to_thread(rabbitmq.start)
    assert await broker.flush(PATIENCE)
    assert broker.statistics.announced == 5
    assert broker.statistics.connections == 2
    node = await Kazoo.connected(rabbitmq.url, "configuration", "*.*.*.*")
    try:
        broker.announce(written(9))
        assert (await node.notices(1))[0]["ID"] == "doc-9"
        await node.tell("doc_edited.x.user.y", {"Node": "kazoo@there", "Database": "accounts"})
        async with asyncio.timeout(PATIENCE):
            while "accounts" not in heard.databases:
                await asyncio.sleep(0.01)
    finally:
        await node.close()


async def test_broker_that_hangs_is_left_and_loses_nothing(
    broker: Broker, rabbitmq: RabbitMQ, kazoo: Kazoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbar_appstore.broker.connection.PUBLISH_SECONDS", 0.5)
    monkeypatch.setattr("crossbar_appstore.broker.connection.CONNECT_SECONDS", 0.5)
    rabbitmq.pause()
    begun = time.monotonic()
    for number in range(100):
        broker.announce(written(number))
    # Whoever writes does not wait.
    assert time.monotonic() - begun < 0.5
    await is_connected(broker, connected=False)
    rabbitmq.go_on()
    assert await broker.flush(PATIENCE)
    for number in range(100):
        assert await kazoo.about(f"doc-{number}")


async def test_broker_drops_the_oldest_notices_of_too_many(
    rabbitmq: RabbitMQ, kazoo: Kazoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 10)
    broker = Broker(rabbitmq.url, node=NODE)
    for number in range(25):
        broker.announce(written(number))
    assert (broker.statistics.waiting, broker.statistics.dropped) == (10, 15)
    async with broker:
        assert await broker.flush(PATIENCE)
    assert [body["ID"] for body in await kazoo.notices(10)] == [f"doc-{number}" for number in range(15, 25)]


async def test_broker_sends_what_waits_before_it_is_closed(rabbitmq: RabbitMQ, kazoo: Kazoo) -> None:
    async with Broker(rabbitmq.url, node=NODE) as broker:
        await is_connected(broker)
        broker.announce(written(1))
    assert kazoo.heard or await kazoo.notices(1)
    assert not broker.statistics.connected


async def test_broker_flush_all_waits_as_long_as_the_broker_takes_notices(broker: Broker) -> None:
    for number in range(3_000):
        broker.announce(written(number))
    assert not await broker.flush(0.1)
    assert await broker.flush_all(1.0)
    assert broker.statistics.announced == 3_000
    async with Broker("amqp://127.0.0.1:1", node=NODE) as away:
        away.announce(written(1))
        begun = time.monotonic()
        assert not await away.flush_all(0.2)
        assert time.monotonic() - begun < 2


async def test_broker_that_is_closed_logs_what_was_not_announced(caplog: pytest.LogCaptureFixture) -> None:
    async with Broker("amqp://127.0.0.1:1", node=NODE) as away:
        async with asyncio.timeout(PATIENCE):
            while not away.statistics.failures:
                await asyncio.sleep(0.01)
        away.announce(written(1))
        away.announce(written(2))
    last = caplog.records[-1]
    assert (last.getMessage(), last.levelno) == ("message broker is away", logging.WARNING)
    assert last.__dict__["waiting"] == 2
    assert "not announced" in last.__dict__["reason"]


@pytest.mark.parametrize(
    ("user", "vhost", "reason"),
    [("guest:wrong-secret@", "", "user and password"), ("guest:guest@", "/nowhere", "virtual host")],
)
async def test_broker_that_refuses_us_is_logged_once_with_its_reason(
    rabbitmq: RabbitMQ, caplog: pytest.LogCaptureFixture, user: str, vhost: str, reason: str
) -> None:
    url = rabbitmq.url.replace("guest:guest@", user) + vhost
    async with Broker(url, node=NODE) as broker:
        broker.announce(written(1))
        async with asyncio.timeout(PATIENCE):
            while broker.statistics.failures < 3:
                await asyncio.sleep(0.02)
        with pytest.raises(BrokerAway):
            await broker.publish(Message("configuration", "a.b.c.d", b"{}"))
        found = [record for record in caplog.records if record.name == module.log.name]
    assert [record.levelno for record in found] == [logging.WARNING]
    assert reason in found[0].__dict__["reason"]
    assert "secret" not in caplog.text


async def test_broker_that_takes_our_rights_is_logged_once_for_it(
    broker: Broker, rabbitmq: RabbitMQ, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(rabbitmq.control, "set_permissions", "guest", ".*", "^$", ".*")
    try:
        broker.announce(written(1))
        async with asyncio.timeout(PATIENCE):
            while broker.statistics.failures < 5:
                await asyncio.sleep(0.02)
    finally:
        await asyncio.to_thread(rabbitmq.control, "set_permissions", "guest", ".*", ".*", ".*")
    found = [record.__dict__["reason"] for record in caplog.records if record.name == module.log.name]
    assert found == ["it refuses the user the right to configure, write or read"]
    assert await broker.flush(PATIENCE)


async def test_broker_whose_queue_was_deleted_is_heard_again(broker: Broker, rabbitmq: RabbitMQ, heard: Heard) -> None:
    queues = await asyncio.to_thread(rabbitmq.control, "list_queues", "name", "--silent", "--no-table-headers")
    for queue in queues.split():
        await asyncio.to_thread(rabbitmq.control, "delete_queue", queue)
    async with asyncio.timeout(PATIENCE):
        while broker.statistics.connections < 2:
            await asyncio.sleep(0.02)
    node = await Kazoo.connected(rabbitmq.url, "configuration", "*.*.*.*")
    try:
        await node.tell("doc_edited.x.user.y", {"Node": "kazoo@there", "Database": "accounts"})
        async with asyncio.timeout(PATIENCE):
            while not heard.databases:
                await asyncio.sleep(0.01)
    finally:
        await node.close()


async def test_broker_with_a_malformed_host_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    async with Broker("amqp://a..b", node=NODE) as broker, asyncio.timeout(PATIENCE):
        while broker.statistics.failures < 2:
            await asyncio.sleep(0.02)
    found = [record for record in caplog.records if record.name == module.log.name]
    assert [record.getMessage() for record in found] == ["message broker is away"]


async def test_broker_pauses_longer_while_it_is_refused(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0 if len(pauses) < 12 else 60)

    monkeypatch.setattr(module, "MAX_PAUSE", 30.0)
    monkeypatch.setattr(module, "backoff", pause)
    async with Broker("amqp://127.0.0.1:1", node=NODE), asyncio.timeout(PATIENCE):
        while len(pauses) < 12:
            await asyncio.sleep(0.01)
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses[-1] == 30.0


async def test_broker_message_that_nobody_listens_for_is_not_routed(broker: Broker) -> None:
    with pytest.raises(NotRouted):
        await broker.publish(Message("notifications", "notifications.nobody", b"{}"))
    # The connection goes on.
    assert broker.statistics.connected


async def test_broker_uses_an_exchange_that_was_declared_in_another_way(rabbitmq: RabbitMQ) -> None:
    async with await aio_pika.connect(rabbitmq.url) as connection:
        channel = await connection.channel()
        await channel.declare_exchange("lasting", "topic", durable=True)
    async with Broker(rabbitmq.url, node=NODE) as broker:
        await is_connected(broker)
        with pytest.raises(NotRouted):
            await broker.publish(Message("lasting", "a.b.c.d", b"{}"))


def test_address_of_has_no_password() -> None:
    assert address_of("amqps://u:secret@broker:5671/kazoo?cafile=x") == "amqps://broker:5671/kazoo"
