"""A browser tab with the page: methods for the actions of a user and for what the page shows."""

import asyncio
import base64
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from playwright.async_api import ConsoleMessage, Error, Locator, Page, Request, expect

from tests.browser.system import Person

PATIENCE: Final = 20.0
"""Seconds to wait for what the page should show."""

_IDS: Final = re.compile(r"[0-9a-f]{32}")
_PROBES: Final = re.compile(r"/(external_numbers|braintree/customer|whitelabel/[^/]+(/logo|/icon)?)$")
_FAILED_LOAD: Final = re.compile(r"Failed to load resource: .*?(\d{3}|net::\w+)")
_PIXEL: Final = """async ({png, x, y}) => {
    const picture = new Image();
    picture.src = `data:image/png;base64,${png}`;
    await picture.decode();
    const canvas = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
    canvas.drawImage(picture, 0, 0);
    return Array.from(canvas.getImageData(x, y, 1, 1).data.slice(0, 3));
}"""
_SIZE: Final = """address => new Promise((resolve, reject) => {
    const picture = new Image();
    picture.onload = () => resolve([picture.naturalWidth, picture.naturalHeight]);
    picture.onerror = () => reject(new Error(`no picture at ${address}`));
    picture.src = address;
})"""

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Failed:
    """A failed call or picture: its status or network error, and its path without ids."""

    how: str
    path: str


