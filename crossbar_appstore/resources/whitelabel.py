"""The endpoint ``whitelabel`` (`cb_whitelabel`): an account's branding of the web client, by account or by domain."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import ClassVar, Final

from crossbar_appstore.appstore.app_pictures import Holder
from crossbar_appstore.auth.documents import WHITELABEL
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, CrossbarError
from crossbar_appstore.crossbar.negotiation import OFFERED
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.ids import account_db, is_account_id
from crossbar_appstore.kazoo.values import get
from crossbar_appstore.resources.documents import load, show
from crossbar_appstore.resources.pictures import Attached, Pictures, attachment

PARTS: Final = frozenset({"icon", "logo", "welcome"})
"""What a whitelabel document has as attachments, named ``<part>-<file name>``."""

_FOUND: Final = "whitelabel"


class Whitelabel(Resource):
    """Whitelabel documents and their pictures, for reading."""

    noun: ClassVar[str] = WHITELABEL

    def __init__(self, store: Datastore, pictures: Pictures) -> None:
        self._store = store
        self._pictures = pictures

    def allowed_methods(self, *params: str) -> Methods | None:
        """The account's own document, a domain's, and the parts of either are read."""
        is_part = len(params) == 2 and params[1] in PARTS
        return ("GET",) if len(params) < 2 or is_part else None

    async def authenticate(self, context: Context) -> bool:
        """Paths with a domain are public: the web client requests them before anybody logs in."""
        return _is_public(context)

    async def authorize(self, context: Context) -> bool:
        """Paths with a domain are public; those of an account follow the hierarchy."""
        return _is_public(context)

    async def content_types_provided(self, context: Context, *params: str) -> Sequence[str]:
        """Offers a picture in its own type alone; JSON for the document, and where there is no such picture."""
        part = _part(params)
        found = None if part is None else await self._find(context, params)
        if part is None or found is None:
            return OFFERED
        holder, stale = found
        attached = _attached(holder.document, part)
        if attached is None:
            return OFFERED
        cache_control = f"{'public' if _is_public(context) else 'private'}, max-age=300"
        return self._pictures.show(context.reply, holder, attached, cache_control, stale=stale)

    async def validate(self, context: Context, *params: str) -> None:
        """Answer with the document, or with the picture that was found."""
        if context.reply.binary is not None:
            return
        part, found = _part(params), await self._find(context, params)
        if found is None:
            raise BadIdentifier(cause=WHITELABEL if context.account_id is not None or not params else params[0])
        if part is not None:
            raise CrossbarError(404, "bad identifier", [part])
        holder, stale = found
        show(context, holder.document, stale=stale)

    async def _find(self, context: Context, params: Sequence[str]) -> tuple[Holder, bool] | None:
        """The document of the account, or of the account whose domain the path names, and whether it is stale."""
        # Both callbacks want it, and it is loaded once a request.
        if _FOUND not in context.stored:
            context.stored[_FOUND] = None
            account_id = context.account_id
            if account_id is None and params:
                account_id = await account_of_domain(self._store, params[0])
            if account_id is not None:
                with suppress(BadIdentifier):
                    document, stale = await load(self._store, account_db(account_id), WHITELABEL, WHITELABEL)
                    context.stored[_FOUND] = (Holder(account_id, document), stale)
        found: tuple[Holder, bool] | None = context.stored[_FOUND]
        return found


async def account_of_domain(store: Datastore, domain: str) -> str | None:
    """The account with that domain; None if there is none, or more than one (`cb_whitelabel:find_whitelabel/2`)."""
    rows = (await store.rows("accounts", "accounts/list_by_whitelabel_domain", key=domain.lower())).rows or ()
    account_id = get(rows[0].value, "account_id") if len(rows) == 1 else None
    return account_id if is_account_id(account_id) else None


async def branding_account(store: Datastore, domain: str) -> str | None:
    """The same, if the account still has its whitelabel document."""
    account_id = await account_of_domain(store, domain)
    if account_id is None:
        return None
    document = live((await store.open(account_db(account_id), WHITELABEL)).document)
    return account_id if get(document, "pvt_type") == WHITELABEL else None


def _is_public(context: Context) -> bool:
    return context.verb == "GET" and len(context.nouns) == 1 and len(context.resource.params) > 0


def _part(params: Sequence[str]) -> str | None:
    """The part that the path ends with: ``logo`` in ``whitelabel/logo`` and in ``whitelabel/{domain}/logo``."""
    return params[-1] if params and params[-1] in PARTS else None


def _attached(document: JsonObject, part: str) -> Attached | None:
    """The attachment of a part (`cb_whitelabel:whitelabel_attachment_id/2`).

    Old documents have one attachment only, which is the logo whatever its name, unless it is an icon.
    """
    stubs = document.get("_attachments")
    names = list(stubs) if isinstance(stubs, Mapping) else []
    if part == "logo" and len(names) == 1:
        return None if names[0].startswith("icon") else attachment(document, names[0])
    return next((attachment(document, name) for name in names if name.startswith(part)), None)
