"""Logging in: from credentials to a token and the reply that clients build their session on (``crossbar_auth``)."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crossbar_appstore.crossbar.errors import AuthenticationRequired, CrossbarError, DatastoreFault, ValidationError
from crossbar_appstore.json_codec import Json, JsonObject

from . import hierarchy
from .account_checks import refuse_disabled, refuse_ended_trial
from .credentials import Credentials, Directory
from .documents import Documents
from .identity import Identity, identity_of
from .login_policy import LoginPolicies, SecondFactor
from .login_reply import LoginReply
from .tokens import SYSTEM_KEY, NoSigningKey, Tokens

USER_AUTH: Final = "cb_user_auth"
API_AUTH: Final = "cb_api_auth"


class InvalidCredentials(AuthenticationRequired):
    """401; ``page_size`` tells, as in Crossbar, whether an account was looked into."""

    def __init__(self, page_size: int | None = None) -> None:
        super().__init__()
        self.page_size = page_size


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who asks for a token, already checked: a user of an account, or an account (``owner_id`` None).

    ``masks`` are claims that the client asks for unchecked (``as``, ``mfa_resp``); ``original`` are those of an
    impersonation, which needs no second factor.
    """

    method: str
    account_id: str
    owner_id: str | None = None
    masquerade: JsonObject | None = None
    factor_response: Json = None
    original: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Session:
    """What a login gives: the token, whom it stands for, and the data of the reply."""

    token: str
    identity: Identity
    data: JsonObject


@dataclass(frozen=True, slots=True)
class AccountQuery:
    """By what a client names its account; at least one, tried in this order."""

    phone_number: str | None = None
    realm: str | None = None
    name: str | None = None


class Login:
    """Checks credentials and opens sessions.

    Args:
        documents: accounts and users.
        directory: finds them.
        policies: what the account's settings say about logins.
        tokens: issues the token.
        reply: makes the data of the reply.
        clock: Unix seconds.
    """

    def __init__(
        self,
        documents: Documents,
        directory: Directory,
        policies: LoginPolicies,
        tokens: Tokens,
        reply: LoginReply,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._documents = documents
        self._directory = directory
        self._policies = policies
        self._tokens = tokens
        self._reply = reply
        self._clock = clock

    async def user(self, query: AccountQuery, credentials: Credentials) -> tuple[str, str]:
        """Account id and user id of whoever has these credentials (``cb_user_auth:maybe_authenticate_user/1``).

        Raises:
            InvalidCredentials: nobody, or the account is unknown.
            ValidationError: the account's trial has ended, or it is disabled.
        """
        accounts = await self._find_accounts(query)
        for account_id in accounts:
            found = await self._directory.users(account_id, credentials)
            if found:
                await self.check_account(account_id, page_size=len(found))
                return account_id, found[0]
        # Only where the name was unambiguous does Crossbar's reply keep the size of the search.
        raise InvalidCredentials(0 if len(accounts) == 1 else None)

    async def account_of_api_key(self, api_key: str) -> str:
        """Id of the account with that API key.

        Raises:
            CrossbarError: 404, none has it.
        """
        account_id = await self._directory.account_by_api_key(api_key)
        if account_id is None:
            error = CrossbarError(404, "bad identifier", [api_key])
            error.page_size = 0
            raise error
        return account_id

    async def check_account(self, account_id: str, *, page_size: int | None = None) -> None:
        """Nothing if users of the account may log in.

        Raises:
            ValidationError: its trial has ended, or it is disabled.
        """
        account = await self._documents.account(account_id)
        try:
            refuse_ended_trial(account)
            refuse_disabled(account)
        except ValidationError as refusal:
            refusal.page_size = page_size
            raise

    async def open_session(self, claimant: Claimant, *, page_size: int | None = None) -> Session:
        """A token for a checked claimant, and its reply (``crossbar_auth:create_auth_token/2``).

        Raises:
            CrossbarError: 401, the login method is switched off, or a second factor is needed that we cannot check.
            DatastoreFault: there is no key to sign with.
        """
        policy = await self._policies.of(claimant.account_id, claimant.method)
        if not policy.enabled:
            raise _refused(CrossbarError(401, "invalid credentials", {}), page_size)
        if policy.second_factor is not None and not claimant.original:
            raise _refused(_second_factor_needed(policy.second_factor), page_size)
        expires = None if policy.expiry is None else int(self._clock()) + policy.expiry
        claims = _claims(claimant, expires)
        try:
            token = await self._tokens.issue(claims)
        except NoSigningKey:
            raise DatastoreFault(SYSTEM_KEY) from None
        account = await self._documents.account(claimant.account_id)
        identity = identity_of(claims, is_superduper=hierarchy.is_superduper_admin(account))
        who = {"account_id": claimant.account_id}
        if claimant.owner_id is not None:
            who = {"owner_id": claimant.owner_id, **who}
        return Session(token, identity, await self._reply.data(who, claimant.account_id, claimant.owner_id))

    async def _find_accounts(self, query: AccountQuery) -> Sequence[str]:
        """By phone number, else by realm, else by name (``cb_user_auth:find_account/4``)."""
        if query.phone_number:
            account_id = await self._directory.account_by_number(query.phone_number)
            if account_id is not None:
                return [account_id]
        if query.realm is not None:
            found = await self._directory.accounts_by_realm(query.realm)
            if found:
                return found
        return await self._directory.accounts_by_name(query.name) if query.name is not None else []


def _claims(claimant: Claimant, expires: int | None) -> JsonObject:
    """The claims in the order in which Crossbar issues them."""
    claims: dict[str, Json] = {
        "account_id": claimant.account_id,
        "owner_id": claimant.owner_id,
        "as": claimant.masquerade,
        "method": claimant.method,
        "exp": expires,
        "mfa_resp": claimant.factor_response or None,
        **claimant.original,
    }
    return {name: value for name, value in claims.items() if value is not None}


def _second_factor_needed(factor: SecondFactor) -> CrossbarError:
    """We have no provider's module, so no answer of the client can satisfy us: it can only log in at KAZOO."""
    if not factor.enabled:
        return AuthenticationRequired()
    return CrossbarError(
        401,
        "invalid_credentials",
        {
            "message": "client needs to preform second-factor authentication",
            "multi_factor_request": {"provider_name": factor.provider},
        },
    )


def _refused(error: CrossbarError, page_size: int | None) -> CrossbarError:
    error.page_size = page_size
    return error
