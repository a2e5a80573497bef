"""``apps_store/{id}/override``: an account's own branding of an app, in KAZOO 5 (`cb_apps_store`)."""

from functools import partial
from typing import Final

from crossbar_appstore.appstore import app_overrides
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, DatastoreConflict
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.resources.account_apps import AppStore
from crossbar_appstore.resources.documents import account_of, raise_errors, request_data, show
from crossbar_appstore.resources.override_storage import OverrideStorage

OVERRIDE: Final = "override"


class AppOverride(Resource):
    """The document; it holds what is shown in place of the catalogue's.

    Args:
        apps: what an account may use.
        storage: of overrides.
    """

    def __init__(self, apps: AppStore, storage: OverrideStorage) -> None:
        self._apps = apps
        self._storage = storage

    def allowed_methods(self, *params: str) -> Methods | None:
        """Create, read, replace, remove."""
        return ("GET", "PUT", "POST", "DELETE")

    async def validate(self, context: Context, *params: str) -> None:
        """Check the request; answer a GET."""
        app_id = params[0]
        match context.verb:
            case "GET":
                known = await self._storage.load(context, app_id)
                show(context, known.document or {}, stale=known.stale)
            case "PUT":
                await self._check_app(context, app_id)
                raise_errors(app_overrides.validate_override(request_data(context)))
            case "POST":
                raise_errors(app_overrides.validate_override(request_data(context)))
                await self._storage.expect(context, app_id)
            case _:
                await self._storage.expect(context, app_id)

    async def put(self, context: Context, *params: str) -> None:
        """Create; what was there and was deleted leaves nothing behind."""
        data = request_data(context)

        def create(document: JsonObject | None) -> JsonObject:
            if live(document) is not None:
                raise DatastoreConflict
            return app_overrides.new_override(params[0], data, document)

        show(context, await self._storage.save(context, params[0], create))

    async def post(self, context: Context, *params: str) -> None:
        """Replace the public fields; pictures stay attached."""
        edit = partial(app_overrides.with_fields, data=request_data(context))
        await self._storage.change(context, params[0], edit)

    async def delete(self, context: Context, *params: str) -> None:
        """Remove."""
        await self._storage.change(context, params[0], app_overrides.deleted, deleted=True)

    async def _check_app(self, context: Context, app_id: str) -> None:
        found = await self._apps.apps(account_of(context))
        if found.find(app_id) is None:
            raise BadIdentifier(details=app_id)
