"""The endpoint ``accounts`` (`cb_accounts`): an account, its sub-accounts, and the accounts around it."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Final

from crossbar_appstore.appstore import resellers
from crossbar_appstore.auth.credentials import Directory
from crossbar_appstore.auth.documents import AuthDocuments
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.auth.hierarchy import account_tree, is_in_account_hierarchy
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, CrossbarError, Forbidden, MethodNotAllowed, NamedError
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.datastore.documents import ACCOUNTS
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import gregorian_seconds, is_soft_deleted
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.values import is_true
from crossbar_appstore.resources import account_rules, documents, listings
from crossbar_appstore.resources.account_creation import CATEGORY, AccountCreation, taken_names
from crossbar_appstore.resources.account_rules import ACCOUNT, Checked
from crossbar_appstore.resources.account_storage import (
    DESCENDANTS_VIEW,
    AccountStorage,
    accounts_below,
    descendants,
)

_ACCOUNT: Final = "account"
_LISTS: Final = frozenset({"children", "descendants", "parents", "siblings", "tree"})
_METHODS: Final = ("GET", "PUT", "POST", "PATCH", "DELETE")


class Accounts(Resource):
    """Accounts. Changing one, or anything below it, requires an administrator."""

    noun: ClassVar[str] = "accounts"

    def __init__(self, auth_documents: AuthDocuments, directory: Directory, gatekeeper: AuthGatekeeper) -> None:
        self._store = auth_documents.store
        self._documents = auth_documents
        self._gatekeeper = gatekeeper
        self._directory = directory
        self._storage = AccountStorage(auth_documents)
        self._creation = AccountCreation(auth_documents, directory, self._storage)

    def allowed_methods(self, *params: str) -> Methods | None:
        """Accounts are created, read, changed, deleted, made resellers, given keys; the lists around one are read."""
        match params:
            case ():
                return ("PUT",)
            case (_,):
                return _METHODS
            case (_, which) if which in _LISTS:
                return ("GET",)
            case (_, "reseller"):
                return ("PUT", "DELETE")
            case (_, "api_key"):
                return ("GET", "PUT")
        return None

    async def authorize(self, context: Context) -> bool:
        """Requires an administrator for writes; the rest follows the hierarchy."""
        await documents.require_write_permission(self._gatekeeper, context)
        return False

    async def resource_exists(self, context: Context, *params: str) -> None:
        """Refuse a deleted account; the gatekeeper has refused one that does not exist."""
        if context.account is not None and is_soft_deleted(dict(context.account)):
            raise BadIdentifier(cause=context.account_id)

    async def validate(self, context: Context, *params: str) -> None:
        """Check the request; answer a GET."""
        account_id = params[0] if params else documents.caller_of(context).account_id
        match context.verb, params:
            case _, (_, "api_key"):
                await self._validate_key(context, account_id)
            case "GET", _:
                account, stale = await documents.load(self._store, account_db(account_id), account_id, ACCOUNT)
                if len(params) == 1:
                    await self._show(context, account, stale=stale)
                else:
                    await self._list(context, account, params[1])
            case _, (_, "reseller"):
                await self._validate_promotion(context, account_id)
            case "PUT", _:
                await self._creation.validate(context, account_id)
            case "DELETE", _:
                await self._validate_deletion(context, account_id)
            case _:
                await self._validate_change(context, account_id)

    async def put(self, context: Context, *params: str) -> None:
        """Create a sub-account of the account in the path, else of the caller's; or promote it, or change its key."""
        match params:
            case (account_id, "api_key"):
                change = documents.checked_change(context, account_id, account_id, ACCOUNT, account_rules.with_new_key)
                _show_key(context, await self._storage.change(account_id, change))
                return
            case (_, "reseller"):
                await self._promote(context, is_reseller=True)
                return
        account = await self._creation.create(context)
        await self._show(context, account)
        # Wherever it was created, it is found below the noun alone.
        context.reply.location = f"/{context.path.split('/')[1]}/accounts/{account['_id']}"

    async def post(self, context: Context, *params: str) -> None:
        """Apply the change to the newest document and save it in both databases; repeated after a conflict."""

        def edit(account: JsonObject) -> JsonObject:
            checked = _changed(context, account)
            documents.raise_errors(checked.errors)
            return checked.document

        change = documents.checked_change(context, params[0], params[0], ACCOUNT, edit)
        await self._show(context, await self._storage.change(params[0], change))

    patch = post

    async def delete(self, context: Context, *params: str) -> None:
        """Mark the account as deleted, its database stays; or make it no reseller any more."""
        if len(params) == 2:
            await self._promote(context, is_reseller=False)
            return
        account_id = params[0]

        def mark(document: JsonObject | None) -> JsonObject:
            return documents.stamped(context, {**(document or {}), "pvt_deleted": True}, account_id)

        saved = await self._storage.delete(account_id, mark, partial(documents.check_expected, context))
        for parent_id in resellers.ancestors(saved)[:1]:
            await self._storage.count_descendants(parent_id)
        documents.show(context, saved, deleted=True)

    async def _list(self, context: Context, account: JsonObject, which: str) -> None:
        """Reply with one of the lists around an account."""
        identity, ancestors = documents.caller_of(context), account_tree(account)
        # The ancestors from the caller's account down; none of those above the caller.
        below = ancestors[ancestors.index(identity.account_id) :] if identity.account_id in ancestors else []
        match which:
            case "children" | "descendants":
                await listings.answer(context, self._store, _below(self._store, account["_id"], which))
            case "siblings":
                allowed = is_true(await self._store.config.get(CATEGORY, "allow_sibling_listing", True))
                # A caller's own siblings are customers of somebody else.
                if not identity.is_superduper and (account["_id"] == identity.account_id or not allowed):
                    raise Forbidden
                if not ancestors:
                    raise BadIdentifier(cause=account["_id"])
                await listings.answer(context, self._store, _below(self._store, ancestors[-1], "children"))
            case "parents":
                context.reply.data = await _names(self._store, below or ancestors)
                context.reply.page_size = len(context.reply.data)
            case _:
                context.reply.data = await _names(self._store, below)

    async def _validate_change(self, context: Context, account_id: str) -> None:
        account = await documents.load_for_change(context, self._store, account_db(account_id), account_id, ACCOUNT)
        checked = _changed(context, account)
        taken = await taken_names(self._directory, self._store.config, checked.document, account)
        documents.raise_errors(checked.errors, taken)

    async def _validate_key(self, context: Context, account_id: str) -> None:
        """Answer a GET with the key. A new one needs a user who administers an account, whatever the settings."""
        identity, reads = documents.caller_of(context), context.verb == "GET"
        allowed = self._gatekeeper.may_write if reads else self._gatekeeper.is_account_admin
        if not await allowed(identity):
            raise Forbidden
        if reads:
            # KAZOO changes the key in this copy alone, by which a login finds the account.
            account, context.reply.stale = await documents.load(self._store, ACCOUNTS, account_id, ACCOUNT)
            _show_key(context, account)
        else:
            await documents.load(self._store, account_db(account_id), account_id, ACCOUNT)

    async def _validate_promotion(self, context: Context, account_id: str) -> None:
        account, _ = await documents.load(self._store, account_db(account_id), account_id, ACCOUNT)
        if not documents.caller_of(context).is_superduper:
            raise Forbidden
        await self._storage.check_promotion(account)
        context.stored[_ACCOUNT] = account

    async def _promote(self, context: Context, *, is_reseller: bool) -> None:
        saved = await self._storage.set_reseller(context.stored[_ACCOUNT], is_reseller=is_reseller)
        await self._show(context, saved)

    async def _validate_deletion(self, context: Context, account_id: str) -> None:
        await documents.load_for_change(context, self._store, account_db(account_id), account_id, ACCOUNT)
        if account_id == await self._documents.master_account_id():
            # The CORS header of the refusal names what may be done with it instead.
            context.allowed_methods = _METHODS[:-1]
            raise MethodNotAllowed
        if account_id == documents.caller_of(context).account_id:
            message = "deleting your own account is forbidden"
            raise CrossbarError(403, "forbidden", {"message": message, "cause": account_id})
        if await descendants(self._store.couch, account_id):
            raise NamedError("account_has_descendants")

    async def _show(self, context: Context, account: JsonObject, *, stale: bool = False) -> None:
        """Reply with an account and its derived fields (`cb_accounts:leak_pvt_fields/2`)."""
        identity = documents.caller_of(context)
        metadata = account_rules.metadata(
            account,
            reseller_id=await self._documents.reseller_above(account),
            is_reseller=await self._documents.is_reseller(account["_id"]),
            caller_id=identity.account_id,
            master_id=await self._documents.master_account_id(),
            now=gregorian_seconds(),
        )
        # The key opens everything, so only callers who may write get it.
        if is_true(context.req_value("include_api_key")) and await self._gatekeeper.may_write(identity):
            metadata["api_key"] = account.get(account_rules.KEY)
        # KAZOO 4 has the derived fields among the data, KAZOO 5 in ``metadata``.
        shown = documents.show(context, account, stale=stale)
        shown.update(metadata)
        context.reply.metadata = metadata
        # Monster UI posts an account without this field back with its own defaults, at each login of any user.
        if "ui_restrictions" not in account and not await self._gatekeeper.may_write(identity):
            shown["ui_restrictions"] = {}


