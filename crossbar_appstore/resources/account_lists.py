"""Lists of accounts around one account: its descendants, siblings and ancestors (`cb_accounts`)."""

from collections.abc import Sequence
from typing import Final

from crossbar_appstore.auth.hierarchy import account_tree
from crossbar_appstore.auth.identity import Identity
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, Forbidden
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.values import is_true
from crossbar_appstore.resources import listings
from crossbar_appstore.resources.account_creation import CATEGORY
from crossbar_appstore.resources.account_storage import ACCOUNTS, DESCENDANTS_VIEW, accounts_below
from crossbar_appstore.resources.documents import caller_of

LISTS: Final = frozenset({"children", "descendants", "parents", "siblings", "tree"})

_CHILDREN: Final = "children"
_VIEWS: Final = {_CHILDREN: "accounts/listing_by_children", "descendants": DESCENDANTS_VIEW}


async def answer(context: Context, store: Datastore, account: JsonObject, which: str) -> None:
    """Fill the reply with one of the lists around an account.

    Raises:
        Forbidden: siblings of the caller's account.
        BadIdentifier: siblings of an account that has no parent.
    """
    match which:
        case "children" | "descendants":
            await listings.answer(context, store, _below(store, account["_id"], which))
        case "siblings":
            await _answer_siblings(context, store, account)
        case "parents":
            context.reply.data = await _names(store, _parents(account, caller_of(context)))
            context.reply.page_size = len(context.reply.data)
        case _:
            context.reply.data = await _names(store, _tree(account, caller_of(context)))


def _below(store: Datastore, account_id: str, which: str) -> listings.Listing:
    async def search() -> Sequence[ViewRow]:
        accounts = await accounts_below(store.couch, account_id)
        wanted = [each for each in accounts if which != _CHILDREN or account_tree(each)[-1] == account_id]
        return [_row(account_id, each, which) for each in wanted]

    # Unless the client says otherwise these come in descending order (`crossbar_view:direction/2`).
    return listings.Listing(
        ACCOUNTS,
        _VIEWS[which],
        search,
        start=[account_id],
        end=[account_id, listings.AFTER_ALL],
        descending=True,
        shows_start=True,
    )


async def _answer_siblings(context: Context, store: Datastore, account: JsonObject) -> None:
    identity = caller_of(context)
    allowed = await store.config.get(CATEGORY, "allow_sibling_listing", True)
    is_own = account["_id"] == identity.account_id
    if not identity.is_superduper and (is_own or not is_true(allowed)):
        raise Forbidden
    tree = account_tree(account)
    if not tree:
        raise BadIdentifier(cause=account["_id"])
    await listings.answer(context, store, _below(store, tree[-1], _CHILDREN))


async def _names(store: Datastore, account_ids: Sequence[str]) -> list[JsonObject]:
    """Id and name of each account that exists."""
    cached = await store.open_many((ACCOUNTS, account_id) for account_id in account_ids)
    documents = [each.document for each in cached if each.document is not None]
    return [{"id": account["_id"], "name": account.get("name")} for account in documents]


def _tree(account: JsonObject, identity: Identity) -> list[str]:
    """The account's ancestors from the caller's account down; none of those above the caller."""
    tree = list(account_tree(account))
    return tree[tree.index(identity.account_id) :] if identity.account_id in tree else []


def _parents(account: JsonObject, identity: Identity) -> list[str]:
    """As ``_tree``, but all ancestors where the caller's account is none of them."""
    return _tree(account, identity) or list(account_tree(account))


def _row(ancestor_id: str, account: JsonObject, which: str) -> ViewRow:
    """An account as the views emit it, for databases without them."""
    name = account.get("name")
    entry: JsonObject = {"id": account["_id"], "name": name, "realm": account.get("realm")}
    if which == _CHILDREN:
        entry["descendants_count"] = account.get("descendants_count") or 0
    else:
        entry["tree"] = account_tree(account)
    entry["flags"] = account.get("flags") or []
    return ViewRow(account["_id"], [ancestor_id, name], entry, account)
