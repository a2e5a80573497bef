"""Accounts in CouchDB: an account is a document in two databases, one of services, and a database of its own.

The copy in ``accounts`` makes an account findable, so it is created last and removed first: whatever fails on the way,
no incomplete account is found (`kzdb_account`, `kzd_accounts:save/1`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from crossbar_appstore.auth.documents import SERVICES, AuthDocuments
from crossbar_appstore.auth.hierarchy import account_tree
from crossbar_appstore.crossbar.errors import Forbidden, NamedError, Refusal
from crossbar_appstore.datastore.cache import within_request
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.documents import ACCOUNTS
from crossbar_appstore.datastore.errors import (
    Conflict,
    DatabaseMissing,
    DatastoreError,
    TimedOut,
    Unavailable,
    ViewMissing,
)
from crossbar_appstore.datastore.updates import Change
from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import Place, new_apps_store, services_document
from crossbar_appstore.kazoo.documents import is_soft_deleted, revision, stamp_maintenance
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.request_scope import shared_context
from crossbar_appstore.resources.account_rules import ACCOUNT
from crossbar_appstore.resources.documents import of_type
from crossbar_appstore.resources.listings import AFTER_ALL

DESCENDANTS_VIEW: Final = "accounts/listing_by_descendants"

_COPY_ATTEMPTS: Final = 5

log = logging.getLogger(__name__)


async def _accept() -> None:
    """The default of ``check``."""


class AccountStorage:
    """Creates, changes, promotes and deletes accounts."""

    def __init__(self, documents: AuthDocuments) -> None:
        self._store = documents.store
        self._documents = documents
        self._undoing: set[asyncio.Task[None]] = set()

    async def create(
        self,
        account: JsonObject,
        services: JsonObject,
        *,
        users: Sequence[JsonObject] = (),
        check: Callable[[], Awaitable[None]] = _accept,
    ) -> JsonObject:
        """Create the account's database and documents, those of its first users too; return the account as saved.

        ``check`` is called when the account can be found. If it raises, or a step fails, everything is undone; what a
        killed process leaves, ``doctor`` finds (``maintenance.orphans``).
        """
        account_id: str = account["_id"]
        database = account_db(account_id)
        couch = self._store.couch
        # One shard: there are many such databases, and most are small. An empty one may be ours, where the connection
        # closed before the reply and aiohttp sent the request again.
        if not await couch.create_database(database, q=1) and not await _is_empty(couch, database):
            raise Conflict(database, account_id)
        try:
            saved = await self._store.create(database, account)
            await ensure(couch, database, names_for(DatabaseClass.ACCOUNT))
            for document in (new_apps_store(account_id), *users):
                await self._store.create(database, document)
            await self._store.create(SERVICES, services)
            await self._store.create(ACCOUNTS, account)
            await check()
        except BaseException:
            await self._undo(account_id)
            raise
        return saved

    async def change(self, account_id: str, change: Change) -> JsonObject:
        """Apply a change to the newest account document, copy it to ``accounts``, and return the document as saved.

        If only the copy fails, a repeated request makes it.
        """
        saved = newest = await self._store.update(account_db(account_id), account_id, change)
        for _ in range(_COPY_ATTEMPTS):
            await self._copy(account_id, newest)
            cached = (await self._store.open(account_db(account_id), account_id)).document
            # Another writer may have changed the account and copied it between our two writes.
            if cached is None or revision(cached) == revision(newest):
                break
            newest = cached
        return saved

    async def delete(self, account_id: str, mark: Change, check: Callable[[JsonObject | None], None]) -> JsonObject:
        """Mark the account's documents as deleted, its own last, so that a deletion that failed can be repeated.

        ``check`` is called with the account's own document that is written over. If it raises Refusal, the other
        documents are restored.
        """

        def mark_own(document: JsonObject | None) -> JsonObject:
            check(document)
            return mark(document)

        others = [
            database
            for database in (ACCOUNTS, SERVICES)
            if (await self._store.open(database, account_id)).document is not None
        ]
        for database in others:
            await self._store.update(database, account_id, mark)
        try:
            return await self._store.update(account_db(account_id), account_id, mark_own)
        except Refusal:
            # Another writer changed the account meanwhile: it stays, and so do its other documents.
            for database in others:
                await self._store.update(database, account_id, _restored)
            raise

    async def count_descendants(self, account_id: str) -> None:
        """Update ``descendants_count`` of an account; errors are only logged (`crossbar_util:descendants_count/1`)."""
        try:
            count = await descendants(self._store.couch, account_id)
            cached = (await self._store.open(account_db(account_id), account_id)).document
            if cached is not None and cached.get("descendants_count", 0) != count:
                await self.change(account_id, lambda account: {**(account or cached), "descendants_count": count})
        except DatastoreError as error:
            log.warning("descendants not counted", extra={"account_id": account_id, "reason": str(error)})

    async def check_promotion(self, account: JsonObject) -> None:
        """Raise Forbidden for the master account, and 500 where there is a reseller below the account."""
        account_id: str = account["_id"]
        if account_id == await self._documents.master_account_id():
            raise Forbidden
        for below in await self._ids_below(account_id):
            if await self._documents.is_reseller(below):
                raise NamedError("account_has_descendants")

    async def set_reseller(self, account: JsonObject, *, is_reseller: bool) -> JsonObject:
        """Make the account a reseller, or none, and set the reseller of every account below; returns it as saved.

        It may be repeated (`kz_services_reseller:promote/1`, `demote/1`).
        """
        account_id: str = account["_id"]
        saved = await self._set_field(account_id, account, "pvt_reseller", is_reseller)
        reseller_id = account_id if is_reseller else await self._documents.reseller_above(account)
        # The account first: the others follow from it where this is repeated.
        for below in await self._ids_below(account_id):
            document = await self._documents.account(below)
            if document is not None and reseller_id is not None:
                await self._set_field(below, document, "pvt_reseller_id", reseller_id)
        return saved

    async def _copy(self, account_id: str, account: JsonObject) -> None:
        copied = {key: value for key, value in account.items() if key not in ("_rev", "_attachments")}
        await self._store.update(ACCOUNTS, account_id, lambda _: dict(copied))

    async def _undo(self, account_id: str) -> None:
        """Remove what was created; where the request's time is over, go on with that in the background."""
        task = asyncio.get_running_loop().create_task(self._undo_creation(account_id), context=shared_context())
        self._undoing.add(task)
        task.add_done_callback(self._undoing.discard)
        with suppress(TimedOut):
            await within_request(task)

    async def _undo_creation(self, account_id: str) -> None:
        """Remove what was created, the copy in ``accounts`` first.

        Where CouchDB is away it ends early: then either everything is there, or the account is not found.
        """
        try:
            await self._store.remove(ACCOUNTS, account_id)
            await self._store.remove(SERVICES, account_id)
            await self._store.couch.delete_database(account_db(account_id))
        except DatastoreError as error:
            log.warning("incomplete new account not removed", extra={"account_id": account_id, "reason": str(error)})

    async def _set_field(self, account_id: str, account: JsonObject, field: str, value: Json) -> JsonObject:
        """Set a private field of an account and of its services."""
        place = Place(tuple(account_tree(account)), await self._documents.reseller_above(account))

        def change_services(services: JsonObject | None) -> JsonObject:
            base = services if services is not None else services_document(account_id, place)
            return stamp_maintenance({**base, field: value}, account_id=account_id)

        def change_account(newest: JsonObject | None) -> JsonObject:
            base = of_type(newest, account_id, ACCOUNT)
            return stamp_maintenance({**base, field: value}, account_id=account_id)

        await self._store.update(SERVICES, account_id, change_services)
        return await self.change(account_id, change_account)

    async def _ids_below(self, account_id: str) -> Sequence[str]:
        couch = self._store.couch
        try:
            rows = await couch.view(ACCOUNTS, DESCENDANTS_VIEW, startkey=[account_id], endkey=[account_id, AFTER_ALL])
        except ViewMissing:
            return [each["_id"] for each in await accounts_below(couch, account_id)]
        return [row.id for row in rows if row.id is not None]


async def descendants(couch: Couch, account_id: str) -> int:
    """How many accounts are below an account, read from CouchDB."""
    try:
        rows = await couch.view(ACCOUNTS, "accounts/listing_by_descendants_count", key=account_id, group=True)
    except ViewMissing:
        return len(await accounts_below(couch, account_id))
    value = rows[0].value if rows else 0
    return value if isinstance(value, int) else 0


async def _is_empty(couch: Couch, database: str) -> bool:
    try:
        return not await couch.all_docs(database, limit=1)
    except DatabaseMissing:
        raise Unavailable("CouchDB does not create a database") from None


async def accounts_below(couch: Couch, account_id: str) -> list[JsonObject]:
    """The account's descendants, in no order, found without a view by reading every account."""
    accounts = await couch.find(ACCOUNTS, {"pvt_type": "account"})
    return [each for each in accounts if not is_soft_deleted(each) and account_id in account_tree(each)]


def _restored(document: JsonObject | None) -> JsonObject:
    return {key: value for key, value in (document or {}).items() if key != "pvt_deleted"}
