"""The endpoint ``user_auth/recovery`` (`cb_user_auth`): a user who forgot the password gets a link to set a new one.

Whether there is such a user is not told, neither by the reply nor by the time that it takes.
"""

from typing import Final

from crossbar_appstore.addresses import WebAddress, is_local, web_address
from crossbar_appstore.auth.login import USER_AUTH, Claimant, Login
from crossbar_appstore.auth.password_resets import PasswordReset, PasswordResets
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import CrossbarError, Forbidden, TooManyRequests, ValidationError
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import revision, stamp_crossbar
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.resources.documents import of_type
from crossbar_appstore.resources.recovery_messages import Recoveries, Wanted
from crossbar_appstore.resources.sessions import LOGIN_COST, show_session
from crossbar_appstore.resources.user_rules import USER
from crossbar_appstore.resources.whitelabel import branding_account
from crossbar_appstore.validation.errors import missing
from crossbar_appstore.validation.validator import validate_coercing

_RETRY_AFTER: Final = 30
_FOUND: Final = "password_reset"
_WANTED: Final = "recovery"
_ANSWER: Final = "If there is such a user, a message with a link to set a new password is on its way."


class Recovery(Resource):
    """``PUT`` and ``POST user_auth/recovery``: a part of ``user_auth``.

    ``recoveries`` is None where there is no way to users without a login; ``ui_urls`` are the origins of the web client
    that links may lead to.
    """

    def __init__(
        self,
        store: Datastore,
        login: Login,
        resets: PasswordResets,
        recoveries: Recoveries | None,
        ui_urls: tuple[str, ...] | None,
    ) -> None:
        self._store = store
        self._login = login
        self._resets = resets
        self._recoveries = recoveries
        self._ui_urls = ui_urls

    def allowed_methods(self, *params: str) -> Methods | None:
        """A link is asked for, and used."""
        return ("PUT", "POST")

    def rate_cost(self, context: Context) -> int:
        """As a login."""
        return LOGIN_COST

    async def authenticate(self, context: Context) -> bool:
        """Who forgot the password has no token."""
        return len(context.nouns) == 1

    async def authorize(self, context: Context) -> bool:
        """Anybody may try."""
        return len(context.nouns) == 1

    async def validate(self, context: Context, *params: str) -> None:
        """Check the request; for POST, find the reset."""
        if context.verb == "PUT":
            if self._recoveries is None or not await self._recoveries.are_possible():
                text = "This server sends no messages: ask your administrator for a new password"
                raise CrossbarError(501, "password recovery is not configured", {"message": text})
            context.stored[_WANTED] = await self._wanted(context)
        else:
            context.stored[_FOUND] = await self._found(context)

    async def put(self, context: Context, *params: str) -> None:
        """Let the link be made and delivered; the reply is the same whether there is such a user or not."""
        await self._store.require_available()
        if self._recoveries is None or not self._recoveries.begin(context.stored[_WANTED]):
            raise TooManyRequests(_RETRY_AFTER)
        context.reply.data = _ANSWER

    async def post(self, context: Context, *params: str) -> None:
        """Use the reset up, and reply as to a login; the web client asks for a new password then."""
        reset: PasswordReset = context.stored[_FOUND]
        # Refuses what a login would be refused for, before the reset is used.
        session = await self._login.open_session(Claimant(USER_AUTH, reset.account_id, reset.user_id))
        user = await self._require_password(context, reset)
        if not await self._resets.use(reset):
            raise _unknown(reset.reset_id)
        show_session(context, session)
        context.reply.revision = revision(user)

    async def _wanted(self, context: Context) -> Wanted:
        data, errors = validate_coercing("user_auth_recovery", context.data)
        if errors:
            raise ValidationError(errors)
        # The schema says nothing of ``realm``: it may be of any type.
        realm = data.get("account_realm", data.get("realm"))
        realm, name, number = (
            realm if isinstance(realm, str) else None,
            data.get("account_name"),
            data.get("phone_number"),
        )
        if realm is None and name is None and number is None:
            rule, details = missing("account_name")
            raise ValidationError({"account_name": {rule: details}})
        page, whose = await self._known_page(context, data["ui_url"])
        return Wanted(data["username"], number, realm, name, page, whose)

    async def _known_page(self, context: Context, ui_url: str) -> tuple[WebAddress, str | None]:
        """The page that the link leads to, and the account whose domain it is on; None for an address for all.

        Whoever chooses that page gets the password of the user who follows the link. The header ``Origin`` proves
        nothing: who asks is not who follows. Raises Forbidden for other pages.
        """
        try:
            page = web_address(ui_url)
        except ValueError:
            raise _foreign(ui_url) from None
        # Only programs on the machine of both user and service could catch what is sent there.
        is_here = self._ui_urls is None and page.is_local and is_local(context.client_ip)
        if is_here or page.origin in (self._ui_urls or ()):
            return page, None
        whose = await branding_account(self._store, page.host)
        if whose is None:
            raise _foreign(page.origin)
        return page, whose

    async def _found(self, context: Context) -> PasswordReset:
        data, errors = validate_coercing("user_auth_recovery_reset", context.data)
        if errors:
            raise ValidationError(errors)
        reset = await self._resets.find(data["reset_id"])
        if reset is None:
            raise _unknown(data["reset_id"])
        if reset.expired:
            raise CrossbarError(403, "forbidden", {"message": "The link has expired: ask for another one"})
        await self._login.check_account(reset.account_id)
        return reset

    async def _require_password(self, context: Context, reset: PasswordReset) -> JsonObject:
        """Mark the user as one who must set a password; it is the web client that asks for it."""

        def change(document: JsonObject | None) -> JsonObject:
            user = {**of_type(document, reset.user_id, USER), "require_password_update": True}
            return stamp_crossbar(user, account_id=reset.account_id, request_id=context.request_id, auth=None)

        return await self._store.update(account_db(reset.account_id), reset.user_id, change)


def _foreign(ui_url: str) -> Forbidden:
    return Forbidden(details=f"ui_url is no known address of the web client: {ui_url}")


def _unknown(reset_id: str) -> ValidationError:
    message = "The link was used already, or is incomplete"
    return ValidationError({"user": {"not_found": {"message": message, "cause": reset_id}}})
