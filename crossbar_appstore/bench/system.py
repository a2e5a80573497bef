"""The KAZOO system that is measured: a master account with a catalogue, a reseller below it, a customer below that."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

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
_BULK: Final = 20


@dataclass(frozen=True, slots=True)
class System:
    """Who is there. ``customer_id`` is the account that asks; its administrator's credentials log in."""

    master_id: str
    reseller_id: str
    customer_id: str
    customer_name: str
    app_ids: tuple[str, ...]

    @property
    def credentials(self) -> JsonObject:
        """The ``data`` of a login (``cb_user_auth``)."""
        md5, _ = password_hashes(USERNAME, PASSWORD)
        return {"credentials": md5, "account_name": self.customer_name}


async def build_system(couch: Couch, apps: int) -> System:
    """Make the whole system on an empty CouchDB.

    Raises:
        DatastoreError: CouchDB would not have it.
    """
    master = await create_account(couch, NewAccount("Bench Master", "bench.example.com", USERNAME, PASSWORD))
    storage = AccountStorage(Datastore(couch, feeds=False))
    root = await couch.open_doc(account_db(master.account_id), master.account_id)
    reseller = await add_account(couch, storage, "Bench Reseller", root, reseller=True)
    customer = await add_account(couch, storage, "Bench Customer", reseller)
    app_ids = await add_apps(couch, master.account_id, apps)
    return System(master.account_id, reseller["_id"], customer["_id"], customer["name"], app_ids)


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


async def add_apps(couch: Couch, master_id: str, count: int, *, seed: int = 1) -> tuple[str, ...]:
    """Store apps with their pictures in the master account; their ids.

    Raises:
        RuntimeError: CouchDB refused one.
    """
    app_ids: list[str] = []
    for batch in _batches(app_documents(count, master_id, seed=seed)):
        for result in await couch.save_docs(account_db(master_id), batch):
            if result.error is not None:
                raise RuntimeError(f"app {result.id}: {result.error}")
            app_ids.append(result.id)
    return tuple(app_ids)


def _batches(documents: Iterator[JsonObject]) -> Iterator[list[JsonObject]]:
    while batch := list(islice(documents, _BULK)):
        yield batch
