"""The sample API on a server of its own, and a wire to it.

``notes``       the sample's notes, to look behind the replies
``ask``         the wire: ``await ask("GET", path, headers, body)``
``start``       starts a server with other settings
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web

from crossbar_appstore.crossbar.decision import DecisionOrder
from crossbar_appstore.crossbar.envelope import Envelope
from crossbar_appstore.crossbar.paths import PathParser
from crossbar_appstore.crossbar.rendering import Renderer
from crossbar_appstore.crossbar.resource import Resource
from crossbar_appstore.crossbar.runner import Runner
from crossbar_appstore.crossbar.server import Handler, create_web_application, load_banner
from crossbar_appstore.crossbar.throttling import Limits, Rates, Throttle
from crossbar_appstore.memo import Moments
from tests.crossbar.sample import Accounts, Everything, Logins, Notes, SampleGatekeeper, Users, translate
from tests.crossbar.wire import Wire

PLENTY = Limits(1_000_000)

Start = Callable[..., Coroutine[Any, Any, Wire]]


class Eternity:
    """One moment, until the test says otherwise."""

    def __init__(self) -> None:
        self.number = 0

    def now(self) -> int:
        return self.number


def handler_of(
    *resources: Resource,
    limits: Limits = PLENTY,
    body_seconds: float = 30.0,
    proxies: tuple[str, ...] = (),
    rates: Rates | None = None,
    moments: Moments | None = None,
) -> Handler:
    by_noun = {resource.noun: resource for resource in resources}
    throttle = Throttle(limits)
    renderer = Renderer(Envelope("node@host", "5.0"), throttle)
    order = DecisionOrder(by_noun, SampleGatekeeper(), throttle, renderer, translate, rates)
    parser = PathParser({noun: resource.swallows for noun, resource in by_noun.items()})
    trusted = tuple(ip_network(proxy) for proxy in proxies)
    return Handler(order, renderer, parser, trusted, load_banner(), moments or Eternity(), body_seconds=body_seconds)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
async def start(notes: Notes) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def begin(*resources: Resource, **settings: Any) -> Wire:
            sample = resources or (Accounts(), Everything(), Logins(), notes, Users())
            runner = Runner(create_web_application(handler_of(*sample, **settings)))
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            return Wire(runner.addresses[0][1])

        yield begin


@pytest.fixture
async def ask(start: Start) -> Wire:
    return await start()
