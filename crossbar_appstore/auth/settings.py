"""KAZOO's settings as logins and tokens need them: the system's, and those that an account has of its own."""

from typing import Final

from crossbar_appstore.appstore import resellers
from crossbar_appstore.datastore.master_account import Configuration
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.merging import merge_recursive
from crossbar_appstore.kazoo.values import as_integer, as_text, nonempty_text_at, object_at

from .documents import Documents

CROSSBAR_AUTH: Final = "crossbar.auth"

_ACCOUNT_CONFIG: Final = "configs_"


class Settings:
    """Reads settings by category (a document of ``system_config``) and key."""

    def __init__(self, documents: Documents, system: Configuration) -> None:
        self._documents = documents
        self._system = system

    async def get(self, category: str, key: str) -> Json:
        """The system's value; None if it is missing, null or empty."""
        return await self._system.get(category, key)

    async def text(self, category: str, key: str) -> str | None:
        """The system's value as text (``kapps_config:get_ne_binary/2``)."""
        value = await self._system.get(category, key)
        return None if value is None else as_text(value)

    async def integer(self, category: str, key: str) -> int | None:
        """The system's value as a whole number (``kapps_config:get_integer/2``)."""
        return as_integer(await self._system.get(category, key))

    async def text_for(self, account_id: str, category: str, key: str) -> str | None:
        """The account's own value as text, else the system's (``kapps_account_config:get/4``)."""
        own = nonempty_text_at(await self._of_account(account_id, category), key)
        return own if own is not None else await self.text(category, key)

    async def merged_for(self, account_id: str, category: str, key: str) -> JsonObject:
        """The objects under a key: of the system, of the ancestors up to the nearest reseller, and of the account.

        What is nearer to the account wins, member by member (``kapps_account_config:get_hierarchy/4``).
        """
        layers = [await self._of_account(account_id, category)]
        if not await self._documents.is_reseller(account_id):
            for ancestor in resellers.ancestors(await self._documents.account(account_id)):
                layers.append(await self._of_account(ancestor, category))
                if await self._documents.is_reseller(ancestor):
                    break
        merged = merge_recursive({}, object_at(await self._system.get(category, key)))
        for layer in reversed(layers):
            merged = merge_recursive(merged, object_at(layer, key))
        return merged

    async def _of_account(self, account_id: str, category: str) -> JsonObject | None:
        return await self._documents.in_account(account_id, _ACCOUNT_CONFIG + category)
