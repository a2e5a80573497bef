"""Completes the names of apps, accounts and users from the CouchDB that the settings name.

While a shell waits, nothing may be printed: where CouchDB cannot be asked, there is nothing to complete.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import click
from click.shell_completion import CompletionItem

from crossbar_appstore.cli.options import connected, settings_of
from crossbar_appstore.datastore.catalogue import VIEW
from crossbar_appstore.datastore.client import Timeouts
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.documents import ACCOUNTS
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import alphanumeric_name
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.values import string_at
from crossbar_appstore.maintenance.lookup import MasterCatalogue, Unknown, find_account
from crossbar_appstore.settings import SettingsError

_TIMEOUTS: Final = Timeouts(connect=1.0, read=2.0, total=2.0)
_MOST: Final = 100
_AFTER_ALL: Final = "\ufff0"

Names = Callable[[Couch, JsonObject, str], Awaitable[Sequence[str]]]
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completion(names: Names) -> Complete:
    """``shell_complete`` of a parameter, from a function that finds names by the other parameters and a beginning."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        async def ask() -> Sequence[str]:
            async with connected(settings_of(context.params), _TIMEOUTS) as couch:
                return await names(couch, context.params, incomplete)

        try:
            found = asyncio.run(ask())
        except (SettingsError, DatastoreError, Unknown):
            return []
        return [CompletionItem(name) for name in dict.fromkeys(found)]

    return complete


@_completion
async def complete_app(couch: Couch, parameters: JsonObject, incomplete: str) -> Sequence[str]:
    """Names of apps of the catalogue."""
    catalogue = await MasterCatalogue.of(couch)
    rows = await couch.view(catalogue.database, VIEW, startkey=incomplete, endkey=incomplete + _AFTER_ALL, limit=_MOST)
    return [row.key for row in rows if isinstance(row.key, str)]


@_completion
async def complete_account(couch: Couch, parameters: JsonObject, incomplete: str) -> Sequence[str]:
    """Names and realms of accounts, in any case."""
    found = []
    for field, key in (("name", alphanumeric_name(incomplete)), ("realm", incomplete.lower())):
        rows = await couch.view(
            ACCOUNTS,
            f"accounts/listing_by_{field}",
            startkey=key,
            endkey=key + _AFTER_ALL,
            limit=_MOST,
            include_docs=True,
        )
        texts = [string_at(row.doc, field) or "" for row in rows if row.doc is not None]
        # The keys of names have neither blanks nor signs.
        found += [text for text in texts if text.lower().startswith(incomplete.lower())]
    return found


@_completion
async def complete_user(couch: Couch, parameters: JsonObject, incomplete: str) -> Sequence[str]:
    """Names of the users of the account that the command line names."""
    if not parameters.get("account"):
        return []
    database = account_db((await find_account(couch, parameters["account"]))["_id"])
    rows = await couch.view(
        database, "users/list_by_username", startkey=incomplete, endkey=incomplete + _AFTER_ALL, limit=_MOST
    )
    return [row.key for row in rows if isinstance(row.key, str)]
