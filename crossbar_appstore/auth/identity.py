"""The caller of a request: what Crossbar calls the auth doc."""

from collections.abc import Mapping
from dataclasses import dataclass

from crossbar_appstore.json_codec import Json
from crossbar_appstore.kazoo.documents import Authenticated
from crossbar_appstore.kazoo.values import string_at


@dataclass(frozen=True, slots=True)
class User:
    """A user of an account; ``owner_id`` is None for the account itself (api_auth)."""

    account_id: str
    owner_id: str | None


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller of a request, after masquerading: an account and its user, None for the account itself (api_auth).

    ``method`` is the login module (``cb_user_auth``, ``cb_api_auth``, ``cb_basic_auth``). ``is_superduper`` callers may
    access every account. The ``original_`` ids name an impersonating administrator, ``behind`` the user whose token
    masquerades. ``claims`` never change.
    """

    account_id: str
    owner_id: str | None
    method: str | None
    claims: Mapping[str, Json]
    is_superduper: bool = False
    original_account_id: str | None = None
    original_owner_id: str | None = None
    behind: User | None = None

    @property
    def authenticated(self) -> Authenticated:
        """The caller as a saved document records it (``crossbar_doc``)."""
        return Authenticated(self.account_id, self.owner_id, self.original_account_id, self.original_owner_id)

    @property
    def users(self) -> tuple[User, ...]:
        """The users that must all have a permission for the caller to have it: the acting one, and ``behind``."""
        acting = User(self.account_id, self.owner_id)
        return (acting,) if self.behind is None else (acting, self.behind)


def identity_of(claims: Mapping[str, Json], *, is_superduper: bool, behind: User | None = None) -> Identity:
    """The identity that verified claims describe; they must have an ``account_id``."""
    return Identity(
        account_id=str(claims["account_id"]),
        owner_id=string_at(claims, "owner_id") or None,
        method=string_at(claims, "method") or None,
        claims=claims,
        is_superduper=is_superduper,
        original_account_id=string_at(claims, "original_account_id") or None,
        original_owner_id=string_at(claims, "original_owner_id") or None,
        behind=behind,
    )
