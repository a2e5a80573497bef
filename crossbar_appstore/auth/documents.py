"""The documents that decide about callers, read through the datastore's cache."""

from collections.abc import Sequence
from typing import Final

from crossbar_appstore.appstore import apps_store_document, resellers
from crossbar_appstore.datastore.errors import NoMasterAccount
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.ids import account_db, is_account_id

SERVICES: Final = "services"
SYSTEM_AUTH: Final = "system_auth"
SYSTEM_CONFIG: Final = "system_config"
TOKEN_RESTRICTIONS: Final = "token_restrictions"
"""The id of the document that restricts what an account's tokens may do."""
WHITELABEL: Final = "whitelabel"
"""The id of an account's branding document."""
PREFETCHED: Final = (WHITELABEL, apps_store_document.DOCUMENT_ID)
"""The ids of the documents that nearly every request reads after the account document."""


class AuthDocuments:
    """Cached account, user, services and configuration documents; None for a document that does not exist.

    Documents are shared with the cache and must not be changed. Every method raises ``DatastoreError`` if CouchDB
    cannot be read and the document is not cached.
    """

    def __init__(self, store: Datastore) -> None:
        self.store = store

    async def open(self, database: str, doc_id: str) -> JsonObject | None:
        """A document, soft-deleted or not."""
        return (await self.store.open(database, doc_id)).document

    async def open_live(self, database: str, doc_id: str, *, prefetch: Sequence[str] = ()) -> JsonObject | None:
        """A document that is not soft-deleted (``kz_datamgr:open_cache_doc/2``); ``prefetch`` as ``Datastore.open``."""
        return live((await self.store.open(database, doc_id, prefetch=prefetch)).document)

    async def account(self, account_id: str) -> JsonObject | None:
        """An account document, soft-deleted or not (``kzd_accounts:fetch/1``)."""
        if not is_account_id(account_id):
            return None
        return (await self.store.open(account_db(account_id), account_id, prefetch=PREFETCHED)).document

    async def in_account(self, account_id: str, doc_id: str) -> JsonObject | None:
        """A document of an account's database, for instance a user; None if it is soft-deleted."""
        return await self.open_live(account_db(account_id), doc_id) if is_account_id(account_id) else None

    async def services(self, account_id: str) -> JsonObject | None:
        """An account's services document."""
        return await self.open_live(SERVICES, account_id)

    async def is_reseller(self, account_id: str) -> bool:
        """Whether the account is a reseller (``kz_services_reseller:is_reseller/1``)."""
        return resellers.is_reseller(await self.services(account_id))

    async def master_account_id(self) -> str | None:
        """The master account's id; None in a system without accounts."""
        try:
            return await self.store.master.id()
        except NoMasterAccount:
            return None

    async def reseller_id(self, account_id: str) -> str | None:
        """The account's reseller (``kz_services_reseller:get_id/1``).

        Without a services document it is the nearest ancestor that is a reseller, else the master account.
        """
        services = await self.services(account_id)
        if services is not None:
            return resellers.reseller_id(services)
        for ancestor in resellers.ancestors(await self.account(account_id)):
            if await self.is_reseller(ancestor):
                return ancestor
        return await self.master_account_id()
