"""A browser tab with the store page: methods for what a person does there and sees there."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from playwright.async_api import ConsoleMessage, Error, Locator, Page, Request, Route, expect

from tests.browser.axe import violations
from tests.browser.system import Person

_FAILED_LOAD: Final = re.compile(r"Failed to load resource: .*?(\d{3}|net::\w+)")
_PNG: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc000000301010018dd8db00000000049454e44ae426082"
)
_OVERFLOW: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

Change = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


class StoreTab:
    """The page in a browser without cookies, for one test.

    ``complaints`` holds console errors, which breaches of the Content-Security-Policy are, and exceptions; ``failed``
    the statuses of what failed to load; ``requests`` everything that was asked for.
    """

    def __init__(self, page: Page, address: str, axe: str) -> None:
        self.page = page
        self.address = address
        self._axe = axe
        self.complaints: list[str] = []
        self.failed: list[str] = []
        self.requests: list[Request] = []
        page.on("request", self._request)
        page.on("console", self._console)
        page.on("pageerror", self._exception)

    async def open(self) -> None:
        """Open the page."""
        await self.page.goto(self.address)
        await expect(self.page.locator("body")).not_to_have_attribute("data-view", "starting")

    async def log_in(self, person: Person, *, password: str | None = None) -> None:
        """Fill in and send the login form, whatever its language."""
        await self.page.locator("#login-account").fill(person.account.name)
        await self.page.locator("#login-user").fill(person.username)
        await self.page.locator("#login-password").fill(person.password if password is None else password)
        await self.page.keyboard.press("Enter")

    async def enter(self, person: Person) -> None:
        """Open the page, log in and wait for the apps."""
        await self.open()
        await self.log_in(person)
        await self.sees_list()

    async def sees_list(self) -> None:
        """Wait until the list is loaded."""
        await expect(self.page.locator("body")).to_have_attribute("data-view", "store")
        await expect(self.page.locator(".tiles:not([aria-busy])")).to_be_attached()

    async def sees_apps(self, *labels: str) -> None:
        """Wait until these apps are shown in this order."""
        await expect(self.page.locator(".tile:not(.skeleton):visible h2")).to_have_text(list(labels))

    def tile(self, label: str) -> Locator:
        """The tile of an app."""
        return self.page.locator(".tile").filter(has=self.page.get_by_role("button", name=label, exact=True))

    async def sees_state(self, label: str, state: str) -> None:
        """Wait for the state on an app's tile."""
        await expect(self.tile(label).locator(".state")).to_have_text(state)

    async def open_details(self, label: str) -> Locator:
        """Open an app and wait for its details."""
        await self.tile(label).get_by_role("button").click()
        dialog = self.dialog("details")
        await expect(dialog.locator("h2")).to_have_text(label)
        return dialog

    def dialog(self, kind: str) -> Locator:
        """The open dialog of a kind: ``details``, ``confirmation``, ``gallery``, ``chooser``, ``blacklist``."""
        return self.page.locator(f"dialog.{kind}")

    async def press(self, *keys: str) -> None:
        """Press keys."""
        for key in keys:
            await self.page.keyboard.press(key)

    async def tab_to(self, element: Locator) -> None:
        """Press Tab until an element has the focus."""
        for _ in range(60):
            if await element.evaluate("element => element === document.activeElement"):
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"the focus does not come to {element}")

    async def answer(self, glob: str, method: str, status: int, message: str) -> None:
        """Let the API refuse what matches, until ``page.unroute`` of the glob."""

        async def refuse(route: Route) -> None:
            if route.request.method == method:
                envelope = {"data": {}, "message": message, "status": "error", "request_id": "the-request"}
                await route.fulfill(status=status, json=envelope)
            else:
                await route.continue_()

        await self.page.route(glob, refuse)

    async def change_list(self, change: Change) -> None:
        """Change the list of apps on its way to the page; icons of apps that do not exist are shown all the same."""

        async def listed(route: Route) -> None:
            reply = await route.fetch()
            envelope = json.loads(await reply.text())
            await route.fulfill(response=reply, json={**envelope, "data": change(envelope["data"])})

        async def pixel(route: Route) -> None:
            await route.fulfill(body=_PNG, content_type="image/png")

        await self.page.route("**/apps_store", listed)
        await self.page.route("**/icon", pixel)

    async def sees_no_barriers(self) -> None:
        """Search the page with axe, and for content that is wider than the screen."""
        await self.page.wait_for_timeout(200)  # Transitions of colours have an end.
        found = await violations(self.page, self._axe)
        assert not found, found
        assert await self.page.evaluate(_OVERFLOW) <= 0

    def _request(self, request: Request) -> None:
        self.requests.append(request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        failed = _FAILED_LOAD.match(message.text)
        if failed:
            self.failed.append(failed[1])
        else:
            self.complaints.append(message.text)

    def _exception(self, error: Error) -> None:
        self.complaints.append(str(error))
