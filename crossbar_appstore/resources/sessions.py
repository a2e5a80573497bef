"""Endpoints about sessions, other than ``user_auth``: ``api_auth``, ``token_auth`` and ``auth``.

``api_auth`` logs an account in with its API key (`cb_api_auth`), ``token_auth`` shows the claims of the caller's token
(`cb_token_auth`), ``auth/tokeninfo`` shows those of a token in the request's data (`cb_auth`).
"""

from typing import ClassVar, Final

from crossbar_appstore.auth.documents import AuthDocuments
from crossbar_appstore.auth.identity import Identity
from crossbar_appstore.auth.login import API_AUTH, Claimant, Login, LoginReply, Session
from crossbar_appstore.auth.tokens import TokenRefused, Tokens
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import ABSENT, CrossbarError, ValidationError
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import is_private_key
from crossbar_appstore.kazoo.values import nonempty_text_at
from crossbar_appstore.resources.documents import AUTOMATIC, caller_of
from crossbar_appstore.validation.validator import validate_coercing

LOGIN_COST: Final = 2
"""Rate-limit tokens that a login takes; other requests take one."""

_TOKENINFO: Final = "tokeninfo"
_HIDDEN_CLAIMS: Final = frozenset({"exp", "identity_sig", "iss", "method", "token"})


def answer_session(context: Context, session: Session, *, found_id: str | None, page_size: int | None) -> None:
    """Reply with a new session; the caller is authenticated from here on.

    ``found_id`` and ``page_size`` are of the view query that found the claimant, None where there was none: Crossbar
    shows them in its reply.
    """
    context.identity = session.identity
    reply = context.reply
    reply.auth_token = session.token
    reply.data = session.data
    reply.page_size = page_size
    if found_id is not None:
        reply.revision = AUTOMATIC
        reply.location = f"{context.path.rstrip('/')}/{found_id}"


def public_claims(identity: Identity) -> JsonObject:
    """The claims of the caller's token, in alphabetical order."""
    return {name: identity.claims[name] for name in sorted(identity.claims) if not is_private_key(name)}


class ApiAuth(Resource):
    """``PUT api_auth``.

    Args:
        login: checks credentials and opens sessions.
    """

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
        data, errors = validate_coercing("api_auth", context.data)
        if errors:
            raise ValidationError(errors)
        context.stored[self.noun] = await self._login.account_of_api_key(data["api_key"])

    async def put(self, context: Context, *params: str) -> None:
        """Open the session."""
        account_id: str = context.stored[self.noun]
        session = await self._login.open_session(Claimant(API_AUTH, account_id), page_size=1)
        answer_session(context, session, found_id=account_id, page_size=1)


class TokenAuth(Resource):
    """``GET`` and ``DELETE token_auth``, also below an account.

    Args:
        login_reply: makes the data of login replies.
    """

    noun: ClassVar[str] = "token_auth"

    def __init__(self, login_reply: LoginReply) -> None:
        self._login_reply = login_reply

    def allowed_methods(self, *params: str) -> Methods | None:
        """The caller's token is shown, or given back."""
        return None if params else ("DELETE", "GET")

    async def authorize(self, context: Context) -> bool:
        """Every caller may ask about its own token."""
        return len(context.nouns) == 1

    async def validate(self, context: Context, *params: str) -> None:
        """Answer a GET with the claims, and with the data of a login."""
        if context.verb == "GET":
            identity = caller_of(context)
            context.reply.data = await self._login_reply.data(
                public_claims(identity), identity.account_id, identity.owner_id
            )

    async def delete(self, context: Context, *params: str) -> None:
        """Delete nothing: a token is valid until it expires, as in KAZOO."""
        context.reply.data = ABSENT


class Auth(Resource):
    """``GET`` and ``POST auth/tokeninfo``; both only read.

    Args:
        tokens: verifies tokens.
        login_reply: makes the data of login replies.
        documents: accounts.
    """

    noun: ClassVar[str] = "auth"

    def __init__(self, tokens: Tokens, login_reply: LoginReply, documents: AuthDocuments) -> None:
        self._tokens = tokens
        self._login_reply = login_reply
        self._documents = documents

    def allowed_methods(self, *params: str) -> Methods | None:
        """The token is in the query string of a GET, or in the data of a POST."""
        return ("GET", "POST") if params == (_TOKENINFO,) else None

    async def authenticate(self, context: Context) -> bool:
        """The token that the request is about suffices."""
        return len(context.nouns) == 1

    async def authorize(self, context: Context) -> bool:
        """Anybody may ask."""
        return len(context.nouns) == 1

    async def validate(self, context: Context, *params: str) -> None:
        """Verify the token and answer with its claims, and with the data of a login."""
        token = _token(context)
        try:
            claims = await self._tokens.claims(token)
        except TokenRefused as refusal:
            raise CrossbarError(refusal.code, refusal.reason, {}) from None
        account_id: str = claims["account_id"]
        owner_id = claims.get("owner_id")
        shown: JsonObject = {name: value for name, value in claims.items() if name not in _HIDDEN_CLAIMS}
        shown["account_realm"] = nonempty_text_at(await self._documents.account(account_id), "realm")
        context.reply.data = await self._login_reply.data(
            shown, account_id, owner_id if isinstance(owner_id, str) else None
        )
        context.reply.auth_token = token

    async def post(self, context: Context, *params: str) -> None:
        """Change nothing: ``validate`` has answered."""


def _token(context: Context) -> str:
    reads = context.verb == "GET"
    data = context.data if isinstance(context.data, dict) else {}
    token = context.query.get("token") if reads else data.get("token")
    if not isinstance(token, str) or not token:
        raise CrossbarError(404, f"missing token in {'params' if reads else 'request'}", {})
    return token
