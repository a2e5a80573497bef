"""One connection to an AMQP broker with what is used of it, and what its failures mean."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange, AbstractIncomingMessage
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AuthenticationError,
    ChannelClosed,
    ChannelNotFoundEntity,
    InvalidFrameError,
    ProbableAuthenticationError,
    PublishError,
)
from yarl import URL

from crossbar_appstore import __version__
from crossbar_appstore.broker.messages import APP_NAME, BrokerAway, Message, NotRouted

CONNECT_SECONDS: Final = 5.0
PUBLISH_SECONDS: Final = 5.0
"""Time limits for a connection, and for the confirmation of a message."""
HEARTBEAT_SECONDS: Final = 10
"""Between two signs of life; a broker without them for three such times is taken as gone."""

# A host name that is malformed is a UnicodeError.
_FAILURES: Final = (*CONNECTION_EXCEPTIONS, TimeoutError, UnicodeError)


class Connection:
    """An open connection; ``opened`` makes it."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._exchanges: dict[str, AbstractExchange] = {}
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        # Connection.closed() tells only of those that were closed on this side.
        connection.close_callbacks.add(self._on_close)

    async def lost(self) -> str:
        """Return why, once the connection has ended, or nothing is heard through it any more."""
        return await asyncio.shield(self._lost)

    def _on_close(self, *_: object) -> None:
        self._end("it has closed the connection")

    def _on_cancel(self, *_: object) -> None:
        self._end("it has removed the queue of notices")

    def _end(self, reason: str) -> None:
        if not self._lost.done():
            self._lost.set_result(reason)

    @property
    def product(self) -> str:
        """The broker's name and version."""
        transport = self._connection.transport
        told: dict[str, Any] = {} if transport is None else dict(transport.connection.server_properties)
        return f"{told.get('product', 'a broker')} {told.get('version', '')}".strip()

    async def has_exchange(self, name: str) -> bool:
        """Whether there is such an exchange. Raises BrokerAway."""
        with translated():
            # A channel of its own, which the broker closes if there is none.
            channel = await self._connection.channel()
            try:
                await channel.get_exchange(name)
            except ChannelNotFoundEntity:
                return False
            await channel.close()
            return True

    async def publish(self, message: Message, *, mandatory: bool) -> None:
        """Publish a message, not persistent as KAZOO's; returns once the broker has confirmed it.

        Raises:
            NotRouted: it is mandatory, and nobody would get it.
            BrokerAway: it was confirmed neither way; it may have been published.
        """
        body = aio_pika.Message(message.body, content_type="application/json")
        with translated():
            exchange = await self._exchange(message.exchange)
            await exchange.publish(body, message.routing_key, mandatory=mandatory, timeout=PUBLISH_SECONDS)

    async def listen(self, exchange: str, pattern: str, heard: Callable[[bytes], Awaitable[None]]) -> None:
        """Call ``heard`` with each body that is published with such a routing key from now on. Raises BrokerAway."""

        async def handle(message: AbstractIncomingMessage) -> None:
            await heard(message.body)

        with translated():
            source = await self._exchange(exchange)
            channel = await self._connection.channel()
            # The broker names it, and removes it with the connection.
            queue = await channel.declare_queue(exclusive=True, auto_delete=True)
            await queue.bind(source, pattern)
            (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(self._on_cancel)
            await queue.consume(handle, no_ack=True)

    async def _exchange(self, name: str) -> AbstractExchange:
        found = self._exchanges.get(name)
        if found is None:
            is_there = await self.has_exchange(name)
            channel = await self._connection.channel(on_return_raises=True)
            # As KAZOO declares it, if it did not do so; never in another way than it did.
            found = await (
                channel.get_exchange(name, ensure=False) if is_there else channel.declare_exchange(name, "topic")
            )
            self._exchanges[name] = found
        return found


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Connection]:
    """A connection to the broker at an AMQP URL, closed at the end. Raises BrokerAway."""
    address = URL(url)
    if "heartbeat" not in address.query:
        address = address.update_query(heartbeat=HEARTBEAT_SECONDS)
    with translated(connecting=True):
        connection = await aio_pika.connect(
            address, timeout=CONNECT_SECONDS, client_properties={"product": APP_NAME, "version": __version__}
        )
    try:
        yield Connection(connection)
    finally:
        with suppress(*_FAILURES):
            async with asyncio.timeout(1.0):
                await connection.close()


@contextmanager
def translated(*, connecting: bool = False) -> Iterator[None]:
    """Raise BrokerAway in place of aio-pika's errors."""
    try:
        yield
    except PublishError:
        raise NotRouted("nobody listens for it") from None
    except _FAILURES as error:
        raise BrokerAway(_reason(error, connecting=connecting)) from None


def _reason(error: Exception, *, connecting: bool) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, AuthenticationError | ProbableAuthenticationError):
        return "it refuses the user and password"
    if isinstance(error, ChannelClosed) and "ACCESS_REFUSED" in str(error):
        # Its text names the queue, another one at each attempt.
        return "it refuses the user the right to configure, write or read"
    if connecting and isinstance(error, InvalidFrameError):
        return "it refuses the virtual host: there is none of this name, or the user may not use it"
    return f"{type(error).__name__} {error}".strip()
