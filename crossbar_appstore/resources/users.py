"""The endpoints ``users`` (`cb_users_v2`): list, read, create, change, delete; and ``devices``, in front of others."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.auth.hierarchy import Identity
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, Forbidden
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.datastore.errors import ViewMissing
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import is_soft_deleted, live
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.kazoo.values import nonempty_text_at
from crossbar_appstore.resources import documents, listings, user_rules
from crossbar_appstore.resources.account_rules import Checked
from crossbar_appstore.resources.user_rules import USER
from crossbar_appstore.validation.errors import SchemaErrors

_LISTING: Final = "users/crossbar_listing"
_UNIQUE: Final = (
    (("username",), "users/list_by_username", "Username must be unique within account"),
    (("hotdesk", "id"), "users/list_by_hotdesk_id", "Hotdesk ID must be unique within account"),
)
"""Fields that must be unique in an account: path, view by which other users are found, and error message."""
_CHECKED: Final = "user"
_RESTRICTED: Final = "restricted"


class Users(Resource):
    """Users of an account. Those who are no administrators may change their own document, but no reserved field."""

    noun: ClassVar[str] = "users"

    def __init__(self, store: Datastore, gatekeeper: AuthGatekeeper) -> None:
        self._store = store
        self._gatekeeper = gatekeeper

    def allowed_methods(self, *params: str) -> Methods | None:
        """Users are listed, created, read, changed and deleted."""
        return {0: ("GET", "PUT"), 1: ("GET", "POST", "DELETE", "PATCH")}.get(len(params))

    async def authorize(self, context: Context) -> bool:
        """Requires an administrator for writes, except for changes of the caller's own document."""
        identity = context.identity
        if context.verb == "GET" or not isinstance(identity, Identity) or await self._gatekeeper.may_write(identity):
            return False
        if not _is_own_document(context, identity):
            raise Forbidden
        context.stored[_RESTRICTED] = True
        return False

    async def resource_exists(self, context: Context, *params: str) -> None:
        """A user in front of another resource must exist in the account."""
        await _check_existence(self._store, context, params)

    async def validate(self, context: Context, *params: str) -> None:
        """Check the request; answer a GET."""
        account_id = documents.account_of(context)
        match params, context.verb:
            case (), "GET":
                await listings.answer(context, self._store, self._listing(account_id))
            case (), _:
                checked = user_rules.checked_user(None, documents.request_data(context))
                documents.raise_errors(checked.errors, await self._taken(account_id, None, checked.document, None))
                context.stored[_CHECKED] = checked
            case (user_id,), "GET":
                user, stale = await documents.load(self._store, account_db(account_id), user_id, USER)
                _show_user(context, user, stale=stale)
            case _:
                await self._validate_change(context, account_id, params[0])

    async def put(self, context: Context, *params: str) -> None:
        """Create."""
        account_id, user_id = documents.account_of(context), new_id()
        database = account_db(account_id)
        checked: Checked = context.stored[_CHECKED]
        new = documents.stamped(context, {**checked.document, "_id": user_id}, account_id)
        saved = await self._store.create(database, new)
        # Another request may have created a user with the same name since the check.
        taken = await self._taken(account_id, user_id, saved, None)
        if taken:
            await self._store.remove(database, user_id)
        documents.raise_errors(taken)
        _show_user(context, saved)
        context.reply.location = f"{context.path.rstrip('/')}/{user_id}"

    async def post(self, context: Context, *params: str) -> None:
        """Replace the public fields, or with PATCH some of them."""

        def edit(user: JsonObject) -> JsonObject:
            checked = _changed(context, user)
            documents.raise_errors(checked.errors)
            return checked.document

        await self._update(context, params[0], edit)

    patch = post

    async def delete(self, context: Context, *params: str) -> None:
        """Mark as deleted; the document stays in CouchDB."""
        await self._update(context, params[0], lambda user: {**user, "pvt_deleted": True}, deleted=True)

    async def _validate_change(self, context: Context, account_id: str, user_id: str) -> None:
        current = await documents.load_for_change(context, self._store, account_db(account_id), user_id, USER)
        if context.verb != "DELETE":
            checked = _changed(context, current)
            documents.raise_errors(checked.errors, await self._taken(account_id, user_id, checked.document, current))

    async def _update(
        self, context: Context, user_id: str, edit: Callable[[JsonObject], JsonObject], *, deleted: bool = False
    ) -> None:
        """Apply an edit to the newest document, save it and reply with it; repeated after a conflict."""
        account_id = documents.account_of(context)
        change = documents.checked_change(context, account_id, user_id, USER, edit)
        _show_user(context, await self._store.update(account_db(account_id), user_id, change), deleted=deleted)

    async def _taken(
        self, account_id: str, user_id: str | None, document: JsonObject, current: JsonObject | None
    ) -> SchemaErrors:
        """The errors of a user who shares a unique field with another one; values as in ``current`` are not checked."""
        errors: SchemaErrors = {}
        for path, view, message in _UNIQUE:
            value, field = nonempty_text_at(document, *path), ".".join(path)
            if value is None or value == nonempty_text_at(current, *path) or len(value) > documents.LONGEST_UNIQUE:
                continue
            if await self._others(account_id, user_id, view, field, value):
                errors[field] = {"unique": {"message": message, "cause": value}}
        return errors

    async def _others(self, account_id: str, user_id: str | None, view: str, field: str, value: str) -> bool:
        """Whether another user has the value, read from CouchDB."""
        couch, database = self._store.couch, account_db(account_id)
        try:
            return any(row.id != user_id for row in await couch.view(database, view, key=value))
        except ViewMissing:
            users = await couch.find(database, {"pvt_type": USER, field: value})
            return any(user["_id"] != user_id for user in users if not is_soft_deleted(user))

    def _listing(self, account_id: str) -> listings.Listing:
        database = account_db(account_id)

        async def search() -> Sequence[ViewRow]:
            users = await self._store.couch.find(database, {"pvt_type": USER})
            return [
                ViewRow(user["_id"], user_rules.listing_key(user), user_rules.listing_entry(user), user)
                for user in users
                if not is_soft_deleted(user)
            ]

        return listings.Listing(database, _LISTING, search)


