"""The App Exchange: list, details, install, change and uninstall."""

import pytest
from playwright.async_api import expect

from tests.browser.system import LABELS, Customer, System
from tests.browser.tab import Failed, Tab
from tests.samples.make_pictures import AMBER, BLUE, GREEN, INK, RED, Colour

pytestmark = pytest.mark.asyncio(loop_scope="session")

ICONS: dict[str, Colour] = dict(zip(LABELS, (BLUE, INK, RED, AMBER, GREEN), strict=True))
"""Label → colour of the icon's disc."""
generations = pytest.mark.parametrize("generation", ["4.3", "5.5"])


@generations
async def test_exchange_shows_icon_of_each_app(tab: Tab, customer: Customer, generation: str) -> None:
    await tab.enter(customer.admin, generation=generation)
    await tab.sees_apps(*ICONS)
    await expect(tab.page.locator("#summary")).to_have_text("5 apps, 0 installed")
    await expect(tab.app("Call Notes").locator(".phase")).to_have_text("beta")
    for label, colour in ICONS.items():
        icon = tab.app(label).locator(".icon")
        address = await tab.background(icon)
        assert f"/accounts/{customer.account.id}/apps_store/" in address
        assert "/icon?auth_token=" in address
        assert await tab.picture_size(address) == (96, 96)
        await tab.sees_pixel(icon, colour)


@generations
async def test_details_show_all_fields_of_app(tab: Tab, customer: Customer, generation: str) -> None:
    await tab.enter(customer.admin, generation=generation)
    before = await tab.count_calls()
    details = await tab.open_details("Wallboard")
    await expect(details.locator(".description")).to_have_text(
        "Queues and agents at a glance, for the screen on the wall."
    )
    await expect(details.locator(".extended")).to_contain_text("which agents are free, busy or away")
    await expect(details.locator(".features li")).to_have_text(
        ["Waiting callers of each queue", "State of every agent", "Large type that reads from afar"]
    )
    await expect(details.locator("dd")).to_have_text(["crossbar-appstore", "1.0", "Apache-2.0", "Free"])
    asked = ["GET accounts/{id}/apps_store/{id} 200"] if generation == "4.3" else []
    assert await tab.calls(since=before) == asked


async def test_details_of_app_without_texts_and_screenshots_open(tab: Tab, customer: Customer) -> None:
    await tab.enter(customer.admin)
    details = await tab.open_details("teapot")
    await expect(details.locator(".description")).to_be_empty()
    await expect(details.locator(".screenshots")).to_have_text("no screenshots")
    await details.locator("[name=save]").click()
    await tab.sees_installed("teapot")


async def test_screenshots_load_without_account_and_token(tab: Tab, customer: Customer) -> None:
    await tab.enter(customer.admin)
    sizes = {"Wallboard": [(480, 300)] * 2, "Sound Library": [(480, 240)]}
    for label, wanted in sizes.items():
        details = await tab.open_details(label)
        pictures = details.locator(".screenshots img")
        await expect(pictures).to_have_count(len(wanted))
        addresses = [await picture.get_attribute("src") or "" for picture in await pictures.all()]
        assert all("/v2/apps_store/" in address for address in addresses)
        assert [await tab.picture_size(address) for address in addresses] == wanted
        assert [await tab.picture_size(address.partition("?")[0]) for address in addresses] == wanted
        await details.get_by_role("button", name="Close").click()


