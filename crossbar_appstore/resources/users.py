"""The endpoint ``users`` (`cb_users_v2`): an account's users, one user, create, change, delete."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.auth.identity import Identity
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, Forbidden
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.datastore.errors import ViewMissing
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_soft_deleted, live
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.kazoo.values import nonempty_text_at
from crossbar_appstore.resources import listings, user_rules
from crossbar_appstore.resources.account_rules import Checked
from crossbar_appstore.resources.documents import (
    account_of,
    check_expected,
    expect,
    load,
    of_type,
    raise_errors,
    request_data,
    show,
    stamped,
)
from crossbar_appstore.resources.user_rules import USER
from crossbar_appstore.validation.errors import SchemaErrors

_LISTING: Final = "users/crossbar_listing"
_UNIQUE: Final = (
    (("username",), "users/list_by_username", user_rules.username_taken),
    (("hotdesk", "id"), "users/list_by_hotdesk_id", user_rules.hotdesk_id_taken),
)
"""What no two users of an account may share: its path, the view that tells, and how it is refused."""
_CHECKED: Final = "user"
_RESTRICTED: Final = "restricted"


class Users(Resource):
    """Users of an account. Whoever is no administrator may change the own document only, and no rights in it.

    Args:
        store: documents.
        gatekeeper: who may write.
    """

    noun: ClassVar[str] = "users"

    def __init__(self, store: Datastore, gatekeeper: AuthGatekeeper) -> None:
        self._store = store
        self._gatekeeper = gatekeeper

    def allowed_methods(self, *params: str) -> Methods | None:
        """The list can be added to, a user read, changed and deleted."""
        match params:
            case ():
                return ("GET", "PUT")
            case (_,):
                return ("GET", "POST", "DELETE", "PATCH")
        return None

    async def authorize(self, context: Context) -> bool:
        """Leaves reading to the hierarchy; writing takes an administrator, or is about oneself."""
        identity = context.identity
        if context.verb == "GET" or not isinstance(identity, Identity) or await self._gatekeeper.may_write(identity):
            return False
        if not _is_about_oneself(context, identity):
            raise Forbidden
        context.stored[_RESTRICTED] = True
        return False

    async def resource_exists(self, context: Context, *params: str) -> None:
        """A user named on the way to another resource has to exist in the account."""
        await exists_in_account(self._store, context, params)

    async def validate(self, context: Context, *params: str) -> None:
        """Check the request; answer a GET."""
        account_id = account_of(context)
        match params, context.verb:
            case (), "GET":
                await listings.answer(context, self._store, self._listing(account_id))
            case (), _:
                await self._validate_new(context, account_id)
            case (user_id,), "GET":
                await self._read(context, account_id, user_id)
            case _:
                await self._validate_change(context, account_id, params[0], context.verb)

    async def put(self, context: Context, *params: str) -> None:
        """Create."""
        account_id = account_of(context)
        database, user_id = account_db(account_id), new_id()
        checked: Checked = context.stored[_CHECKED]
        saved = await self._store.create(database, stamped(context, {**checked.document, "_id": user_id}, account_id))
        # Two administrators may have asked for the same name at the same time.
        taken = await self._taken(account_id, user_id, saved, None)
        if taken:
            await self._store.remove(database, user_id)
        raise_errors(taken)
        _show_user(context, saved)
        context.reply.location = f"{context.path.rstrip('/')}/{user_id}"

    async def post(self, context: Context, *params: str) -> None:
        """Replace the public fields."""
        await self._change(context, params[0])

    async def patch(self, context: Context, *params: str) -> None:
        """Change some public fields."""
        await self._change(context, params[0])

    async def delete(self, context: Context, *params: str) -> None:
        """Mark as deleted; the document stays."""
        account_id = account_of(context)

        def mark(document: JsonObject | None) -> JsonObject:
            check_expected(context, document)
            current = of_type(document, params[0], USER)
            return stamped(context, {**current, "pvt_deleted": True}, account_id)

        saved = await self._store.update(account_db(account_id), params[0], mark)
        _show_user(context, saved, deleted=True)

    async def _read(self, context: Context, account_id: str, user_id: str) -> None:
        known = await load(self._store, account_db(account_id), user_id, USER)
        _show_user(context, of_type(known.document, user_id, USER), stale=known.stale)

    async def _validate_new(self, context: Context, account_id: str) -> None:
        checked = user_rules.checked_user(None, request_data(context))
        context.stored[_CHECKED] = await self._approved(account_id, None, checked, None)

    async def _validate_change(self, context: Context, account_id: str, user_id: str, verb: str) -> None:
        known = await load(self._store, account_db(account_id), user_id, USER)
        current = of_type(known.document, user_id, USER)
        expect(context, current)
        if verb != "DELETE":
            await self._approved(account_id, user_id, _changed(context, current), current)

    async def _change(self, context: Context, user_id: str) -> None:
        """Apply the change to the newest document, whoever wrote it, and save it."""
        account_id = account_of(context)

        def apply(document: JsonObject | None) -> JsonObject:
            check_expected(context, document)
            checked = _changed(context, of_type(document, user_id, USER))
            raise_errors(checked.errors)
            return stamped(context, checked.document, account_id)

        _show_user(context, await self._store.update(account_db(account_id), user_id, apply))

    async def _approved(
        self, account_id: str, user_id: str | None, checked: Checked, current: JsonObject | None
    ) -> Checked:
        raise_errors(checked.errors, await self._taken(account_id, user_id, checked.document, current))
        return checked

    async def _taken(
        self, account_id: str, user_id: str | None, document: JsonObject, current: JsonObject | None
    ) -> SchemaErrors:
        """What of a user another user of the account has already; what stays as it was is not looked at."""
        errors: SchemaErrors = {}
        for path, view, refusal in _UNIQUE:
            value = nonempty_text_at(document, *path)
            if value is None or value == nonempty_text_at(current, *path):
                continue
            if await self._others(account_id, user_id, view, ".".join(path), value):
                errors |= refusal(value)
        return errors

    async def _others(self, account_id: str, user_id: str | None, view: str, field: str, value: str) -> bool:
        """Whether another user has the value, as CouchDB knows it now."""
        couch, database = self._store.couch, account_db(account_id)
        found: list[Any]
        try:
            found = [row.id for row in await couch.view(database, view, key=value)]
        except ViewMissing:
            users = await couch.find(database, {"pvt_type": USER, field: value})
            found = [user["_id"] for user in users if not is_soft_deleted(user)]
        return any(each != user_id for each in found)

    def _listing(self, account_id: str) -> listings.Listing:
        database = account_db(account_id)

        async def search() -> Sequence[ViewRow]:
            users = await self._store.couch.find(database, {"pvt_type": USER})
            return [_row(user) for user in users if not is_soft_deleted(user)]

        return listings.Listing(database, _LISTING, search)


async def exists_in_account(store: Datastore, context: Context, params: Sequence[str]) -> None:
    """Check that a document named in the path is there and not deleted, of whatever type.

    Raises:
        BadIdentifier: it is not, or the path names no account to look in.
    """
    if not params:
        return
    doc_id = params[0]
    if context.account_id is None:
        raise BadIdentifier(cause=doc_id)
    if live((await store.open(account_db(context.account_id), doc_id)).document) is None:
        raise BadIdentifier(cause=doc_id)


def _is_about_oneself(context: Context, identity: Identity) -> bool:
    """Whether a user changes the own document, with the own token."""
    return (
        context.verb in ("POST", "PATCH")
        and identity.behind is None
        and identity.owner_id is not None
        and context.account_id == identity.account_id
        and context.resource.params == (identity.owner_id,)
    )


def _changed(context: Context, current: JsonObject) -> Checked:
    """The user as the request would have it.

    Raises:
        Forbidden: it would give rights, and the caller is no administrator.
    """
    patch, restricted = context.verb == "PATCH", _RESTRICTED in context.stored
    data = request_data(context)
    if restricted:
        data = user_rules.kept_reserved(current, data, patch=patch)
    checked = user_rules.checked_user(current, data, patch=patch)
    if restricted:
        field = user_rules.reserved_change(current, checked.document)
        if field is not None:
            raise Forbidden(cause=field)
    return checked


def _show_user(context: Context, user: JsonObject, *, deleted: bool = False, stale: bool = False) -> None:
    data = show(context, user, deleted=deleted, stale=stale)
    context.reply.data = user_rules.without_secrets(data)


def _row(user: JsonObject) -> ViewRow:
    key: Json = user_rules.listing_key(user)
    return ViewRow(user["_id"], key, user_rules.listing_entry(user), user)
