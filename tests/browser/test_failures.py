"""Stale tokens, a CouchDB that is away, a service that is away: what the page makes of it, in the user's place."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from crossbar_appstore.embedded import EmbeddedCouchDB
from tests.browser.door import Door
from tests.browser.page_server import page_served
from tests.browser.service import Service
from tests.browser.system import Customer, System
from tests.browser.tab import Failed, Tab

pytestmark = pytest.mark.asyncio(loop_scope="session")

APP = "/v2/accounts/{id}/apps_store/{id}"


@pytest_asyncio.fixture(loop_scope="session")
async def door(couchdb: EmbeddedCouchDB) -> AsyncIterator[Door]:
    async with Door(couchdb.url) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def lone_service(door: Door, tab: Tab, tmp_path: Path) -> AsyncIterator[Service]:
    """A service for one test and its tab: a single worker, so that what it read once it knows from then on."""
    async with Service(door.url, tmp_path / "service.log", workers=1) as running, page_served(running.api) as port:
        tab.port = port
        yield running


async def test_a_token_that_became_worthless_is_replaced_and_the_call_made_again(
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


async def test_whoever_has_a_new_password_by_now_is_asked_for_it(tab: Tab, system: System, customer: Customer) -> None:
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


async def test_without_couchdb_the_apps_stay_and_changes_are_refused_until_it_is_back(
    tab: Tab, customer: Customer, lone_service: Service, door: Door
) -> None:
    await tab.enter(customer.admin, generation="4.3")
    await tab.open_details("Wallboard")
    await tab.details.get_by_role("button", name="Close").click()

    await door.shut()
    await tab.page.get_by_role("button", name="Apps").click()
    await expect(tab.page.locator("#summary")).to_have_text("5 apps, 0 installed")
    details = await tab.open_details("Wallboard")
    await details.locator("[name=save]").click()
    await tab.sees_error("Oops! Something went wrong (503).")
    await details.get_by_role("button", name="Close").click()
    await tab.sees_installed("Wallboard", installed=False)
    assert tab.failed == [Failed("503", APP)]
    tab.failed.clear()

    await door.open()
    await tab.save("Wallboard", "All users")
    await tab.sees_installed("Wallboard")


async def test_without_the_service_the_page_says_so_and_goes_on_with_its_token_later(
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
