"""``/metrics``, in one process."""

import asyncio
import re
from dataclasses import fields
from pathlib import Path
from typing import Final

import pytest

from crossbar_appstore.application import OPERATIONS
from crossbar_appstore.broker.broker import BrokerStatistics
from crossbar_appstore.datastore.client import Statistics
from crossbar_appstore.datastore.replies import kind_of
from crossbar_appstore.json_codec import loads
from crossbar_appstore.operations.metrics import BUCKETS, COUNTERS, counted, exposition, merged
from tests.datastore.fault_proxy import FaultProxy, Status
from tests.docs.pages import CHECKOUT, DOCS, rows
from tests.kit.fixtures import NewService
from tests.kit.service import Service
from tests.kit.system import System
from tests.operations.reading import families, fetched, value

DASHBOARD: Final = CHECKOUT / "deploy" / "grafana" / "dashboard.json"
ALERTS: Final = CHECKOUT / "deploy" / "prometheus" / "alerts.yml"
IN_EXPRESSION: Final = re.compile(r"\b(?:crossbar_appstore|process)_\w+")
ON_PAGE: Final = re.compile(r"`((?:crossbar_appstore|process)_\w+)`")


async def test_metrics_count_requests_by_endpoint_method_and_status(system: System, service: Service) -> None:
    app = system.apps["voip"]
    for _ in range(3):
        assert (await service.get(system.master.path, system.master)).status == 200
    assert (await service.get(f"apps_store/{app}/icon")).status == 200
    assert (await service.get(system.master.path)).status == 401
    assert (await service.put(f"{system.master.path}/{app}", system.master, {})).status == 201
    assert (await service.get("nosuch", system.master)).status == 404
    assert (await service.call("LINK", system.master.path, system.master)).status == 501
    address = await service.address()
    for endpoint, method, status, number in (
        ("apps_store", "GET", "2xx", 3),
        ("apps_store/icon", "GET", "2xx", 1),
        ("apps_store", "GET", "4xx", 1),
        ("apps_store", "PUT", "2xx", 1),
        ("none", "GET", "4xx", 1),
        ("apps_store", "other", "5xx", 1),
    ):
        labels = {"endpoint": endpoint, "method": method, "status": status}
        assert await value(address, "request_seconds_count", **labels) == number, labels
        assert await value(address, "request_seconds_bucket", le="+Inf", **labels) == number, labels
    assert await value(address, "request_seconds_count") == 8
    assert 0 < await value(address, "request_seconds_sum") < 60


async def test_metrics_count_tunnelled_requests_by_their_verb(system: System, service: Service) -> None:
    path = f"{system.master.path}/{system.apps['voip']}"
    body = b'{"data": {}, "verb": "PUT"}'
    answer = await service.call("POST", path, system.master, body=body, headers={"Content-Type": "application/json"})
    assert answer.status in (200, 201)
    assert await value(await service.address(), "request_seconds_count", method="PUT") == 1


async def test_metrics_have_buckets_from_a_tenth_of_a_millisecond_to_ten_seconds(
    system: System, service: Service
) -> None:
    await service.get(system.master.path, system.master)
    histogram = (await families(await service.address()))["crossbar_appstore_request_seconds"]
    limits = {float(each.labels["le"]) for each in histogram.samples if "le" in each.labels}
    assert limits == {*BUCKETS, float("inf")}
    assert (min(BUCKETS), max(BUCKETS)) == (0.0001, 10.0)


async def test_metrics_count_logins_by_result(system: System, service: Service, new_service: NewService) -> None:
    address = await service.address()
    assert (await service.login(system.master.admin)).status == 201
    refused = {"credentials": "0" * 32, "account_name": system.master.name}
    assert (await service.put("user_auth", None, refused)).status == 401
    assert await value(address, "logins_total", endpoint="user_auth", result="success") == 1
    assert await value(address, "logins_total", endpoint="user_auth", result="refused") == 1
    limited = await use_up(system, service)
    assert await value(address, "logins_total", result="limited") == limited
    assert await value(address, "rate_limited_total", endpoint="user_auth") == limited
    # What is not a login is none: looking at one's session, impersonation.
    token = (await service.get(system.master.path, system.master)).envelope["auth_token"]
    await service.get(f"user_auth/{token}", system.master)
    assert await value(address, "logins_total", result="success") == 1
    assert await value(address, "logins_total") == await value(address, "request_seconds_count", method="PUT")


