"""The store page, used as a person would."""

import asyncio
import copy
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.axe import axe_source
from tests.browser.service import Service
from tests.browser.store_tab import StoreTab
from tests.browser.system import Customer, System
from tests.browser.tab import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")

LABELS: Final = ("Call Notes", "Shift Plan", "Sound Library", "teapot", "Wallboard")
LONG: Final = "Donaudampfschifffahrtsgesellschaftskapitänsmützenverwaltung"

NewTab = Callable[..., Any]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def axe(chromium: str, embedded_cache: Path) -> str:
    return await axe_source(embedded_cache)


@asynccontextmanager
async def tab_of(browser: Browser, service: Service, axe: str, **options: Any) -> AsyncIterator[StoreTab]:
    settings = {"viewport": {"width": 1200, "height": 800}, "locale": "en-US", "color_scheme": "light"}
    context = await browser.new_context(**(settings | options))
    context.set_default_timeout(PATIENCE * 1000)
    opened = StoreTab(await context.new_page(), service.api.removesuffix("v2/"), axe)
    yield opened
    assert await context.cookies() == []
    await context.close()
    assert opened.complaints == []
    assert opened.failed == []
    origins = {request.url.split("/")[2] for request in opened.requests if request.url.startswith("http")}
    assert len(origins) == 1
    assert not [request.url for request in opened.requests if "auth_token" in request.url or "eyJ" in request.url]


@pytest.fixture
def new_tab(browser: Browser, service: Service, axe: str) -> NewTab:
    def make(**options: Any) -> Any:
        return tab_of(browser, service, axe, **options)

    return make


@pytest_asyncio.fixture(loop_scope="session")
async def store(new_tab: NewTab) -> AsyncIterator[StoreTab]:
    async with new_tab() as opened:
        yield opened


async def test_login_tells_wrong_password_in_words_and_accepts_right_one(store: StoreTab, customer: Customer) -> None:
    await store.open()
    await expect(store.page.get_by_label("Account name")).to_be_focused()
    await store.log_in(customer.admin, password="guessed")
    await expect(store.page.get_by_role("alert")).to_have_text(re.compile("no such account, user and password"))
    assert store.failed.pop() == "401"
    await store.log_in(customer.admin)
    await store.sees_apps(*LABELS)
    sent = next(request for request in store.requests if request.url.endswith("user_auth"))
    assert "guessed" not in (sent.post_data or "")


async def test_session_is_of_the_tab_and_ends_with_logout(store: StoreTab, customer: Customer) -> None:
    await store.enter(customer.admin)
    await store.page.reload()
    await store.sees_apps(*LABELS)
    other = await store.page.context.new_page()
    await other.goto(store.address)
    await expect(other.locator("#login-account")).to_be_visible()
    await store.page.get_by_role("button", name="Log out").click()
    await store.page.reload()
    await expect(store.page.locator("#login-account")).to_be_visible()
    assert await store.page.evaluate("sessionStorage.length") == 0


async def test_session_that_was_revoked_leads_to_login(store: StoreTab, system: System, customer: Customer) -> None:
    await store.enter(customer.admin)
    await system.end_sessions(customer.admin)
    details = await store.open_details("Wallboard")
    await details.get_by_role("button", name="Install").click()
    await expect(store.page.get_by_role("status")).to_have_text("Your session has ended. Please log in again.")
    await expect(store.page.locator("dialog")).to_have_count(0)
    assert "401" in store.failed
    store.failed.clear()
    await store.log_in(customer.admin)
    await store.sees_apps(*LABELS)


async def test_search_and_filters_narrow_the_list(store: StoreTab, system: System, customer: Customer) -> None:
    await system.install(customer.account, "wallboard")
    await store.enter(customer.admin)
    search = store.page.get_by_label("Search apps")
    await search.fill("PHONES week")
    await store.sees_apps("Shift Plan")
    await expect(store.page.locator(".count")).to_have_text("1 app")
    await search.fill("no such thing")
    await store.sees_apps()
    await store.page.get_by_role("button", name="Show all apps").click()
    await expect(search).to_be_focused()
    await store.sees_apps(*LABELS)
    await store.page.get_by_label("Installed", exact=True).check()
    await store.sees_apps("Wallboard")
    await store.page.get_by_label("Not installed").check()
    await store.sees_apps(*LABELS[:-1])
    await store.page.get_by_label("All", exact=True).check()
    await store.page.get_by_label("Category").select_option("reporting")
    await store.sees_apps("Wallboard")


