"""Which account may have a domain: one at a time, named in both copies of its account document (`cb_whitelabel`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import CrossbarError
from crossbar_appstore.datastore.documents import ACCOUNTS
from crossbar_appstore.datastore.errors import Conflict, ViewMissing
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.values import get, string_at
from crossbar_appstore.resources import documents
from crossbar_appstore.resources.account_rules import ACCOUNT
from crossbar_appstore.resources.account_storage import AccountStorage
from crossbar_appstore.validation.errors import SchemaErrors

DOMAIN_VIEW: Final = "accounts/list_by_whitelabel_domain"
_FIELD: Final = "pvt_whitelabel_domain"


class Domains:
    """Gives domains to accounts."""

    def __init__(self, store: Datastore, storage: AccountStorage) -> None:
        self._store = store
        self._storage = storage

    async def taken(self, account_id: str, domain: str | None) -> SchemaErrors:
        """The error of a domain that another account has, read from CouchDB (`cb_whitelabel:is_domain_unique/2`)."""
        if domain is None or len(domain) > documents.LONGEST_UNIQUE:
            return {}
        try:
            rows = await self._store.couch.view(ACCOUNTS, DOMAIN_VIEW, key=domain)
            if all(get(row.value, "account_id") == account_id for row in rows):
                return {}
        except ViewMissing:
            pass  # nobody can tell, and no client would find the domain
        return {"domain": {"unique": {"message": "White label domain is already in use", "cause": domain}}}

    @asynccontextmanager
    async def held(self, context: Context, domain: str | None) -> AsyncIterator[None]:
        """Let the account in the path have this domain, or none, and then save its whitelabel document in the block.

        The account comes first: whatever fails on the way, no whitelabel document names a domain that the account has
        not, and the request can be repeated. If saving is refused, the account gets back the domain that it had.

        Raises:
            ValidationError: another account took the domain at the same time.
        """
        account_id = documents.account_of(context)
        before = await self._set(context, account_id, domain)
        try:
            if domain != before:
                documents.raise_errors(await self.taken(account_id, domain))
            yield
        except (CrossbarError, Conflict):
            await self._set(context, account_id, before)
            raise

    async def _set(self, context: Context, account_id: str, domain: str | None) -> str | None:
        """Set the domain in both copies of the account, unless it is there already; returns the one before."""
        places = (account_db(account_id), ACCOUNTS)
        before = [string_at((await self._store.open_newest(place, account_id)).document, _FIELD) for place in places]
        if before != [domain, domain]:

            def change(document: JsonObject | None) -> JsonObject:
                documents.of_type(document, account_id, ACCOUNT)
                kept = {key: value for key, value in (document or {}).items() if key != _FIELD}
                changed = kept if domain is None else {**kept, _FIELD: domain}
                return documents.stamped(context, changed, account_id)

            await self._storage.change(account_id, change)
        return before[0]
