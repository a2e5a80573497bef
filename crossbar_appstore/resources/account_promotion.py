"""Making an account a reseller, and taking that back (`kz_services_reseller:promote/1`, `demote/1`)."""

from collections.abc import Sequence
from typing import Final

from crossbar_appstore.appstore import resellers
from crossbar_appstore.auth.documents import SERVICES, AuthDocuments
from crossbar_appstore.auth.hierarchy import account_tree
from crossbar_appstore.crossbar.errors import NAMED_ERRORS, CrossbarError, Forbidden
from crossbar_appstore.datastore.errors import ViewMissing
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import Place, services_document
from crossbar_appstore.kazoo.documents import stamp_maintenance
from crossbar_appstore.resources.account_lists import DESCENDANTS, VIEWS
from crossbar_appstore.resources.account_rules import ACCOUNT
from crossbar_appstore.resources.account_storage import ACCOUNTS, AccountStorage, accounts_below
from crossbar_appstore.resources.documents import of_type
from crossbar_appstore.resources.listings import AFTER_ALL

_RESELLER: Final = "pvt_reseller"
_RESELLER_ID: Final = "pvt_reseller_id"


class AccountPromotion:
    """Promotes and demotes. Both tell every account below whose customer it is from then on.

    Args:
        store: documents.
        documents: the same, as the auth room reads them.
        storage: saves accounts.
    """

    def __init__(self, store: Datastore, documents: AuthDocuments, storage: AccountStorage) -> None:
        self._store = store
        self._documents = documents
        self._storage = storage

    async def check(self, account: JsonObject) -> None:
        """Whether the account may change sides.

        Raises:
            Forbidden: it is the master account.
            CrossbarError: 500, there is a reseller below it.
        """
        account_id: str = account["_id"]
        if account_id == await self._documents.master_account_id():
            raise Forbidden
        for below in await self._below(account_id):
            if await self._documents.is_reseller(below):
                raise has_descendants()

    async def set(self, account: JsonObject, *, is_reseller: bool) -> JsonObject:
        """Make the account a reseller, or none; the account as it was saved. Safe to repeat."""
        account_id: str = account["_id"]
        saved = await self._change(account_id, account, _RESELLER, is_reseller)
        reseller_id = account_id if is_reseller else await self.above(account)
        for below in await self._below(account_id):
            document = await self._documents.account(below)
            if document is not None and reseller_id is not None:
                await self._change(below, document, _RESELLER_ID, reseller_id)
        return saved

    async def above(self, account: JsonObject) -> str | None:
        """The nearest ancestor that is a reseller, else the master account (`kz_services_reseller:find_id/1`)."""
        for ancestor in resellers.ancestors(account):
            if await self._documents.is_reseller(ancestor):
                return ancestor
        return await self._documents.master_account_id()

    async def _change(self, account_id: str, account: JsonObject, field: str, value: Json) -> JsonObject:
        """Set a private field of an account and of its services."""
        place = Place(tuple(account_tree(account)), await self.above(account))

        def change_services(services: JsonObject | None) -> JsonObject:
            base = services if services is not None else services_document(account_id, place)
            return stamp_maintenance({**base, field: value}, account_id=account_id)

        def change_account(newest: JsonObject | None) -> JsonObject:
            base = of_type(newest, account_id, ACCOUNT)
            return stamp_maintenance({**base, field: value}, account_id=account_id)

        await self._store.update(SERVICES, account_id, change_services)
        return await self._storage.change(account_id, change_account)

    async def _below(self, account_id: str) -> Sequence[str]:
        couch = self._store.couch
        try:
            rows = await couch.view(ACCOUNTS, VIEWS[DESCENDANTS], startkey=[account_id], endkey=[account_id, AFTER_ALL])
        except ViewMissing:
            return [each["_id"] for each in await accounts_below(couch, account_id)]
        return [row.id for row in rows if row.id is not None]


def has_descendants() -> CrossbarError:
    """The refusal because of the accounts below."""
    code, text = NAMED_ERRORS["account_has_descendants"]
    return CrossbarError(code, "account_has_descendants", {"message": text})
