"""The endpoint ``apps_store`` (`cb_apps_store`): list, one app, install, update, uninstall, pictures, blacklist."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Final, Protocol

from crossbar_appstore.appstore import permissions
from crossbar_appstore.appstore.allowed_apps import AllowedApp
from crossbar_appstore.appstore.apps_store_document import DOCUMENT_ID
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.auth.hierarchy import is_in_account_hierarchy
from crossbar_appstore.auth.identity import Identity
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, CrossbarError, Forbidden, Refusal, ValidationError
from crossbar_appstore.crossbar.negotiation import OFFERED
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.datastore.errors import DocumentMissing
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import live, revision, stamp_crossbar
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.resources import pictures
from crossbar_appstore.resources.account_apps import AppStore
from crossbar_appstore.resources.pictures import Attached, Pictures
from crossbar_appstore.schema_errors import SchemaErrors

BLACKLIST: Final = "blacklist"
ICON: Final = "icon"
SCREENSHOT: Final = "screenshot"


class Change(Protocol):
    """A change of ``appstore.permissions`` to an account's document, but for the account."""

    def __call__(self, apps_store: JsonObject | None, *, account_id: str, account: JsonObject | None) -> JsonObject:
        """The document to save instead."""
        ...


class AppsStore(Resource):
    """Apps of an account.

    Args:
        store: documents.
        apps: what an account may use.
        shown: the pictures.
        gatekeeper: who may write.
    """

    noun: ClassVar[str] = "apps_store"
    swallows: ClassVar[bool] = True

    def __init__(self, store: Datastore, apps: AppStore, shown: Pictures, gatekeeper: AuthGatekeeper) -> None:
        self._store = store
        self._apps = apps
        self._pictures = shown
        self._gatekeeper = gatekeeper

    def allowed_methods(self, *params: str) -> Methods | None:
        """The list, the blacklist, an app, and its pictures."""
        match params:
            case ():
                return ("GET",)
            case ("blacklist",):
                return ("POST", "GET")
            case (_,):
                return ("POST", "PUT", "GET", "DELETE")
            case (_, "icon") | (_, "screenshot", _):
                return ("GET",)
        return None

    async def authenticate(self, context: Context) -> bool:
        """Pictures without an account in their path are public."""
        return _is_public_picture(context)

    async def authorize(self, context: Context) -> bool:
        """Public pictures are; whoever changes anything must administer an account (deviation D25)."""
        identity = context.identity
        if context.verb != "GET" and isinstance(identity, Identity) and not await self._gatekeeper.may_write(identity):
            raise Forbidden
        return _is_public_picture(context)

    async def content_types_provided(self, context: Context, *params: str) -> Sequence[str]:
        """A picture's own type alone; JSON for the refusal where there is no such picture."""
        if len(params) < 2:
            return OFFERED
        found = await self._find_picture(context, *params)
        if found is None:
            return OFFERED
        account_id, app, attached = found
        context.reply.binary = self._pictures.reply(account_id, app, attached)
        context.reply.etag = attached.etag
        return (attached.content_type,)

    async def validate(self, context: Context, *params: str) -> None:
        """Whether the request can be done; what is read is answered already."""
        match params, context.verb:
            case (), _:
                await self._list(context, _account_id(context))
            case ("blacklist",), verb:
                await self._validate_blacklist(context, _account_id(context), verb)
            case (app_id,), "GET":
                await self._read(context, _account_id(context), app_id)
            case (app_id,), verb:
                await self._validate_change(context, _account_id(context), app_id, verb)
            case _:
                await self._validate_picture(context, *params)

    async def put(self, context: Context, *params: str) -> None:
        """Install."""
        entry = permissions.permission_entry(context.data, self._chosen(context))
        await self._save(context, partial(permissions.install, app_id=params[0], entry=entry))
        context.reply.data = entry

    async def post(self, context: Context, *params: str) -> None:
        """Change who may use an app, or set the blacklist."""
        if params == (BLACKLIST,):
            blacklist = context.data["blacklist"]
            await self._save(context, partial(permissions.set_blacklist, app_ids=blacklist))
            context.reply.data = {"blacklist": blacklist}
            return
        entry = permissions.permission_entry(context.data, self._chosen(context))
        await self._save(context, partial(permissions.reconfigure, app_id=params[0], entry=entry))
        context.reply.data = entry

    async def delete(self, context: Context, *params: str) -> None:
        """Uninstall."""
        await self._save(context, partial(permissions.uninstall, app_id=params[0]))
        context.reply.data = {}

    async def _list(self, context: Context, account_id: str) -> None:
        found = await self._apps.apps(account_id)
        reply = context.reply
        reply.data, reply.etag, reply.stale = found.listing.data, found.listing.etag, found.stale

    async def _read(self, context: Context, account_id: str, app_id: str) -> None:
        found = await self._apps.apps(account_id)
        body = found.body(app_id)
        if body is None:
            raise BadIdentifier(details=app_id)
        reply = context.reply
        reply.data, reply.etag, reply.stale = body.data, body.etag, found.stale

    async def _validate_change(self, context: Context, account_id: str, app_id: str, verb: str) -> None:
        found = await self._apps.apps(account_id)
        app = found.find(app_id)
        if app is None:
            raise Forbidden(details=app_id)
        if verb != "DELETE":
            _raise_errors(permissions.validate_permission(context.data))
        known = (await self._store.open(account_db(account_id), DOCUMENT_ID)).document
        document = await self._newest(context, account_id, known)
        _check_installed(context, document, app_id, wanted=verb != "PUT")
        body = found.body(app_id)
        context.stored["app"] = app
        self._identify(context, document, (body.etag,) if body is not None and _rev(known) == _rev(document) else ())

    async def _validate_blacklist(self, context: Context, account_id: str, verb: str) -> None:
        identity = context.identity
        if not isinstance(identity, Identity) or not is_in_account_hierarchy(identity.account_id, context.account):
            raise Forbidden
        if verb == "POST":
            _raise_errors(permissions.validate_blacklist(context.data))
            document = (await self._store.open(account_db(account_id), DOCUMENT_ID)).document
            self._identify(context, await self._newest(context, account_id, document))
            return
        known = await self._store.open(account_db(account_id), DOCUMENT_ID)
        document = live(known.document)
        reply = context.reply
        reply.data = {"blacklist": permissions.blacklist(document)}
        reply.revision = reply.etag = _rev(document)
        reply.stale = known.stale

    async def _validate_picture(self, context: Context, *params: str) -> None:
        if context.reply.binary is not None:
            return
        snapshot = await self._store.catalogue.snapshot()
        if params[0] not in snapshot.by_id:
            raise BadIdentifier(details=params[0])
        missing = params[0] if params[1] == ICON else f"{SCREENSHOT}/{params[2]}"
        raise CrossbarError(404, "bad identifier", [missing])

    async def _find_picture(self, context: Context, *params: str) -> tuple[str, JsonObject, Attached] | None:
        snapshot = await self._store.catalogue.snapshot()
        context.reply.stale = snapshot.stale
        app = snapshot.by_id.get(params[0])
        if app is None:
            return None
        attached = pictures.icon(app) if params[1] == ICON else pictures.screenshot(app, params[2])
        return None if attached is None else (snapshot.master_account_id, app, attached)

    async def _newest(self, context: Context, account_id: str, known: JsonObject | None) -> JsonObject | None:
        """What If-Match is held against: a client may know a revision that somebody else stored just now."""
        if "If-Match" not in context.headers:
            return known
        try:
            return await self._store.couch.open_doc(account_db(account_id), DOCUMENT_ID)
        except DocumentMissing:
            return None

    def _identify(self, context: Context, document: JsonObject | None, more: tuple[str, ...] = ()) -> None:
        """What If-Match may name: the document's revision, and the app's own entity tag (deviation D22)."""
        current = _rev(document)
        context.reply.matches = more if current is None else (current, *more)
        context.stored["revision"] = current

    def _chosen(self, context: Context) -> AllowedApp:
        app: AllowedApp = context.stored["app"]
        return app

    async def _save(self, context: Context, change: Change) -> None:
        """Apply the change to the newest document, whoever wrote it, and save it."""
        account_id = _account_id(context)
        identity: Identity | None = context.identity

        def apply(document: JsonObject | None) -> JsonObject:
            _check_still_matching(context, document)
            try:
                changed = change(document, account_id=account_id, account=context.account)
            except permissions.PermissionRefused as error:
                raise _refused(error) from error
            auth = None if identity is None else identity.authenticated
            return stamp_crossbar(changed, account_id=account_id, request_id=context.request_id, auth=auth)

        saved = await self._store.update(account_db(account_id), DOCUMENT_ID, apply)
        context.reply.revision = revision(saved)


