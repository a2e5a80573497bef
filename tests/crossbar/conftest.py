"""The sample API, served by the application that production runs, on a port of its own.

``notes``       the sample's notes, to look at what requests did to them
``ask``         a raw HTTP client: ``await ask("GET", path, headers, body)``
``start``       starts a server with other settings
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web

from crossbar_appstore.crossbar.access_log import AccessLog
from crossbar_appstore.crossbar.application import Observer, create_web_application
from crossbar_appstore.crossbar.envelope import Envelope
from crossbar_appstore.crossbar.pipeline import TimeLimits
from crossbar_appstore.crossbar.rate_limits import Limits, RateLimiter, Rates
from crossbar_appstore.crossbar.resource import Resource
from crossbar_appstore.crossbar.trusted_proxies import TrustedProxies
from tests.crossbar.sample import Accounts, Everything, Logins, Notes, SampleGatekeeper, Users, map_error
from tests.crossbar.wire import Wire

PLENTY = Limits(1_000_000)

Start = Callable[..., Coroutine[Any, Any, Wire]]


def sample_application(
    *resources: Resource,
    limits: Limits = PLENTY,
    times: TimeLimits | None = None,
    observers: tuple[Observer, ...] = (),
    proxies: tuple[str, ...] = (),
    rates: Rates | None = None,
) -> web.Application:
    return create_web_application(
        resources,
        SampleGatekeeper(),
        Envelope("node@host", "5.0"),
        map_error=map_error,
        limiter=RateLimiter(limits),
        rates=rates,
        trusted_proxies=TrustedProxies(map(ip_network, proxies)),
        times=times,
        observers=[AccessLog().observe, *observers],
    )


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
async def start(notes: Notes) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def begin(*resources: Resource, **settings: Any) -> Wire:
            sample = resources or (Accounts(), Everything(), Logins(), notes, Users())
            runner = web.AppRunner(sample_application(*sample, **settings))
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            return Wire(runner.addresses[0][1])

        yield begin


@pytest.fixture
async def ask(start: Start) -> Wire:
    return await start()
