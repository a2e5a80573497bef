"""``apps_store/marketplace``: 2600Hz's shop, answered as on a system that is not connected to it."""

from typing import Any, Final

from crossbar_appstore.auth.identity import Identity
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import CrossbarError, Forbidden, NotFound, ValidationError
from crossbar_appstore.crossbar.resource import Methods, Resource

MARKETPLACE: Final = "marketplace"

_ACTIONS: Final = frozenset({"enable", "disable", "link", "unlink", "update"})


class Marketplace(Resource):
    """For superduper admins, who learn that there is none."""

    def allowed_methods(self, *params: str) -> Methods | None:
        """Its settings, and actions on them."""
        return ("GET", "PATCH")

    async def authorize(self, context: Context) -> bool:
        """Superduper admins, and nobody else (`cb_apps_store:authorize/2`)."""
        identity = context.identity
        if not isinstance(identity, Identity) or not identity.is_superduper:
            raise Forbidden
        return True

    async def validate(self, context: Context, *params: str) -> None:
        """Refuse (`cb_apps_store:validate_market_action/2`)."""
        if context.verb == "PATCH":
            _check_action(context.req_value("action"))
        raise NotFound


def _check_action(action: Any) -> None:
    if action is None:
        raise ValidationError({"action": {"required": {"message": "action is required but it is missing"}}})
    if not isinstance(action, str) or action not in _ACTIONS:
        raise CrossbarError(400, "bad_request", {"message": "invalid action"})
