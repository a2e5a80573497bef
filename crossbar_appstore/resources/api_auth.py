"""``api_auth``: an account logs in with its API key (``cb_api_auth``)."""

from typing import ClassVar

from crossbar_appstore.auth.login import API_AUTH, Claimant, Login
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import ValidationError
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.validation.validator import validate_coercing

from .sessions import answer_session
from .user_auth import LOGIN_COST


class ApiAuth(Resource):
    """``PUT api_auth``."""

    noun: ClassVar[str] = "api_auth"

    def __init__(self, login: Login) -> None:
        self._login = login

    def allowed_methods(self, *params: str) -> Methods | None:
        """Log in."""
        return None if params else ("PUT",)

    def rate_cost(self, context: Context) -> int:
        """A login costs twice a request."""
        return LOGIN_COST

    async def authenticate(self, context: Context) -> bool:
        """A login comes from somebody unknown."""
        return len(context.nouns) == 1

    async def authorize(self, context: Context) -> bool:
        """Anybody may try."""
        return len(context.nouns) == 1

    async def validate(self, context: Context, *params: str) -> None:
        """Look the key up."""
        data, errors = validate_coercing("api_auth", context.data)
        if errors:
            raise ValidationError(errors)
        context.stored[self.noun] = await self._login.account_of_api_key(data["api_key"])

    async def put(self, context: Context, *params: str) -> None:
        """Open the session."""
        account_id: str = context.stored[self.noun]
        session = await self._login.open_session(Claimant(API_AUTH, account_id), page_size=1)
        answer_session(context, session, found_id=account_id, page_size=1)
