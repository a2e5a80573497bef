"""Thousands of clients behind HAProxy and nginx: each has a rate limit of its own."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from yarl import URL

from tests.conftest import Need
from tests.kit.fixtures import NewService
from tests.kit.system import System
from tests.proxies.conftest import NewFront
from tests.proxies.running import Proxy, Targets
from tests.proxies.stand_in import StandIn

CLIENTS = 1_000
AT_ONCE = 16
WRONG = {"data": {"credentials": "0" * 32, "account_name": "nobody"}}


@pytest.fixture
def loopback(need: Need) -> None:
    # Elsewhere 127.0.0.1 is the only address of the network 127.0.0.0/8.
    need("Linux, whose loopback has thousands of addresses", sys.platform == "linux")


def sources(count: int) -> Iterator[str]:
    return (f"127.8.{number // 250}.{number % 250 + 1}" for number in range(count))


async def ask(front: Proxy, system: System, source: str) -> list[int]:
    """The statuses of a picture and of a login with a wrong password."""
    async with front.client(source) as client:
        async with client.get(f"/v2/apps_store/{system.apps['voip']}/icon") as picture:
            await picture.read()
        async with client.put("/v2/user_auth", json=WRONG) as login:
            await login.read()
        return [picture.status, login.status]


async def ask_all(front: Proxy, system: System, count: int) -> Counter[tuple[int, ...]]:
    """How many of so many clients got which statuses."""
    found: Counter[tuple[int, ...]] = Counter()
    waiting = sources(count)

    async def work() -> None:
        for source in waiting:
            found[tuple(await ask(front, system, source))] += 1

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return found


async def address_of(new_service: NewService, **settings: str) -> str:
    url = URL(await new_service(**settings).address())
    return f"{url.host}:{url.port}"


@pytest.mark.timeout(240)
async def test_thousands_of_clients_behind_proxy_have_buckets_of_their_own(
    loopback: None, system: System, new_service: NewService, new_front: NewFront, long_form: bool
) -> None:
    await system.config("token_buckets", max_bucket_tokens=20, tokens_fill_rate=0)
    # The proxy alone: the clients are in 127.0.0.0/8, too.
    service = await address_of(new_service, CROSSBAR_TRUSTED_PROXIES="127.0.0.1")
    count = CLIENTS * 3 if long_form else CLIENTS
    async with new_front(Targets(service, service)) as front:
        assert await ask_all(front, system, count) == {(200, 401): count}
        # Six more pictures and logins than a bucket of 20 has tokens for.
        first = next(sources(1))
        assert [await ask(front, system, first) for _ in range(11)][-1] == [429, 429]
        assert await ask(front, system, "127.9.0.1") == [200, 401]


async def test_clients_behind_proxy_that_is_not_trusted_share_a_bucket(
    loopback: None, system: System, new_service: NewService, new_front: NewFront, crossbar: StandIn
) -> None:
    await system.config("token_buckets", max_bucket_tokens=20, tokens_fill_rate=0)
    service = await address_of(new_service, CROSSBAR_TRUSTED_PROXIES="192.0.2.1")
    async with new_front(Targets(service, service)) as front:
        found = await ask_all(front, system, 40)
    assert found[429, 429] > 10


async def test_clients_behind_reverse_proxy_of_kazoo_have_buckets_of_their_own(
    loopback: None, system: System, new_service: NewService, new_front: NewFront
) -> None:
    await system.config("token_buckets", max_bucket_tokens=20, tokens_fill_rate=0)
    await system.config("crossbar", reverse_proxies=["127.0.0.1/32"])
    service = await address_of(new_service, CROSSBAR_TRUSTED_PROXIES="192.0.2.1")
    async with new_front(Targets(service, service)) as front:
        assert await ask_all(front, system, 40) == {(200, 401): 40}
