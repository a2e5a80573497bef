"""What an account's settings say about logins: ``auth_modules`` of ``crossbar.auth`` (``crossbar_auth``)."""

from dataclasses import dataclass
from typing import Final

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.values import MISSING, as_integer, get, is_true, nonempty_text_at, object_at

from .documents import SYSTEM_AUTH, Documents
from .settings import CROSSBAR_AUTH, Settings

DEFAULT_EXPIRY: Final = 3600
"""Seconds that a token lasts unless the settings say otherwise."""

_DEFAULT_PROVIDER: Final = "duo"


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """A second factor that a login needs: its provider; ``enabled`` False where the provider is switched off."""

    provider: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class LoginPolicy:
    """For one account and one login method.

    ``expiry`` is the life of a token in seconds, None for ever; ``second_factor`` None where none is asked for.
    """

    enabled: bool = True
    expiry: int | None = DEFAULT_EXPIRY
    second_factor: SecondFactor | None = None


class LoginPolicies:
    """Reads login policies."""

    def __init__(self, documents: Documents, settings: Settings) -> None:
        self._documents = documents
        self._settings = settings

    async def of(self, account_id: str, method: str) -> LoginPolicy:
        """The policy for users of an account who log in by ``method`` (``cb_user_auth``)."""
        modules = await self._settings.merged_for(account_id, CROSSBAR_AUTH, "auth_modules")
        module = object_at(modules, method)
        enabled = get(module, "enabled")
        return LoginPolicy(
            enabled=enabled is MISSING or is_true(enabled),
            expiry=await self._expiry(module),
            second_factor=await self._second_factor(account_id, module),
        )

    async def _expiry(self, module: JsonObject) -> int | None:
        """The module's own, else the general one; nothing above zero means for ever."""
        own = as_integer(get(module, "token_auth_expiry_s"))
        if own is not None and own > 0:
            return own
        general = await self._settings.integer(CROSSBAR_AUTH, "token_auth_expiry_s")
        seconds = DEFAULT_EXPIRY if general is None else general
        return seconds if seconds > 0 else None

    async def _second_factor(self, account_id: str, module: JsonObject) -> SecondFactor | None:
        options = object_at(module, "multi_factor")
        if not is_true(get(options, "enabled")):
            return None
        if not _applies(options, account_id, await self._documents.master_account_id()):
            return None
        settings = await self._provider_settings(options)
        name = nonempty_text_at(settings, "provider_name")
        if name is None:
            return None
        enabled = get(settings, "enabled")
        return SecondFactor(name, enabled=enabled is MISSING or is_true(enabled))

    async def _provider_settings(self, options: JsonObject) -> JsonObject | None:
        """The provider's document: the account's that the options name, else the system's (``kz_mfa_auth``)."""
        account_id = nonempty_text_at(options, "account_id")
        configuration_id = nonempty_text_at(options, "configuration_id")
        if account_id is not None and configuration_id is not None:
            return await self._documents.in_account(account_id, configuration_id)
        provider = await self._settings.text("auth", "default_multi_factor_provider")
        return await self._documents.open_live(SYSTEM_AUTH, provider or _DEFAULT_PROVIDER)


def _applies(options: JsonObject, account_id: str, master_account_id: str | None) -> bool:
    owner = nonempty_text_at(options, "account_id")
    if owner is None or account_id in (owner, master_account_id):
        return True
    return is_true(get(options, "include_subaccounts"))
