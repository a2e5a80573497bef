"""The caller of a request (Crossbar's auth doc), and the rules over accounts and users that decide what it may do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crossbar_appstore.crossbar.errors import ValidationError
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import Authenticated, gregorian_seconds, is_soft_deleted
from crossbar_appstore.kazoo.values import as_integer, get, is_true, list_at, nonempty_text_at, string_at

ADMIN: Final = "admin"


@dataclass(frozen=True, slots=True)
class User:
    """A user of an account; ``owner_id`` is None for the account itself (api_auth)."""

    account_id: str
    owner_id: str | None


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller of a request, after masquerading: an account and its user, None for the account itself (api_auth).

    ``account`` is its document, which is shared like ``claims``: neither ever changes. ``method`` is the login
    module (``cb_user_auth``, ``cb_api_auth``, ``cb_basic_auth``). ``is_superduper`` callers may access every account.
    The ``original_`` ids name an impersonating administrator, ``behind`` the user whose token masquerades.
    ``restrictions`` are those of the token by endpoint, None if there are none.
    """

    account_id: str
    owner_id: str | None
    method: str | None
    claims: Mapping[str, Json]
    account: JsonObject | None = field(repr=False)
    is_superduper: bool
    original_account_id: str | None = None
    original_owner_id: str | None = None
    behind: User | None = None
    restrictions: JsonObject | None = field(default=None, repr=False)

    @property
    def authenticated(self) -> Authenticated:
        """The caller as a saved document records it (``crossbar_doc``)."""
        return Authenticated(self.account_id, self.owner_id, self.original_account_id, self.original_owner_id)

    @property
    def users(self) -> tuple[User, ...]:
        """The users that must all have a permission for the caller to have it: the acting one, and ``behind``."""
        acting = User(self.account_id, self.owner_id)
        return (acting,) if self.behind is None else (acting, self.behind)


def identity_of(claims: Mapping[str, Json], account: JsonObject | None, *, behind: User | None = None) -> Identity:
    """The identity that verified claims describe; they must have an ``account_id``, which is that of ``account``."""
    return Identity(
        account_id=str(claims["account_id"]),
        owner_id=string_at(claims, "owner_id") or None,
        method=string_at(claims, "method") or None,
        claims=claims,
        account=account,
        is_superduper=is_superduper_admin(account),
        original_account_id=string_at(claims, "original_account_id") or None,
        original_owner_id=string_at(claims, "original_owner_id") or None,
        behind=behind,
    )


def account_tree(account: JsonObject | None) -> Sequence[str]:
    """The ids of the account's ancestors, root first, without itself (``kzd_accounts:tree/1``)."""
    return list_at(account, "pvt_tree")


def is_in_account_hierarchy(account_id: str | None, account: JsonObject | None) -> bool:
    """Whether ``account_id`` is an ancestor of the account, itself not (``kzd_accounts:is_in_account_hierarchy/2``)."""
    return account_id is not None and account_id in account_tree(account)


def is_superduper_admin(account: JsonObject | None) -> bool:
    """Whether the account may access every account (``kzd_accounts:is_superduper_admin/1``)."""
    return is_true(get(account, "pvt_superduper_admin"))


def is_enabled(account: JsonObject | None) -> bool:
    """Whether users of the account may log in; False for a missing account."""
    return account is not None and is_true(account.get("pvt_enabled", True))


def trial_expired(account: JsonObject | None, now: int | None = None) -> int | None:
    """When the account's trial ended; None if it has not, or there is none (``kzd_accounts:is_expired/1``).

    Times, also ``now``, are in Gregorian seconds.
    """
    ends = as_integer(get(account, "pvt_trial_expires"))
    return ends if ends is not None and ends <= (gregorian_seconds() if now is None else now) else None


def refuse_expired_trial(account: JsonObject | None) -> None:
    """Raise ``ValidationError`` if the account's trial has ended; its cause is when, in Gregorian seconds."""
    if (expired := trial_expired(account)) is not None:
        raise ValidationError({"account": {"expired": {"message": "account expired", "cause": expired}}})


def may_address(identity: Identity, account_id: str, account: JsonObject | None) -> bool:
    """Whether the caller may access an account: its own, a descendant, or any for a superduper admin.

    ``account`` is the document of ``account_id`` (``cb_simple_authz:account_is_descendant/2``).
    """
    is_own = identity.account_id == account_id
    return identity.is_superduper or is_own or is_in_account_hierarchy(identity.account_id, account)


def priv_level(user: JsonObject) -> str:
    """The user's privilege level (``kzd_users:priv_level/1``)."""
    return nonempty_text_at(user, "priv_level") or "user"


def is_account_admin(user: JsonObject | None) -> bool:
    """Whether the user exists and administers the account (``kzd_users:is_account_admin/2``)."""
    return user is not None and not is_soft_deleted(user) and priv_level(user) == ADMIN