async def test_app_installed_for_one_user_is_seen_by_that_user_alone(
    store: StoreTab, new_tab: NewTab, system: System, customer: Customer
) -> None:
    uli = await system.user(customer.account, "Uli", "User")
    vera = await system.user(customer.account, "Vera", "Viewer")
    await store.enter(customer.admin)
    await store.sees_state("Wallboard", "Not installed")
    details = await store.open_details("Wallboard")
    await details.get_by_label("Chosen users").check()
    await expect(details.get_by_text("nobody could use the app")).to_be_visible()
    await details.get_by_label("Uli User").check()
    await expect(details.get_by_text("1 user chosen")).to_be_visible()
    await details.get_by_role("button", name="Install").click()
    await expect(details.get_by_text("Wallboard is installed.")).to_be_visible()
    await expect(details.get_by_role("button", name="Save")).to_be_disabled()
    await store.press("Escape")
    await store.sees_state("Wallboard", "Installed for 1 user")
    async with new_tab() as users:
        await users.enter(uli)
        await expect(users.page.get_by_role("heading", level=1)).to_have_text("Your apps")
        await users.sees_apps("Wallboard")
        details = await users.open_details("Wallboard")
        await expect(details.get_by_text("This app is installed for you.")).to_be_visible()
        await expect(details.get_by_role("radio")).to_have_count(0)
    async with new_tab() as others:
        await others.enter(vera)
        await expect(others.page.get_by_text("There is no app for you yet.")).to_be_visible()


async def test_permission_is_changed_and_app_uninstalled(store: StoreTab, system: System, customer: Customer) -> None:
    await system.install(customer.account, "wallboard")
    await store.enter(customer.admin)
    details = await store.open_details("Wallboard")
    save = details.get_by_role("button", name="Save")
    await expect(save).to_be_disabled()
    await details.get_by_label("Administrators").check()
    await save.click()
    await expect(details.get_by_text("The change is saved.")).to_be_visible()
    await store.sees_state("Wallboard", "Installed for administrators")
    await details.get_by_role("button", name="Uninstall").click()
    question = store.dialog("confirmation")
    await expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    await store.press("Enter")
    await expect(question).to_have_count(0)
    await expect(details.get_by_text("Installed for administrators")).to_be_visible()
    await details.get_by_role("button", name="Uninstall").click()
    await question.get_by_role("button", name="Uninstall").click()
    await expect(details.get_by_text("Wallboard is uninstalled.")).to_be_visible()
    await expect(details.get_by_role("button", name="Install")).to_be_focused()
    await store.sees_state("Wallboard", "Not installed")
    listed = {app["name"]: app.get("allowed_users") for app in await system.apps(customer.account)}
    assert listed["wallboard"] is None


async def test_app_is_installed_with_the_keyboard_alone(store: StoreTab, customer: Customer) -> None:
    await store.enter(customer.admin)
    button = store.page.get_by_role("button", name="Wallboard", exact=True)
    await store.tab_to(button)
    await store.press("Enter")
    details = store.dialog("details")
    await expect(details.locator("h2")).to_be_focused()
    await store.tab_to(details.get_by_label("Everybody"))
    await store.press("ArrowDown")
    await expect(details.get_by_label("Administrators")).to_be_checked()
    await store.tab_to(details.get_by_role("button", name="Install"))
    await store.press("Enter")
    await expect(details.get_by_text("Wallboard is installed.")).to_be_visible()
    await store.tab_to(details.locator(".screenshots button").first)
    await store.press("Enter")
    gallery = store.dialog("gallery")
    await expect(gallery.get_by_role("img")).to_have_attribute("alt", "Screenshot 1 of 2 of Wallboard")
    await store.press("ArrowRight")
    await expect(gallery.get_by_role("img")).to_have_attribute("alt", "Screenshot 2 of 2 of Wallboard")
    await store.press("ArrowRight", "ArrowRight", "ArrowLeft", "Home")
    await expect(gallery.get_by_role("img")).to_have_attribute("alt", "Screenshot 1 of 2 of Wallboard")
    await store.press("Escape")
    await expect(gallery).to_have_count(0)
    await expect(details).to_be_visible()
    await store.press("Escape")
    await expect(button).to_be_focused()


