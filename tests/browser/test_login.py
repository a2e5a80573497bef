"""From the first look at the page to the apps, and back out."""

import json
from dataclasses import replace

import pytest
from playwright.async_api import expect

from crossbar_appstore import __version__
from tests.browser.page_server import CLUSTER_ID
from tests.browser.system import LABELS, Account, Customer, System
from tests.browser.tab import Failed, Tab
from tests.samples.make_pictures import RED, page
from tests.samples.make_pictures import ROSE as ROSE_OF_THE_PALETTE

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOOK_FOR_A_BRAND = (
    "GET whitelabel/127.0.0.1 404",
    "GET whitelabel/127.0.0.1/logo 404",
    "GET whitelabel/127.0.0.1/icon 404",
)
SEND_ACCOUNT_BACK = ("GET accounts/{id} 200", "POST accounts/{id} 200")
"""What the first login of an account does: it lacks the settings of the page, so it is read and stored as a whole."""
ASK_FOR_SESSION = (
    "GET accounts/{id}/external_numbers 404",
    "GET accounts/{id} 200",
    "GET accounts/{id}/users/{id} 200",
    "GET accounts/{id}/apps_store 200",
)
ASK_FOR_BILLS = ("GET accounts/{id}/braintree/customer 404", "GET accounts/{id}/alerts 404")
FIRST_LOGIN = ("PUT user_auth 201", *ASK_FOR_SESSION, *SEND_ACCOUNT_BACK, *ASK_FOR_BILLS)
ASK_FOR_USERS = "GET accounts/{id}/users?paginate=false 200"


async def test_before_login_a_host_without_a_brand_has_the_name_of_the_page(tab: Tab) -> None:
    await tab.open()
    await tab.sees_view("login")
    await expect(tab.page.locator("#brand")).to_have_text("App Exchange")
    await expect(tab.page.locator("#logo")).to_be_hidden()
    await tab.expect_calls(*LOOK_FOR_A_BRAND)
    assert tab.sent("GET", "/whitelabel/127.0.0.1").headers["x-auth-token"] == "undefined"


async def test_before_login_a_host_with_a_brand_shows_its_name_and_logo(
    tab: Tab, system: System, customer: Customer
) -> None:
    logo = page(ROSE_OF_THE_PALETTE, ())
    await system.brand(customer.account, "brand.localhost", "Acme Phones", logo)
    await tab.open(host="brand.localhost")
    await tab.sees_view("login")
    await expect(tab.page.locator("#brand")).to_have_text("Acme Phones")
    await tab.sees_pixel(tab.page.locator("#logo"), RED)


async def test_wrong_credentials_are_refused_on_the_page_and_the_right_ones_lead_to_the_apps(
    tab: Tab, customer: Customer
) -> None:
    await tab.open()
    await tab.log_in(customer.admin, password="guessed")
    await expect(tab.page.get_by_role("alert")).to_have_text("Invalid credentials, please try again.")
    assert tab.failed.pop() == Failed("401", "/v2/user_auth")
    await tab.log_in(customer.admin)
    await tab.sees_apps(*LABELS)
    await expect(tab.page.locator("#who")).to_have_text(f"Ada Admin, {customer.account.name} ({__version__})")
    await tab.expect_calls(*LOOK_FOR_A_BRAND, "PUT user_auth 401", *FIRST_LOGIN, ASK_FOR_USERS)


async def test_the_user_name_counts_in_any_case_and_the_password_as_it_is(
    tab: Tab, system: System, customer: Customer
) -> None:
    zoe = await system.user(
        customer.account, "Zoë", "Ångström", username="Zoe@Example.com", password="Grüße, 世界", priv_level="admin"
    )
    await tab.open()
    await tab.log_in(replace(zoe, username="zOE@EXAMPLE.COM"))
    await expect(tab.page.locator("#who")).to_contain_text("Zoë Ångström")


async def test_an_unknown_account_is_refused_like_wrong_credentials(tab: Tab, system: System) -> None:
    await tab.open()
    await tab.log_in(replace(system.operator, account=Account(system.operator.account.id, "Nobody")))
    await expect(tab.page.get_by_role("alert")).to_have_text("Invalid credentials, please try again.")
    assert tab.failed.pop() == Failed("401", "/v2/user_auth")


async def test_a_disabled_account_is_told_why_nobody_can_log_in(tab: Tab, system: System, customer: Customer) -> None:
    await system.call("PATCH", f"accounts/{customer.account.id}", {"enabled": False})
    await tab.open()
    await tab.log_in(customer.admin)
    await tab.sees_error("Invalid Data:", "account: account disabled")
    await tab.sees_view("login")
    assert tab.failed.pop() == Failed("400", "/v2/user_auth")


async def test_a_reload_goes_on_with_the_token_of_the_cookie(tab: Tab, customer: Customer) -> None:
    await tab.enter(customer.admin)
    await tab.reload()
    await tab.sees_apps(*LABELS)
    resumed = ("POST auth/tokeninfo 200", *ASK_FOR_SESSION, *ASK_FOR_BILLS)
    await tab.expect_calls(*LOOK_FOR_A_BRAND, *resumed, ASK_FOR_USERS)
    assert "x-auth-token" not in tab.sent("POST", "/auth/tokeninfo").headers


