"""The endpoint ``user_auth`` (`cb_user_auth`): users log in, and superduper admins impersonate other users."""

from typing import ClassVar, Final

from crossbar_appstore.auth.credentials import MD5, Credentials
from crossbar_appstore.auth.documents import AuthDocuments
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.auth.hierarchy import Identity
from crossbar_appstore.auth.login import USER_AUTH, Claimant, Login
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import AuthenticationRequired, BadIdentifier, Forbidden, ValidationError
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.resources.documents import given_data
from crossbar_appstore.resources.recovery import Recovery
from crossbar_appstore.resources.recovery_messages import RECOVERY
from crossbar_appstore.resources.sessions import LOGIN_COST, open_session, session_of
from crossbar_appstore.validation.validator import validate_coercing

IMPERSONATE: Final = "impersonate_user"

_CLAIMANT: Final = "claimant"


class UserAuth(Resource):
    """``PUT user_auth``, ``PUT accounts/{A}/users/{U}/user_auth``, ``GET user_auth/{token}``; and ``recovery``."""

    noun: ClassVar[str] = "user_auth"

    def __init__(self, login: Login, gatekeeper: AuthGatekeeper, documents: AuthDocuments, recovery: Recovery) -> None:
        self._recovery = recovery
        self._login = login
        self._gatekeeper = gatekeeper
        self._documents = documents

    def part(self, *params: str) -> Resource:
        """``recovery`` is not the token of a session."""
        return self._recovery if params == (RECOVERY,) else self

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
        # A login is public, so nothing but credentials may open its session.
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
        action = context.req_value("action")
        if params:
            await self._show_own_session(context, params[0])
        elif action is None:
            context.stored[_CLAIMANT] = await self._by_credentials(context)
        elif action == IMPERSONATE:
            context.stored[_CLAIMANT] = await self._impersonation(context)
        else:
            message = "Value not found in enumerated list of values"
            raise ValidationError({"action": {"enum": {"message": message, "target": [IMPERSONATE], "value": action}}})

    async def put(self, context: Context, *params: str) -> None:
        """Open the session."""
        await open_session(context, self._login, context.stored[_CLAIMANT])

    async def _by_credentials(self, context: Context) -> Claimant:
        data, errors = validate_coercing("user_auth", given_data(context))
        if errors:
            raise ValidationError(errors)
        # The schema says nothing of ``realm`` and ``as``: they may be of any type.
        realm, masquerade = data.get("account_realm", data.get("realm")), data.get("as")
        account_id, user_id = await self._login.user(
            Credentials(data["credentials"], data.get("method", MD5)),
            phone_number=data.get("phone_number"),
            realm=realm if isinstance(realm, str) else None,
            name=data.get("account_name"),
        )
        return Claimant(
            USER_AUTH,
            account_id,
            user_id,
            masquerade=masquerade if isinstance(masquerade, dict) else None,
            factor_response=data.get("multi_factor_response"),
        )

    async def _impersonation(self, context: Context) -> Claimant:
        """A claimant without credentials; checks the caller again, since ``action`` works on every path of a login."""
        named, identity = _impersonated(context), context.identity
        if named is None or not isinstance(identity, Identity) or not await self._may_impersonate(context):
            raise Forbidden
        account_id, user_id = named
        if await self._documents.in_account(account_id, user_id) is None:
            raise BadIdentifier(cause=user_id)
        await self._login.check_account(account_id)
        original = {"original_account_id": identity.account_id, "original_owner_id": identity.owner_id}
        return Claimant(USER_AUTH, account_id, user_id, original=original)

    async def _may_impersonate(self, context: Context) -> bool:
        identity = context.identity
        return (
            isinstance(identity, Identity)
            and identity.is_superduper
            and identity.account_id != context.account_id
            and await self._gatekeeper.is_account_admin(identity)
        )

    async def _show_own_session(self, context: Context, token: str) -> None:
        """Reply with the data of a login, for the token that the request itself carries."""
        identity = context.identity
        if token != context.auth_token or not isinstance(identity, Identity):
            raise AuthenticationRequired
        if context.account_id != identity.account_id:
            raise Forbidden
        context.reply.data = await session_of(self._login, identity)


def _is_login(context: Context) -> bool:
    return len(context.nouns) == 1 and not context.resource.params


def _impersonated(context: Context) -> tuple[str, str] | None:
    """Account and user of ``accounts/{A}/users/{U}/user_auth``; None for any other path."""
    if [(noun.name, len(noun.params)) for noun in context.nouns] != [("accounts", 1), ("users", 1), ("user_auth", 0)]:
        return None
    accounts, users, _ = context.nouns
    return accounts.params[0], users.params[0]
