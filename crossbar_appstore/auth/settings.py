"""KAZOO's settings for logins and tokens: system-wide ones, those of an account, and the login policy made of them."""

from dataclasses import dataclass
from typing import Final

from crossbar_appstore.appstore import resellers
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.merging import merge_recursive
from crossbar_appstore.kazoo.values import MISSING, as_integer, as_text, get, is_true, nonempty_text_at, object_at

from .documents import SYSTEM_AUTH, SYSTEM_CONFIG, AuthDocuments

CROSSBAR_AUTH: Final = "crossbar.auth"
DEFAULT_EXPIRY: Final = 3600
"""Lifetime of a token in seconds unless the settings say otherwise."""

_DEFAULT_PROVIDER: Final = "duo"


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """A required second factor: the provider's name, and False in ``enabled`` if that provider is disabled."""

    provider: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class LoginPolicy:
    """The settings of one login method for one account.

    ``expiry`` is the lifetime of a token in seconds, None for tokens that never expire; ``second_factor`` is None if
    none is required.
    """

    enabled: bool = True
    expiry: int | None = DEFAULT_EXPIRY
    second_factor: SecondFactor | None = None


class AuthSettings:
    """Reads settings by category (a document of ``system_config``) and key; overrides of single nodes are ignored."""

    def __init__(self, documents: AuthDocuments) -> None:
        self._documents = documents

    async def section(self, category: str) -> JsonObject:
        """The system's values of a category."""
        return object_at(await self._documents.open(SYSTEM_CONFIG, category), "default")

    async def get(self, category: str, key: str) -> Json:
        """The system's value; None if it is missing, null or the empty string (``kapps_config:get/2``)."""
        value = (await self.section(category)).get(key)
        return None if value == "" else value

    async def text(self, category: str, key: str) -> str | None:
        """The system's value as text (``kapps_config:get_ne_binary/2``)."""
        value = await self.get(category, key)
        return None if value is None else as_text(value)

    async def text_for(self, account_id: str, category: str, key: str) -> str | None:
        """The account's own value as text, else the system's (``kapps_account_config:get/4``)."""
        own = nonempty_text_at(await self._of_account(account_id, category), key)
        return own if own is not None else await self.text(category, key)

    async def login_policy(self, account_id: str, method: str) -> LoginPolicy:
        """The policy for logins to an account by ``method``, for instance ``cb_user_auth`` (``crossbar_auth``)."""
        module = object_at(await self._auth_modules(account_id), method)
        return LoginPolicy(
            enabled=_is_enabled(module),
            expiry=await self._expiry(module),
            second_factor=await self._second_factor(account_id, object_at(module, "multi_factor")),
        )

    async def _auth_modules(self, account_id: str) -> JsonObject:
        """``auth_modules`` of ``crossbar.auth`` (``kapps_account_config:get_hierarchy/4``).

        Merged member by member: the account's over its ancestors', nearest first up to a reseller, over the system's.
        """
        layers = [await self._of_account(account_id, CROSSBAR_AUTH)]
        if not await self._documents.is_reseller(account_id):
            for ancestor in resellers.ancestors(await self._documents.account(account_id)):
                layers.append(await self._of_account(ancestor, CROSSBAR_AUTH))
                if await self._documents.is_reseller(ancestor):
                    break
        merged = merge_recursive({}, object_at(await self.get(CROSSBAR_AUTH, "auth_modules")))
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
        general = as_integer(await self.get(CROSSBAR_AUTH, "token_auth_expiry_s"))
        seconds = DEFAULT_EXPIRY if general is None else general
        return seconds if seconds > 0 else None

    async def _second_factor(self, account_id: str, options: JsonObject) -> SecondFactor | None:
        if not is_true(get(options, "enabled")):
            return None
        owner = nonempty_text_at(options, "account_id")
        applies = owner is None or account_id in (owner, await self._documents.master_account_id())
        # An account's own requirement covers its descendants only if it says so.
        if not (applies or is_true(get(options, "include_subaccounts"))):
            return None
        provider = await self._provider(owner, nonempty_text_at(options, "configuration_id"))
        name = nonempty_text_at(provider, "provider_name")
        return SecondFactor(name, enabled=_is_enabled(provider)) if name is not None else None

    async def _provider(self, account_id: str | None, configuration_id: str | None) -> JsonObject | None:
        """The provider's document: the account's that the options name, else the system's (``kz_mfa_auth``)."""
        if account_id is not None and configuration_id is not None:
            return await self._documents.in_account(account_id, configuration_id)
        default = await self.text("auth", "default_multi_factor_provider")
        return await self._documents.open_live(SYSTEM_AUTH, default or _DEFAULT_PROVIDER)


def _is_enabled(options: JsonObject | None) -> bool:
    enabled = get(options, "enabled")
    return enabled is MISSING or is_true(enabled)
