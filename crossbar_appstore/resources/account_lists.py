"""Lists of accounts around one account: its descendants, siblings and ancestors (`cb_accounts`)."""

from collections.abc import Sequence
from typing import Final

from crossbar_appstore.auth.hierarchy import Identity, account_tree
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


async def answer(context: Context, store: Datastore, account: JsonObject, which: str) -> None:
    """Fill the reply with one of the ``LISTS`` around an account."""
    match which:
        case "children" | "descendants":
            await listings.answer(context, store, _below(store, account["_id"], which))
        case "siblings":
            await _answer_siblings(context, store, account)
        case "parents":
            # All ancestors, unless the caller's account is one of them.
            ancestors = _tree(account, caller_of(context)) or account_tree(account)
            context.reply.data = await _names(store, ancestors)
            context.reply.page_size = len(context.reply.data)
        case _:
            context.reply.data = await _names(store, _tree(account, caller_of(context)))


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


async def _answer_siblings(context: Context, store: Datastore, account: JsonObject) -> None:
    identity, tree = caller_of(context), account_tree(account)
    allowed = await store.config.get(CATEGORY, "allow_sibling_listing", True)
    # A caller's own siblings are customers of somebody else.
    if not identity.is_superduper and (account["_id"] == identity.account_id or not is_true(allowed)):
        raise Forbidden
    if not tree:
        raise BadIdentifier(cause=account["_id"])
    await listings.answer(context, store, _below(store, tree[-1], "children"))


async def _names(store: Datastore, account_ids: Sequence[str]) -> list[JsonObject]:
    """Id and name of each account that exists."""
    cached = await store.open_many((ACCOUNTS, account_id) for account_id in account_ids)
    documents = [each.document for each in cached if each.document is not None]
    return [{"id": account["_id"], "name": account.get("name")} for account in documents]


def _tree(account: JsonObject, identity: Identity) -> Sequence[str]:
    """The account's ancestors from the caller's account down; none of those above the caller."""
    tree = account_tree(account)
    return tree[tree.index(identity.account_id) :] if identity.account_id in tree else []


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
