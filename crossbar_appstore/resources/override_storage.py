"""Overrides as they are loaded and saved, for the endpoints that change them."""

from collections.abc import Callable

from crossbar_appstore.appstore.app_overrides import OVERRIDE_TYPE, override_id
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.datastore.documents import CachedDocument
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.resources.documents import account_of, check_expected, expect, load, of_type, show, stamped

Edit = Callable[[JsonObject], JsonObject]
"""From the stored override to the one to save; it may be applied again."""


class OverrideStorage:
    """Override documents of the account that the path names; of no other, whatever domain stands in it."""

    def __init__(self, store: Datastore) -> None:
        self._store = store

    async def load(self, context: Context, app_id: str) -> CachedDocument:
        """An override; its ``document`` is never None.

        Raises:
            ValidationError: the path names no account.
            BadIdentifier: there is no override.
            DatastoreError: CouchDB is away, and it was never read.
        """
        return await load(self._store, account_db(account_of(context)), override_id(app_id), OVERRIDE_TYPE)

    async def expect(self, context: Context, app_id: str) -> JsonObject:
        """An override that is to be changed, on which If-Match is held; raises as ``load``."""
        known = await self.load(context, app_id)
        document = of_type(known.document, override_id(app_id), OVERRIDE_TYPE)
        expect(context, document)
        return document

    async def change(self, context: Context, app_id: str, edit: Edit, *, deleted: bool = False) -> None:
        """Apply an edit to the newest override, whoever wrote it, save it and show it.

        Raises:
            BadIdentifier: there is none any more.
            Refusal: 412, it is not the one that If-Match named.
            DatastoreError: it was not saved.
        """

        def apply(document: JsonObject | None) -> JsonObject:
            check_expected(context, document)
            return edit(of_type(document, override_id(app_id), OVERRIDE_TYPE))

        show(context, await self.save(context, app_id, apply), deleted=deleted)

    async def save(
        self, context: Context, app_id: str, change: Callable[[JsonObject | None], JsonObject]
    ) -> JsonObject:
        """Save what becomes of the newest document, or of none; raises as ``Datastore.update``, and what it raises."""
        account_id = account_of(context)

        def apply(document: JsonObject | None) -> JsonObject:
            return stamped(context, change(document), account_id)

        return await self._store.update(account_db(account_id), override_id(app_id), apply)
