"""Many accounts, made with few requests."""

import asyncio
from collections.abc import Sequence
from typing import Any

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import Place, account_document
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.maintenance.many_accounts import AccountName
from tests.kit.leaks import remember


async def add_accounts(
    couch: Couch, number: int, ancestors: Sequence[str], name: str = "Tenant", **fields: Any
) -> list[AccountName]:
    """Accounts with the documents that every account has, in the order of their names, without ``apps_store``."""
    limit = asyncio.Semaphore(8)
    documents = [_document(f"{name} {index:05}", ancestors) | fields for index in range(number)]

    async def add(document: JsonObject) -> None:
        async with limit:
            await couch.create_database(account_db(document["_id"]), q=1)
            await couch.save_doc(account_db(document["_id"]), document)

    await asyncio.gather(*map(add, documents))
    await couch.save_docs("accounts", documents)
    return [AccountName(document["_id"], document["name"]) for document in documents]


def _document(name: str, ancestors: Sequence[str]) -> JsonObject:
    account_id = new_id()
    public = {"name": name, "realm": f"{account_id[:12]}.example.com"}
    made = account_document(account_id, public, Place(tuple(ancestors), ancestors[0]))
    remember(made)
    return made
