"""Masquerading as descendant accounts, and their blacklists."""

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.system import LABELS, Customer, System
from tests.browser.tab import Tab
from tests.samples.make_pictures import GREEN

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def act_as(tab: Tab, customer: Customer) -> None:
    await tab.page.get_by_role("button", name="Accounts").click()
    row = tab.page.locator("#children li", has_text=customer.account.name)
    await row.get_by_role("button", name="Act as").click()
    await expect(tab.page.locator("#who")).to_contain_text(f"acting in {customer.account.name}")
    await tab.sees_view("exchange")


async def open_blacklist(tab: Tab, customer: Customer) -> None:
    await tab.page.get_by_role("button", name="Accounts").click()
    row = tab.page.locator("#children li", has_text=customer.account.name)
    await row.get_by_role("button", name="Apps").click()
    await expect(tab.page.locator("#blacklist-of")).to_have_text(f"Apps that {customer.account.name} may see")


async def show_app(tab: Tab, label: str, *, shown: bool, hidden_now: int) -> None:
    await tab.page.locator("#blacklist").get_by_label(label).set_checked(shown)
    await tab.page.locator("#blacklist").get_by_role("button", name="Save").click()
    await expect(tab.page.locator("#blacklist-message")).to_have_text(f"Saved: {hidden_now} hidden")


async def log_out(tab: Tab) -> None:
    await tab.page.get_by_role("button", name="Log out").click()
    await tab.sees_view("login")


@pytest_asyncio.fixture(loop_scope="session")
async def reseller(system: System) -> Customer:
    made = await system.customer("Reseller")
    await system.promote(made.account)
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def patron(system: System, reseller: Customer) -> Customer:
    """A customer of the reseller."""
    return await system.customer("Patron", below=reseller.account)


async def test_accounts_children_lists_own_children_only(tab: Tab, system: System, customer: Customer) -> None:
    for number in range(2):
        await system.customer(f"Branch {number}", below=customer.account)
    await tab.enter(customer.admin)
    await tab.page.get_by_role("button", name="Accounts").click()
    children = tab.page.locator("#children li")
    await expect(children).to_have_count(2)
    await expect(children.nth(0)).to_contain_text("Branch 0")
    await expect(children.nth(1)).to_contain_text("Branch 1")


async def test_search_in_every_account_finds_descendants_by_name_and_id(
    tab: Tab, reseller: Customer, patron: Customer
) -> None:
    await tab.enter(reseller.admin)
    await tab.page.get_by_role("button", name="Accounts").click()
    found = tab.page.locator("#children li")
    await expect(found).to_have_count(1)
    # The number changes with each search. Nobody finds the own account.
    name, own = patron.account.name, reseller.account.name
    for text, number in ((own, 0), (name.upper(), 1), (name + "0", 0), (patron.account.id[:9], 1)):
        await tab.page.get_by_label("Search").fill(text)
        await tab.page.get_by_role("button", name="Search every account").click()
        await expect(found).to_have_count(number)
    await expect(found).to_contain_text(name)


async def test_masquerading_operator_uses_own_token_in_descendant(
    tab: Tab, system: System, reseller: Customer, patron: Customer
) -> None:
    await tab.enter(system.operator)
    await act_as(tab, reseller)
    await act_as(tab, patron)
    token = tab.sent("GET", "/accounts/{id}/apps_store").headers["x-auth-token"]
    icon = tab.app("Call Notes").locator(".icon")
    address = await tab.background(icon)
    assert f"/accounts/{patron.account.id}/apps_store/" in address
    assert address.endswith(f"?auth_token={token}")
    await tab.sees_pixel(icon, GREEN)

    details = await tab.open_details("Call Notes")
    await expect(details.locator(".users li")).to_have_text(["ada admin"])
    await tab.details.get_by_role("button", name="Close").click()
    await tab.save("Call Notes", "These users:", "ada admin")
    await tab.sees_installed("Call Notes")
    assert (await tab.calls())[-1] == "PUT accounts/{id}/apps_store/{id} 201"

    await tab.page.get_by_role("button", name="Back to own account").click()
    await tab.sees_installed("Call Notes", installed=False)
    await log_out(tab)
    await tab.log_in(patron.admin)
    await tab.sees_launcher("Call Notes")


async def test_blacklist_of_reseller_hides_app_from_customer(tab: Tab, reseller: Customer, patron: Customer) -> None:
    await tab.enter(reseller.admin)
    await open_blacklist(tab, patron)
    await expect(tab.page.locator("#blacklist input:checked")).to_have_count(len(LABELS))
    await show_app(tab, "Wallboard", shown=False, hidden_now=1)
    await act_as(tab, patron)
    await tab.sees_apps(*LABELS[1:])

    await log_out(tab)
    await tab.log_in(patron.admin)
    await tab.sees_apps(*LABELS[1:])

    await log_out(tab)
    await tab.log_in(reseller.admin)
    await tab.sees_apps(*LABELS)
    await open_blacklist(tab, patron)
    await expect(tab.page.locator("#blacklist").get_by_label("Wallboard")).not_to_be_checked()
    await show_app(tab, "Wallboard", shown=True, hidden_now=0)
    await act_as(tab, patron)
    await tab.sees_apps(*LABELS)


async def test_blacklist_hides_installed_app_until_removed(tab: Tab, system: System, customer: Customer) -> None:
    (wallboard,) = [app["id"] for app in await system.apps(customer.account) if app["name"] == "wallboard"]
    blacklist = f"accounts/{customer.account.id}/apps_store/blacklist"
    await system.install(customer.account, "wallboard")
    await tab.enter(customer.admin)
    await tab.sees_launcher("Wallboard")
    await system.call("POST", blacklist, {"blacklist": [wallboard]})
    await tab.reload()
    await tab.sees_apps(*LABELS[1:])
    await tab.sees_launcher()
    await system.call("POST", blacklist, {"blacklist": []})
    await tab.reload()
    await tab.sees_installed("Wallboard")
    await tab.sees_launcher("Wallboard")