async def test_a_reload_with_a_worthless_token_leads_to_the_login(tab: Tab, system: System, customer: Customer) -> None:
    await tab.enter(customer.admin)
    await system.end_sessions(customer.admin)
    await tab.reload()
    await tab.sees_view("login")
    assert tab.failed.pop() == Failed("401", "/v2/auth/tokeninfo")


async def test_logging_out_forgets_the_token(tab: Tab, customer: Customer) -> None:
    await tab.enter(customer.admin)
    await tab.page.get_by_role("button", name="Log out").click()
    await tab.sees_view("login")
    await tab.expect_calls(*LOOK_FOR_A_BRAND)


async def test_the_oldest_and_the_newest_client_log_in_with_their_own_calls(tab: Tab, customer: Customer) -> None:
    await tab.enter(customer.admin, generation="4.3")
    await tab.sees_apps(*LABELS)
    more = ("GET accounts/{id}/ledgers/total 404", "GET accounts/{id}/limits 404", "GET accounts/{id}/users/{id} 200")
    opened = (ASK_FOR_USERS, "GET accounts/{id}/apps_store 200")
    await tab.expect_calls(*LOOK_FOR_A_BRAND, *FIRST_LOGIN, *more, *opened)


async def test_apps_are_named_in_the_users_language_and_else_in_english(
    tab: Tab, system: System, customer: Customer
) -> None:
    jutta = await system.user(customer.account, "Jutta", "Müller", language="de-DE", priv_level="admin")
    await tab.enter(jutta)
    await tab.sees_apps("Wallboard", "teapot", "Sound Library", "Dienstplan", "Call Notes")


async def test_the_operator_of_the_system_and_a_reseller_see_that_they_are(tab: Tab, system: System) -> None:
    await tab.enter(system.operator)
    await expect(tab.page.locator("#role")).to_have_text("system, reseller")
    reseller = await system.customer("Reseller")
    await system.promote(reseller.account)
    await tab.page.get_by_role("button", name="Log out").click()
    await tab.log_in(reseller.admin)
    # It was another program that made it one, so a moment may pass until the service knows.
    await tab.reload_until(tab.page.locator("#role"), "reseller")


async def test_a_user_without_rights_gets_the_installed_apps_and_no_exchange(
    tab: Tab, system: System, customer: Customer
) -> None:
    await system.install(customer.account, "wallboard")
    await system.install(customer.account, "call-notes", "admins")
    uli = await system.user(customer.account, "Uli", "User")
    await system.call("PATCH", f"accounts/{customer.account.id}", {"ui_restrictions": {}})
    await tab.enter(uli)
    await tab.sees_view("launcher")
    await tab.sees_launcher("Wallboard")
    await expect(tab.page.get_by_role("button", name="Accounts")).to_be_hidden()
    assert "PATCH accounts/{id}/users/{id} 200" in await tab.calls()
    await tab.page.get_by_role("button", name="Wallboard").click()
    await expect(tab.page.locator("#opened")).to_have_text(f"Wallboard works for {customer.account.name}")


async def test_a_user_without_rights_who_is_first_in_an_account_gets_in_after_a_refusal(
    tab: Tab, system: System, customer: Customer
) -> None:
    uli = await system.user(customer.account, "Uli", "User")
    await tab.open()
    await tab.log_in(uli)
    await tab.sees_view("launcher")
    await tab.sees_error("Oops! Something went wrong (403).")
    assert tab.failed.pop() == Failed("403", "/v2/accounts/{id}")


async def test_the_page_has_the_habits_of_monster_ui(tab: Tab, customer: Customer) -> None:
    await tab.enter(customer.admin)
    await tab.save("Wallboard", "All users")
    await tab.uninstall("Wallboard")
    listed = tab.sent("GET", "/accounts/{id}/apps_store")
    assert listed.headers["content-type"] == "application/json"
    assert listed.headers["accept"] == "application/json, text/javascript, */*; q=0.01"
    assert listed.headers["x-kazoo-cluster-id"] == CLUSTER_ID
    assert "_=" in listed.url
    assert "x-auth-token" not in tab.sent("PUT", "/user_auth").headers
    assert "ui_metadata" not in json.loads(tab.sent("PUT", "/user_auth").post_data or "")["data"]
    removed = json.loads(tab.sent("DELETE", "/apps_store/{id}").post_data or "")
    assert removed == {"data": {"ui_metadata": {"version": "4.3.0", "ui": "monster-ui", "origin": "appstore"}}}
    icon = tab.sent("GET", "/accounts/{id}/apps_store/{id}/icon")
    sent = await icon.all_headers()
    assert "?auth_token=" in icon.url
    assert "x-auth-token" not in sent
    assert sent["cookie"].startswith("monster-auth={")
