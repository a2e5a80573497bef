"""The gatekeeper of the framework's decision order: callers, their accounts, and what they may touch."""

from typing import Final

from crossbar_appstore.crossbar.context import BASIC, BEARER, X_AUTH_TOKEN, Context
from crossbar_appstore.crossbar.errors import BadIdentifier, ExpiredToken
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.values import MISSING, get

from . import hierarchy
from .account_checks import refuse_ended_trial
from .basic import BasicScheme
from .documents import SYSTEM_AUTH, Documents
from .identity import Identity, User, identity_of
from .restriction_check import RestrictionCheck
from .tokens import TokenExpired, TokenRefused, Tokens

_UNDEFINED: Final = "undefined"
_SYSTEM_NOUNS: Final = frozenset({"acls", "rates", "sup"})


class AuthGatekeeper:
    """Implements ``crossbar.gatekeeper.Gatekeeper`` over KAZOO's documents.

    Args:
        documents: accounts and users.
        tokens: checks JWTs.
        basic: checks Basic tokens.
        restrictions: checks token restrictions.
        writes_need_admin: whether changing anything takes an administrator (deviation D25).
    """

    def __init__(
        self,
        documents: Documents,
        tokens: Tokens,
        basic: BasicScheme,
        restrictions: RestrictionCheck,
        *,
        writes_need_admin: bool = True,
    ) -> None:
        self._documents = documents
        self._tokens = tokens
        self._basic = basic
        self._restrictions = restrictions
        self._writes_need_admin = writes_need_admin

    async def early(self, context: Context) -> None:
        """Check a JWT; a bad one leaves the caller unknown.

        Raises:
            ExpiredToken: rightly signed, past its time.
            ValidationError: the trial of the token's account has ended.
            DatastoreError: the token cannot be checked.
        """
        token = context.auth_token
        if context.auth_scheme == X_AUTH_TOKEN and token and token != _UNDEFINED:
            context.identity = await self._by_jwt(context, token)

    async def account(self, context: Context) -> None:
        """Load the account that the path names, soft-deleted or not.

        Raises:
            BadIdentifier: there is none.
            DatastoreError: it cannot be read.
        """
        account_id = context.account_id
        if account_id is None:
            return
        account = await self._documents.account(account_id)
        if account is None:
            raise BadIdentifier(cause=account_id)
        context.account = account

    async def authenticate(self, context: Context) -> None:
        """Try Basic and Bearer; a bad one leaves the caller unknown.

        Raises:
            ExpiredToken: the token that a Bearer names is past its time.
            ValidationError: the trial of the caller's account has ended.
            DatastoreError: it cannot be checked.
        """
        token = context.auth_token
        if not token:
            return
        if context.auth_scheme == BASIC:
            claims = await self._basic.claims(token)
            context.identity = await self._identity(claims) if claims is not None else None
        elif context.auth_scheme == BEARER:
            context.identity = await self._by_bearer(context, token)

    async def authorize(self, context: Context) -> bool:
        """Whether the hierarchy allows the request (``cb_simple_authz``).

        Raises:
            Forbidden: token restrictions deny it, whatever else would allow it.
        """
        identity = context.identity
        if not isinstance(identity, Identity):
            return False
        await self._restrictions.check(identity, context)
        if identity.is_superduper:
            return True
        if any(noun.name in _SYSTEM_NOUNS for noun in context.nouns):
            return False
        if context.account_id is not None:
            return hierarchy.may_address(identity, context.account_id, context.account)
        # Anybody may create an account below the own one.
        return context.verb == "PUT" and [(noun.name, len(noun.params)) for noun in context.nouns] == [("accounts", 0)]

    async def may_write(self, identity: Identity) -> bool:
        """Whether the caller may change what its account can reach (deviation D25)."""
        return not self._writes_need_admin or await self._all_admins(identity)

    async def is_account_admin(self, identity: Identity) -> bool:
        """Whether the caller is a user who administers the own account (``cb_context:is_account_admin/1``)."""
        return identity.owner_id is not None and await self._all_admins(identity)

    async def _all_admins(self, identity: Identity) -> bool:
        for user in identity.users:
            if user.owner_id is not None:
                stored = await self._documents.in_account(user.account_id, user.owner_id)
                if not hierarchy.is_account_admin(stored):
                    return False
        return True

    async def _by_jwt(self, context: Context, token: str) -> Identity | None:
        try:
            claims = await self._tokens.claims(token, context.headers.get("X-Auth-Account-ID"))
        except TokenExpired:
            raise ExpiredToken from None
        except TokenRefused:
            return None
        return await self._identity(claims)

    async def _by_bearer(self, context: Context, bearer: str) -> Identity | None:
        """The id of a document in ``system_auth`` that holds a JWT (``kz_auth_bearer``)."""
        stored = await self._documents.open_live(SYSTEM_AUTH, bearer)
        token = stored.get("Token") if stored is not None else None
        return await self._by_jwt(context, token) if isinstance(token, str) and token else None

    async def _identity(self, claims: JsonObject) -> Identity | None:
        """The identity of checked claims; None if they masquerade as somebody whom they may not be."""
        account_id: str = claims["account_id"]
        account = await self._documents.account(account_id)
        refuse_ended_trial(account)
        masked = _masquerade(claims)
        if masked is None:
            return identity_of(claims, is_superduper=hierarchy.is_superduper_admin(account))
        account = await self._descendant(masked["account_id"], account_id)
        # A mask without a user would be one that may write whoever wears it.
        if account is None or not isinstance(masked["owner_id"], str) or not masked["owner_id"]:
            return None
        owner_id = claims.get("owner_id")
        return identity_of(
            {**claims, **masked},
            is_superduper=hierarchy.is_superduper_admin(account),
            behind=User(account_id, owner_id if isinstance(owner_id, str) else None),
        )

    async def _descendant(self, account_id: Json, ancestor_id: str) -> JsonObject | None:
        """The account if it is a descendant of the other (``kapps_util:account_descendants/1``)."""
        account = live(await self._documents.account(account_id)) if isinstance(account_id, str) else None
        return account if hierarchy.is_in_account_hierarchy(ancestor_id, account) else None


def _masquerade(claims: JsonObject) -> JsonObject | None:
    """The account and user whom a token acts as; None unless it names both (``cb_token_auth:check_as_payload/3``)."""
    account_id, owner_id = get(claims, "as", "account_id"), get(claims, "as", "owner_id")
    return None if MISSING in (account_id, owner_id) else {"account_id": account_id, "owner_id": owner_id}
