"""The endpoint ``apps_store`` (`cb_apps_store`): list, one app, install, update, uninstall, blacklist.

Pictures, explanations, overrides and the marketplace are sub-resources behind the same noun.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Final

from crossbar_appstore.appstore import permissions
from crossbar_appstore.appstore.allowed_apps import AllowedApp
from crossbar_appstore.appstore.apps_store_document import DOCUMENT_ID
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.auth.hierarchy import Identity, is_in_account_hierarchy
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, CrossbarError, Forbidden, NotFound, ValidationError
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import live, revision
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.resources import documents, path_prefixes
from crossbar_appstore.resources.account_apps import AppStore, Serialized
from crossbar_appstore.resources.app_overrides import AppOverride, OverridePictures
from crossbar_appstore.resources.app_pictures import AppPictures
from crossbar_appstore.resources.documents import revision_of
from crossbar_appstore.resources.explanations import Explain
from crossbar_appstore.resources.pictures import Pictures

_APP: Final = "app"
_MARKETPLACE_ACTIONS: Final = frozenset({"enable", "disable", "link", "unlink", "update"})
_NO_MARKETPLACE: Final[JsonObject] = {"enabled": False, "is_linked": False, "status": "disabled"}
"""The state of a system that is not connected; the web client then shows its page of introduction."""


class AppsStore(Resource):
    """Apps of an account."""

    noun: ClassVar[str] = "apps_store"
    greedy: ClassVar[bool] = True

    def __init__(self, store: Datastore, apps: AppStore, pictures: Pictures, gatekeeper: AuthGatekeeper) -> None:
        self._store = store
        self._apps = apps
        self._gatekeeper = gatekeeper
        self._pictures = AppPictures(store, apps, pictures)
        self._override = AppOverride(store, gatekeeper, apps)
        self._override_pictures = OverridePictures(store, gatekeeper, pictures)
        self._explain = Explain(store, gatekeeper)
        self._marketplace = Marketplace(gatekeeper)

    def part(self, *params: str) -> Resource:
        """Pictures, explanations, overrides and the marketplace are resources of their own."""
        match params:
            case ("marketplace",):
                return self._marketplace
            case (_, "icon") | (_, "screenshot", _):
                return self._pictures
            case (_, "explain"):
                return self._explain
            case (_, "override"):
                return self._override
            case (_, "override", *_):
                return self._override_pictures
        return self

    def allowed_methods(self, *params: str) -> Methods | None:
        """The list is read, the blacklist read and set, an app read, installed, updated and uninstalled."""
        match params:
            case ():
                return ("GET",)
            case ("blacklist",):
                return ("POST", "GET")
            case (_,):
                return ("POST", "PUT", "GET", "DELETE")
        return None

    async def authorize(self, context: Context) -> bool:
        """Requires an administrator for writes; allows reading an app below a domain that the caller may look at."""
        await documents.require_write_permission(self._gatekeeper, context)
        if context.verb != "GET" or len(context.resource.params) != 1 or path_prefixes.domain(context) is None:
            return False
        return await path_prefixes.may_view_domain(self._store, context)

    async def validate(self, context: Context, *params: str) -> None:
        """Check the request; answer a GET."""
        if context.account_id is None and params == ("blacklist",):
            raise Forbidden
        account_id = await self._account_id(context, *params)
        match params, context.verb:
            case (), _:
                found = await self._apps.apps(account_id)
                _show(context, found.listing(), stale=found.stale)
            case ("blacklist",), _:
                await self._validate_blacklist(context, account_id)
            case (app_id,), "GET":
                await self._read(context, account_id, app_id)
            case (app_id,), _:
                await self._validate_change(context, account_id, app_id)

    async def put(self, context: Context, *params: str) -> None:
        """Install."""
        await self._save_permission(context, params[0], permissions.install)

    async def post(self, context: Context, *params: str) -> None:
        """Change who may use an app, or set the blacklist."""
        if params == ("blacklist",):
            app_ids = documents.given_data(context)["blacklist"]
            await self._save(context, partial(permissions.set_blacklist, app_ids=app_ids))
            context.reply.data = {"blacklist": app_ids}
        else:
            await self._save_permission(context, params[0], permissions.reconfigure)

    async def delete(self, context: Context, *params: str) -> None:
        """Uninstall."""
        await self._save(context, partial(permissions.uninstall, app_id=params[0]))
        context.reply.data = {}

    async def _account_id(self, context: Context, *params: str) -> str:
        """The account whose apps the path is about: for a single app that of a domain in the path, if there is one."""
        if context.verb == "GET" and len(params) == 1 and params != ("blacklist",):
            return await path_prefixes.viewed_account(self._store, context) or documents.account_of(context)
        return documents.account_of(context)

    async def _read(self, context: Context, account_id: str, app_id: str) -> None:
        found = await self._apps.apps(account_id)
        if account_id == context.account_id:
            body = found.body(app_id)
        else:
            # Below a domain: its account's users are no business of every caller.
            identity = documents.caller_of(context)
            body = await path_prefixes.body_for_caller(self._store, identity, found, account_id, app_id)
        if body is None:
            raise BadIdentifier(details=app_id)
        _show(context, body, stale=found.stale)

    async def _validate_change(self, context: Context, account_id: str, app_id: str) -> None:
        found = await self._apps.apps(account_id)
        app = found.find(app_id)
        # Crossbar answers 404 where the app is read, and 403 where it is changed.
        if app is None:
            raise Forbidden(details=app_id)
        if context.verb != "DELETE":
            documents.raise_errors(permissions.validate_permission(documents.given_data(context)))
        document = await documents.open_for_change(context, self._store, account_db(account_id), DOCUMENT_ID)
        _check_installed(context, document, app_id)
        context.stored[_APP] = app
        # If-Match may also name the app's own entity tag (deviation D22), which is that of the cached document.
        body = None
        if "If-Match" in context.headers and revision_of(found.state.apps_store) == revision_of(document):
            body = found.body(app_id)
        documents.expect(context, document, *(() if body is None else (body.etag,)))

    async def _validate_blacklist(self, context: Context, account_id: str) -> None:
        identity = context.identity
        if not isinstance(identity, Identity) or not is_in_account_hierarchy(identity.account_id, context.account):
            raise Forbidden
        if context.verb == "POST":
            documents.raise_errors(permissions.validate_blacklist(documents.given_data(context)))
            stored = await documents.open_for_change(context, self._store, account_db(account_id), DOCUMENT_ID)
            documents.expect(context, stored)
            return
        cached = await self._store.open(account_db(account_id), DOCUMENT_ID)
        document = live(cached.document)
        reply = context.reply
        reply.data = {"blacklist": permissions.blacklist(document)}
        reply.revision = reply.etag = revision_of(document)
        reply.stale = cached.stale

    async def _save_permission(self, context: Context, app_id: str, change: Callable[..., JsonObject]) -> None:
        app: AllowedApp = context.stored[_APP]
        entry = permissions.permission_entry(documents.given_data(context), app)
        await self._save(context, partial(change, app_id=app_id, entry=entry))
        context.reply.data = entry

    async def _save(self, context: Context, change: Callable[..., JsonObject]) -> None:
        """Apply a change to the account's newest ``apps_store`` document and save it; repeated after a conflict.

        ``change`` is a function of ``appstore.permissions`` with all but the document and the account bound.
        """
        account_id = documents.account_of(context)

        def apply(document: JsonObject | None) -> JsonObject:
            documents.check_expected(context, document)
            try:
                changed = change(document, account_id=account_id, account=context.account)
            except permissions.PermissionRefused as error:
                raise _refused(error) from error
            return documents.stamped(context, changed, account_id)

        saved = await self._store.update(account_db(account_id), DOCUMENT_ID, apply)
        context.reply.revision = revision(saved)


class Marketplace(Resource):
    """``apps_store/marketplace``: 2600Hz's shop, answered as on a system that is not connected to it."""

    def __init__(self, gatekeeper: AuthGatekeeper) -> None:
        self._gatekeeper = gatekeeper

    def allowed_methods(self, *params: str) -> Methods | None:
        """Its settings are read, and changed by actions."""
        return ("GET", "PATCH")

    async def authorize(self, context: Context) -> bool:
        """Allows superduper admins, and nobody else (`cb_apps_store:authorize/2`)."""
        await documents.require_write_permission(self._gatekeeper, context)
        identity = context.identity
        if not isinstance(identity, Identity) or not identity.is_superduper:
            raise Forbidden
        return True

    async def validate(self, context: Context, *params: str) -> None:
        """Answer a GET, refuse an action (`cb_apps_store:validate_market_action/2`)."""
        if context.verb == "GET":
            context.reply.data = dict(_NO_MARKETPLACE)
            return
        action: Any = context.req_value("action")
        if action is None:
            raise ValidationError({"action": {"required": {"message": "action is required but it is missing"}}})
        if not isinstance(action, str) or action not in _MARKETPLACE_ACTIONS:
            raise CrossbarError(400, "bad_request", {"message": "invalid action"})
        raise NotFound


def _check_installed(context: Context, document: JsonObject | None, app_id: str) -> None:
    """Refuse to install an installed app, and to change one that is not installed."""
    installed = permissions.is_installed(document, app_id, account=context.account)
    if installed and context.verb == "PUT":
        raise _refused(permissions.AlreadyInstalled(app_id))
    if not installed and context.verb != "PUT":
        raise _refused(permissions.NotInstalled(app_id))


def _show(context: Context, serialized: Serialized, *, stale: bool) -> None:
    reply = context.reply
    reply.data, reply.etag, reply.stale = serialized.data, serialized.etag, stale


def _refused(error: permissions.PermissionRefused) -> CrossbarError:
    return CrossbarError(400, error.text, {})
