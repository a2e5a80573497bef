"""My Account: its tabs, and the user's own data, as both versions of Monster UI read and save them."""

import re
from dataclasses import replace

import pytest
from playwright.async_api import expect

from tests.browser.system import Customer, System
from tests.browser.tab import Tab

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("generation", ["5.5", "4.3"]),
]


async def test_my_account_opens_each_tab(tab: Tab, customer: Customer, generation: str) -> None:
    await tab.enter(customer.admin, generation=generation)
    page = await tab.open_my_account()
    await expect(page.locator("#credit")).to_have_text("$0.00")
    await expect(page.locator("#trunks")).to_have_text("0+0+0")
    await tab.sees_tab("Account", re.escape(f"{customer.account.name}, 0 callflows"))
    await tab.sees_tab("Usage", "0 ledgers, 0 calls")
    await tab.sees_tab("Plan", "0 lines, next bill on day 1")
    await tab.sees_tab("Transactions", "0 transactions")
    await tab.sees_tab("Trunks", "0 two-way trunks")


async def test_my_account_saves_email_and_password(tab: Tab, customer: Customer, generation: str) -> None:
    await tab.enter(customer.admin, generation=generation)
    page = await tab.open_my_account()
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_label("New password").fill("a better one")
    await page.get_by_role("button", name="Save user").click()
    await expect(page.locator("output")).to_have_text("Saved ada@example.com")
    assert (await tab.calls())[-1] == "POST accounts/{id}/users/{id} 200"
    await tab.page.get_by_role("button", name="Log out").click()
    await tab.sees_view("login")
    await tab.log_in(replace(customer.admin, password="a better one"))
    await tab.sees_view("exchange")


async def test_my_account_of_plain_user_opens_and_saves(
    tab: Tab, system: System, customer: Customer, generation: str
) -> None:
    uli = await system.user(customer.account, "Uli", "User", email="uli@example.com")
    await tab.enter(uli, generation=generation)
    page = await tab.open_my_account()
    await expect(page.get_by_label("E-mail")).to_have_value("uli@example.com")
    await page.get_by_label("E-mail").fill("ulrike@example.com")
    await page.get_by_role("button", name="Save user").click()
    await expect(page.locator("output")).to_have_text("Saved ulrike@example.com")
