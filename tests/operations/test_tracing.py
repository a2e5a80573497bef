"""OpenTelemetry traces, with a collector that decodes what is exported."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer
from yarl import URL

from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.kazoo.ids import new_reset_id
from crossbar_appstore.operations import tracing
from tests.datastore.fault_proxy import Fault, FaultProxy, Passwords
from tests.kit.accounts import PASSWORD
from tests.kit.fixtures import NewService
from tests.kit.service import Service
from tests.kit.system import System
from tests.operations.collector import CLIENT, Collector, Span, collecting
from tests.serving.running import FRESH, running, status

ON = {"CROSSBAR_OTEL": "true"}
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    async with collecting() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        yield made


@pytest.fixture
def traced(collector: Collector, new_service: NewService) -> Service:
    return new_service(**ON)


def named(collector: Collector, name: str) -> Span:
    (found,) = (span for span in collector.servers() if span.name == name)
    return found


async def test_login_list_and_install_give_a_trace_each_with_couchdb_requests_as_children(
    system: System, collector: Collector, traced: Service
) -> None:
    account = await system.account("Traced", below=system.master)
    headers = {"X-Request-ID": "r-1"}
    assert (await traced.login(account.admin)).status == 201
    assert (await traced.get(account.path, account, headers=headers)).status == 200
    everybody = {"allowed_users": "all", "users": []}
    assert (await traced.put(f"{account.path}/{system.apps['voip']}", account, everybody)).status == 201
    await traced.stop()
    login, listing, install = collector.servers()
    assert [each.name for each in (login, listing, install)] == ["PUT user_auth", "GET apps_store", "PUT apps_store"]
    assert len({each.trace for each in (login, listing, install)}) == 3
    for server in (login, listing, install):
        children = collector.children(server)
        assert children
        assert {each.trace for each in children} == {server.trace}
        assert {each.attributes["db.system.name"] for each in children} == {"couchdb"}
        assert all(each.sent.start_time_unix_nano >= server.sent.start_time_unix_nano for each in children)
    assert "PUT document" in {each.name for each in collector.children(install)}
    assert "GET view" in {each.name for each in collector.children(login)}
    found = listing.attributes
    assert (found["http.route"], found["http.request.method"]) == ("apps_store", "GET")
    assert (found["url.path"], found["url.scheme"]) == (f"/v2/{account.path}", "http")
    assert (found["http.response.status_code"], found["client.address"]) == (200, "127.0.0.1")
    assert (found["crossbar.request_id"], found["crossbar.account_id"]) == ("r-1", account.id)
    assert listing.resource["service.name"] == "crossbar-appstore"


async def test_no_trace_has_ids_in_its_name_or_begins_with_a_request_to_couchdb(
    system: System, collector: Collector, traced: Service
) -> None:
    account = await system.account("Named", below=system.master)
    await traced.get(f"{account.path}/{system.apps['voip']}", account)
    await traced.get(f"{account.path}/{system.apps['voip']}/icon", account)
    await traced.get("nonsense/of/a/client", account)
    await traced.call("PROPFIND", account.path, account)
    await traced.stop()
    names = [each.name for each in collector.servers()]
    assert names == ["GET apps_store", "GET apps_store/icon", "GET none", "HTTP apps_store"]
    # The change feed and the catalogue are read, too.
    assert "" not in {each.parent for each in collector.spans if each.sent.kind == CLIENT}


async def test_exported_bytes_have_no_secret(
    system: System, collector: Collector, new_service: NewService, proxy: FaultProxy
) -> None:
    account = await system.account("Secret", below=system.master)
    proxy.passwords = Passwords("couch-user", "couch-password")
    url = URL(proxy.url).with_user("couch-user").with_password("couch-password")
    service = new_service(str(url), **ON)
    token = system.token(account.admin)
    md5, sha1 = password_hashes(account.admin.name, PASSWORD)
    assert (await service.login(account.admin)).status == 201
    assert (await service.get(f"{account.path}?auth_token={token}&secret=query-secret")).status == 200
    await service.get(f"{account.path}/{token}", account, headers={"X-Request-ID": token, "Cookie": token})
    await service.get(f"accounts/{token}/apps_store", None, headers={"Authorization": f"Bearer {token}"})
    await service.put("user_auth", None, {"credentials": md5, "account_name": token})
    # The text of an exception has the URL of its request.
    proxy.fail(Fault.RESET_FIRST, path="creds")
    await service.login(account.user)
    await service.stop()
    exported = b"".join(collector.bodies)
    spans = collector.spans
    assert len(collector.servers()) == 6
    assert "[removed]" in collector.servers()[2].attributes["url.path"]
    assert not any(each.sent.events for each in spans)
    user_md5, _ = password_hashes(account.user.name, PASSWORD)
    for secret in (token, token.split(".")[2], md5, sha1, user_md5, "couch-user", "couch-password", "query-secret"):
        assert secret.encode() not in exported
    assert not any("?" in str(value) for span in spans for value in span.attributes.values())
    assert not any("header" in name for span in spans for name in span.attributes)


def test_shown_url_has_no_query_user_or_password_reset() -> None:
    reset = new_reset_id("a" * 32, 2026, 11, 137)
    url = URL(f"http://user:password@db:5984/account%2Faa/{reset}?key=%22secret%22", encoded=True)
    assert tracing.shown_url(url) == "http://db:5984/account%2Faa/[removed]"


async def test_incoming_traceparent_is_continued_and_a_malformed_one_ignored(
    system: System, collector: Collector, traced: Service
) -> None:
    await traced.get("about", system.master, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    await traced.get("about", system.master, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    await traced.get("about", system.master, headers={"traceparent": "00-nonsense"})
    await traced.stop()
    continued, begun = collector.servers()
    assert (continued.trace, continued.parent) == (TRACE, PARENT)
    assert begun.trace != TRACE
    assert begun.parent == ""


async def test_trace_context_is_sent_to_couchdb(
    system: System, collector: Collector, new_service: NewService, aiohttp_server: AiohttpServer
) -> None:
    seen: list[str | None] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request.headers.get("traceparent"))
        return web.Response(status=500)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", note)
    couchdb = await aiohttp_server(application)
    service = new_service(str(couchdb.make_url("")), **ON)
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    assert (await service.get(f"accounts/{'a' * 32}", headers=headers, token="none")).status == 503
    await service.stop()
    (server,) = collector.servers()
    sent = {f"00-{TRACE}-{each.id}-01" for each in collector.children(server)}
    assert sent
    assert {each for each in seen if each is not None and TRACE in each} == sent


async def test_health_pages_are_not_traced(system: System, collector: Collector, traced: Service) -> None:
    address = await traced.address()
    assert [await status(address, path) for path in ("/livez", "/readyz", "/metrics")] == [200] * 3
    await traced.stop()
    assert collector.spans == []


async def test_server_error_is_the_error_of_its_span(
    system: System, collector: Collector, new_service: NewService, proxy: FaultProxy
) -> None:
    service = new_service(proxy.url, **ON)
    account = await system.account("Broken", below=system.master)
    await service.get("about", system.master)
    proxy.fail(Fault.RESET_FIRST)
    assert (await service.login(account.admin)).status == 503
    # CouchDB is asked in the background then, which is no part of the request.
    asked = proxy.count()
    await collector.wait(lambda: proxy.count() > asked + 2)
    proxy.heal()
    await service.stop()
    login = named(collector, "PUT user_auth")
    assert login.sent.status.code == login.sent.status.STATUS_CODE_ERROR
    assert login.attributes["error.type"] == "503"
    end = login.sent.end_time_unix_nano
    assert collector.children(login)
    assert all(each.sent.start_time_unix_nano <= end for each in collector.children(login))


@pytest.mark.parametrize("silent", [True, False])
async def test_unreachable_collector_delays_neither_requests_nor_the_stop(
    system: System,
    collector: Collector,
    traced: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    silent: bool,
) -> None:
    collector.silent = silent
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    if not silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    await traced.get("about", system.master)
    begun = time.monotonic()
    for _ in range(20):
        assert (await traced.get("about", system.master)).status == 200
        await asyncio.sleep(0.01)
    assert time.monotonic() - begun < 5
    await collector.wait(lambda: "traces not exported" in caplog.messages)
    begun = time.monotonic()
    await traced.stop()
    assert time.monotonic() - begun < tracing.FLUSH_SECONDS + 3
    assert collector.bodies == []


async def test_each_of_several_workers_exports_its_spans_at_the_stop(
    system: System, kit_couchdb_url: str, collector: Collector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "apps")
    async with running(kit_couchdb_url, tmp_path / "log", CROSSBAR_WORKERS="2", **ON) as service:
        assert [await status(service.address) for _ in range(FRESH)] == [401] * FRESH
        assert collector.spans == []
        service.process.terminate()
        assert await service.process.wait() == 0
    servers = collector.servers()
    assert len(servers) == FRESH
    assert len({each.resource["process.pid"] for each in servers}) == 2
    assert {each.resource["service.name"] for each in servers} == {"apps"}


def modules_of(variables: dict[str, str]) -> set[str]:
    """The top names of the modules that are imported for an application."""
    code = (
        "import json, sys; from crossbar_appstore.application import create_application;"
        "import crossbar_appstore.cli; from crossbar_appstore.settings import Settings;"
        f"create_application(Settings.load({{'COUCHDB_URL': 'http://127.0.0.1:9', **{variables!r}}}));"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: Any = json.loads(done.stdout)
    return set(found)


def test_nothing_of_opentelemetry_is_imported_with_the_switch_off() -> None:
    others = {"opentelemetry", "google"}
    assert modules_of({}).isdisjoint(others)
    assert others & modules_of(ON) == others
