"""The endpoint ``user_auth`` (`cb_user_auth`): users log in, and superduper admins impersonate other users."""

from dataclasses import replace
from typing import Any, ClassVar, Final

from crossbar_appstore.auth.credentials import MD5, Credentials
from crossbar_appstore.auth.documents import AuthDocuments
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.auth.identity import Identity
from crossbar_appstore.auth.login import USER_AUTH, Claimant, Login, LoginReply
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import AuthenticationRequired, BadIdentifier, Forbidden, ValidationError
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.resources.sessions import LOGIN_COST, answer_session, public_claims
from crossbar_appstore.validation.validator import validate_coercing

IMPERSONATE: Final = "impersonate_user"

_CLAIMANT: Final = "claimant"
_PAGE_SIZE: Final = "page_size"


class UserAuth(Resource):
    """``PUT user_auth``, ``PUT accounts/{A}/users/{U}/user_auth``, ``GET user_auth/{token}``.

    Args:
        login: checks credentials and opens sessions.
        login_reply: makes the data of login replies.
        gatekeeper: tells who is an administrator.
        documents: users.
    """

    noun: ClassVar[str] = "user_auth"

    def __init__(
        self, login: Login, login_reply: LoginReply, gatekeeper: AuthGatekeeper, documents: AuthDocuments
    ) -> None:
        self._login = login
        self._login_reply = login_reply
        self._gatekeeper = gatekeeper
        self._documents = documents

    def allowed_methods(self, *params: str) -> Methods | None:
        """A session is opened; the caller's own is shown."""
        return {0: ("PUT",), 1: ("GET",)}.get(len(params))

    def rate_cost(self, context: Context) -> int:
        """A login costs twice a request."""
        return LOGIN_COST

    async def authenticate(self, context: Context) -> bool:
        """Only a login needs no token."""
        return _is_login(context)

    async def authorize(self, context: Context) -> bool:
        """Allows logins without an ``action``, and impersonation by superduper admins."""
        if _is_login(context) and context.verb == "PUT":
            action = context.req_value("action")
            if action == IMPERSONATE:
                raise Forbidden
            return action is None
        if _impersonated(context) is not None and context.verb == "PUT":
            if not await self._may_impersonate(context):
                raise Forbidden
            return True
        return len(context.nouns) == 1 and context.verb == "GET"

    async def validate(self, context: Context, *params: str) -> None:
        """Check the credentials or the impersonation; answer a GET."""
        if params:
            context.reply.data = await self._own_session(context, params[0])
        else:
            await self._validate_login(context)

    async def put(self, context: Context, *params: str) -> None:
        """Open the session."""
        claimant: Claimant = context.stored[_CLAIMANT]
        page_size: int | None = context.stored.get(_PAGE_SIZE)
        session = await self._login.open_session(claimant, page_size=page_size)
        found_id = claimant.owner_id if page_size is not None else None
        answer_session(context, session, found_id=found_id, page_size=page_size)

    async def _validate_login(self, context: Context) -> None:
        action = context.req_value("action")
        if action is None:
            claimant, context.stored[_PAGE_SIZE] = await self._by_credentials(context), 1
        elif action == IMPERSONATE:
            claimant = await self._impersonation(context)
        else:
            message = "Value not found in enumerated list of values"
            raise ValidationError({"action": {"enum": {"message": message, "target": [IMPERSONATE], "value": action}}})
        context.stored[_CLAIMANT] = claimant

    async def _by_credentials(self, context: Context) -> Claimant:
        data, errors = validate_coercing("user_auth", context.data)
        if errors:
            raise ValidationError(errors)
        realm = data.get("account_realm", data.get("realm"))
        account_id, user_id = await self._login.user(
            Credentials(data["credentials"], data.get("method", MD5)),
            phone_number=data.get("phone_number"),
            realm=realm if isinstance(realm, str) else None,
            name=data.get("account_name"),
        )
        masquerade = data.get("as")
        return Claimant(
            USER_AUTH,
            account_id,
            user_id,
            masquerade=masquerade if isinstance(masquerade, dict) else None,
            factor_response=data.get("multi_factor_response"),
        )

    async def _impersonation(self, context: Context) -> Claimant:
        """A claimant without credentials; checks the caller again, since ``action`` works on every path of a login."""
        named = _impersonated(context)
        identity = context.identity
        if named is None or not isinstance(identity, Identity) or not await self._may_impersonate(context):
            raise Forbidden
        account_id, user_id = named
        if await self._documents.in_account(account_id, user_id) is None:
            raise BadIdentifier(cause=user_id)
        await self._login.check_account(account_id)
        original = {"original_account_id": identity.account_id, "original_owner_id": identity.owner_id}
        return replace(Claimant(USER_AUTH, account_id, user_id), original=original)

    async def _may_impersonate(self, context: Context) -> bool:
        identity = context.identity
        return (
            isinstance(identity, Identity)
            and identity.is_superduper
            and identity.account_id != context.account_id
            and await self._gatekeeper.is_account_admin(identity)
        )

    async def _own_session(self, context: Context, token: str) -> Any:
        """The data of a login, for the token that the request itself carries."""
        identity = context.identity
        if token != context.auth_token or not isinstance(identity, Identity):
            raise AuthenticationRequired
        if context.account_id != identity.account_id:
            raise Forbidden
        return await self._login_reply.data(public_claims(identity), identity.account_id, identity.owner_id)


def _is_login(context: Context) -> bool:
    return len(context.nouns) == 1 and not context.resource.params


def _impersonated(context: Context) -> tuple[str, str] | None:
    """Account and user of ``accounts/{A}/users/{U}/user_auth``; None for any other path."""
    if [(noun.name, len(noun.params)) for noun in context.nouns] != [("accounts", 1), ("users", 1), ("user_auth", 0)]:
        return None
    accounts, users, _ = context.nouns
    return accounts.params[0], users.params[0]
