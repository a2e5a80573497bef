"""Trusted proxies from ``system_config``."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json
from crossbar_appstore.resources.configured_proxies import ConfiguredProxies
from tests.datastore.fault_proxy import FaultProxy
from tests.kit.fixtures import NewService
from tests.kit.system import System, open_couch

OWN = (ip_network("127.0.0.1/32"),)
CLIENT = "203.0.113.9"


@pytest.fixture
async def store(system: System, proxy: FaultProxy) -> AsyncIterator[Datastore]:
    async with Datastore(open_couch(proxy.url), feeds=False) as made:
        yield made


async def configure(store: Datastore, value: Json) -> None:
    change = {"default": {"reverse_proxies": value}}
    await store.update("system_config", "crossbar", lambda document: {**(document or {}), **change})


@pytest.mark.parametrize(
    ("value", "trusted", "others"),
    [
        (None, [], ["10.0.0.1"]),
        (["10.0.0.1"], ["10.0.0.1"], ["10.0.0.2"]),
        (["10.0.0.1/32", "192.168.7.0/24"], ["10.0.0.1", "192.168.7.9"], ["192.168.8.1"]),
        (["192.168.7.5/24"], ["192.168.7.9"], ["192.168.8.1"]),
        (["2001:db8::/64"], ["2001:db8::9"], ["2001:db8:1::9"]),
        ("10.0.0.1", ["10.0.0.1"], ["10.0.0.2"]),
        ([5, None, {}, "proxy.example.com", "", "10.0.0.0/40", "10.0.0.1"], ["10.0.0.1"], ["10.0.0.2", "0.0.0.5"]),
        ({"10.0.0.1": True}, [], ["10.0.0.1"]),
        (True, [], ["10.0.0.1", "0.0.0.1"]),
    ],
)
async def test_reverse_proxies_are_trusted_beside_own(
    store: Datastore, value: Json, trusted: list[str], others: list[str]
) -> None:
    await configure(store, value)
    proxies = ConfiguredProxies(store.config, OWN)
    await proxies.refresh()
    for peer in ("127.0.0.1", *trusted):
        assert proxies.client(peer, [CLIENT]) == CLIENT
    for peer in others:
        assert proxies.client(peer, [CLIENT]) == peer


async def test_reverse_proxies_follow_changes(store: Datastore) -> None:
    proxies = ConfiguredProxies(store.config, OWN)
    for value, client in (
        (["10.0.0.1"], CLIENT),
        (["10.0.0.2"], "10.0.0.1"),
        (["10.0.0.1"], CLIENT),
        (None, "10.0.0.1"),
    ):
        await configure(store, value)
        await proxies.refresh()
        assert proxies.client("10.0.0.1", [CLIENT]) == client


async def test_reverse_proxies_are_kept_while_couchdb_is_away(
    store: Datastore, system: System, proxy: FaultProxy
) -> None:
    await configure(store, ["10.0.0.1"])
    proxies = ConfiguredProxies(store.config, OWN)
    await proxies.refresh()
    await proxy.refuse()
    await proxies.refresh()
    assert proxies.client("10.0.0.1", [CLIENT]) == CLIENT
    async with Datastore(open_couch(proxy.url), feeds=False) as empty:
        new = ConfiguredProxies(empty.config, OWN)
        await new.refresh()
    assert new.client("127.0.0.1", [CLIENT]) == CLIENT
    assert new.client("10.0.0.1", [CLIENT]) == "10.0.0.1"
    await proxy.accept()


async def test_login_has_bucket_of_client_behind_reverse_proxy_of_kazoo(
    system: System, new_service: NewService
) -> None:
    await system.config("token_buckets", max_bucket_tokens=4, tokens_fill_rate=0)
    await system.config("crossbar", reverse_proxies=["127.0.0.1"])
    # This machine is not trusted but by KAZOO's configuration.
    service = new_service(CROSSBAR_TRUSTED_PROXIES="192.0.2.1")

    async def log_in(client: str) -> int:
        wrong = {"credentials": "0" * 32, "account_name": "nobody"}
        return (await service.put("user_auth", None, wrong, headers={"X-Forwarded-For": client})).status

    for number in range(5):
        assert [await log_in(f"203.0.113.{number}") for _ in range(3)] == [401, 401, 429]
    await system.config("crossbar", reverse_proxies=[])
    others = (f"198.51.100.{number}" for number in range(250))
    async with asyncio.timeout(10):
        # All are one client again, within two seconds.
        while await log_in(next(others)) != 429:
            await asyncio.sleep(0.1)
