"""The endpoint ``whitelabel`` (`cb_whitelabel`): the look of the web client, by account or by the host it is at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, CrossbarError
from crossbar_appstore.crossbar.negotiation import OFFERED
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.resources import pictures
from crossbar_appstore.resources.documents import load, of_type, show
from crossbar_appstore.resources.domains import WHITELABEL, account_of_domain
from crossbar_appstore.resources.pictures import Attached, Pictures

LOGO: Final = "logo"
ICON: Final = "icon"
PARTS: Final = frozenset({LOGO, ICON, "welcome"})
"""What a whitelabel document has as attachments, named ``<part>-<file name>``."""

_PUBLIC: Final = "public, max-age=300"
_PRIVATE: Final = "private, max-age=300"
_FOUND: Final = "whitelabel"


@dataclass(frozen=True, slots=True)
class Found:
    """A whitelabel document, whose it is, and whether it is only what was known before CouchDB went away."""

    account_id: str
    document: JsonObject
    stale: bool


class Whitelabel(Resource):
    """Whitelabel documents and their pictures, for reading.

    Args:
        store: documents.
        shown: the pictures.
    """

    noun: ClassVar[str] = "whitelabel"

    def __init__(self, store: Datastore, shown: Pictures) -> None:
        self._store = store
        self._pictures = shown

    def allowed_methods(self, *params: str) -> Methods | None:
        """The account's own, or a domain's; and a part of either."""
        match params:
            case () | (_,):
                return ("GET",)
            case (_, part) if part in PARTS:
                return ("GET",)
        return None

    async def authenticate(self, context: Context) -> bool:
        """A domain's are public: the web client asks before anybody logs in."""
        return _is_public(context)

    async def authorize(self, context: Context) -> bool:
        """A domain's are public; an account's follow the hierarchy."""
        return _is_public(context)

    async def content_types_provided(self, context: Context, *params: str) -> Sequence[str]:
        """A picture's own type alone; JSON for the document, and for the refusal where there is no such picture."""
        part = _part(params)
        if part is None:
            return OFFERED
        found = await self._find(context, params)
        attached = None if found is None else _attached(found.document, part)
        if found is None or attached is None:
            return OFFERED
        reply = context.reply
        picture = self._pictures.reply(found.account_id, found.document, attached)
        reply.binary = replace(picture, cache_control=_PUBLIC if _is_public(context) else _PRIVATE)
        reply.etag, reply.stale = attached.etag, found.stale
        return (attached.content_type,)

    async def validate(self, context: Context, *params: str) -> None:
        """Answer with the document, or with the picture that was found."""
        if context.reply.binary is not None:
            return
        part = _part(params)
        found = await self._find(context, params)
        if found is None:
            raise BadIdentifier(cause=WHITELABEL if context.account_id is not None or not params else params[0])
        if part is not None:
            raise CrossbarError(404, "bad identifier", [part])
        show(context, found.document, stale=found.stale)

    async def _find(self, context: Context, params: Sequence[str]) -> Found | None:
        """The account's document, or that of the account whose domain the path names; looked for once a request."""
        if _FOUND not in context.stored:
            account_id = context.account_id
            if account_id is None and params:
                account_id = await account_of_domain(self._store, params[0])
            context.stored[_FOUND] = None if account_id is None else await self._load(account_id)
        found: Found | None = context.stored[_FOUND]
        return found

    async def _load(self, account_id: str) -> Found | None:
        try:
            known = await load(self._store, account_db(account_id), WHITELABEL, WHITELABEL)
        except BadIdentifier:
            return None
        return Found(account_id, of_type(known.document, WHITELABEL, WHITELABEL), known.stale)


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
    if part == LOGO and len(names) == 1:
        return None if names[0].startswith(ICON) else pictures.attachment(document, names[0])
    return next((pictures.attachment(document, name) for name in names if name.startswith(part)), None)
