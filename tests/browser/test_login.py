"""Login, session and logout."""

import json
from dataclasses import replace

import pytest
from playwright.async_api import expect

from crossbar_appstore import __version__
from tests.browser.page_server import CLUSTER_ID
from tests.browser.system import LABELS, Account, Customer, System
from tests.browser.tab import Failed, Tab
from tests.samples.make_pictures import RED, page
from tests.samples.make_pictures import ROSE as ROSE_INDEX

pytestmark = pytest.mark.asyncio(loop_scope="session")

GET_WHITELABEL = (
    "GET whitelabel/127.0.0.1 404",
    "GET whitelabel/127.0.0.1/logo 404",
    "GET whitelabel/127.0.0.1/icon 404",
)
SAVE_ACCOUNT = ("GET accounts/{id} 200", "POST accounts/{id} 200")
"""The first login of an account stores the settings of the page in it: the account is read and saved as a whole."""
GET_SESSION = (
    "GET accounts/{id}/external_numbers 404",
    "GET accounts/{id} 200",
    "GET accounts/{id}/users/{id} 200",
    "GET accounts/{id}/apps_store 200",
)
GET_BILLING = ("GET accounts/{id}/braintree/customer 404", "GET accounts/{id}/alerts 200")
FIRST_LOGIN = ("PUT user_auth 201", *GET_SESSION, *SAVE_ACCOUNT, *GET_BILLING)
GET_USERS = "GET accounts/{id}/users?paginate=false 200"


async def test_login_page_without_whitelabel_has_default_name(tab: Tab) -> None:
    await tab.open()
    await tab.sees_view("login")
    await expect(tab.page.locator("#brand")).to_have_text("App Exchange")
    await expect(tab.page.locator("#logo")).to_be_hidden()
    await tab.expect_calls(*GET_WHITELABEL)
    assert tab.sent("GET", "/whitelabel/127.0.0.1").headers["x-auth-token"] == "undefined"


async def test_login_page_with_whitelabel_shows_its_name_and_logo(tab: Tab, system: System, customer: Customer) -> None:
    logo = page(ROSE_INDEX, ())
    await system.brand(customer.account, "brand.localhost", "Acme Phones", logo)
    await tab.open(host="brand.localhost")
    await tab.sees_view("login")
    await expect(tab.page.locator("#brand")).to_have_text("Acme Phones")
    await tab.sees_pixel(tab.page.locator("#logo"), RED)


async def test_login_refuses_wrong_password_and_accepts_right_one(tab: Tab, customer: Customer) -> None:
    await tab.open()
    await tab.log_in(customer.admin, password="guessed")
    await expect(tab.page.get_by_role("alert")).to_have_text("Invalid credentials, please try again.")
    assert tab.failed.pop() == Failed("401", "/v2/user_auth")
    await tab.log_in(customer.admin)
    await tab.sees_apps(*LABELS)
    await expect(tab.page.locator("#who")).to_have_text(f"Ada Admin, {customer.account.name} ({__version__})")
    await tab.expect_calls(*GET_WHITELABEL, "PUT user_auth 401", *FIRST_LOGIN, GET_USERS)


async def test_login_ignores_case_of_user_name(tab: Tab, system: System, customer: Customer) -> None:
    zoe = await system.user(
        customer.account, "Zoë", "Ångström", username="Zoe@Example.com", password="Grüße, 世界", priv_level="admin"
    )
    await tab.open()
    await tab.log_in(replace(zoe, username="zOE@EXAMPLE.COM"))
    await expect(tab.page.locator("#who")).to_contain_text("Zoë Ångström")


async def test_login_with_unknown_account_is_refused_as_wrong_credentials(tab: Tab, system: System) -> None:
    await tab.open()
    await tab.log_in(replace(system.operator, account=Account(system.operator.account.id, "Nobody")))
    await expect(tab.page.get_by_role("alert")).to_have_text("Invalid credentials, please try again.")
    assert tab.failed.pop() == Failed("401", "/v2/user_auth")


async def test_login_to_disabled_account_shows_reason(tab: Tab, system: System, customer: Customer) -> None:
    await system.call("PATCH", f"accounts/{customer.account.id}", {"enabled": False})
    await tab.open()
    await tab.log_in(customer.admin)
    await tab.sees_error("Invalid Data:", "account: account disabled")
    await tab.sees_view("login")
    assert tab.failed.pop() == Failed("400", "/v2/user_auth")


async def test_reload_keeps_session_of_cookie(tab: Tab, customer: Customer) -> None:
    await tab.enter(customer.admin)
    await tab.reload()
    await tab.sees_apps(*LABELS)
    resumed = ("POST auth/tokeninfo 200", *GET_SESSION, *GET_BILLING)
    await tab.expect_calls(*GET_WHITELABEL, *resumed, GET_USERS)
    assert "x-auth-token" not in tab.sent("POST", "/auth/tokeninfo").headers


async def test_reload_with_revoked_token_shows_login_form(tab: Tab, system: System, customer: Customer) -> None:
    await tab.enter(customer.admin)
    await system.end_sessions(customer.admin)
    await tab.reload()
    await tab.sees_view("login")
    assert tab.failed.pop() == Failed("401", "/v2/auth/tokeninfo")


async def test_logout_deletes_the_token(tab: Tab, customer: Customer) -> None:
    await tab.enter(customer.admin)
    await tab.page.get_by_role("button", name="Log out").click()
    await tab.sees_view("login")
    await tab.expect_calls(*GET_WHITELABEL)


async def test_login_of_monster_ui_4_3_makes_its_own_calls(tab: Tab, customer: Customer) -> None:
    await tab.enter(customer.admin, generation="4.3")
    await tab.sees_apps(*LABELS)
    more = ("GET accounts/{id}/ledgers/total 200", "GET accounts/{id}/limits 200", "GET accounts/{id}/users/{id} 200")
    opened = (GET_USERS, "GET accounts/{id}/apps_store 200")
    await tab.expect_calls(*GET_WHITELABEL, *FIRST_LOGIN, *more, *opened)


async def test_exchange_shows_labels_in_language_of_user_or_english(
    tab: Tab, system: System, customer: Customer
) -> None:
    jutta = await system.user(customer.account, "Jutta", "Müller", language="de-DE", priv_level="admin")
    await tab.enter(jutta)
    await tab.sees_apps("Wallboard", "teapot", "Sound Library", "Dienstplan", "Call Notes")


async def test_login_shows_role_of_superduper_admin_and_reseller(tab: Tab, system: System) -> None:
    await tab.enter(system.operator)
    await expect(tab.page.locator("#role")).to_have_text("system, reseller")
    reseller = await system.customer("Reseller")
    await system.promote(reseller.account)
    await tab.page.get_by_role("button", name="Log out").click()
    await tab.log_in(reseller.admin)
    # The account was changed in CouchDB directly, so the service sees it with a delay of up to two seconds.
    await tab.reload_until(tab.page.locator("#role"), "reseller")


async def test_login_of_plain_user_shows_launcher_without_exchange(
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


async def test_login_of_plain_user_to_new_account_shows_403_and_launcher(
    tab: Tab, system: System, customer: Customer
) -> None:
    uli = await system.user(customer.account, "Uli", "User")
    await tab.open()
    await tab.log_in(uli)
    await tab.sees_view("launcher")
    await tab.sees_error("Oops! Something went wrong (403).")
    assert tab.failed.pop() == Failed("403", "/v2/accounts/{id}")


async def test_page_sends_headers_and_bodies_of_monster_ui(tab: Tab, customer: Customer) -> None:
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
