"""``token_auth``: what a token says, and giving it back (``cb_token_auth``)."""

from typing import ClassVar

from crossbar_appstore.auth.identity import Identity
from crossbar_appstore.auth.login import LoginReply
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import ABSENT
from crossbar_appstore.crossbar.resource import Methods, Resource

from .sessions import public_claims


class TokenAuth(Resource):
    """``GET`` and ``DELETE token_auth``, also below an account."""

    noun: ClassVar[str] = "token_auth"

    def __init__(self, login_reply: LoginReply) -> None:
        self._login_reply = login_reply

    def allowed_methods(self, *params: str) -> Methods | None:
        """Look, give back."""
        return None if params else ("DELETE", "GET")

    async def authorize(self, context: Context) -> bool:
        """Everybody may ask about the own token."""
        return len(context.nouns) == 1

    async def validate(self, context: Context, *params: str) -> None:
        """The claims and all that a login tells."""
        identity: Identity = context.identity
        if context.verb == "GET":
            context.reply.data = await self._login_reply.data(
                public_claims(identity), identity.account_id, identity.owner_id
            )

    async def delete(self, context: Context, *params: str) -> None:
        """Nothing to delete: a token is good until it expires, as it is in KAZOO."""
        context.reply.data = ABSENT
