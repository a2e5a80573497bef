"""The system that the page is tried on: made as an operator makes one, and from then on through the API alone."""

import base64
import hashlib
import itertools
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import stamp_maintenance
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.maintenance.accounts import NewAccount, create_account
from crossbar_appstore.maintenance.app_plan import LoadOptions
from crossbar_appstore.maintenance.app_source import SAMPLES, find_app_folders
from crossbar_appstore.maintenance.loading import load_apps
from crossbar_appstore.maintenance.lookup import MasterCatalogue
from tests.samples.make_pictures import DARK, icon

PASSWORD: Final = "correct horse"
LABELS: Final = ("Wallboard", "teapot", "Sound Library", "Shift Plan", "Call Notes")
"""Of all apps, as they are listed. One has no texts and is shown by its name."""


@dataclass(frozen=True)
class Account:
    """An account and its name, by which its users log in."""

    id: str
    name: str


@dataclass(frozen=True)
class Person:
    """Somebody who can log in."""

    id: str
    account: Account
    username: str
    password: str = PASSWORD


@dataclass(frozen=True)
class Customer:
    """An account with its administrator."""

    account: Account
    admin: Person


@dataclass
class System:
    """Accounts of a system, and the API to make more of them as the master account's administrator."""

    couch: Couch
    api: str
    operator: Person
    client: aiohttp.ClientSession
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def customer(self, name: str = "Customer", below: Account | None = None) -> Customer:
        """A new account, unlike any other, with an administrator called ``Ada Admin``."""
        parent = self.operator.account if below is None else below
        name = f"{name} {next(self.numbers)}"
        created = await self.call("PUT", f"accounts/{parent.id}", {"name": name})
        account = Account(created["id"], name)
        return Customer(account, await self.user(account, "Ada", "Admin", priv_level="admin"))

    async def user(self, account: Account, first_name: str, last_name: str, **fields: Any) -> Person:
        """A new user of an account, whose user name is the first name unless ``fields`` have another."""
        data = {"first_name": first_name, "last_name": last_name, "username": first_name, "password": PASSWORD} | fields
        created = await self.call("PUT", f"accounts/{account.id}/users", data)
        return Person(created["id"], account, created["username"], data["password"])

    async def set_password(self, person: Person, password: str) -> None:
        """Another password, which ends the sessions of the old one."""
        await self.call("PATCH", f"accounts/{person.account.id}/users/{person.id}", {"password": password})

    async def end_sessions(self, person: Person) -> None:
        """Make every token of somebody worthless, and leave the password as it was."""
        await self.set_password(person, "for a moment")
        await self.set_password(person, person.password)

    async def promote(self, account: Account) -> None:
        """Make an account a reseller, as KAZOO's ``sup`` does: there is no call of the API for it."""
        for database in (account_db(account.id), "accounts", "services"):
            document = await self.couch.open_doc(database, account.id)
            await self.couch.save_doc(database, {**document, "pvt_reseller": True})

    async def brand(self, account: Account, domain: str, company: str, logo: bytes) -> None:
        """Give an account a look of its own at a domain, as KAZOO stores it."""
        look: JsonObject = {"_id": "whitelabel", "pvt_type": "whitelabel", "domain": domain, "company_name": company}
        await self.couch.save_doc(account_db(account.id), {**look, "_attachments": {"logo-logo.png": _inline(logo)}})
        listed = await self.couch.open_doc("accounts", account.id)
        await self.couch.save_doc("accounts", {**listed, "pvt_whitelabel_domain": domain})

    async def apps(self, account: Account) -> list[JsonObject]:
        """What the account's administrator would find in the list."""
        found: list[JsonObject] = await self.call("GET", f"accounts/{account.id}/apps_store")
        return found

    async def install(self, account: Account, name: str, allowed_users: str = "all") -> None:
        """Install an app by its name."""
        (app_id,) = [app["id"] for app in await self.apps(account) if app["name"] == name]
        await self.call("PUT", f"accounts/{account.id}/apps_store/{app_id}", {"allowed_users": allowed_users})

    async def log_in(self) -> None:
        """Let ``call`` speak for the operator."""
        credentials = hashlib.md5(f"{self.operator.username}:{self.operator.password}".encode()).hexdigest()
        body = {"data": {"credentials": credentials, "account_name": self.operator.account.name}}
        async with self.client.put(f"{self.api}user_auth", json=body) as reply:
            assert reply.status == 201, await reply.text()
            self.client.headers["X-Auth-Token"] = (await reply.json())["auth_token"]

    async def call(self, method: str, path: str, data: Any = None) -> Any:
        """The data of the reply to a call that succeeds."""
        body = None if data is None else {"data": data}
        async with self.client.request(method, self.api + path, json=body) as reply:
            assert reply.status < 300, await reply.text()
            return (await reply.json())["data"]


async def make_system(couch: Couch) -> Person:
    """The master account, our sample apps and a neglected one, on an empty CouchDB.

    Returns the master account's administrator.
    """
    master = NewAccount("Master", "master.example.com", "operator", PASSWORD)
    created = await create_account(couch, master)
    report = await load_apps(await MasterCatalogue.of(couch), find_app_folders(SAMPLES).folders, LoadOptions())
    assert len(report.apps) == 4
    await couch.save_doc(account_db(created.account_id), _neglected_app(created.account_id))
    return Person(created.user_id, Account(created.account_id, master.name), master.username)


def _neglected_app(account_id: str) -> JsonObject:
    """An app as somebody's script may have stored it years ago: no texts, no tags, an empty ``api_url``."""
    fields = {"_id": new_id(), "name": "teapot", "api_url": "", "icon": "teapot.png"}
    picture = icon(lambda x, y: False, DARK)
    document = stamp_maintenance(fields, account_id=account_id, doc_type="app")
    return {**document, "_attachments": {"teapot.png": _inline(picture)}}


def _inline(picture: bytes) -> JsonObject:
    return {"content_type": "image/png", "data": base64.b64encode(picture).decode()}