async def test_users_are_searched_and_unknown_ones_kept(store: StoreTab, system: System, customer: Customer) -> None:
    for number in range(7):
        await system.user(customer.account, f"User{number}", "Söderström" if number == 3 else "Other")
    (app_id,) = [app["id"] for app in await system.apps(customer.account) if app["name"] == "wallboard"]
    permission = {"allowed_users": "specific", "users": [{"id": "0" * 32}]}
    await system.call("PUT", f"accounts/{customer.account.id}/apps_store/{app_id}", permission)
    await store.enter(customer.admin)
    details = await store.open_details("Wallboard")
    await expect(details.get_by_label(f"Unknown user {'0' * 32}")).to_be_checked()
    await details.get_by_label("Search users").fill("soderstrom")
    await expect(details.locator(".users input")).to_have_count(1)
    await store.press("Enter")
    await details.get_by_label("User3 Söderström").check()
    await details.get_by_role("button", name="Save").click()
    await expect(details.get_by_text("The change is saved.")).to_be_visible()
    await store.sees_state("Wallboard", "Installed for 2 users")


async def test_refused_change_is_told_in_words_and_changes_no_tile(
    store: StoreTab, system: System, customer: Customer
) -> None:
    await store.enter(customer.admin)
    details = await store.open_details("Wallboard")
    install = details.get_by_role("button", name="Install")
    for status, message, words in (
        (503, "datastore_unreachable", "Nothing was changed; please try again soon."),
        (403, "forbidden", "You may not do this."),
        (409, "datastore_conflict", "Somebody else is changing the same thing."),
        (500, "unspecified_fault", "For the operator: the request was the-request."),
    ):
        await store.answer("**/apps_store/*", "PUT", status, message)
        await install.click()
        await expect(details.get_by_role("alert")).to_contain_text(words)
        await expect(install).to_be_enabled()
        await store.sees_state("Wallboard", "Not installed")
        await store.page.unroute("**/apps_store/*")
        assert store.failed.pop() == str(status)
    # The same for real: another administrator was faster.
    await system.install(customer.account, "wallboard", "admins")
    await install.click()
    await expect(details.get_by_role("alert")).to_have_text("Somebody else has installed this app in the meantime.")
    await expect(details.get_by_role("button", name="Save")).to_be_disabled()
    await store.sees_state("Wallboard", "Installed for administrators")
    assert store.failed.pop() == "400"


async def test_tile_changes_only_when_the_answer_is_there(store: StoreTab, customer: Customer) -> None:
    await store.enter(customer.admin)
    released = asyncio.Event()

    async def wait(route: Any) -> None:
        await released.wait()
        await route.continue_()

    await store.page.route("**/apps_store/*", wait)
    details = await store.open_details("Wallboard")
    await details.get_by_role("button", name="Install").click()
    await expect(details.get_by_role("button", name="Installing…")).to_be_visible()
    await store.sees_state("Wallboard", "Not installed")
    released.set()
    await store.sees_state("Wallboard", "Installed for everybody")


async def test_list_that_fails_can_be_loaded_again(store: StoreTab, customer: Customer) -> None:
    await store.open()
    await store.answer("**/apps_store", "GET", 503, "datastore_unreachable")
    await store.log_in(customer.admin)
    await expect(store.page.get_by_role("alert")).to_contain_text("The database does not answer at the moment.")
    await store.sees_no_barriers()
    await store.page.unroute("**/apps_store")
    assert store.failed.pop() == "503"
    await store.page.get_by_role("button", name="Try again").click()
    await store.sees_apps(*LABELS)


async def test_list_from_before_the_database_went_away_is_marked(store: StoreTab, customer: Customer) -> None:
    async def outdated(route: Any) -> None:
        reply = await route.fetch()
        headers = {**reply.headers, "warning": '110 - "Response is stale"'}
        await route.fulfill(response=reply, headers=headers)

    await store.page.route("**/apps_store", outdated)
    await store.enter(customer.admin)
    await expect(store.page.get_by_text("What you see may be outdated")).to_be_visible()
    await store.sees_apps(*LABELS)


