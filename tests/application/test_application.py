"""The composition root."""

import asyncio
import importlib
import pkgutil
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from crossbar_appstore import __version__, resources
from crossbar_appstore.application import create_application
from crossbar_appstore.crossbar.application import RESOURCES
from crossbar_appstore.crossbar.rate_limits import Buckets
from crossbar_appstore.crossbar.resource import Resource
from crossbar_appstore.datastore.freshness import WriteCounters, row_of
from crossbar_appstore.resources import companions
from crossbar_appstore.settings import Settings, SettingsError
from tests.datastore.fault_proxy import FaultProxy
from tests.kit.fixtures import NewService
from tests.kit.service import Service
from tests.kit.system import System


def test_create_application_without_couchdb_raises() -> None:
    with pytest.raises(SettingsError, match="COUCHDB_URL"):
        create_application(Settings.load({}))


def test_create_application_registers_every_resource() -> None:
    wired = create_application(Settings.load({"COUCHDB_URL": "http://127.0.0.1:5984"}))[RESOURCES]
    tabled = [resource for resource in wired if isinstance(resource, companions.Companion)]
    assert {resource.noun for resource in tabled} == set(companions.TABLE)
    assert {type(resource) for resource in wired if resource not in tabled} == set(_endpoints())
    assert len({resource.noun for resource in wired}) == len(wired)


def _endpoints() -> list[type[Resource]]:
    names = [module.name for module in pkgutil.iter_modules(resources.__path__, f"{resources.__name__}.")]
    found = [vars(importlib.import_module(name)) for name in names]
    return [
        value
        for name, members in zip(names, found, strict=True)
        for value in members.values()
        if isinstance(value, type)
        and issubclass(value, Resource)
        and value.__module__ == name
        and "noun" in vars(value)
    ]


async def test_application_connects_at_startup_and_disconnects_at_cleanup(proxy: FaultProxy) -> None:
    made = create_application(Settings.load({"COUCHDB_URL": proxy.url}))
    async with TestClient(TestServer(made)) as client:
        assert (await client.get("/")).status == 200
        while not proxy._tasks:
            await asyncio.sleep(0.01)
    while proxy._tasks:
        await asyncio.sleep(0.01)
    asked = len(proxy.requests)
    await asyncio.sleep(0.2)
    assert len(proxy.requests) == asked


async def test_create_application_shares_write_counters_and_rate_limits_of_a_directory(
    system: System, kit_couchdb_url: str, tmp_path: Path
) -> None:
    made = create_application(Settings.load({"COUCHDB_URL": kit_couchdb_url}), tmp_path)
    counters, buckets = WriteCounters.in_file(tmp_path / "write-counters"), Buckets.in_file(tmp_path / "rate-limits")
    path = f"/v2/{system.master.path}/{system.apps['voip']}"
    row = row_of(system.master.database, "apps_store")
    async with TestClient(TestServer(made)) as client:
        before = counters.read(row)
        headers = {"X-Auth-Token": system.token(system.master.admin)}
        assert (await client.put(path, headers=headers, json={"data": {}})).status == 201
        assert (await client.get(f"/v2/{system.master.path}")).status == 401
    assert counters.read(row) > before
    assert buckets.get(f"127.0.0.1/{system.master.id}") is not None


async def test_application_limits_rate_of_clients_without_token(system: System, service: Service) -> None:
    path = f"apps_store/{system.apps['voip']}/icon"
    statuses = [(await service.get(path, headers={"X-Forwarded-For": "192.0.2.1"})).status for _ in range(130)]
    assert statuses[:100] == [200] * 100
    assert 429 in statuses[100:]
    # Another client behind the same proxy, and callers with a token, are not limited.
    assert (await service.get(path, headers={"X-Forwarded-For": "192.0.2.2"})).status == 200
    assert (await service.get(path, system.master, headers={"X-Forwarded-For": "192.0.2.1"})).status == 200


async def test_envelope_names_node_and_version(system: System, new_service: NewService) -> None:
    answers = [await new_service().get(system.master.path, system.master) for _ in range(2)]
    assert {(answer.envelope["node"], answer.envelope["version"]) for answer in answers} == {
        (answers[0].envelope["node"], __version__)
    }
