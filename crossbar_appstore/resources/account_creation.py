"""Creating a sub-account (`cb_accounts:put/2`, `kzdb_account:create/2`), and names and realms that must be unique."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from crossbar_appstore.auth.credentials import Directory
from crossbar_appstore.auth.documents import AuthDocuments
from crossbar_appstore.auth.hierarchy import Identity, is_enabled
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.datastore.master_account import Configuration
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import DEFAULT_TIMEZONE, account_document, child_place, services_document
from crossbar_appstore.kazoo.documents import gregorian_seconds
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.kazoo.values import as_boolean, as_integer, as_text, is_true, nonempty_text_at
from crossbar_appstore.resources import account_rules
from crossbar_appstore.resources.account_rules import ACCOUNT, Checked
from crossbar_appstore.resources.account_storage import AccountStorage
from crossbar_appstore.resources.documents import LONGEST_UNIQUE, caller_of, load, raise_errors, request_data, stamped
from crossbar_appstore.validation.errors import SchemaErrors

CATEGORY: Final = "crossbar.accounts"
"""The category of ``system_config`` that holds the settings of accounts."""

_CHECKED: Final = "account"
_PARENT: Final = "parent"
_FORTNIGHT: Final = 14 * 24 * 3600


async def taken_names(
    directory: Directory, config: Configuration, account: JsonObject, current: Mapping[str, Json] | None = None
) -> SchemaErrors:
    """The errors of an account whose name or realm another account has (`kzd_accounts:validate/3`).

    A value that is the same in the stored account, ``current``, is not checked.
    """
    finders: dict[str, Callable[[str], Awaitable[Sequence[str]]]] = {"realm": directory.accounts_by_realm}
    if is_true(await config.get(CATEGORY, "ensure_unique_name", True)):
        finders = {"name": directory.accounts_by_name, **finders}
    errors: SchemaErrors = {}
    for field, find in finders.items():
        value = nonempty_text_at(account, field)
        if value is None or value == nonempty_text_at(current, field) or len(value) > LONGEST_UNIQUE:
            continue
        # A new account is checked again once it is saved, and then found, too.
        if any(account_id != account.get("_id") for account_id in await find(value)):
            errors[field] = {"unique": {"message": f"Account {field} already in use", "cause": value}}
    return errors


class AccountCreation:
    """Checks requests for sub-accounts, and creates them."""

    def __init__(self, documents: AuthDocuments, directory: Directory, storage: AccountStorage) -> None:
        self._store = documents.store
        self._documents = documents
        self._directory = directory
        self._storage = storage

    async def validate(self, context: Context, parent_id: str) -> None:
        """Check the request for a sub-account of ``parent_id``; raises BadIdentifier where that is deleted."""
        parent, _ = await load(self._store, account_db(parent_id), parent_id, ACCOUNT)
        config = self._store.config
        checked = account_rules.new_account(
            request_data(context),
            realm_suffix=as_text(await config.get(CATEGORY, "account_realm_suffix", "")) or "sip.2600hz.com",
            realm_strength=as_integer(await config.get(CATEGORY, "random_realm_strength")) or 3,
            timezone=as_text(await config.get("accounts", "default_timezone", "")) or DEFAULT_TIMEZONE,
        )
        taken = await taken_names(self._directory, config, checked.document)
        raise_errors(checked.errors, taken, await self._check_direct_account(caller_of(context)))
        context.stored[_CHECKED] = checked
        context.stored[_PARENT] = parent

    async def create(self, context: Context) -> JsonObject:
        """Create what was checked; returns the account as saved."""
        parent: JsonObject = context.stored[_PARENT]
        account_id = new_id()
        account, services = await self._documents_of(context, account_id, parent)

        # Another request may have created an account with the same name since the check.
        async def check() -> None:
            raise_errors(await taken_names(self._directory, self._store.config, account))

        saved = await self._storage.create(stamped(context, account, account_id), services, check=check)
        await self._storage.count_descendants(parent["_id"])
        return saved

    async def _documents_of(
        self, context: Context, account_id: str, parent: JsonObject
    ) -> tuple[JsonObject, JsonObject]:
        """The account and its services."""
        checked: Checked = context.stored[_CHECKED]
        fields = dict(checked.document)
        place = child_place(parent["_id"], parent, await self._documents.services(parent["_id"]))
        private: JsonObject = {}
        if is_true(fields.pop("is_trial_account", None)):
            trial_time = as_integer(await self._store.config.get(CATEGORY, "trial_time")) or _FORTNIGHT
            private["pvt_trial_expires"] = gregorian_seconds() + trial_time
        # KAZOO sends the account's mail as that of its reseller.
        reseller = await self._documents.account(place.reseller_id) if place.reseller_id else None
        preference = account_rules.notification_preference(reseller)
        if preference is not None:
            private["pvt_notification_preference"] = preference
        enabled = is_enabled(parent) and as_boolean(request_data(context).get("enabled")) is not False
        account = account_document(account_id, fields, place, enabled=enabled)
        return {**account, **private}, services_document(account_id, place)

    async def _check_direct_account(self, identity: Identity) -> SchemaErrors:
        """The error for callers who are customers of the master account, where those may have no sub-accounts."""
        account_id, documents = identity.account_id, self._documents
        if (
            is_true(await self._store.config.get("accounts", "allow_subaccounts_for_direct", True))
            or await documents.is_reseller(account_id)
            or await documents.reseller_id(account_id) != await documents.master_account_id()
        ):
            return {}
        message = "Direct account is not allowed to create sub-accounts"
        return {"account": {"forbidden": {"message": message, "cause": account_id}}}
