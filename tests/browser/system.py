"""The system that the browser tests use: created with the maintenance functions, then changed through the API."""

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
"""The labels of all apps in list order; the app without texts is shown by its name."""


@dataclass(frozen=True)
class Account:
    """An account and its name, by which its users log in."""

    id: str
    name: str


@dataclass(frozen=True)
class Person:
    """A user who can log in."""

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
    """Creates accounts and users through the API as the master account's administrator."""

    couch: Couch
    api: str
    operator: Person
    client: aiohttp.ClientSession
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def customer(self, name: str = "Customer", below: Account | None = None) -> Customer:
        """A new account with a unique name and an administrator called ``Ada Admin``."""
        parent = self.operator.account if below is None else below
        name = f"{name} {next(self.numbers)}"
        created = await self.call("PUT", f"accounts/{parent.id}", {"name": name})
        account = Account(created["id"], name)
        return Customer(account, await self.user(account, "Ada", "Admin", priv_level="admin"))

    async def user(self, account: Account, first_name: str, last_name: str, **fields: Any) -> Person:
        """A new user of an account; the user name is the first name unless ``fields`` have another."""
        data = {"first_name": first_name, "last_name": last_name, "username": first_name, "password": PASSWORD} | fields
        created = await self.call("PUT", f"accounts/{account.id}/users", data)
        return Person(created["id"], account, created["username"], data["password"])

    async def set_password(self, person: Person, password: str) -> None:
        """Change the password, which revokes the user's tokens."""
        await self.call("PATCH", f"accounts/{person.account.id}/users/{person.id}", {"password": password})

    async def end_sessions(self, person: Person) -> None:
        """Revoke every token of a user without changing the password in the end."""
        await self.set_password(person, "temporary")
        await self.set_password(person, person.password)

    async def promote(self, account: Account) -> None:
        """Make an account a reseller in CouchDB, as KAZOO's ``sup`` does; the API has no call for it."""
        for database in (account_db(account.id), "accounts", "services"):
            document = await self.couch.open_doc(database, account.id)
            await self.couch.save_doc(database, {**document, "pvt_reseller": True})

    async def brand(self, account: Account, domain: str, company: str, logo: bytes) -> None:
        """Store a whitelabel document and logo for a domain, as KAZOO does."""
        look: JsonObject = {"_id": "whitelabel", "pvt_type": "whitelabel", "domain": domain, "company_name": company}
        await self.couch.save_doc(account_db(account.id), {**look, "_attachments": {"logo-logo.png": _inline(logo)}})
        listed = await self.couch.open_doc("accounts", account.id)
        await self.couch.save_doc("accounts", {**listed, "pvt_whitelabel_domain": domain})

    async def apps(self, account: Account) -> list[JsonObject]:
        """The app list of the account."""
        found: list[JsonObject] = await self.call("GET", f"accounts/{account.id}/apps_store")
        return found

    async def install(self, account: Account, name: str, allowed_users: str = "all") -> None:
        """Install an app by its name."""
        (app_id,) = [app["id"] for app in await self.apps(account) if app["name"] == name]
        await self.call("PUT", f"accounts/{account.id}/apps_store/{app_id}", {"allowed_users": allowed_users})

    async def log_in(self) -> None:
        """Log the operator in, so that ``call`` has a token."""
        credentials = hashlib.md5(f"{self.operator.username}:{self.operator.password}".encode()).hexdigest()
        body = {"data": {"credentials": credentials, "account_name": self.operator.account.name}}
        async with self.client.put(f"{self.api}user_auth", json=body) as reply:
            assert reply.status == 201, await reply.text()
            self.client.headers["X-Auth-Token"] = (await reply.json())["auth_token"]

    async def call(self, method: str, path: str, data: Any = None) -> Any:
        """The data of a successful reply."""
        body = None if data is None else {"data": data}
        async with self.client.request(method, self.api + path, json=body) as reply:
            assert reply.status < 300, await reply.text()
            return (await reply.json())["data"]


async def make_system(couch: Couch) -> Person:
    """Create the master account with the sample apps and an incomplete one; returns its administrator."""
    master = NewAccount("Master", "master.example.com", "operator", PASSWORD)
    created = await create_account(couch, master)
    report = await load_apps(await MasterCatalogue.of(couch), find_app_folders(SAMPLES).folders, LoadOptions())
    assert len(report.apps) == 4
    await couch.save_doc(account_db(created.account_id), _incomplete_app(created.account_id))
    return Person(created.user_id, Account(created.account_id, master.name), master.username)


def _incomplete_app(account_id: str) -> JsonObject:
    """An app as a third-party script may have stored it: no texts, no tags, an empty ``api_url``."""
    fields = {"_id": new_id(), "name": "teapot", "api_url": "", "icon": "teapot.png"}
    picture = icon(lambda x, y: False, DARK)
    document = stamp_maintenance(fields, account_id=account_id, doc_type="app")
    return {**document, "_attachments": {"teapot.png": _inline(picture)}}


def _inline(picture: bytes) -> JsonObject:
    return {"content_type": "image/png", "data": base64.b64encode(picture).decode()}