class Tab:
    """The page in a browser without cookies, for one test.

    ``complaints`` holds console errors and exceptions, ``failed`` what failed to load, except for the calls that
    detect which features the system has.
    """

    def __init__(self, page: Page, port: int) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.failed: list[Failed] = []
        self.requests: list[Request] = []
        self.port = port
        page.on("request", self._request)
        page.on("console", self._console)
        page.on("pageerror", self._exception)

    async def open(self, *, generation: str = "5.5", host: str = "127.0.0.1") -> None:
        """Open the page as a client of the given version of Monster UI."""
        await self.page.goto(f"http://{host}:{self.port}/?ui={generation}")

    async def log_in(self, person: Person, *, password: str | None = None) -> None:
        """Fill in and send the login form."""
        form = self.page.locator("#login")
        await form.get_by_label("User name").fill(person.username)
        await form.get_by_label("Password").fill(person.password if password is None else password)
        await form.get_by_label("Account name").fill(person.account.name)
        await form.get_by_role("button", name="Log in").click()

    async def enter(self, person: Person, *, generation: str = "5.5") -> None:
        """Open the page, log in and wait until the page is complete."""
        await self.open(generation=generation)
        await self.log_in(person)
        await expect(self.page.locator("#who")).to_contain_text(person.account.name)
        await expect(self.page.locator("body")).to_have_attribute("data-view", re.compile("exchange|launcher"))

    async def reload(self) -> None:
        """Load the page again."""
        await self.page.reload()

    async def reload_until(self, element: Locator, text: str) -> None:
        """Reload the page until an element has that text, after a change that the service sees with a delay."""
        async with asyncio.timeout(PATIENCE):
            await self.sees_view("exchange")
            while await element.text_content() != text:
                await self.page.reload()
                await self.sees_view("exchange")

    async def sees_view(self, view: str) -> None:
        """Wait for a view: ``login``, ``exchange``, ``accounts``, ``my-account``; ``launcher`` is none of them."""
        await expect(self.page.locator("body")).to_have_attribute("data-view", view)

    async def sees_apps(self, *labels: str) -> None:
        """Wait until the App Exchange lists these labels in this order."""
        await expect(self.page.locator("#apps .label")).to_have_text(list(labels))

    async def sees_launcher(self, *labels: str) -> None:
        """Wait until the launcher offers these apps."""
        await expect(self.page.locator("#launcher button")).to_have_text(list(labels))

    async def sees_error(self, headline: str, *messages: str) -> None:
        """Wait for the error dialog, check its texts and close it."""
        dialog = self.page.locator("#error")
        await expect(dialog.locator("h2")).to_have_text(headline)
        await expect(dialog.locator("li")).to_have_text(list(messages))
        await dialog.get_by_role("button", name="Close").click()
        await expect(dialog).to_be_hidden()

    async def finish_walkthrough(self) -> None:
        """Read the greeting of a new user to its end."""
        await self.page.get_by_role("button", name="Finish walkthrough").click()
        await expect(self.page.locator("#greeting")).to_be_hidden()

    async def open_my_account(self) -> Locator:
        """Open My Account, which waits for the balance and the limits."""
        await self.page.get_by_role("button", name="My Account").click()
        await self.sees_view("my-account")
        return self.page.locator("#my-account")

    async def sees_tab(self, name: str, shown: str) -> None:
        """Open a tab of My Account and wait for what it shows; ``shown`` is a regular expression."""
        await self.page.locator("#tabs").get_by_role("button", name=name).click()
        await expect(self.page.locator("#tab")).to_have_text(re.compile(f"{name}: {shown}"))

    def app(self, label: str) -> Locator:
        """The tile of an app."""
        return self.page.locator(".app", has_text=label)

    def sent(self, method: str, path: str) -> Request:
        """The last request with that method whose path, without ids and query, ends with ``path``."""
        for request in reversed(self.requests):
            if request.method == method and _IDS.sub("{id}", urlsplit(request.url).path).endswith(path):
                return request
        raise AssertionError(f"no {method} of {path}")

    @property
    def details(self) -> Locator:
        """The dialog with an app's details."""
        return self.page.locator("#details")

    async def open_details(self, label: str) -> Locator:
        """Click an app and wait for its details."""
        await self.app(label).click()
        await expect(self.details.locator("h2")).to_have_text(label)
        return self.details

    async def save(self, label: str, choice: str, *users: str) -> None:
        """Install an app, or change who may use it, and wait until it is saved."""
        details = await self.open_details(label)
        await self.choose(choice, *users)
        await details.locator("[name=save]").click()
        await expect(details).to_be_hidden()

    async def choose(self, choice: str, *users: str) -> None:
        """Select a choice in the details and tick exactly these users."""
        await self.details.get_by_label(choice).check()
        for box in await self.details.locator(".users li").all():
            await box.locator("input").set_checked((await box.inner_text()).strip() in users)

    async def uninstall(self, label: str) -> None:
        """Uninstall an app and wait until it is done."""
        details = await self.open_details(label)
        await details.get_by_role("button", name="Uninstall").click()
        await expect(details).to_be_hidden()

    async def sees_installed(self, label: str, *, installed: bool = True) -> None:
        """Wait until an app is shown as installed or not installed."""
        await expect(self.app(label).locator(".state")).to_have_text("installed" if installed else "not installed")

    async def sees_pixel(self, element: Locator, colour: Colour, *, x: int = 48, y: int = 6) -> None:
        """Wait until a pixel of the rendered element has a colour."""
        seen: Colour | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                while seen != colour:
                    png = base64.b64encode(await element.screenshot()).decode()
                    red, green, blue = await self.page.evaluate(_PIXEL, {"png": png, "x": x, "y": y})
                    seen = (red, green, blue)
        except TimeoutError:
            raise AssertionError(f"the pixel is {seen}, not {colour}") from None

    async def picture_size(self, address: str) -> tuple[int, int]:
        """Width and height of the picture at an address, loaded by an ``img`` element."""
        width, height = await self.page.evaluate(_SIZE, address)
        return width, height

    async def background(self, element: Locator) -> str:
        """The address of an element's background image."""
        style: str = await element.evaluate("element => getComputedStyle(element).backgroundImage")
        found = re.fullmatch(r'url\("(.*)"\)', style)
        assert found, style
        return found[1]

    async def calls(self, *, since: int = 0) -> list[str]:
        """The calls that the page lists with their status; ids are replaced by ``{id}``."""
        listed = await self.page.locator("#traffic li").all_inner_texts()
        return [_IDS.sub("{id}", call) for call in listed[since:]]

    async def expect_calls(self, *wanted: str, since: int = 0) -> None:
        """Wait until exactly these calls were made."""
        await expect(self.page.locator("#traffic li")).to_have_count(since + len(wanted))
        assert await self.calls(since=since) == list(wanted)

    async def count_calls(self) -> int:
        """The number of calls that the page lists."""
        return await self.page.locator("#traffic li").count()

    def _request(self, request: Request) -> None:
        self.requests.append(request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        address = urlsplit(message.location["url"])
        failed = _FAILED_LOAD.match(message.text)
        if not failed:
            self.complaints.append(message.text)
        elif not (failed[1] == "404" and _PROBES.search(address.path)):
            self.failed.append(Failed(failed[1], _IDS.sub("{id}", address.path)))

    def _exception(self, error: Error) -> None:
        self.complaints.append(str(error))