async def test_list_without_apps_says_so(store: StoreTab, system: System) -> None:
    await store.change_list(lambda apps: [])
    await store.enter(system.operator)
    await expect(store.page.get_by_text("There are no apps in this store yet.")).to_be_visible()
    await expect(store.page.get_by_text("init-apps")).to_be_visible()
    await store.sees_no_barriers()


async def test_reseller_works_in_account_below_and_hides_an_app_from_it(store: StoreTab, system: System) -> None:
    reseller = await system.customer("Reseller")
    below = await system.customer("Below", reseller.account)
    deep = await system.customer("Deep", below.account)
    await store.enter(reseller.admin)
    await store.page.get_by_role("button", name="Change account").click()
    chooser = store.dialog("chooser")
    await expect(chooser.locator(".accounts .name")).to_have_text([below.account.name])
    await chooser.get_by_label("Search by name or realm").fill(deep.account.name[:6].lower())
    await chooser.get_by_role("button", name=deep.account.name).click()
    await expect(store.page.locator(".strip")).to_contain_text(deep.account.name)
    await expect(store.page.get_by_role("main")).to_be_focused()
    await expect(store.page).to_have_title(f"{deep.account.name} – App store")
    await store.page.get_by_role("button", name="Change account").click()
    await store.dialog("chooser").get_by_role("button", name=f"Up to {below.account.name}").click()
    await expect(store.page.locator(".strip")).to_contain_text(below.account.name)
    await store.sees_list()
    details = await store.open_details("Call Notes")
    await details.get_by_role("button", name="Install").click()
    await expect(details.get_by_text("Call Notes is installed.")).to_be_visible()
    await store.press("Escape")
    await store.page.get_by_role("button", name="Hide apps").click()
    blacklist = store.dialog("blacklist")
    await blacklist.get_by_label("Wallboard").check()
    await expect(blacklist.get_by_text("1 app hidden")).to_be_visible()
    await store.sees_no_barriers()
    await blacklist.get_by_role("button", name="Save").click()
    await expect(blacklist.get_by_text("The list is saved.")).to_be_visible()
    await blacklist.get_by_label("teapot").check()
    await blacklist.get_by_role("button", name="Save").click()
    await expect(blacklist.get_by_text("2 apps hidden")).to_be_visible()
    await store.press("Escape")
    await store.sees_state("Wallboard", "Hidden from this account")
    await store.page.get_by_label("Hidden", exact=True).check()
    await store.sees_apps("teapot", "Wallboard")
    details = await store.open_details("Wallboard")
    await expect(details.locator(".reasons li")).to_have_text(
        ["The app is published in the catalogue.", re.compile("on the account's list of hidden apps.*decides")]
    )
    await expect(details.get_by_role("button", name="Install")).to_have_count(0)
    await store.sees_no_barriers()
    await store.press("Escape")
    await store.page.reload()
    await expect(store.page.locator(".strip")).to_contain_text(below.account.name)
    await store.page.get_by_role("button", name=f"Back to {reseller.account.name}").click()
    await store.sees_apps(*LABELS)
    await store.sees_state("Call Notes", "Not installed")
    seen = {app["name"]: app.get("allowed_users") for app in await system.apps(below.account)}
    assert seen == {"shift-plan": None, "sound-library": None, "call-notes": "all"}


async def test_blacklist_that_somebody_else_changed_is_not_overwritten(store: StoreTab, system: System) -> None:
    reseller = await system.customer("Reseller")
    below = await system.customer("Below", reseller.account)
    await store.enter(reseller.admin)
    await store.page.get_by_role("button", name="Change account").click()
    await store.dialog("chooser").get_by_role("button", name=below.account.name).click()
    await store.page.get_by_role("button", name="Hide apps").click()
    blacklist = store.dialog("blacklist")
    await blacklist.get_by_label("Wallboard").check()
    (app_id,) = [app["id"] for app in await system.apps(below.account) if app["name"] == "teapot"]
    await system.call("POST", f"accounts/{below.account.id}/apps_store/blacklist", {"blacklist": [app_id]})
    await blacklist.get_by_role("button", name="Save").click()
    await expect(blacklist.get_by_role("alert")).to_contain_text("Somebody else has changed the list")
    await expect(blacklist.get_by_label("teapot")).to_be_checked()
    await expect(blacklist.get_by_label("Wallboard")).not_to_be_checked()
    assert store.failed.pop() == "412"


