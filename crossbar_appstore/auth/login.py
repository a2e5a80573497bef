"""Logins: from credentials to a token and the data that clients start their session with (``crossbar_auth``)."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crossbar_appstore.crossbar.errors import AuthenticationRequired, CrossbarError, ValidationError
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import DEFAULT_LANGUAGE
from crossbar_appstore.kazoo.values import MISSING, get, is_true, nonempty_text_at

from . import hierarchy
from .credentials import Credentials, Directory
from .documents import AuthDocuments, AuthSettings, SecondFactor
from .hierarchy import Identity, identity_of
from .tokens import Tokens

USER_AUTH: Final = "cb_user_auth"

_UI_SETTINGS: Final = (
    ("provisioner", "provisioner", "provisioning_url"),
    ("mobile", "mobile", "url"),
    ("kazoo_websocket", "blackhole", "url"),
    ("webrtc_websocket", "webrtc", "url"),
    ("phonebook", "phonebook", "url"),
    ("cluster_manager", "cluster_manager", "url"),
)
"""Member of ``ui_config.api``, category and key of the setting that holds its URL."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """An authenticated user of an account, or an account (``owner_id`` None), for whom to issue a token.

    ``masquerade`` and ``factor_response`` are the claims ``as`` and ``mfa_resp``, unverified as the client sent them.
    ``original`` has the claims of an impersonation, which needs no second factor.
    """

    method: str
    account_id: str
    owner_id: str | None = None
    masquerade: JsonObject | None = None
    factor_response: Json = None
    original: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Session:
    """The result of a login: the token, its identity, and the data of the reply."""

    token: str
    identity: Identity
    data: JsonObject


class Login:
    """Verifies credentials, opens sessions, and makes the data of login replies.

    ``apps`` gives the apps that a user of an account may use, or the account itself without one. The methods raise
    ``DatastoreError`` if CouchDB cannot be read.
    """

    def __init__(
        self,
        documents: AuthDocuments,
        directory: Directory,
        settings: AuthSettings,
        tokens: Tokens,
        apps: Callable[[str, str | None], Awaitable[Sequence[JsonObject]]],
    ) -> None:
        self._documents = documents
        self._directory = directory
        self._settings = settings
        self._tokens = tokens
        self._apps = apps

    async def user(
        self, credentials: Credentials, *, phone_number: str | None, realm: str | None, name: str | None
    ) -> tuple[str, str]:
        """Account id and user id of the user with these credentials (``cb_user_auth:maybe_authenticate_user/1``).

        The account is found by the phone number, the realm or the name, in this order.

        Raises:
            AuthenticationRequired: there is no such user or no such account.
            ValidationError: the account's trial has ended, or it is disabled.
        """
        accounts = await self.accounts(phone_number, realm, name)
        # Realms and names may be shared: the first account that has such a user is the one that is meant.
        for account_id in accounts:
            if found := await self._directory.users(account_id, credentials):
                await self.check_account(account_id, page_size=len(found))
                return account_id, found[0]
        # Crossbar's reply has the size of the search for users only if exactly one account was searched.
        raise _with_page_size(AuthenticationRequired(), 0 if len(accounts) == 1 else None)

    async def account_of_api_key(self, api_key: str) -> str:
        """Id of the account with that API key; raises ``CrossbarError`` 404 if there is none."""
        account_id = await self._directory.account_by_api_key(api_key)
        if account_id is None:
            raise _with_page_size(CrossbarError(404, "bad identifier", [api_key]), 0)
        return account_id

    async def check_account(self, account_id: str, *, page_size: int | None = None) -> None:
        """Raise ``ValidationError`` if users of the account may not log in: its trial has ended, or it is disabled."""
        account = await self._documents.account(account_id)
        try:
            # An account whose trial has ended is refused for that, enabled or not.
            hierarchy.refuse_expired_trial(account)
            if not hierarchy.is_enabled(account):
                raise ValidationError({"account": {"disabled": {"message": "account disabled"}}})
        except ValidationError as error:
            raise _with_page_size(error, page_size) from None

    async def open_session(self, claimant: Claimant) -> Session:
        """Issue a token for an authenticated claimant and make the reply (``crossbar_auth:create_auth_token/2``).

        Raises:
            CrossbarError: 401, the login method is disabled, or a second factor is required.
            DatastoreFault: there is no key to sign with.
        """
        # No view was queried to find an impersonated user, so Crossbar's refusal has no page size then.
        page_size = None if claimant.original else 1
        policy = await self._settings.login_policy(claimant.account_id, claimant.method)
        if not policy.enabled:
            raise _with_page_size(CrossbarError(401, "invalid credentials", {}), page_size)
        # An administrator who impersonates a user does not have the user's second factor.
        if policy.second_factor is not None and not claimant.original:
            raise _with_page_size(_second_factor_required(policy.second_factor), page_size)
        expires = None if policy.expiry is None else int(time.time()) + policy.expiry
        # In the order in which Crossbar issues the claims.
        stated: dict[str, Json] = {
            "account_id": claimant.account_id,
            "owner_id": claimant.owner_id,
            "as": claimant.masquerade,
            "method": claimant.method,
            "exp": expires,
            "mfa_resp": claimant.factor_response or None,
            **claimant.original,
        }
        claims = {name: value for name, value in stated.items() if value is not None}
        token = await self._tokens.issue(claims)
        identity = identity_of(claims, await self._documents.account(claimant.account_id))
        who = {"owner_id": claimant.owner_id, "account_id": claimant.account_id}
        return Session(token, identity, await self.reply_data(who, claimant.account_id, claimant.owner_id))

    async def reply_data(self, who: Mapping[str, Json], account_id: str, owner_id: str | None) -> JsonObject:
        """``who`` (ids or claims), then what a client needs to start a session (``crossbar_util:response_auth/3``)."""
        about = await self.account_data(account_id, owner_id)
        voicemail = await self._documents.store.config.get("callflow", "voicemail")
        transcription = {
            "default": is_true(get(voicemail, "transcribe_default")),
            "available": False,  # speech recognition is not a part of this service
        }
        # In the order in which Crossbar shows the members.
        reply: dict[str, Json] = {
            **who,
            "ui_config": await self._ui_config(),
            "capabilities": {"voicemail": {"transcription": transcription}},
            "is_master_account": about["is_master"],
            "is_reseller": about["is_reseller"],
            "reseller_id": about.get("reseller_id"),
            "cluster_id": await self._settings.text("cluster", "cluster_id"),
            "account_name": about.get("account_name"),
            "language": about.get("language"),
            "apps": await self.apps(account_id, owner_id),
        }
        return {name: value for name, value in reply.items() if value is not None}

    async def account_data(self, account_id: str, owner_id: str | None = None) -> JsonObject:
        """What clients are told about an account, in the language of its user (``cb_apps_link:account_info/1``)."""
        account = await self._documents.account(account_id)
        about: dict[str, Json] = {
            "account_name": nonempty_text_at(account, "name"),
            "language": await self.language(account, account_id, owner_id),
            "is_reseller": await self._documents.is_reseller(account_id),
            "reseller_id": await self._documents.reseller_id(account_id),
            "is_master": account_id == await self._documents.master_account_id(),
        }
        return {name: value for name, value in about.items() if value is not None}

    async def apps(self, account_id: str, owner_id: str | None) -> list[Json]:
        """The apps that a user of an account may use, or without one the account (``crossbar_util:load_apps/2``)."""
        return list(await self._apps(account_id, owner_id))

    async def language(self, account: JsonObject | None, account_id: str, owner_id: str | None) -> Json:
        """The user's, else the account's, else the system's (``crossbar_util:get_language/2``)."""
        if owner_id is not None:
            language = get(await self._documents.in_account(account_id, owner_id), "language")
            if language is not MISSING:
                return language
        language = nonempty_text_at(account, "language")
        return language or await self._settings.text("crossbar", "default_language") or DEFAULT_LANGUAGE

    async def _ui_config(self) -> JsonObject:
        urls = {member: await self._settings.text(category, key) for member, category, key in _UI_SETTINGS}
        api = {member: {"url": url} for member, url in urls.items() if url is not None}
        return {"api": api} if api else {}

    async def accounts(self, phone_number: str | None, realm: str | None, name: str | None) -> Sequence[str]:
        """Ids by phone number, else by realm, else by name (``cb_user_auth:find_account/4``)."""
        if phone_number and (account_id := await self._directory.account_by_number(phone_number)) is not None:
            return [account_id]
        if realm is not None and (found := await self._directory.accounts_by_realm(realm)):
            return found
        return await self._directory.accounts_by_name(name) if name is not None else []


def _second_factor_required(factor: SecondFactor) -> CrossbarError:
    """The refusal of a login with a second factor: we have no provider, so the client can only log in at KAZOO."""
    if not factor.enabled:
        return AuthenticationRequired()
    # The spelling is KAZOO's.
    message = "client needs to preform second-factor authentication"
    request = {"provider_name": factor.provider}
    return CrossbarError(401, "invalid_credentials", {"message": message, "multi_factor_request": request})


def _with_page_size(error: CrossbarError, page_size: int | None) -> CrossbarError:
    error.page_size = page_size
    return error
