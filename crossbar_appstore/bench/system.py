"""The KAZOO system that is measured: a master account with a catalogue, a reseller below it, a customer below that."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from crossbar_appstore.appstore.apps_store_document import DOCUMENT_ID
from crossbar_appstore.appstore.permissions import install
from crossbar_appstore.bench.apps import app_documents
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import (
    account_document,
    child_place,
    password_hashes,
    services_document,
    user_document,
)
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.maintenance.accounts import NewAccount, create_account
from crossbar_appstore.resources.account_storage import AccountStorage

USERNAME: Final = "admin"
PASSWORD: Final = "bench-password"
MASTER, RESELLER, CUSTOMER = "Bench Master", "Bench Reseller", "Bench Customer"
"""The names of the accounts."""
_BULK: Final = 6
"""Documents saved at once: with their pictures below a megabyte, above which aiohttp warns."""


@dataclass(frozen=True, slots=True)
class System:
    """Who is there; each account has an administrator, and customer and reseller have the first app installed."""

    master_id: str
    reseller_id: str
    customer_id: str
    app_ids: tuple[str, ...]

    @staticmethod
    def credentials(account_name: str) -> JsonObject:
        """The ``data`` of a login of an account's administrator (``cb_user_auth``)."""
        md5, _ = password_hashes(USERNAME, PASSWORD)
        return {"credentials": md5, "account_name": account_name}


async def build_system(couch: Couch, apps: int, *, lean: bool = False) -> System:
    """Make the whole system on an empty CouchDB; its apps may be ``lean`` (``app_documents``).

    Raises:
        DatastoreError: CouchDB would not have it.
    """
    master = await create_account(couch, NewAccount(MASTER, "bench.example.com", USERNAME, PASSWORD))
    storage = AccountStorage(Datastore(couch, feeds=False))
    root = await couch.open_doc(account_db(master.account_id), master.account_id)
    reseller = await add_account(couch, storage, RESELLER, root, reseller=True)
    customer = await add_account(couch, storage, CUSTOMER, reseller)
    app_ids = await add_apps(couch, master.account_id, app_documents(apps, master.account_id, lean=lean))
    for account in (reseller, customer):
        await _install(couch, account["_id"], app_ids[0])
    return System(master.account_id, reseller["_id"], customer["_id"], app_ids)


async def add_account(
    couch: Couch, storage: AccountStorage, name: str, parent: JsonObject, *, reseller: bool = False
) -> JsonObject:
    """An account with an administrator, below another; its document."""
    account_id = new_id()
    place = child_place(parent["_id"], parent, None)
    fields = {"name": name, "realm": f"{account_id[:8]}.bench.example.com"}
    standing = {"pvt_reseller": reseller}
    user = user_document(new_id(), account_id, {"priv_level": "admin"}, username=USERNAME, password=PASSWORD)

    async def add_administrator() -> None:
        await couch.save_doc(account_db(account_id), user)

    return await storage.create(
        account_document(account_id, fields, place) | standing,
        services_document(account_id, place) | standing,
        add_administrator,
    )


async def _install(couch: Couch, account_id: str, app_id: str) -> None:
    apps_store = await couch.open_doc(account_db(account_id), DOCUMENT_ID)
    entry = {"allowed_users": "all", "users": []}
    await couch.save_doc(account_db(account_id), install(apps_store, app_id, entry, account_id=account_id))


async def add_apps(couch: Couch, master_id: str, documents: Iterator[JsonObject]) -> tuple[str, ...]:
    """Store app documents with their pictures in the master account; their ids.

    Raises:
        RuntimeError: CouchDB refused one.
    """
    app_ids: list[str] = []
    for batch in _batches(documents):
        for result in await couch.save_docs(account_db(master_id), batch):
            if result.error is not None:
                raise RuntimeError(f"app {result.id}: {result.error}")
            app_ids.append(result.id)
    return tuple(app_ids)


def _batches(documents: Iterator[JsonObject]) -> Iterator[list[JsonObject]]:
    while batch := list(islice(documents, _BULK)):
        yield batch
