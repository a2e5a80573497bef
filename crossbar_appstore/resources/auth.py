"""``auth/tokeninfo``: whom a token stands for, asked with the token as data (``cb_auth``)."""

from typing import ClassVar, Final

from crossbar_appstore.auth.documents import AuthDocuments
from crossbar_appstore.auth.login import LoginReply
from crossbar_appstore.auth.tokens import TokenRefused, Tokens
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import CrossbarError
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.values import nonempty_text_at

TOKENINFO: Final = "tokeninfo"

_NOT_TOLD: Final = frozenset({"exp", "identity_sig", "iss", "method", "token"})


class Auth(Resource):
    """``GET`` and ``POST auth/tokeninfo``."""

    noun: ClassVar[str] = "auth"

    def __init__(self, tokens: Tokens, login_reply: LoginReply, documents: AuthDocuments) -> None:
        self._tokens = tokens
        self._login_reply = login_reply
        self._documents = documents

    def allowed_methods(self, *params: str) -> Methods | None:
        """Ask, with the token in the query string or in the data."""
        return ("GET", "POST") if params == (TOKENINFO,) else None

    async def authenticate(self, context: Context) -> bool:
        """The token asked about is proof enough."""
        return len(context.nouns) == 1

    async def authorize(self, context: Context) -> bool:
        """Anybody may ask."""
        return len(context.nouns) == 1

    async def validate(self, context: Context, *params: str) -> None:
        """Check the token and tell what a login told."""
        token = _token(context)
        try:
            claims = await self._tokens.claims(token)
        except TokenRefused as refusal:
            raise CrossbarError(refusal.code, refusal.reason, {}) from None
        account_id: str = claims["account_id"]
        owner_id = claims.get("owner_id")
        who: JsonObject = {name: value for name, value in claims.items() if name not in _NOT_TOLD}
        who["account_realm"] = nonempty_text_at(await self._documents.account(account_id), "realm")
        context.reply.data = await self._login_reply.data(
            who, account_id, owner_id if isinstance(owner_id, str) else None
        )
        context.reply.auth_token = token

    async def post(self, context: Context, *params: str) -> None:
        """Nothing is changed: the answer is that of ``validate``."""


def _token(context: Context) -> str:
    reads = context.verb == "GET"
    data = context.data if isinstance(context.data, dict) else {}
    token = context.query.get("token") if reads else data.get("token")
    if not isinstance(token, str) or not token:
        raise CrossbarError(404, f"missing token in {'params' if reads else 'request'}", {})
    return token
