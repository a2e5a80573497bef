"""Accounts above accounts: who may touch what, as pure rules over account and user documents."""

from collections.abc import Mapping, Sequence
from typing import Final

from crossbar_appstore.auth.identity import Identity
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import gregorian_seconds, is_soft_deleted
from crossbar_appstore.kazoo.values import as_integer, is_true, nonempty_text_at

ADMIN: Final = "admin"
DEFAULT_PRIV_LEVEL: Final = "user"

AccountDocument = Mapping[str, Json]


def account_tree(account: AccountDocument | None) -> Sequence[str]:
    """The ids of the account's ancestors, root first, without itself (``kzd_accounts:tree/1``)."""
    tree = account.get("pvt_tree") if account is not None else None
    return tree if isinstance(tree, list) else []


def is_in_account_hierarchy(account_id: str | None, account: AccountDocument | None) -> bool:
    """Whether ``account_id`` is an ancestor of the account, itself not (``kzd_accounts:is_in_account_hierarchy/2``)."""
    return account_id is not None and account_id in account_tree(account)


def is_superduper_admin(account: AccountDocument | None) -> bool:
    """Whether the account may touch everything (``kzd_accounts:is_superduper_admin/1``)."""
    return account is not None and is_true(account.get("pvt_superduper_admin"))


def is_enabled(account: AccountDocument | None) -> bool:
    """Whether users of the account may log in; an account that is not there is not enabled."""
    if account is None:
        return False
    return is_true(account["pvt_enabled"]) if "pvt_enabled" in account else True


def trial_expired(account: AccountDocument | None, now: int | None = None) -> int | None:
    """When the account's trial ended, in Gregorian seconds; None if it did not (``kzd_accounts:is_expired/1``)."""
    ends = as_integer(account.get("pvt_trial_expires")) if account is not None else None
    if ends is None:
        return None
    moment = gregorian_seconds() if now is None else now
    return ends if ends <= moment else None


def may_address(identity: Identity, account_id: str, account: AccountDocument | None) -> bool:
    """Whether the caller may ask for this account: the own one, a descendant, any for a superduper admin.

    ``account`` is the document of ``account_id`` (``cb_simple_authz:account_is_descendant/2``).
    """
    if identity.is_superduper or identity.account_id == account_id:
        return True
    return is_in_account_hierarchy(identity.account_id, account)


def priv_level(user: JsonObject) -> str:
    """The user's privilege level (``kzd_users:priv_level/1``)."""
    return nonempty_text_at(user, "priv_level") or DEFAULT_PRIV_LEVEL


def is_account_admin(user: JsonObject | None) -> bool:
    """Whether the user exists and administers the account (``kzd_users:is_account_admin/2``)."""
    return user is not None and not is_soft_deleted(user) and priv_level(user) == ADMIN
