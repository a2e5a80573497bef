"""The endpoint ``apps_store`` (`cb_apps_store`): list, one app, install, update, uninstall, blacklist.

Pictures, and what KAZOO 5 has added, are parts of their own behind the same noun.
"""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Final, Protocol

from crossbar_appstore.appstore import permissions
from crossbar_appstore.appstore.allowed_apps import AllowedApp
from crossbar_appstore.appstore.apps_store_document import DOCUMENT_ID
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.auth.hierarchy import is_in_account_hierarchy
from crossbar_appstore.auth.identity import Identity
from crossbar_appstore.crossbar.context import Context, Params
from crossbar_appstore.crossbar.errors import BadIdentifier, CrossbarError, Forbidden, Refusal, ValidationError
from crossbar_appstore.crossbar.negotiation import OFFERED
from crossbar_appstore.crossbar.resource import ACCEPTED, Methods, Resource
from crossbar_appstore.datastore.errors import DocumentMissing
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import live, revision, stamp_crossbar
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.resources import branded_apps, prefixes
from crossbar_appstore.resources.account_apps import AppStore
from crossbar_appstore.resources.app_override import AppOverride
from crossbar_appstore.resources.app_pictures import AppPictures
from crossbar_appstore.resources.marketplace import Marketplace
from crossbar_appstore.resources.override_pictures import OverridePictures
from crossbar_appstore.resources.override_storage import OverrideStorage
from crossbar_appstore.resources.pictures import Pictures
from crossbar_appstore.validation.errors import SchemaErrors

BLACKLIST: Final = "blacklist"


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
    greedy: ClassVar[bool] = True

    def __init__(self, store: Datastore, apps: AppStore, shown: Pictures, gatekeeper: AuthGatekeeper) -> None:
        self._store = store
        self._apps = apps
        self._gatekeeper = gatekeeper
        overrides = OverrideStorage(store)
        self._pictures = AppPictures(store, apps, shown)
        self._override = AppOverride(apps, overrides)
        self._override_pictures = OverridePictures(overrides, shown)
        self._marketplace = Marketplace()

    def allowed_methods(self, *params: str) -> Methods | None:
        """The list, the blacklist, an app, and the parts."""
        part = self._part(params)
        if part is not None:
            return part.allowed_methods(*params)
        match params:
            case ():
                return ("GET",)
            case ("blacklist",):
                return ("POST", "GET")
            case (_,):
                return ("POST", "PUT", "GET", "DELETE")
        return None

    async def authenticate(self, context: Context) -> bool:
        """Pictures can be public."""
        part = self._part(context.resource.params)
        return part is not None and await part.authenticate(context)

    async def authorize(self, context: Context) -> bool:
        """Whoever changes anything must administer an account (deviation D25); parts have rules of their own."""
        identity = context.identity
        if context.verb != "GET" and isinstance(identity, Identity) and not await self._gatekeeper.may_write(identity):
            raise Forbidden
        part = self._part(context.resource.params)
        if part is not None:
            return await part.authorize(context)
        return _is_app_of_a_domain(context) and await branded_apps.may_look(self._store, context)

    async def content_types_provided(self, context: Context, *params: str) -> Sequence[str]:
        """JSON and CSV, where no part has pictures."""
        part = self._part(params)
        return OFFERED if part is None else await part.content_types_provided(context, *params)

    async def content_types_accepted(self, context: Context, *params: str) -> frozenset[str]:
        """JSON, where no part takes pictures."""
        part = self._part(params)
        return ACCEPTED if part is None else await part.content_types_accepted(context, *params)

    async def validate(self, context: Context, *params: str) -> None:
        """Whether the request can be done; what is read is answered already."""
        part = self._part(params)
        if part is not None:
            return await part.validate(context, *params)
        match params, context.verb:
            case (), _:
                await self._list(context, _account_id(context))
            case ("blacklist",), verb:
                await self._validate_blacklist(context, _account_id(context), verb)
            case (app_id,), "GET":
                await self._read(context, await self._viewed(context), app_id)
            case (app_id,), verb:
                await self._validate_change(context, _account_id(context), app_id, verb)
        return None

    async def put(self, context: Context, *params: str) -> None:
        """Install."""
        part = self._part(params)
        if part is not None:
            return await part.put(context, *params)
        entry = permissions.permission_entry(context.data, self._chosen(context))
        await self._save(context, partial(permissions.install, app_id=params[0], entry=entry))
        context.reply.data = entry
        return None

    async def post(self, context: Context, *params: str) -> None:
        """Change who may use an app, or set the blacklist."""
        part = self._part(params)
        if part is not None:
            return await part.post(context, *params)
        if params == (BLACKLIST,):
            blacklist = context.data["blacklist"]
            await self._save(context, partial(permissions.set_blacklist, app_ids=blacklist))
            context.reply.data = {"blacklist": blacklist}
            return None
        entry = permissions.permission_entry(context.data, self._chosen(context))
        await self._save(context, partial(permissions.reconfigure, app_id=params[0], entry=entry))
        context.reply.data = entry
        return None

    async def delete(self, context: Context, *params: str) -> None:
        """Uninstall."""
        part = self._part(params)
        if part is not None:
            return await part.delete(context, *params)
        await self._save(context, partial(permissions.uninstall, app_id=params[0]))
        context.reply.data = {}
        return None

    def _part(self, params: Params) -> Resource | None:
        """Who answers behind the noun instead of this endpoint itself."""
        match params:
            case ("marketplace",):
                return self._marketplace
            case (_, "icon") | (_, "screenshot", _):
                return self._pictures
            case (_, "override"):
                return self._override
            case (_, "override", *_):
                return self._override_pictures
        return None

    async def _list(self, context: Context, account_id: str) -> None:
        found = await self._apps.apps(account_id)
        listing, reply = found.listing(), context.reply
        reply.data, reply.etag, reply.stale = listing.data, listing.etag, found.stale

    async def _read(self, context: Context, account_id: str, app_id: str) -> None:
        found = await self._apps.apps(account_id)
        body = found.body(app_id)
        if body is not None and account_id != context.account_id:
            body = await branded_apps.body(self._store, context.identity, found, account_id, app_id)
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
        known = found.state.apps_store
        document = await self._newest(context, account_id, known)
        _check_installed(context, document, app_id, wanted=verb != "PUT")
        context.stored["app"] = app
        # The app's own entity tag costs its body, so it is made for those who ask.
        body = found.body(app_id) if "If-Match" in context.headers and _rev(known) == _rev(document) else None
        self._identify(context, document, () if body is None else (body.etag,))

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

    async def _viewed(self, context: Context) -> str:
        """The account whose app is read: that of a domain in the path, else the path's own."""
        if prefixes.domain(context) is None:
            return _account_id(context)
        return await branded_apps.viewed_account(self._store, context) or _account_id(context)

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


def _is_app_of_a_domain(context: Context) -> bool:
    """Whether a single app is read as the account has it whose domain the path names."""
    return context.verb == "GET" and len(context.resource.params) == 1 and prefixes.domain(context) is not None


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