async def use_up(system: System, service: Service) -> int:
    """Log in with wrong credentials until the rate limit refuses some; how many it refused."""
    # Long bodies cost more than the bucket gets back meanwhile.
    wrong = {"credentials": "0" * 32, "account_name": system.master.name, "more": "x" * 60_000}
    statuses = [(await service.put("user_auth", None, wrong)).status for _ in range(20)]
    assert 429 in statuses
    return statuses.count(429)


async def test_metrics_count_failed_logins_while_couchdb_is_away(
    system: System, new_service: NewService, proxy: FaultProxy
) -> None:
    service = new_service(proxy.url)
    address = await service.address()
    assert (await service.get(system.master.path, system.master)).status == 200
    proxy.fail(Status(500))
    assert (await service.login(system.master.admin)).status == 503
    assert await value(address, "logins_total", result="failed") == 1


async def test_metrics_tell_of_caches_catalogue_and_couchdb(
    system: System, new_service: NewService, proxy: FaultProxy
) -> None:
    service = new_service(proxy.url)
    address = await service.address()
    for _ in range(5):
        await service.get(system.master.path, system.master)
    assert await value(address, "cache_hits_total") > 0
    assert await value(address, "cache_reads_total") > 0
    assert await value(address, "catalogue_apps") == len(system.apps)
    assert await value(address, "catalogue_generation") >= 1
    assert await value(address, "couchdb_up") == 1
    assert await value(address, "couchdb_requests_total", kind="document", outcome="2xx") > 0
    async with asyncio.timeout(10):
        while await value(address, "feed_up", feed="catalogue") != 1:
            await asyncio.sleep(0.05)
    await proxy.refuse()
    async with asyncio.timeout(10):
        while await value(address, "couchdb_up") or await value(address, "feed_up"):
            await service.get(system.master.path, system.master)
            await asyncio.sleep(0.05)
    assert await value(address, "couchdb_requests_total", outcome="failed") > 0
    assert await value(address, "feed_restarts_total") > 0


async def test_metrics_of_couchdb_requests_add_up(system: System, service: Service) -> None:
    await service.get(system.master.path, system.master)
    statistics = service.store.statistics
    assert (
        sum(statistics.by_kind.values()) <= statistics.requests
    )  # those that run, feeds for instance, have no outcome
    assert sum(statistics.by_kind.values()) >= statistics.requests - 5


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "server"),
        ("/_up", "server"),
        ("/_session", "session"),
        ("/_db_updates", "feed"),
        ("/_all_dbs", "server"),
        ("/accounts", "database"),
        ("/accounts/", "database"),
        ("/account%2F00%2F11%2F22/apps_store", "document"),
        ("/account%2F00%2F11%2F22/app/icon.png", "attachment"),
        ("/accounts/_local/x", "document"),
        ("/accounts/_changes", "feed"),
        ("/accounts/_all_docs", "documents"),
        ("/accounts/_find", "find"),
        ("/accounts/_bulk_docs", "bulk"),
        ("/accounts/_security", "database"),
        ("/accounts/_design/accounts", "design"),
        ("/accounts/_design/accounts/_view/listing_by_id", "view"),
    ],
)
def test_kind_of_couchdb_request(path: str, kind: str) -> None:
    assert kind_of(path) == kind


async def test_metrics_have_no_ids_and_no_endless_labels(system: System, service: Service) -> None:
    ids = [system.master.id, system.master.admin.id, *system.apps.values()]
    for path in (
        system.master.path,
        f"{system.master.path}/{system.apps['voip']}",
        f"accounts/{system.master.id}/users/{system.master.admin.id}",
        "i18n/icon/icon/icon",
        "nosuch",
        "nosuch2/x",
    ):
        for method in ("GET", "POST", "XX1", "XX2"):
            await service.call(method, path, system.master)
    _, body = await fetched(await service.address(), "/metrics")
    assert not [each for each in ids if each.encode() in body]
    assert b"nosuch" not in body
    assert b"XX1" not in body
    assert b"icon/icon" not in body
    assert body.count(b"_created") == 0


async def test_metrics_of_the_message_broker_are_those_that_its_publisher_tells(
    system: System, service: Service
) -> None:
    address = await service.address()
    assert await value(address, "amqp_queue") == 0
    metrics = service.application[OPERATIONS].metrics
    assert metrics is not None
    metrics.broker = BrokerStatistics(connected=True, waiting=3, announced=20, dropped=1)
    found = {each: await value(address, each) for each in ("amqp_up", "amqp_queue")}
    assert found == {"amqp_up": 1, "amqp_queue": 3}
    assert await value(address, "amqp_published_total") == 20
    assert await value(address, "amqp_dropped_total") == 1


