"""Token restrictions as they are stored: of the caller's account, else of the system."""

from dataclasses import dataclass
from typing import Final

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import Forbidden
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.values import get

from . import hierarchy, restrictions
from .documents import TOKEN_RESTRICTIONS, Documents
from .identity import Identity
from .settings import Settings

CATEGORY: Final = "crossbar.token_restrictions"
DENIED: Final = "access denied by token restrictions"


@dataclass(frozen=True, slots=True)
class _Restrictions:
    by_endpoint: JsonObject | None


class RestrictionCheck:
    """Applies token restrictions to requests (``cb_token_restrictions:authorize/1``)."""

    def __init__(self, documents: Documents, settings: Settings) -> None:
        self._documents = documents
        self._settings = settings

    async def check(self, identity: Identity, context: Context) -> None:
        """Nothing if the request passes; superduper admins always do.

        Raises:
            Forbidden: it does not.
        """
        if identity.is_superduper:
            return
        by_endpoint = await self._of(identity)
        if by_endpoint is None:
            return
        noun = context.resource
        accounts = restrictions.account_names(
            identity.account_id,
            context.account_id,
            is_descendant=hierarchy.is_in_account_hierarchy(identity.account_id, context.account),
        )
        if not restrictions.permits(by_endpoint, noun.name, noun.params, context.verb, accounts):
            raise Forbidden(cause=DENIED)

    async def _of(self, identity: Identity) -> JsonObject | None:
        """What restricts the caller, by endpoint; None if nothing does."""
        by_level = await self._of_method(identity)
        if by_level is None:
            return None
        return restrictions.of_priv_level(by_level, await self._priv_level(identity))

    async def _of_method(self, identity: Identity) -> JsonObject | None:
        stored = await self._documents.in_account(identity.account_id, TOKEN_RESTRICTIONS)
        if stored is not None:
            own = restrictions.of_method(get(stored, "restrictions"), identity.method)
            if own is not None:
                return own
        for key in (identity.method, restrictions.CATCH_ALL):
            found = await self._settings.get(CATEGORY, key) if key is not None else None
            if isinstance(found, dict):
                return found
        return None

    async def _priv_level(self, identity: Identity) -> str:
        """The user's level; an account alone, or a user who is gone, has the default one."""
        if identity.owner_id is not None:
            user = await self._documents.in_account(identity.account_id, identity.owner_id)
            if user is not None:
                return hierarchy.priv_level(user)
        return await self._settings.text(CATEGORY, "default_priv_level") or hierarchy.ADMIN
