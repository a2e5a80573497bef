"""The documents and settings that decide about callers, read through the datastore's cache."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.appstore import apps_store_document, resellers
from crossbar_appstore.datastore.errors import NoMasterAccount
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.ids import account_db, is_account_id
from crossbar_appstore.kazoo.merging import merge_recursive
from crossbar_appstore.kazoo.values import MISSING, as_integer, get, is_true, nonempty_text_at, object_at

CROSSBAR_AUTH: Final = "crossbar.auth"
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
        """The account's reseller, found above it where there is no services document (``kz_services_reseller``)."""
        services = await self.services(account_id)
        if services is not None:
            return resellers.reseller_id(services)
        return await self.reseller_above(await self.account(account_id))

    async def reseller_above(self, account: JsonObject | None) -> str | None:
        """The nearest ancestor that is a reseller, else the master account (``kz_services_reseller:find_id/1``)."""
        for ancestor in resellers.ancestors(account):
            if await self.is_reseller(ancestor):
                return ancestor
        return await self.master_account_id()


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """A required second factor: the provider's name, and False in ``enabled`` if that provider is disabled."""

    provider: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class LoginPolicy:
    """The settings of one login method for one account: ``expiry`` is in seconds, None for never."""

    enabled: bool
    expiry: int | None
    second_factor: SecondFactor | None


class AuthSettings:
    """Reads settings by category (a document of ``system_config``) and key; overrides of single nodes are ignored."""

    def __init__(self, documents: AuthDocuments) -> None:
        self._documents = documents
        self._config = documents.store.config

    async def text(self, category: str, key: str) -> str | None:
        """The system's value as text (``kapps_config:get_ne_binary/2``)."""
        return await self._config.text(category, key)

    async def text_for(self, account_id: str, category: str, key: str) -> str | None:
        """The account's own value as text, else the system's (``kapps_account_config:get/4``)."""
        own = nonempty_text_at(await self._of_account(account_id, category), key)
        return own or await self.text(category, key)

    async def login_policy(self, account_id: str, method: str) -> LoginPolicy:
        """The policy for logins to an account by ``method``, for instance ``cb_user_auth`` (``crossbar_auth``)."""
        module = object_at(await self.auth_modules(account_id), method)
        return LoginPolicy(
            enabled=_is_enabled(module),
            expiry=await self._expiry(module),
            second_factor=await self._second_factor(account_id, object_at(module, "multi_factor")),
        )

    async def inherited_auth_modules(self, account_id: str) -> JsonObject:
        """``auth_modules`` without the account's own: those of its parent, of the system for a reseller."""
        lineage = resellers.ancestors(await self._documents.account(account_id))
        if lineage and not await self._documents.is_reseller(account_id):
            return await self.auth_modules(lineage[0])
        return object_at(await self._config.get(CROSSBAR_AUTH, "auth_modules"))

    async def auth_modules(self, account_id: str) -> JsonObject:
        """``auth_modules`` of ``crossbar.auth`` (``kapps_account_config:get_hierarchy/4``).

        Merged member by member: the account's over its ancestors', nearest first up to a reseller, over the system's.
        """
        layers = [await self._of_account(account_id, CROSSBAR_AUTH)]
        # What a reseller has set ends the search: its customers do not get what is above it.
        if not await self._documents.is_reseller(account_id):
            for ancestor in resellers.ancestors(await self._documents.account(account_id)):
                layers.append(await self._of_account(ancestor, CROSSBAR_AUTH))
                if await self._documents.is_reseller(ancestor):
                    break
        merged = merge_recursive({}, object_at(await self._config.get(CROSSBAR_AUTH, "auth_modules")))
        for layer in reversed(layers):
            merged = merge_recursive(merged, object_at(layer, "auth_modules"))
        return merged

    async def _of_account(self, account_id: str, category: str) -> JsonObject | None:
        return await self._documents.in_account(account_id, f"configs_{category}")

    async def _expiry(self, module: JsonObject) -> int | None:
        """The module's own expiry, else the general one; zero and less mean that tokens never expire."""
        own = as_integer(get(module, "token_auth_expiry_s"))
        if own is not None and own > 0:
            return own
        general = as_integer(await self._config.get(CROSSBAR_AUTH, "token_auth_expiry_s"))
        seconds = 3600 if general is None else general
        return seconds if seconds > 0 else None

    async def _second_factor(self, account_id: str, options: JsonObject) -> SecondFactor | None:
        if not is_true(get(options, "enabled")):
            return None
        owner = nonempty_text_at(options, "account_id")
        applies = owner is None or account_id in (owner, await self._documents.master_account_id())
        # An account's own requirement covers its descendants only if it says so.
        if not (applies or is_true(get(options, "include_subaccounts"))):
            return None
        # The provider's document is the account's that the options name, else the system's (``kz_mfa_auth``).
        configuration_id = nonempty_text_at(options, "configuration_id")
        if owner is not None and configuration_id is not None:
            provider = await self._documents.in_account(owner, configuration_id)
        else:
            default = await self.text("auth", "default_multi_factor_provider")
            provider = await self._documents.open_live(SYSTEM_AUTH, default or "duo")
        name = nonempty_text_at(provider, "provider_name")
        return SecondFactor(name, enabled=_is_enabled(provider)) if name is not None else None


def _is_enabled(options: JsonObject | None) -> bool:
    enabled = get(options, "enabled")
    return enabled is MISSING or is_true(enabled)
