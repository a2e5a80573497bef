"""Who is calling."""

from collections.abc import Mapping
from dataclasses import dataclass

from crossbar_appstore.json_codec import Json
from crossbar_appstore.kazoo.documents import Authenticated


@dataclass(frozen=True, slots=True)
class User:
    """A user of an account; ``owner_id`` None for the account alone."""

    account_id: str
    owner_id: str | None


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller of a request, after masquerading: what Crossbar calls the auth doc.

    ``account_id`` is the account that acts, ``owner_id`` its user or None for an account alone (api_auth). ``method``
    is the login's module (``cb_user_auth``, ``cb_api_auth``, ``cb_basic_auth``). The ``original_`` ids name who
    impersonates; ``behind`` is the user whose token masquerades. ``claims`` never change.
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
        """What a saved document records of the caller (``stamp_crossbar``)."""
        return Authenticated(self.account_id, self.owner_id, self.original_account_id, self.original_owner_id)

    @property
    def users(self) -> tuple[User, ...]:
        """Everybody who has to have a right for the caller to have it: the user acting, and the one behind."""
        acting = User(self.account_id, self.owner_id)
        return (acting,) if self.behind is None else (acting, self.behind)


def identity_of(claims: Mapping[str, Json], *, is_superduper: bool, behind: User | None = None) -> Identity:
    """The identity that checked claims describe; ``account_id`` must be among them."""
    return Identity(
        account_id=str(claims["account_id"]),
        owner_id=_text(claims, "owner_id"),
        method=_text(claims, "method"),
        claims=claims,
        is_superduper=is_superduper,
        original_account_id=_text(claims, "original_account_id"),
        original_owner_id=_text(claims, "original_owner_id"),
        behind=behind,
    )


def _text(claims: Mapping[str, Json], key: str) -> str | None:
    value = claims.get(key)
    return value if isinstance(value, str) and value else None