@generations
async def test_exchange_installs_changes_and_uninstalls_app(tab: Tab, customer: Customer, generation: str) -> None:
    keeping = "POST accounts/{id}/users/{id} 200" if generation == "4.3" else "PATCH accounts/{id}/users/{id} 200"
    await tab.enter(customer.admin, generation=generation)
    await tab.finish_walkthrough()
    await tab.sees_launcher()

    before = await tab.count_calls()
    await tab.save("Wallboard", "All users")
    await tab.sees_installed("Wallboard")
    await tab.sees_launcher("Wallboard")
    assert changes(await tab.calls(since=before)) == [
        "PUT accounts/{id}/apps_store/{id} 201",
        keeping,
    ]

    await tab.reload()
    await tab.sees_installed("Wallboard")
    await tab.sees_launcher("Wallboard")
    await tab.sees_installed("Call Notes", installed=False)
    assert changes(await tab.calls()) == ["POST auth/tokeninfo 200"]

    before = await tab.count_calls()
    await tab.save("Wallboard", "Administrators")
    assert changes(await tab.calls(since=before)) == ["POST accounts/{id}/apps_store/{id} 200"]
    await tab.reload()
    details = await tab.open_details("Wallboard")
    await expect(details.get_by_label("Administrators")).to_be_checked()
    await expect(details.locator("[name=save]")).to_have_text("Save")
    await details.get_by_role("button", name="Close").click()

    before = await tab.count_calls()
    await tab.uninstall("Wallboard")
    await tab.sees_installed("Wallboard", installed=False)
    await tab.sees_launcher()
    assert changes(await tab.calls(since=before)) == [
        "DELETE accounts/{id}/apps_store/{id} 200",
        keeping,
    ]

    await tab.reload()
    await tab.sees_installed("Wallboard", installed=False)
    await tab.sees_launcher()
    before = await tab.count_calls()
    await tab.save("Wallboard", "All users")
    assert changes(await tab.calls(since=before))[0] == "PUT accounts/{id}/apps_store/{id} 201"


async def test_launcher_shows_app_to_specific_users_only(tab: Tab, system: System, customer: Customer) -> None:
    uma = await system.user(customer.account, "Uma", "User")
    uwe = await system.user(customer.account, "Uwe", "User")
    await tab.enter(customer.admin)
    await tab.save("Shift Plan", "These users:", "uma user")
    await tab.sees_installed("Shift Plan")
    await tab.sees_launcher()
    await tab.reload()
    details = await tab.open_details("Shift Plan")
    await expect(details.get_by_label("These users:")).to_be_checked()
    await expect(details.get_by_label("uma user")).to_be_checked()
    await expect(details.get_by_label("uwe user")).not_to_be_checked()
    await details.get_by_role("button", name="Close").click()
    for person, apps in ((uma, ["Shift Plan"]), (uwe, [])):
        await tab.page.get_by_role("button", name="Log out").click()
        await tab.log_in(person)
        await tab.sees_view("launcher")
        await tab.sees_launcher(*apps)


async def test_exchange_shows_app_for_no_users_as_uninstalled(tab: Tab, customer: Customer) -> None:
    await tab.enter(customer.admin)
    await tab.save("Call Notes", "These users:")
    await tab.reload()
    await tab.sees_installed("Call Notes", installed=False)
    before = await tab.count_calls()
    await tab.save("Call Notes", "All users")
    assert changes(await tab.calls(since=before))[0] == "POST accounts/{id}/apps_store/{id} 200"
    await tab.sees_installed("Call Notes")


async def test_install_of_app_installed_meanwhile_shows_error(tab: Tab, system: System, customer: Customer) -> None:
    await tab.enter(customer.admin)
    await system.install(customer.account, "wallboard")
    details = await tab.open_details("Wallboard")
    await tab.choose("All users")
    await details.locator("[name=save]").click()
    # Crossbar puts the reason into ``message``, which clients do not show; ``data`` is empty.
    await tab.sees_error("Invalid Data:")
    assert tab.failed.pop() == Failed("400", "/v2/accounts/{id}/apps_store/{id}")
    await tab.reload()
    await tab.sees_installed("Wallboard")


async def test_install_with_invalid_field_shows_field_error(tab: Tab, customer: Customer) -> None:
    await tab.enter(customer.admin)
    details = await tab.open_details("Wallboard")
    await details.get_by_label("All users").evaluate("radio => { radio.value = 'everybody'; radio.checked = true; }")
    await details.locator("[name=save]").click()
    await tab.sees_error("Invalid Data:", "allowed_users: Value not found in enumerated list of values")
    assert tab.failed.pop() == Failed("400", "/v2/accounts/{id}/apps_store/{id}")
    await tab.sees_installed("Wallboard", installed=False)


async def test_launcher_opens_app_without_api_url_on_api_of_page(tab: Tab, system: System, customer: Customer) -> None:
    await system.install(customer.account, "shift-plan")
    await system.install(customer.account, "teapot")
    await tab.enter(customer.admin)
    for label in ("Shift Plan", "teapot"):
        await tab.page.locator("#launcher").get_by_role("button", name=label).click()
        await expect(tab.page.locator("#opened")).to_have_text(f"{label} works for {customer.account.name}")


def changes(calls: list[str]) -> list[str]:
    """The calls that are no GET."""
    return [call for call in calls if not call.startswith("GET ")]