async def test_page_speaks_the_language_of_the_browser_and_the_chosen_one(new_tab: NewTab, customer: Customer) -> None:
    async with new_tab(locale="de-AT") as store:
        await store.open()
        await expect(store.page.get_by_role("heading", level=1)).to_have_text("Anmelden")
        await store.log_in(customer.admin)
        # The app without German texts is shown in English, and says so to screen readers.
        await store.sees_apps("Call Notes", "Dienstplan", "Sound Library", "teapot", "Wallboard")
        await expect(store.page.get_by_role("button", name="Dienstplan")).to_have_attribute("lang", "de-DE")
        await expect(store.page.get_by_role("button", name="Call Notes")).to_have_attribute("lang", "en-US")
        await store.sees_state("Dienstplan", "Nicht installiert")
        details = await store.open_details("Dienstplan")
        await details.get_by_role("button", name="Installieren").click()
        await expect(details.get_by_text("Dienstplan ist installiert.")).to_be_visible()
        await store.press("Escape")
        await store.sees_state("Dienstplan", "Für alle installiert")
        await store.page.get_by_label("Sprache").select_option("en")
        await store.sees_state("Shift Plan", "Installed for everybody")
        assert await store.page.evaluate("document.documentElement.lang") == "en"
        await store.page.reload()
        await store.sees_apps(*LABELS)
    async with new_tab(locale="fr-FR") as store:
        await store.open()
        await expect(store.page.get_by_role("heading", level=1)).to_have_text("Log in")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1500])
async def test_no_state_has_barriers(
    new_tab: NewTab, system: System, customer: Customer, scheme: str, width: int
) -> None:
    for number in range(6):
        await system.user(customer.account, f"User{number}", "Other")
    await system.install(customer.account, "sound-library")
    below = await system.customer("Below", customer.account)
    async with new_tab(color_scheme=scheme, viewport={"width": width, "height": 760}) as store:
        await store.open()
        await store.sees_no_barriers()
        await store.log_in(customer.admin, password="wrong")
        await expect(store.page.get_by_role("alert")).to_be_visible()
        await store.sees_no_barriers()
        store.failed.clear()
        await store.log_in(customer.admin)
        await store.sees_apps(*LABELS)
        await store.sees_no_barriers()
        details = await store.open_details("Wallboard")
        await details.get_by_label("Chosen users").check()
        await expect(details.locator(".users input")).to_have_count(7)
        await store.sees_no_barriers()
        await details.locator(".screenshots button").first.click()
        await expect(store.dialog("gallery").get_by_role("img")).to_be_visible()
        await store.sees_no_barriers()
        await store.press("Escape", "Escape")
        details = await store.open_details("Sound Library")
        await details.get_by_role("button", name="Uninstall").click()
        await store.sees_no_barriers()
        await store.press("Escape", "Escape")
        await store.page.get_by_role("button", name="Change account").click()
        await expect(store.dialog("chooser").get_by_role("button", name=below.account.name)).to_be_visible()
        await store.sees_no_barriers()
        await store.dialog("chooser").get_by_role("button", name=below.account.name).click()
        await store.sees_list()
        details = await store.open_details("Wallboard")
        await details.get_by_text("Why it is shown or hidden").click()
        await expect(details.locator(".reasons li")).to_have_count(1)
        await store.sees_no_barriers()


