"""``apps_store/{id}/override…``: an account's own branding of an app, with its pictures (KAZOO 5, `cb_apps_store`)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, Final

from crossbar_appstore.appstore import app_overrides
from crossbar_appstore.appstore.app_overrides import OVERRIDE_TYPE, override_id
from crossbar_appstore.appstore.app_pictures import pictures_of, screenshot_name
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.crossbar.context import Context, File
from crossbar_appstore.crossbar.errors import BadIdentifier, DatastoreConflict, ValidationError
from crossbar_appstore.crossbar.negotiation import OFFERED
from crossbar_appstore.crossbar.resource import ACCEPTED, Methods, Resource
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import DEFAULT_LANGUAGE, live
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.resources import documents, path_prefixes, uploads
from crossbar_appstore.resources.account_apps import AppStore
from crossbar_appstore.resources.app_pictures import REVALIDATED, find_picture, no_attachment
from crossbar_appstore.resources.pictures import Pictures

_UPLOAD: Final = "upload"


class _Overrides(Resource):
    """Loads and saves overrides of the account that the path names; a domain in the path does not change which."""

    def __init__(self, store: Datastore, gatekeeper: AuthGatekeeper) -> None:
        self._store = store
        self._gatekeeper = gatekeeper

    async def authorize(self, context: Context) -> bool:
        """Requires an administrator for writes; the rest follows the hierarchy."""
        await documents.require_write_permission(self._gatekeeper, context)
        return False

    async def _load(self, context: Context, app_id: str) -> tuple[JsonObject, bool]:
        database = account_db(documents.account_of(context))
        return await documents.load(self._store, database, override_id(app_id), OVERRIDE_TYPE)

    async def _load_for_change(self, context: Context, app_id: str) -> JsonObject:
        database = account_db(documents.account_of(context))
        return await documents.load_for_change(context, self._store, database, override_id(app_id), OVERRIDE_TYPE)

    async def _change(
        self, context: Context, app_id: str, edit: Callable[[JsonObject], JsonObject], *, deleted: bool = False
    ) -> None:
        """Apply an edit to the newest override, save it and reply with it; repeated after a conflict."""
        account_id, doc_id = documents.account_of(context), override_id(app_id)
        change = documents.checked_change(context, account_id, doc_id, OVERRIDE_TYPE, edit)
        saved = await self._store.update(account_db(account_id), doc_id, change)
        documents.show(context, saved, deleted=deleted)


class AppOverride(_Overrides):
    """``apps_store/{id}/override``: the document with what is shown in place of the catalogue's fields."""

    def __init__(self, store: Datastore, gatekeeper: AuthGatekeeper, apps: AppStore) -> None:
        super().__init__(store, gatekeeper)
        self._apps = apps

    def allowed_methods(self, *params: str) -> Methods | None:
        """It is created, read, replaced and removed."""
        return ("GET", "PUT", "POST", "DELETE")

    async def validate(self, context: Context, *params: str) -> None:
        """Check the request; answer a GET."""
        app_id = params[0]
        if context.verb == "GET":
            document, stale = await self._load(context, app_id)
            documents.show(context, document, stale=stale)
            return
        if context.verb == "PUT" and (await self._apps.apps(documents.account_of(context))).find(app_id) is None:
            raise BadIdentifier(details=app_id)
        if context.verb != "DELETE":
            documents.raise_errors(app_overrides.validate_override(documents.request_data(context)))
        if context.verb != "PUT":
            await self._load_for_change(context, app_id)

    async def put(self, context: Context, *params: str) -> None:
        """Create; a deleted override may be stored under the same id, and nothing of it is kept."""
        account_id, data = documents.account_of(context), documents.request_data(context)

        def create(document: JsonObject | None) -> JsonObject:
            if live(document) is not None:
                raise DatastoreConflict
            return documents.stamped(context, app_overrides.new_override(params[0], data, document), account_id)

        documents.show(context, await self._store.update(account_db(account_id), override_id(params[0]), create))

    async def post(self, context: Context, *params: str) -> None:
        """Replace the public fields; pictures stay attached."""
        edit = partial(app_overrides.with_fields, data=documents.request_data(context))
        await self._change(context, params[0], edit)

    async def delete(self, context: Context, *params: str) -> None:
        """Remove."""
        await self._change(context, params[0], app_overrides.deleted, deleted=True)