class Devices(Resource):
    """The noun ``devices`` in front of another resource; there are no paths of its own."""

    noun: ClassVar[str] = "devices"

    def __init__(self, store: Datastore) -> None:
        self._store = store

    async def resource_exists(self, context: Context, *params: str) -> None:
        """A device in front of another resource must exist in the account (`cb_devices_v2`)."""
        await _check_existence(self._store, context, params)


async def _check_existence(store: Datastore, context: Context, params: Sequence[str]) -> None:
    """Raise BadIdentifier where a document named in the path is not in the account; its type does not matter."""
    for doc_id in params[:1]:
        account_id = context.account_id
        if account_id is None or live((await store.open(account_db(account_id), doc_id)).document) is None:
            raise BadIdentifier(cause=doc_id)


def _is_own_document(context: Context, identity: Identity) -> bool:
    """Whether a user changes their own document, with a token of their own."""
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
        Forbidden: a reserved field would change, and the caller is no administrator.
    """
    patch, restricted = context.verb == "PATCH", _RESTRICTED in context.stored
    data = documents.request_data(context)
    if restricted:
        data = user_rules.kept_reserved(current, data, patch=patch)
    checked = user_rules.checked_user(current, data, patch=patch)
    if restricted:
        field = user_rules.reserved_change(current, checked.document)
        if field is not None:
            raise Forbidden(cause=field)
    return checked


def _show_user(context: Context, user: JsonObject, *, deleted: bool = False, stale: bool = False) -> None:
    data = documents.show(context, user, deleted=deleted, stale=stale)
    context.reply.data = user_rules.without_secrets(data)