def test_metrics_tell_every_number_of_the_datastore() -> None:
    assert set(COUNTERS) == {each.name for each in fields(Statistics)} - {"requests", "by_kind"}


async def names(service: Service) -> set[str]:
    """The names as pages write them: with ``_total``, without the suffixes of a histogram."""
    found = await families(await service.address())
    return {name + "_total" * (metric.type == "counter") for name, metric in found.items()}


async def test_every_metric_is_on_the_page_and_every_one_there_exists(system: System, service: Service) -> None:
    await use_up(system, service)  # so that each metric has a sample
    page = (DOCS / "monitoring.md").read_text()
    assert set(ON_PAGE.findall(page)) == await names(service)
    types = {cells[0].strip("`"): cells[1] for cells in rows(DOCS / "monitoring.md") if len(cells) == 4}
    found = await families(await service.address())
    assert {name: found[name.removesuffix("_total")].type for name in types if name in await names(service)} == {
        name: kind for name, kind in types.items() if name.startswith("crossbar_appstore_")
    }
    assert all(metric.documentation for metric in found.values())


@pytest.mark.parametrize("path", [DASHBOARD, ALERTS], ids=lambda path: path.name)
async def test_dashboard_and_alerts_name_existing_metrics_only(system: System, service: Service, path: Path) -> None:
    await service.put("user_auth", None, {"credentials": "0" * 32, "account_name": system.master.name})
    used = {re.sub(r"_(bucket|count|sum)$", "", name) for name in IN_EXPRESSION.findall(expressions(path))}
    existing = {*await names(service), "crossbar_appstore_rate_limited_total"}
    assert used
    assert used <= existing
    if path == DASHBOARD:
        # Each is worth a look, but for some of the process.
        assert {name for name in existing if name.startswith("crossbar_appstore_")} == {
            name for name in used if name.startswith("crossbar_appstore_")
        }


def expressions(path: Path) -> str:
    """All expressions of a dashboard; the alerts as they are."""
    text = path.read_text()
    if path == ALERTS:
        return text
    targets = [target for panel in loads(text)["panels"] for target in panel["targets"]]
    return "\n".join(target["expr"] for target in targets)


def test_dashboard_panels_lie_side_by_side() -> None:
    board = loads(DASHBOARD.read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        grid = panel["gridPos"]
        cells = {(grid["x"] + x, grid["y"] + y) for x in range(grid["w"]) for y in range(grid["h"])}
        assert not taken & cells
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) > 15


FIRST: Final = [
    [
        "crossbar_appstore_logins",
        "counter",
        "Logins.",
        [["crossbar_appstore_logins_total", {"result": "success"}, 2.0]],
    ],
    ["crossbar_appstore_couchdb_up", "gauge", "Up.", [["crossbar_appstore_couchdb_up", {}, 1.0]]],
    ["crossbar_appstore_catalogue_generation", "gauge", "n", [["crossbar_appstore_catalogue_generation", {}, 7.0]]],
    ["crossbar_appstore_workers", "gauge", "Workers.", [["crossbar_appstore_workers", {}, 1.0]]],
]
SECOND: Final = [
    [
        "crossbar_appstore_logins",
        "counter",
        "Logins.",
        [["crossbar_appstore_logins_total", {"result": "success"}, 3.0]],
    ],
    ["crossbar_appstore_couchdb_up", "gauge", "Up.", [["crossbar_appstore_couchdb_up", {}, 0.0]]],
    ["crossbar_appstore_catalogue_generation", "gauge", "n", [["crossbar_appstore_catalogue_generation", {}, 9.0]]],
    ["crossbar_appstore_workers", "gauge", "Workers.", [["crossbar_appstore_workers", {}, 1.0]]],
]


def test_merged_adds_counters_and_combines_gauges() -> None:
    values = {sample[0]: sample[2] for family in merged([FIRST, SECOND]) for sample in family[3]}
    assert values == {
        "crossbar_appstore_logins_total": 5.0,
        "crossbar_appstore_couchdb_up": 0.0,
        "crossbar_appstore_catalogue_generation": 9.0,
        "crossbar_appstore_workers": 2.0,
    }
    assert b'crossbar_appstore_logins_total{result="success"} 5.0' in exposition(merged([FIRST, SECOND]))
    assert FIRST[0][3][0][2] == 2.0  # what was given is not changed


def test_counted_keeps_what_ended_workers_counted() -> None:
    kept = counted(counted(None, FIRST), SECOND)
    assert kept == [["crossbar_appstore_logins", "counter", "Logins.", [[*SECOND[0][3][0][:2], 5.0]]]]
