"""Revoked tokens, an unreachable CouchDB, a stopped service: what the page shows and does."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from crossbar_appstore.embedded import EmbeddedCouchDB
from tests.browser.page_server import page_served
from tests.browser.service import Service
from tests.browser.system import Customer, System
from tests.browser.tab import Failed, Tab
from tests.browser.tcp_proxy import TcpProxy

pytestmark = pytest.mark.asyncio(loop_scope="session")

APP = "/v2/accounts/{id}/apps_store/{id}"


@pytest_asyncio.fixture(loop_scope="session")
async def couchdb_proxy(couchdb: EmbeddedCouchDB) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(couchdb.url) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def lone_service(couchdb_proxy: TcpProxy, tab: Tab, tmp_path: Path) -> AsyncIterator[Service]:
    """A service for one test and its tab; one worker, so that every request finds what an earlier one has cached."""
    async with (
        Service(couchdb_proxy.url, tmp_path / "service.log", workers=1) as running,
        page_served(running.api) as port,
    ):
        tab.port = port
        yield running


async def test_install_with_revoked_token_logs_in_and_repeats_the_call(
    tab: Tab, system: System, customer: Customer
) -> None:
    await tab.enter(customer.admin)
    before = await tab.count_calls()
    await system.end_sessions(customer.admin)
    await tab.save("Wallboard", "All users")
    await tab.sees_installed("Wallboard")
    await tab.expect_calls(
        "PUT accounts/{id}/apps_store/{id} 401",
        "PUT user_auth 201",
        "PUT accounts/{id}/apps_store/{id} 201",
        "PATCH accounts/{id}/users/{id} 200",
        since=before,
    )
    assert tab.failed.pop() == Failed("401", APP)
    assert [app["name"] for app in await system.apps(customer.account) if "allowed_users" in app] == ["wallboard"]


async def test_install_after_password_change_shows_login_form(tab: Tab, system: System, customer: Customer) -> None:
    await tab.enter(customer.admin)
    await system.set_password(customer.admin, "a new one")
    details = await tab.open_details("Wallboard")
    await details.locator("[name=save]").click()
    await tab.sees_view("login")
    await expect(tab.page.get_by_role("alert")).to_have_text("Your session has ended.")
    await expect(details).to_be_hidden()
    assert sorted(each.path for each in tab.failed) == [APP, "/v2/user_auth"]
    tab.failed.clear()
    await tab.log_in(customer.admin, password="a new one")
    await tab.sees_installed("Wallboard", installed=False)


async def test_exchange_without_couchdb_lists_apps_and_refuses_changes(
    tab: Tab, customer: Customer, lone_service: Service, couchdb_proxy: TcpProxy
) -> None:
    await tab.enter(customer.admin, generation="4.3")
    await tab.open_details("Wallboard")
    await tab.details.get_by_role("button", name="Close").click()

    await couchdb_proxy.stop()
    await tab.page.get_by_role("button", name="Apps").click()
    await expect(tab.page.locator("#summary")).to_have_text("5 apps, 0 installed")
    details = await tab.open_details("Wallboard")
    await details.locator("[name=save]").click()
    await tab.sees_error("Oops! Something went wrong (503).")
    await details.get_by_role("button", name="Close").click()
    await tab.sees_installed("Wallboard", installed=False)
    assert tab.failed == [Failed("503", APP)]
    tab.failed.clear()

    await couchdb_proxy.start()
    await tab.save("Wallboard", "All users")
    await tab.sees_installed("Wallboard")


async def test_exchange_without_service_shows_error_and_keeps_token(
    tab: Tab, customer: Customer, lone_service: Service
) -> None:
    await tab.enter(customer.admin)
    await lone_service.stop()
    details = await tab.open_details("Wallboard")
    await details.locator("[name=save]").click()
    await tab.sees_error("The server cannot be reached.")
    assert {each.how for each in tab.failed} == {"net::ERR_CONNECTION_REFUSED"}
    tab.failed.clear()

    await lone_service.start()
    await details.get_by_role("button", name="Close").click()
    before = await tab.count_calls()
    await tab.save("Wallboard", "All users")
    await tab.sees_launcher("Wallboard")
    assert "PUT user_auth 201" not in await tab.calls(since=before)
