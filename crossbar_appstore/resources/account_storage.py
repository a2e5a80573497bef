"""Accounts in CouchDB: an account is a document in two databases, one of services, and a database of its own.

The copy in ``accounts`` is what makes an account findable, so it is made last and taken away first: whatever fails on
the way, nobody finds half an account (`kzdb_account`, `kzd_accounts:save/1`).
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from crossbar_appstore.auth.hierarchy import account_tree
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import Conflict, DatastoreError, ViewMissing
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.datastore.updates import Change
from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import new_apps_store
from crossbar_appstore.kazoo.documents import is_soft_deleted, revision
from crossbar_appstore.kazoo.ids import account_db

ACCOUNTS: Final = "accounts"
SERVICES: Final = "services"
SHARDS: Final = 1
"""Of an account's database: there are many of them, and most are small."""

_COUNTS: Final = "accounts/listing_by_descendants_count"
_COPIES: Final = 5

log = logging.getLogger(__name__)


class AccountStorage:
    """Creates, changes and deletes accounts.

    Args:
        store: documents.
    """

    def __init__(self, store: Datastore) -> None:
        self._store = store

    async def create(
        self, account: JsonObject, services: JsonObject, check: Callable[[], Awaitable[None]]
    ) -> JsonObject:
        """Make the account's database and documents; either all of it, or nothing that anybody finds.

        Args:
            account: with the new id as ``_id``.
            services: its services document.
            check: asked when the account can be found; what it raises takes everything back.

        Returns:
            The account as it was saved.

        Raises:
            DatastoreError: CouchDB would not have it.
        """
        account_id: str = account["_id"]
        database = account_db(account_id)
        if not await self._store.couch.create_database(database, q=SHARDS):
            raise Conflict(database, account_id)
        try:
            saved = await self._store.create(database, account)
            await ensure(self._store.couch, database, names_for(DatabaseClass.ACCOUNT))
            await self._store.create(database, new_apps_store(account_id))
            await self._store.create(SERVICES, services)
            await self._store.create(ACCOUNTS, account)
            await check()
        except BaseException:
            await self._take_back(account_id)
            raise
        return saved

    async def change(self, account_id: str, change: Change) -> JsonObject:
        """Apply a change to the newest account document, then copy it to ``accounts``; the document as it was saved.

        Raises:
            Conflict: other writers were faster each time.
            DatastoreError: CouchDB would not have it; where only the copy is missing, repeating makes it.
        """
        saved = newest = await self._store.update(account_db(account_id), account_id, change)
        for _ in range(_COPIES):
            await self._copy(account_id, newest)
            known = (await self._store.open(account_db(account_id), account_id)).document
            # Another writer may have changed the account, and copied it before us.
            if known is None or revision(known) == revision(newest):
                break
            newest = known
        return saved

    async def delete(self, account_id: str, mark: Change) -> JsonObject:
        """Mark the account's documents as deleted, its own last, so that a deletion that failed can be repeated.

        Raises:
            DatastoreError: CouchDB would not have it.
        """
        for database in (ACCOUNTS, SERVICES):
            if (await self._store.open(database, account_id)).document is not None:
                await self._store.update(database, account_id, mark)
        return await self._store.update(account_db(account_id), account_id, mark)

    async def count_descendants(self, account_id: str) -> None:
        """Bring ``descendants_count`` of an account up to date, for those who browse the tree.

        Never raises: the number is for show (`crossbar_util:descendants_count/1`).
        """
        try:
            count = await descendants(self._store.couch, account_id)
            known = (await self._store.open(account_db(account_id), account_id)).document
            if known is not None and known.get("descendants_count", 0) != count:
                await self.change(account_id, lambda account: {**(account or known), "descendants_count": count})
        except DatastoreError as error:
            log.warning("descendants not counted", extra={"account_id": account_id, "reason": str(error)})

    async def _copy(self, account_id: str, account: JsonObject) -> None:
        copied = {key: value for key, value in account.items() if key not in ("_rev", "_attachments")}
        await self._store.update(ACCOUNTS, account_id, lambda _: dict(copied))

    async def _take_back(self, account_id: str) -> None:
        """Undo a creation, in the order that never leaves half of an account to be found.

        Where CouchDB is away this ends early: then either everything is there, or nobody finds what is left.
        """
        try:
            await self._store.remove(ACCOUNTS, account_id)
            await self._store.remove(SERVICES, account_id)
            await self._store.couch.delete_database(account_db(account_id))
        except DatastoreError as error:
            log.warning("remains of a new account are left", extra={"account_id": account_id, "reason": str(error)})


async def descendants(couch: Couch, account_id: str) -> int:
    """How many accounts are below an account, as CouchDB knows it now."""
    try:
        rows = await couch.view(ACCOUNTS, _COUNTS, key=account_id, group=True)
    except ViewMissing:
        return len(await accounts_below(couch, account_id))
    value = rows[0].value if rows else 0
    return value if isinstance(value, int) else 0


async def accounts_below(couch: Couch, account_id: str) -> list[JsonObject]:
    """The account's descendants, in no order, found without a view by looking at every account."""
    accounts = await couch.find(ACCOUNTS, {"pvt_type": "account"})
    return [each for each in accounts if not is_soft_deleted(each) and account_id in account_tree(each)]