def _is_public_picture(context: Context) -> bool:
    if context.verb != "GET" or len(context.nouns) != 1:
        return False
    params = context.resource.params
    return len(params) in (2, 3) and params[1] in (ICON, SCREENSHOT)


def _account_id(context: Context) -> str:
    """The account in the path; without one there is nothing but pictures."""
    if context.account_id is not None:
        return context.account_id
    if context.resource.params == (BLACKLIST,):
        raise Forbidden
    problem = {"message": "Field is required but missing", "value": "account_id"}
    raise ValidationError({"account_id": {"required": problem}})


def _raise_errors(errors: SchemaErrors) -> None:
    if errors:
        raise ValidationError(errors)


def _check_installed(context: Context, document: JsonObject | None, app_id: str, *, wanted: bool) -> None:
    installed = permissions.is_installed(document, app_id, account=context.account)
    if installed and not wanted:
        raise _refused(permissions.AlreadyInstalled(app_id))
    if wanted and not installed:
        raise _refused(permissions.NotInstalled(app_id))


def _check_still_matching(context: Context, document: JsonObject | None) -> None:
    """If-Match was held against the document as it was read; it has to hold for the one that is written, too."""
    if context.headers.get("If-Match", "*").strip() == "*":
        return
    current, matched = _rev(document), context.stored["revision"]
    # An older one cannot be saved over: CouchDB will say so, and the newest comes here next.
    if current != matched and _generation(current) >= _generation(matched):
        raise Refusal(412, "precondition failed")


def _rev(document: JsonObject | None) -> str | None:
    return None if document is None else revision(document)


def _generation(rev: str | None) -> int:
    return 0 if rev is None else int(rev.partition("-")[0])


def _refused(error: permissions.PermissionRefused) -> CrossbarError:
    return CrossbarError(400, error.text, {})
