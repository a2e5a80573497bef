"""Names and realms, which no two accounts may share (`kzd_accounts:validate/3`)."""

from collections.abc import Mapping, Sequence
from typing import Final

from crossbar_appstore.auth.credentials import Directory
from crossbar_appstore.datastore.master_account import Configuration
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.values import is_true, nonempty_text_at
from crossbar_appstore.resources import account_rules
from crossbar_appstore.validation.errors import SchemaErrors

CATEGORY: Final = "crossbar.accounts"
"""The category of ``system_config`` that holds the settings of accounts."""


class AccountNames:
    """Tells which names are taken.

    Args:
        directory: finds accounts by name and realm, as CouchDB knows them now.
        config: whether names have to be unique at all.
    """

    def __init__(self, directory: Directory, config: Configuration) -> None:
        self._directory = directory
        self._config = config

    async def taken(self, account: JsonObject, current: Mapping[str, Json] | None = None) -> SchemaErrors:
        """The refusals of an account whose name or realm another one has.

        What is as in ``current`` is not looked at. The account itself, found by its ``_id``, is no other one.
        """
        errors: SchemaErrors = {}
        name, realm = _wanted(account, current, "name"), _wanted(account, current, "realm")
        if name is not None and is_true(await self._config.get(CATEGORY, "ensure_unique_name", True)):
            found = await self._directory.accounts_by_name(name)
            errors |= account_rules.taken("name", name) if _others(found, account) else {}
        if realm is not None:
            found = await self._directory.accounts_by_realm(realm)
            errors |= account_rules.taken("realm", realm) if _others(found, account) else {}
        return errors


def _wanted(account: JsonObject, current: Mapping[str, Json] | None, field: str) -> str | None:
    value = nonempty_text_at(account, field)
    return None if value == nonempty_text_at(current, field) else value


def _others(found: Sequence[str], account: JsonObject) -> bool:
    return any(account_id != account.get("_id") for account_id in found)
