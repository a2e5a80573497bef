"""Creating a sub-account (`cb_accounts:put/2`, `kzdb_account:create/2`)."""

from typing import Final

from crossbar_appstore.auth.documents import AuthDocuments
from crossbar_appstore.auth.hierarchy import is_enabled
from crossbar_appstore.auth.identity import Identity
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import DEFAULT_TIMEZONE, account_document, child_place, services_document
from crossbar_appstore.kazoo.documents import gregorian_seconds
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.kazoo.values import as_boolean, as_integer, as_text, is_true
from crossbar_appstore.resources import account_rules
from crossbar_appstore.resources.account_names import CATEGORY, AccountNames
from crossbar_appstore.resources.account_rules import ACCOUNT, Checked
from crossbar_appstore.resources.account_storage import AccountStorage
from crossbar_appstore.resources.documents import caller_of, load, of_type, raise_errors, request_data, stamped

_CHECKED: Final = "account"
_PARENT: Final = "parent"
_REALM_SUFFIX: Final = "sip.2600hz.com"
_REALM_STRENGTH: Final = 3
_FORTNIGHT: Final = 14 * 24 * 3600


class AccountCreation:
    """Checks requests for sub-accounts, and creates them.

    Args:
        store: documents.
        documents: the same, as the auth room reads them.
        names: which names are taken.
        storage: makes databases and documents.
    """

    def __init__(
        self, store: Datastore, documents: AuthDocuments, names: AccountNames, storage: AccountStorage
    ) -> None:
        self._store = store
        self._documents = documents
        self._names = names
        self._storage = storage

    async def validate(self, context: Context, parent_id: str) -> None:
        """Check the request for a sub-account of ``parent_id``.

        Raises:
            BadIdentifier: the parent is deleted.
            ValidationError: something is missing, malformed or taken.
        """
        known = await load(self._store, account_db(parent_id), parent_id, ACCOUNT)
        config = self._store.config
        checked = account_rules.new_account(
            request_data(context),
            realm_suffix=as_text(await config.get(CATEGORY, "account_realm_suffix", _REALM_SUFFIX)) or _REALM_SUFFIX,
            realm_strength=as_integer(await config.get(CATEGORY, "random_realm_strength")) or _REALM_STRENGTH,
            timezone=as_text(await config.get("accounts", "default_timezone", DEFAULT_TIMEZONE)) or DEFAULT_TIMEZONE,
        )
        caller = caller_of(context)
        direct = await self._is_refused_direct_account(caller)
        refused = account_rules.direct_account(caller.account_id) if direct else {}
        raise_errors(checked.errors, await self._names.taken(checked.document), refused)
        context.stored[_CHECKED] = checked
        context.stored[_PARENT] = of_type(known.document, parent_id, ACCOUNT)

    async def create(self, context: Context) -> JsonObject:
        """Create what was checked; the account as it was saved.

        Raises:
            ValidationError: somebody else was faster with the same name.
            DatastoreError: CouchDB would not have it.
        """
        parent: JsonObject = context.stored[_PARENT]
        account_id = new_id()
        account, services = await self._documents_of(context, account_id, parent)

        async def check() -> None:
            # Somebody else may have asked for the same name at the same time.
            raise_errors(await self._names.taken(account))

        saved = await self._storage.create(stamped(context, account, account_id), services, check)
        await self._storage.count_descendants(parent["_id"])
        return saved

    async def _documents_of(
        self, context: Context, account_id: str, parent: JsonObject
    ) -> tuple[JsonObject, JsonObject]:
        """The account and its services."""
        checked: Checked = context.stored[_CHECKED]
        fields = dict(checked.document)
        place = child_place(parent["_id"], parent, await self._documents.services(parent["_id"]))
        wanted = as_boolean(request_data(context).get("enabled"))
        trial_time = as_integer(await self._store.config.get(CATEGORY, "trial_time", _FORTNIGHT)) or _FORTNIGHT
        private = account_rules.trial_fields(fields, gregorian_seconds(), trial_time)
        reseller = await self._documents.account(place.reseller_id) if place.reseller_id else None
        preference = account_rules.notification_preference(reseller)
        if preference is not None:
            private["pvt_notification_preference"] = preference
        enabled = is_enabled(parent) and wanted is not False
        account = account_document(account_id, fields, place, enabled=enabled)
        return {**account, **private}, services_document(account_id, place)

    async def _is_refused_direct_account(self, identity: Identity) -> bool:
        """Whether customers of the master account may have no sub-accounts, and the caller is one."""
        if is_true(await self._store.config.get("accounts", "allow_subaccounts_for_direct", True)):
            return False
        if await self._documents.is_reseller(identity.account_id):
            return False
        master_id = await self._documents.master_account_id()
        return await self._documents.reseller_id(identity.account_id) == master_id