class OverridePictures(_Overrides):
    """``apps_store/{id}/override/icon`` and ``…/screenshot``: the pictures of an override, one a request.

    ``i18n/{language}`` in front of the path says for which language, else it is English.
    """

    uploads: ClassVar[frozenset[str]] = frozenset({"POST"})

    def __init__(self, store: Datastore, gatekeeper: AuthGatekeeper, pictures: Pictures) -> None:
        super().__init__(store, gatekeeper)
        self._pictures = pictures

    def allowed_methods(self, *params: str) -> Methods | None:
        """There is one icon; screenshots are added to a list."""
        match params[2:]:
            case ("icon",):
                return ("GET", "POST", "DELETE")
            case ("screenshot",):
                return ("POST",)
            case ("screenshot", _):
                return ("GET", "DELETE")
        return None

    async def content_types_provided(self, context: Context, *params: str) -> Sequence[str]:
        """Offers a picture in its own type alone; JSON for everything else."""
        if context.verb != "GET" or context.account_id is None:
            return OFFERED
        try:
            document, stale = await self._load(context, params[0])
        except BadIdentifier:
            return OFFERED
        found = find_picture(pictures_of(document, context.account_id), params[2], _key(params), _language(context))
        return OFFERED if found is None else self._pictures.show(context.reply, *found, REVALIDATED, stale=stale)

    async def content_types_accepted(self, context: Context, *params: str) -> frozenset[str]:
        """Accepts pictures in every form that KAZOO accepts."""
        return uploads.ACCEPTED_PICTURES if context.verb == "POST" else ACCEPTED

    async def validate(self, context: Context, *params: str) -> None:
        """Check the request; a picture that is read was found before."""
        documents.account_of(context)
        app_id, kind, key = params[0], params[2], _key(params)
        if context.verb == "GET":
            if context.reply.binary is None:
                await self._load(context, app_id)
                raise no_attachment(kind, key)
            return
        language = _language(context)
        # It becomes a key of the document, and a part of the attachment's name.
        if not path_prefixes.is_language(language):
            problem = {"message": "Field is not in the correct format", "value": language}
            raise ValidationError({"language": {"wrong_format": problem}})
        if context.verb == "POST":
            context.stored[_UPLOAD] = uploads.picture(context.files)
        document = await self._load_for_change(context, app_id)
        if context.verb == "DELETE":
            _named(document, language, kind, key)

    async def post(self, context: Context, *params: str) -> None:
        """Store the icon, or a screenshot, in one save with the document."""
        upload: File = context.stored[_UPLOAD]
        kind, language = params[2], _language(context)
        name = app_overrides.attachment_name(kind, language, upload.name, upload.content_type)
        inline = uploads.inline(upload)
        edit = partial(app_overrides.with_picture, kind=kind, language=language, name=name, inline=inline)
        await self._change(context, params[0], edit)

    async def delete(self, context: Context, *params: str) -> None:
        """Remove a picture, and its name from the document."""
        language, kind, key = _language(context), params[2], _key(params)

        def remove(document: JsonObject) -> JsonObject:
            return app_overrides.without_picture(document, kind, language, _named(document, language, kind, key))

        await self._change(context, params[0], remove)


def _language(context: Context) -> str:
    return path_prefixes.language(context) or DEFAULT_LANGUAGE


def _key(params: Sequence[str]) -> str | None:
    return params[3] if len(params) > 3 else None


def _named(override: JsonObject, language: str, kind: str, key: str | None) -> str:
    """The name of a picture that the override has in that very language; 404 if it has none."""
    names = app_overrides.picture_names(override, kind, language)
    name = screenshot_name(names, "0" if key is None else key)
    if name is None:
        raise no_attachment(kind, key)
    return name