def _show_key(context: Context, account: JsonObject) -> None:
    key = account.get(account_rules.KEY)
    context.reply.data = {} if key is None else {"api_key": key}


def _changed(context: Context, account: JsonObject) -> Checked:
    """The account as the request would have it; only an ancestor may enable and disable it."""
    return account_rules.changed_account(
        account,
        documents.request_data(context),
        patch=context.verb == "PATCH",
        may_enable=is_in_account_hierarchy(documents.caller_of(context).account_id, account),
    )


def _below(store: Datastore, account_id: str, which: str) -> listings.Listing:
    async def search() -> Sequence[ViewRow]:
        accounts = await accounts_below(store.couch, account_id)
        wanted = [each for each in accounts if which == "descendants" or account_tree(each)[-1] == account_id]
        return [_row(account_id, each, which) for each in wanted]

    # Unless the client says otherwise these come in descending order (`crossbar_view:direction/2`).
    return listings.Listing(
        ACCOUNTS,
        DESCENDANTS_VIEW if which == "descendants" else "accounts/listing_by_children",
        search,
        start=[account_id],
        end=[account_id, listings.AFTER_ALL],
        descending=True,
        shows_start=True,
    )


async def _names(store: Datastore, account_ids: Sequence[str]) -> list[JsonObject]:
    """Id and name of each account that exists."""
    cached = await store.open_many((ACCOUNTS, account_id) for account_id in account_ids)
    documents = [each.document for each in cached if each.document is not None]
    return [{"id": account["_id"], "name": account.get("name")} for account in documents]


def _row(ancestor_id: str, account: JsonObject, which: str) -> ViewRow:
    """An account as the views emit it, for databases without them."""
    name = account.get("name")
    entry: JsonObject = {"id": account["_id"], "name": name, "realm": account.get("realm")}
    if which == "descendants":
        entry["tree"] = account_tree(account)
    else:
        entry["descendants_count"] = account.get("descendants_count") or 0
    entry["flags"] = account.get("flags") or []
    return ViewRow(account["_id"], [ancestor_id, name], entry, account)
