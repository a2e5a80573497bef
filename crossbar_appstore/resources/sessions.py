"""Endpoints about sessions, other than ``user_auth``: ``api_auth``, ``token_auth``, ``auth`` and ``apps_link``.

``api_auth`` logs an account in with its API key (`cb_api_auth`), ``token_auth`` shows the claims of the caller's token
(`cb_token_auth`), ``auth/tokeninfo`` shows those of a token in the request's data (`cb_auth`), ``apps_link/authorize``
tells an app who its user is (`cb_apps_link`).
"""

from typing import ClassVar, Final

from crossbar_appstore.auth.documents import AuthDocuments
from crossbar_appstore.auth.hierarchy import Identity
from crossbar_appstore.auth.login import Claimant, Login, Session
from crossbar_appstore.auth.tokens import API_AUTH, TokenRefused, Tokens
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import ABSENT, CrossbarError, ValidationError
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_private_key
from crossbar_appstore.kazoo.values import nonempty_text_at, string_at
from crossbar_appstore.resources.documents import AUTOMATIC, caller_of, given_data
from crossbar_appstore.validation.validator import validate_coercing

LOGIN_COST: Final = 2
"""Rate-limit tokens that a login takes; other requests take one."""

_HIDDEN_CLAIMS: Final = frozenset({"exp", "identity_sig", "iss", "method", "token"})


async def open_session(context: Context, login: Login, claimant: Claimant) -> None:
    """Reply with a new session; the caller is authenticated from here on."""
    show_session(context, await login.open_session(claimant))
    reply = context.reply
    # Crossbar also shows the view query that found the claimant; there is none for an impersonation.
    if not claimant.original:
        reply.page_size, reply.revision = 1, AUTOMATIC
        reply.location = f"{context.path.rstrip('/')}/{claimant.owner_id or claimant.account_id}"


def show_session(context: Context, session: Session) -> None:
    """Reply with a session's token and data."""
    context.identity = session.identity
    context.reply.auth_token, context.reply.data = session.token, session.data


async def session_of(login: Login, identity: Identity) -> JsonObject:
    """The claims of the caller's token, in alphabetical order, and the data of a login."""
    claims = {name: identity.claims[name] for name in sorted(identity.claims) if not is_private_key(name)}
    return await login.reply_data(claims, identity.account_id, identity.owner_id)


class ApiAuth(Resource):
    """``PUT api_auth``."""

    noun: ClassVar[str] = "api_auth"

    def __init__(self, login: Login) -> None:
        self._login = login

    def allowed_methods(self, *params: str) -> Methods | None:
        """A session is opened."""
        return None if params else ("PUT",)

    def rate_cost(self, context: Context) -> int:
        """A login costs twice a request."""
        return LOGIN_COST

    async def authenticate(self, context: Context) -> bool:
        """A login needs no token."""
        return len(context.nouns) == 1

    async def authorize(self, context: Context) -> bool:
        """Anybody may try."""
        return len(context.nouns) == 1

    async def validate(self, context: Context, *params: str) -> None:
        """Find the account that has the key."""
        data, errors = validate_coercing("api_auth", given_data(context))
        if errors:
            raise ValidationError(errors)
        context.stored[self.noun] = await self._login.account_of_api_key(data["api_key"])

    async def put(self, context: Context, *params: str) -> None:
        """Open the session."""
        await open_session(context, self._login, Claimant(API_AUTH, context.stored[self.noun]))


class TokenAuth(Resource):
    """``GET`` and ``DELETE token_auth``, also below an account."""

    noun: ClassVar[str] = "token_auth"

    def __init__(self, login: Login) -> None:
        self._login = login

    def allowed_methods(self, *params: str) -> Methods | None:
        """The caller's token is shown, or given back."""
        return None if params else ("DELETE", "GET")

    async def authorize(self, context: Context) -> bool:
        """Every caller may ask about its own token."""
        return len(context.nouns) == 1

    async def validate(self, context: Context, *params: str) -> None:
        """Answer a GET with the claims, and with the data of a login."""
        if context.verb == "GET":
            context.reply.data = await session_of(self._login, caller_of(context))

    async def delete(self, context: Context, *params: str) -> None:
        """Delete nothing: a token is valid until it expires, as in KAZOO."""
        context.reply.data = ABSENT


class Auth(Resource):
    """``GET`` and ``POST auth/tokeninfo``; both only read."""

    noun: ClassVar[str] = "auth"

    def __init__(self, tokens: Tokens, login: Login, documents: AuthDocuments) -> None:
        self._tokens = tokens
        self._login = login
        self._documents = documents

    def allowed_methods(self, *params: str) -> Methods | None:
        """The token is in the query string of a GET, or in the data of a POST."""
        return ("GET", "POST") if params == ("tokeninfo",) else None

    async def authenticate(self, context: Context) -> bool:
        """The token that the request is about suffices."""
        return len(context.nouns) == 1

    async def authorize(self, context: Context) -> bool:
        """Anybody may ask."""
        return len(context.nouns) == 1

    async def validate(self, context: Context, *params: str) -> None:
        """Verify the token and answer with its claims, and with the data of a login."""
        reads = context.verb == "GET"
        token = string_at(dict(context.query) if reads else context.data, "token")
        if not token:
            raise CrossbarError(404, f"missing token in {'params' if reads else 'request'}", {})
        try:
            claims = (await self._tokens.verify(token, self._documents.store.read())).claims
        except TokenRefused as refusal:
            raise CrossbarError(refusal.code, refusal.reason, {}) from None
        account_id: str = claims["account_id"]
        shown: JsonObject = {name: value for name, value in claims.items() if name not in _HIDDEN_CLAIMS}
        shown["account_realm"] = nonempty_text_at(await self._documents.account(account_id), "realm")
        context.reply.data = await self._login.reply_data(shown, account_id, string_at(claims, "owner_id"))
        context.reply.auth_token = token

    async def post(self, context: Context, *params: str) -> None:
        """Change nothing: ``validate`` has answered."""


class AppsLink(Resource):
    """``GET apps_link/authorize``, also below an account."""

    noun: ClassVar[str] = "apps_link"

    def __init__(self, login: Login) -> None:
        self._login = login

    def allowed_methods(self, *params: str) -> Methods | None:
        """The caller and the account are shown."""
        return ("GET",) if params == ("authorize",) else None

    async def authorize(self, context: Context) -> bool:
        """Every caller may ask about itself; an account in the path follows the hierarchy."""
        return len(context.nouns) == 1

    async def validate(self, context: Context, *params: str) -> None:
        """Answer with the token's account, user and apps, and with the account in the path, else the token's."""
        identity = caller_of(context)
        own_id, owner_id = identity.account_id, identity.owner_id
        account_id = context.account_id or own_id
        user: dict[str, Json] = {
            "account_id": own_id,
            "owner_id": owner_id,
            "method": identity.method,
            **await self._login.account_data(own_id, owner_id),
            "apps": await self._login.apps(own_id, owner_id),
        }
        context.reply.data = {
            "auth_token": {name: value for name, value in user.items() if value is not None},
            "account": {"account_id": account_id, **await self._login.account_data(account_id)},
        }
