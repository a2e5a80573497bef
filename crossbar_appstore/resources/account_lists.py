"""Lists of accounts around one account: below it, beside it and above it (`cb_accounts`)."""

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
from crossbar_appstore.resources.account_names import CATEGORY
from crossbar_appstore.resources.account_storage import ACCOUNTS, accounts_below
from crossbar_appstore.resources.documents import caller_of

CHILDREN: Final = "children"
DESCENDANTS: Final = "descendants"
SIBLINGS: Final = "siblings"
PARENTS: Final = "parents"
TREE: Final = "tree"

LISTS: Final = frozenset({CHILDREN, DESCENDANTS, PARENTS, SIBLINGS, TREE})

VIEWS: Final = {CHILDREN: "accounts/listing_by_children", DESCENDANTS: "accounts/listing_by_descendants"}


class AccountLists:
    """Answers the lists.

    Args:
        store: documents.
    """

    def __init__(self, store: Datastore) -> None:
        self._store = store

    async def answer(self, context: Context, account: JsonObject, which: str) -> None:
        """Fill the reply with one of the lists around an account.

        Raises:
            Forbidden: siblings of the own account.
            BadIdentifier: siblings of an account that has no parent.
        """
        account_id: str = account["_id"]
        match which:
            case "children" | "descendants":
                await listings.answer(context, self._store, self._below(account_id, which))
            case "siblings":
                await self._siblings(context, account)
            case "parents":
                context.reply.data = await self._names(_parents(account, caller_of(context)))
                context.reply.page_size = len(context.reply.data)
            case _:
                context.reply.data = await self._names(_tree(account, caller_of(context)))

    def _below(self, account_id: str, which: str) -> listings.Listing:
        async def search() -> Sequence[ViewRow]:
            accounts = await accounts_below(self._store.couch, account_id)
            wanted = accounts if which == DESCENDANTS else [each for each in accounts if _is_child(account_id, each)]
            return [_row(account_id, each, which) for each in wanted]

        # Without a wish of the client these come in descending order (`crossbar_view:direction/2`).
        return listings.Listing(
            ACCOUNTS,
            VIEWS[which],
            search,
            start=[account_id],
            end=[account_id, listings.AFTER_ALL],
            descending=True,
            told_start=True,
        )

    async def _siblings(self, context: Context, account: JsonObject) -> None:
        identity = caller_of(context)
        allowed = await self._store.config.get(CATEGORY, "allow_sibling_listing", True)
        is_own = account["_id"] == identity.account_id
        if not identity.is_superduper and (is_own or not is_true(allowed)):
            raise Forbidden
        tree = account_tree(account)
        if not tree:
            raise BadIdentifier(cause=account["_id"])
        await listings.answer(context, self._store, self._below(tree[-1], CHILDREN))

    async def _names(self, account_ids: Sequence[str]) -> list[JsonObject]:
        """Id and name of each account that there is."""
        known = await self._store.open_many((ACCOUNTS, account_id) for account_id in account_ids)
        found = ((each.document["_id"], each.document.get("name")) for each in known if each.document is not None)
        return [{"id": account_id, "name": name} for account_id, name in found]


def _tree(account: JsonObject, identity: Identity) -> list[str]:
    """The account's ancestors from the caller's account down; none of those above the caller."""
    tree = list(account_tree(account))
    return tree[tree.index(identity.account_id) :] if identity.account_id in tree else []


def _parents(account: JsonObject, identity: Identity) -> list[str]:
    """As ``_tree``, but all ancestors where the caller's account is none of them."""
    return _tree(account, identity) or list(account_tree(account))


def _is_child(account_id: str, account: JsonObject) -> bool:
    return account_tree(account)[-1] == account_id


def _row(ancestor_id: str, account: JsonObject, which: str) -> ViewRow:
    """An account as the views emit it, for where there are none."""
    name = account.get("name")
    entry: JsonObject = {"id": account["_id"], "name": name, "realm": account.get("realm")}
    if which == CHILDREN:
        entry["descendants_count"] = account.get("descendants_count") or 0
    else:
        entry["tree"] = account_tree(account)
    entry["flags"] = account.get("flags") or []
    return ViewRow(account["_id"], [ancestor_id, name], entry, account)
