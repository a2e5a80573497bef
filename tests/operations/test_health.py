"""``/livez`` and ``/readyz``, in one process."""

import asyncio
import time

import pytest

from crossbar_appstore.application import OPERATIONS
from crossbar_appstore.operations.health import combined, unanswered
from tests.datastore.fault_proxy import Fault, FaultProxy
from tests.kit.fixtures import NewService
from tests.kit.service import Service
from tests.kit.system import System
from tests.operations.reading import fetched, readiness

PATIENCE = 10.0


async def settled(address: str, wanted: int) -> None:
    """Wait until ``/readyz`` has a status."""
    async with asyncio.timeout(PATIENCE):
        while (await readiness(address))[0] != wanted:
            await asyncio.sleep(0.05)


async def test_readyz_reports_each_check_with_its_time(system: System, service: Service) -> None:
    status, report = await readiness(await service.address())
    assert status == 200
    assert (report["ready"], report["draining"]) == (True, False)
    assert set(report["checks"]) == {"couchdb", "catalogue", "master_account"}
    assert all(check["ok"] and 0 <= check["milliseconds"] < 5000 for check in report["checks"].values())
    assert report["checks"]["catalogue"]["apps"] == len(system.apps)
    assert "workers" not in report


async def test_readyz_without_couchdb_is_503_until_it_is_back(
    system: System, new_service: NewService, proxy: FaultProxy
) -> None:
    address = await new_service(proxy.url).address()
    await settled(address, 200)
    await proxy.refuse()
    status, report = await readiness(address)
    assert (status, report["ready"]) == (503, False)
    couchdb = report["checks"]["couchdb"]
    assert (couchdb["ok"], couchdb["reason"]) == (False, "CouchDB is away")
    # What was loaded is still there.
    assert report["checks"]["catalogue"]["ok"]
    assert await fetched(address, "/livez") == (200, b"ok\n")
    await proxy.accept()
    await settled(address, 200)


async def test_readyz_without_couchdb_since_the_start_is_503(
    system: System, new_service: NewService, proxy: FaultProxy
) -> None:
    await proxy.refuse()
    status, report = await readiness(await new_service(proxy.url).address())
    assert status == 503
    assert [check["ok"] for check in report["checks"].values()] == [False, False, False]


async def test_readyz_gives_up_a_check_at_the_deadline(
    system: System, new_service: NewService, proxy: FaultProxy
) -> None:
    address = await new_service(proxy.url).address()
    await settled(address, 200)
    proxy.fail(Fault.STALL)
    begun = time.monotonic()
    status, report = await readiness(address)
    assert status == 503
    assert report["checks"]["couchdb"]["reason"] in ("no answer in time", "CouchDB is away")
    assert time.monotonic() - begun < 4


async def test_readyz_names_no_host_and_no_password(system: System, new_service: NewService) -> None:
    service = new_service("http://someone:secret-word@127.0.0.1:1")
    status, body = await fetched(await service.address(), "/readyz")
    assert status == 503
    assert b"secret-word" not in body
    assert b"127.0.0.1" not in body


async def test_readyz_asked_often_costs_couchdb_one_request_at_a_time(
    system: System, new_service: NewService, proxy: FaultProxy
) -> None:
    address = await new_service(proxy.url).address()
    await settled(address, 200)
    before = len(proxy.requests)
    answers = await asyncio.gather(*(readiness(address) for _ in range(50)))
    assert {status for status, _ in answers} == {200}
    assert len(proxy.requests) - before < 25


async def test_readyz_is_503_while_draining(system: System, service: Service) -> None:
    address = await service.address()
    await settled(address, 200)
    service.application[OPERATIONS].drain()
    status, report = await readiness(address)
    assert (status, report["ready"], report["draining"]) == (503, False, True)
    assert (await fetched(address, "/livez"))[0] == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_health_pages_answer_get_and_head_only(system: System, service: Service, path: str) -> None:
    address = await service.address()
    assert (await fetched(address, path))[0] == 200
    assert await fetched(address, path, "HEAD") == (200, b"")
    assert [(await fetched(address, path, method))[0] for method in ("POST", "PUT", "DELETE")] == [404] * 3


@pytest.mark.parametrize("path", ["/healthz", "/health", "/livez/", "/readyz/x", "/metrics.json", "/openapi.yaml"])
async def test_other_paths_outside_of_the_api_are_404(system: System, service: Service, path: str) -> None:
    assert (await fetched(await service.address(), path))[0] == 404


async def test_health_pages_are_not_on_the_port_of_the_api_with_a_port_of_their_own(
    system: System, new_service: NewService
) -> None:
    address = await new_service(CROSSBAR_OPS_PORT="0").address()
    assert [(await fetched(address, path))[0] for path in ("/livez", "/readyz", "/metrics", "/")] == [
        404,
        404,
        404,
        200,
    ]


async def test_health_pages_are_not_logged(
    system: System, new_service: NewService, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "crossbar_appstore.crossbar.access_log")
    await proxy.refuse()
    address = await new_service(proxy.url, CROSSBAR_ACCESS_LOG="1").address()
    for path in ("/livez", "/readyz", "/metrics"):
        await fetched(address, path)
    assert (await fetched(address, "/other"))[0] == 404
    logged = [vars(record)["path"] for record in caplog.records if record.message == "request"]
    assert logged == ["/other"]


GOOD = {"pid": 1, "ready": True, "draining": False, "checks": {"couchdb": {"ok": True, "milliseconds": 1.0}}}
SLOW = {"pid": 2, "ready": True, "draining": False, "checks": {"couchdb": {"ok": True, "milliseconds": 9.0}}}
BAD = {"pid": 3, "ready": False, "draining": False, "checks": {"couchdb": {"ok": False, "milliseconds": 2.0}}}
DRAINING = {"pid": 4, "ready": False, "draining": True, "checks": {"couchdb": {"ok": True, "milliseconds": 1.0}}}


def test_combined_readiness_of_several_workers() -> None:
    assert combined([GOOD, SLOW])["ready"]
    assert combined([GOOD, SLOW])["checks"]["couchdb"]["milliseconds"] == 9.0
    assert not combined([GOOD, BAD, SLOW])["ready"]
    assert combined([GOOD, BAD, SLOW])["checks"]["couchdb"]["milliseconds"] == 2.0
    assert [each["pid"] for each in combined([SLOW, GOOD])["workers"]] == [1, 2]


def test_combined_readiness_leaves_out_draining_workers_unless_all_drain() -> None:
    both = combined([GOOD, DRAINING])
    assert (both["ready"], both["draining"]) == (True, False)
    only = combined([DRAINING])
    assert (only["ready"], only["draining"]) == (False, True)
    assert not combined([GOOD], draining=True)["ready"]


def test_combined_readiness_needs_an_answer_of_each_worker() -> None:
    found = combined([GOOD, unanswered("77-ab")])
    assert not found["ready"]
    assert found["workers"][1]["pid"] == 77
    assert found["checks"]["worker"]["reason"] == "no answer in time"
    assert not combined([])["ready"]
