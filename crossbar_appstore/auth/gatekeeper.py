"""Authenticates and authorizes callers at their places in the decision order (``crossbar.pipeline.Gatekeeper``)."""

from typing import Final

from crossbar_appstore.crossbar.context import BASIC, BEARER, X_AUTH_TOKEN, Context
from crossbar_appstore.crossbar.errors import BadIdentifier, ExpiredToken
from crossbar_appstore.kazoo.values import string_at

from . import hierarchy
from .callers import Callers
from .credentials import BasicScheme
from .documents import SYSTEM_AUTH, AuthDocuments
from .hierarchy import Identity
from .restrictions import check_restrictions
from .tokens import TokenExpired, TokenRefused

_ACCOUNT_HEADER: Final = "X-Auth-Account-ID"
_UNDEFINED: Final = "undefined"
_SYSTEM_NOUNS: Final = frozenset({"acls", "rates", "sup"})


class AuthGatekeeper:
    """Implements ``crossbar.pipeline.Gatekeeper``, which says what the methods raise, with KAZOO's documents.

    ``writes_need_admin`` is whether every write needs an administrator (deviation D25).
    """

    def __init__(
        self,
        documents: AuthDocuments,
        callers: Callers,
        basic: BasicScheme,
        *,
        writes_need_admin: bool = True,
    ) -> None:
        self._documents = documents
        self._callers = callers
        self._basic = basic
        self._writes_need_admin = writes_need_admin

    async def early(self, context: Context) -> None:
        """Set ``context.identity`` from a JSON Web Token; an invalid token leaves it None."""
        token = context.auth_token
        # The web client sends "undefined" before its login.
        if context.auth_scheme == X_AUTH_TOKEN and token and token != _UNDEFINED:
            context.identity = await self._caller(token, context.headers.get(_ACCOUNT_HEADER))

    async def account(self, context: Context) -> None:
        """Load the account that the path names, soft-deleted or not, into ``context.account``."""
        account_id, identity = context.account_id, context.identity
        if account_id is None:
            return
        if isinstance(identity, Identity) and identity.account_id == account_id:
            context.account = identity.account
        else:
            context.account = await self._documents.account(account_id)
        if context.account is None:
            raise BadIdentifier(cause=account_id)

    async def authenticate(self, context: Context) -> None:
        """Set ``context.identity`` from a Basic or Bearer token; an invalid token leaves it None."""
        token = context.auth_token
        if token and context.auth_scheme == BASIC:
            claims = await self._basic.claims(token)
            context.identity = await self._callers.of_claims(claims) if claims is not None else None
        elif token and context.auth_scheme == BEARER:
            # The id of a document in system_auth that holds a JSON Web Token (kz_auth_bearer).
            stored = string_at(await self._documents.open_live(SYSTEM_AUTH, token), "Token")
            if stored:
                context.identity = await self._caller(stored, context.headers.get(_ACCOUNT_HEADER))

    async def authorize(self, context: Context) -> bool:
        """Whether the hierarchy of accounts allows the request (``cb_simple_authz:authorize/1``).

        Token restrictions come first; they raise ``Forbidden``, whatever else would allow the request.
        """
        identity = context.identity
        if not isinstance(identity, Identity):
            return False
        check_restrictions(identity, context)
        if identity.is_superduper:
            return True
        if any(noun.name in _SYSTEM_NOUNS for noun in context.nouns):
            return False
        if context.account_id is not None:
            return hierarchy.may_address(identity, context.account_id, context.account)
        # PUT accounts creates an account below the caller's own, which every caller may do.
        return context.verb == "PUT" and [(noun.name, len(noun.params)) for noun in context.nouns] == [("accounts", 0)]

    async def may_write(self, identity: Identity) -> bool:
        """Whether the caller may change what it may access (deviation D25)."""
        return not self._writes_need_admin or await self._all_admins(identity)

    async def is_account_admin(self, identity: Identity) -> bool:
        """Whether the caller is a user who administers its own account (``cb_context:is_account_admin/1``).

        A masquerading API key is none.
        """
        return all(user.owner_id is not None for user in identity.users) and await self._all_admins(identity)

    async def _all_admins(self, identity: Identity) -> bool:
        for user in identity.users:
            if user.owner_id is not None:
                stored = await self._documents.in_account(user.account_id, user.owner_id)
                if not hierarchy.is_account_admin(stored):
                    return False
        return True

    async def _caller(self, token: str, account_header: str | None) -> Identity | None:
        """The caller with a JSON Web Token; None if the token is not valid."""
        try:
            return await self._callers.of_token(token, account_header)
        except TokenExpired:
            raise ExpiredToken from None
        except TokenRefused:
            return None
