"""``whitelabel/logo``, ``/icon`` and ``/welcome``: the attachments of a whitelabel document (`cb_whitelabel`)."""

from collections.abc import Sequence
from typing import ClassVar, Final

from crossbar_appstore.appstore.picture_types import ICO, attachment_name
from crossbar_appstore.auth.documents import WHITELABEL
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.crossbar.context import Context, File
from crossbar_appstore.crossbar.errors import CrossbarError
from crossbar_appstore.crossbar.negotiation import OFFERED
from crossbar_appstore.crossbar.resource import ACCEPTED, Methods
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import revision
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.values import object_at
from crossbar_appstore.resources import documents, uploads
from crossbar_appstore.resources.pictures import Pictures, attachment
from crossbar_appstore.resources.whitelabel import Whitelabels, is_public, not_found, part_names

_TYPES: Final = {
    "icon": uploads.ACCEPTED_ICONS,
    "logo": uploads.ACCEPTED_PICTURES,
    "welcome": uploads.ACCEPTED_PAGES,
}
_UPLOAD: Final = "upload"


class WhitelabelParts(Whitelabels):
    """Logo, icon and welcome page, read by account or by domain and uploaded by account, one a request."""

    uploads: ClassVar[frozenset[str]] = frozenset({"POST"})

    def __init__(self, store: Datastore, gatekeeper: AuthGatekeeper, pictures: Pictures) -> None:
        super().__init__(store, gatekeeper)
        self._pictures = pictures

    def allowed_methods(self, *params: str) -> Methods | None:
        """An account's parts are read and replaced, a domain's are read."""
        return ("GET", "POST") if len(params) == 1 else ("GET",)

    async def content_types_provided(self, context: Context, *params: str) -> Sequence[str]:
        """Offers a picture in its own type alone; JSON where there is no such picture."""
        found = await self._find(context, params) if context.verb == "GET" else None
        if found is None:
            return OFFERED
        holder, stale = found
        name = next(iter(part_names(holder.document, params[-1])), None)
        attached = attachment(holder.document, name)
        if attached is None:
            return OFFERED
        cache_control = f"{'public' if is_public(context) else 'private'}, max-age=300"
        return self._pictures.show(context.reply, holder, attached, cache_control, stale=stale)

    async def content_types_accepted(self, context: Context, *params: str) -> frozenset[str]:
        """Accepts pictures in every form that KAZOO accepts, and HTML for the welcome page."""
        return _TYPES[params[-1]] if context.verb == "POST" else ACCEPTED

    async def validate(self, context: Context, *params: str) -> None:
        """Check the request; what is read was found before."""
        part = params[-1]
        if context.verb == "GET":
            if context.reply.binary is None:
                missing = await self._find(context, params) is None
                raise not_found(context, params) if missing else CrossbarError(404, "bad identifier", [part])
            return
        account_id = documents.account_of(context)
        context.stored[_UPLOAD] = _uploaded(part, context.files)
        await documents.load_for_change(context, self._store, account_db(account_id), WHITELABEL, WHITELABEL)

    async def post(self, context: Context, *params: str) -> None:
        """Store the file in one save with the document, in place of the one that it had."""
        (part,), account_id = params, documents.account_of(context)
        upload: File = context.stored[_UPLOAD]
        name = attachment_name(part, upload.name, upload.content_type)

        def replace(document: JsonObject) -> JsonObject:
            old = part_names(document, part)
            kept = {key: stub for key, stub in object_at(document, "_attachments").items() if key not in old}
            return {**document, "_attachments": {**kept, name: uploads.inline(upload)}}

        change = documents.checked_change(context, account_id, WHITELABEL, WHITELABEL, replace)
        saved = await self._store.update(account_db(account_id), WHITELABEL, change)
        context.reply.data, context.reply.revision = {}, revision(saved)


def _uploaded(part: str, files: Sequence[File]) -> File:
    match part:
        case "welcome":
            return uploads.page(files)
        case "icon":
            return uploads.picture(files, uploads.PICTURES | {ICO})
    return uploads.picture(files)