def _odd(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Long texts without a blank, right-to-left texts, markup, and what an app document may hold in wrong types."""
    long, rtl, markup, wrong, *rest = copy.deepcopy(apps)
    words = {"label": LONG * 2, "description": LONG * 8, "extended_description": LONG * 9, "features": [LONG * 5]}
    long |= {
        "i18n": {"en-US": words},
        "author": LONG * 2,
        "version": "9" * 90,
        "price": 12.5,
        "urls": {LONG: "https://x.example"},
    }
    rtl["i18n"] = {"ar-SA": {"label": "لوحة المكالمات", "description": "عرض المكالمات.", "features": ["حالة كل وكيل"]}}
    markup["i18n"] = {"en-US": {"label": "<b>bold</b>", "description": "<img src=x onerror=alert(1)>"}}
    markup["urls"] = {"documentation": "javascript:alert(1)"}
    wrong |= {
        "name": "wrong",
        "i18n": {"nonsense": {"label": 7}, "en-US": {"features": 5}},
        "screenshots": "none",
        "urls": [],
    }
    wrong |= {"tags": [1, None], "icon": None, "author": {}, "phase": "other", "price": "free"}
    return [long, rtl, markup, wrong, *rest]


@pytest.mark.parametrize("width", [360, 1200])
async def test_odd_apps_are_shown_without_harm(new_tab: NewTab, system: System, width: int) -> None:
    async with new_tab(viewport={"width": width, "height": 760}) as store:
        await store.change_list(_odd)
        await store.enter(system.operator)
        await expect(store.page.locator(".tile")).to_have_count(5)
        await store.sees_no_barriers()
        for label in (LONG * 2, "لوحة المكالمات", "<b>bold</b>", "wrong"):
            details = await store.open_details(label)
            await store.sees_no_barriers()
            await expect(details.get_by_role("link", name="Documentation")).to_have_count(0)
            await store.press("Escape")
        await expect(store.page.get_by_role("button", name="لوحة المكالمات")).to_have_css("direction", "rtl")


def _many(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    texts = ({"label": f"App {number:03}", "description": "What it does."} for number in range(200))
    return [
        {**copy.deepcopy(apps[0]), "id": f"{number:032}", "name": f"app-{number}", "i18n": {"en-US": each}}
        for number, each in enumerate(texts)
    ]


async def test_pictures_of_200_apps_are_loaded_when_they_come_near(store: StoreTab, system: System) -> None:
    await store.change_list(_many)
    await store.enter(system.operator)
    await expect(store.page.locator(".tile")).to_have_count(200)
    await expect(store.tile("App 000").locator("img")).to_be_visible()

    def icons() -> int:
        return sum(request.url.endswith("/icon") for request in store.requests)

    assert 10 < icons() < 80
    await store.page.get_by_label("Search apps").fill("App 19")
    await expect(store.page.locator(".tile:visible")).to_have_count(12)
    await store.page.get_by_label("Search apps").fill("")
    await expect(store.page.locator(".tile:visible")).to_have_count(200)
    await store.tile("App 199").scroll_into_view_if_needed()
    await expect(store.tile("App 199").locator("img")).to_be_visible()
    assert len({request.url for request in store.requests if request.url.endswith("/icon")}) == icons()


async def test_pictures_and_files_are_revalidated(store: StoreTab, customer: Customer) -> None:
    urls: dict[str, str] = {}
    statuses: dict[str, int] = {}
    client = await store.page.context.new_cdp_session(store.page)
    # The two events of a request come in either order.
    client.on("Network.requestWillBeSent", lambda event: urls.update({event["requestId"]: event["request"]["url"]}))
    client.on(
        "Network.responseReceivedExtraInfo",
        lambda event: statuses.update({event["requestId"]: event["statusCode"]}),
    )
    await store.enter(customer.admin)
    await expect(store.page.locator(".tile img")).to_have_count(len(LABELS))
    await client.send("Network.enable")
    await store.page.reload()
    await expect(store.page.locator(".tile img")).to_have_count(len(LABELS))
    seen = {url.removeprefix(store.address): statuses.get(request_id) for request_id, url in urls.items()}
    reused = {url: status for url, status in seen.items() if url.endswith("/icon") or url.startswith("store/")}
    assert len(reused) > 20
    assert {url: status for url, status in reused.items() if status != 304} == {}


async def test_page_without_answer_of_service_says_so(store: StoreTab, customer: Customer) -> None:
    await store.enter(customer.admin)
    details = await store.open_details("Wallboard")
    await store.page.route("**/apps_store/*", lambda route: route.abort())
    await details.get_by_role("button", name="Install").click()
    await expect(details.get_by_role("alert")).to_contain_text("The service does not answer.")
    await store.press("Escape")
    await store.page.unroute("**/apps_store/*")
    assert store.failed.pop() == "net::ERR_FAILED"


async def test_page_says_so_where_the_browser_keeps_nothing(store: StoreTab) -> None:
    await store.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } });"
    )
    await store.open()
    await expect(store.page.get_by_role("alert")).to_contain_text("This page cannot start.")
    assert "denied" in store.complaints.pop()
