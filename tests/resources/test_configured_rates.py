"""Rate limits from ``system_config``."""

from collections.abc import AsyncIterator
from types import MappingProxyType

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from crossbar_appstore.crossbar.context import Context, Noun
from crossbar_appstore.crossbar.rate_limits import Limits
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json
from crossbar_appstore.resources.configured_rates import ConfiguredRates
from tests.kit.system import System, open_couch

ACCOUNT = "a" * 32


@pytest.fixture
async def store(system: System, kit_couchdb_url: str) -> AsyncIterator[Datastore]:
    async with Datastore(open_couch(kit_couchdb_url), feeds=False) as made:
        yield made


async def configure(store: Datastore, category: str, default: Json) -> None:
    await store.update("system_config", category, lambda document: {**(document or {}), "default": default})


def a_request() -> Context:
    context = Context("r", "PUT", "/", CIMultiDictProxy(CIMultiDict()), MappingProxyType({}), "1.2.3.4")
    context.verb, context.account_id = "PUT", ACCOUNT
    context.nouns = (Noun("accounts", (ACCOUNT,)), Noun("apps_store", ("x",)))
    return context


async def test_limits_and_cost_default_to_kazoos(store: Datastore) -> None:
    rates = ConfiguredRates(store.config)
    assert await rates.limits() == Limits(100.0, 10.0)
    assert await rates.cost(a_request(), 2) == 2


async def test_limits_prefer_those_of_crossbar(store: Datastore) -> None:
    rates = ConfiguredRates(store.config)
    await configure(
        store,
        "token_buckets",
        {
            "crossbar": {"max_bucket_tokens": 30},
            "default": {"max_bucket_tokens": 50, "tokens_fill_rate": 120},
            "tokens_fill_time": "minute",
        },
    )
    assert await rates.limits() == Limits(30.0, 2.0)


@pytest.mark.parametrize("odd", [-1, "many", True, None, {}, []])
async def test_limits_ignore_malformed_values(store: Datastore, odd: Json) -> None:
    await configure(store, "token_buckets", {"crossbar": {"max_bucket_tokens": odd, "tokens_fill_rate": odd}})
    assert await ConfiguredRates(store.config).limits() == Limits()


async def test_cost_is_flat_or_the_most_specific(store: Datastore) -> None:
    rates, request = ConfiguredRates(store.config), a_request()
    expected: list[tuple[Json, int]] = [
        (7, 7),
        (0, 0),
        ("7", 2),
        (True, 2),
        ({"apps_store": 3}, 3),
        ({"apps_store": {"put": 4, "get": 5}}, 4),
        ({"apps_store": {"get": 5}}, 2),
        ({ACCOUNT: {"apps_store": 6}, "apps_store": 3}, 6),
        ({ACCOUNT: {"apps_store": {"put": 8}}, "apps_store": 3}, 8),
    ]
    for costs, cost in expected:
        await configure(store, "crossbar", {"token_costs": costs})
        assert await rates.cost(request, 2) == cost, costs


async def test_limits_default_while_couchdb_is_away() -> None:
    async with Datastore(Couch("http://127.0.0.1:9"), feeds=False) as store:
        assert await ConfiguredRates(store.config).limits() == Limits()
