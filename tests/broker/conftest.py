"""A RabbitMQ for the tests here, started once, and a stand-in for a node of KAZOO that listens and talks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection, AbstractExchange, AbstractIncomingMessage

from crossbar_appstore.json_codec import JsonObject, dumps, loads
from tests.conftest import Need
from tests.kit.fixtures import kit_couchdb_url, kit_key, kit_system, new_service, proxy, service, system
from tests.kit.rabbitmq import RabbitMQ, rabbitmq_server

__all__ = ["kit_couchdb_url", "kit_key", "kit_system", "new_service", "proxy", "service", "system"]

PATIENCE = 15.0


@pytest.fixture(scope="session")
def started_rabbitmq(need: Need, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    need("rabbitmq-server", rabbitmq_server())
    server = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"))
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def rabbitmq(started_rabbitmq: RabbitMQ) -> Iterator[RabbitMQ]:
    """Answering, also after a test that paused or killed it."""
    yield started_rabbitmq
    started_rabbitmq.go_on()
    if not started_rabbitmq.is_running:
        started_rabbitmq.start()


class Kazoo:
    """A node of KAZOO: keeps each message of an exchange, and publishes its own."""

    def __init__(self, connection: AbstractConnection, exchange: AbstractExchange) -> None:
        self._connection = connection
        self._exchange = exchange
        self.heard: list[AbstractIncomingMessage] = []
        self._arrived = asyncio.Condition()

    @classmethod
    async def connected(cls, url: str, exchange: str, pattern: str) -> Self:
        connection = await aio_pika.connect(url)
        channel = await connection.channel()
        # As kz_amqp_util declares its exchanges.
        declared = await channel.declare_exchange(exchange, "topic", durable=False, auto_delete=False)
        node = cls(connection, declared)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(declared, pattern)
        await queue.consume(node._keep, no_ack=True)
        return node

    async def close(self) -> None:
        await self._connection.close()

    async def notices(self, count: int) -> list[JsonObject]:
        """The bodies of the first messages, once there are so many."""
        async with asyncio.timeout(PATIENCE), self._arrived:
            await self._arrived.wait_for(lambda: len(self.heard) >= count)
        return [loads(each.body) for each in self.heard]

    async def about(self, doc_id: str) -> JsonObject:
        """The newest notice of a document, once there is one."""

        def found() -> list[Any]:
            return [body for each in self.heard if (body := loads(each.body)).get("ID") == doc_id]

        async with asyncio.timeout(PATIENCE), self._arrived:
            await self._arrived.wait_for(found)
        body: JsonObject = found()[-1]
        return body

    async def tell(self, routing_key: str, body: JsonObject | bytes) -> None:
        """Publish a message."""
        raw = body if isinstance(body, bytes) else dumps(body)
        message = aio_pika.Message(raw, content_type="application/json")
        await self._exchange.publish(message, routing_key, mandatory=False)

    async def _keep(self, message: AbstractIncomingMessage) -> None:
        async with self._arrived:
            self.heard.append(message)
            self._arrived.notify_all()


@pytest.fixture
async def kazoo(rabbitmq: RabbitMQ) -> AsyncIterator[Kazoo]:
    """A node that listens for notices as KAZOO's caches do."""
    node = await Kazoo.connected(rabbitmq.url, "configuration", "*.*.*.*")
    yield node
    await node.close()
