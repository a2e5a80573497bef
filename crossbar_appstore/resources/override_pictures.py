"""``apps_store/{id}/override/icon`` and ``…/screenshot``: the pictures of an account's branding (`cb_apps_store`)."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from crossbar_appstore.appstore import app_overrides
from crossbar_appstore.appstore.app_pictures import pictures_of, screenshot_name
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, ValidationError
from crossbar_appstore.crossbar.negotiation import OFFERED
from crossbar_appstore.crossbar.resource import ACCEPTED, Methods, Resource
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import DEFAULT_LANGUAGE
from crossbar_appstore.resources import prefixes, uploads
from crossbar_appstore.resources.app_pictures import REVALIDATED, find_picture, no_attachment
from crossbar_appstore.resources.documents import account_of
from crossbar_appstore.resources.override_storage import OverrideStorage
from crossbar_appstore.resources.pictures import Pictures
from crossbar_appstore.resources.uploads import Upload

_UPLOAD: Final = "upload"


class OverridePictures(Resource):
    """One picture at a time. In front of the path ``i18n/{language}`` says for which language, else it is English.

    Args:
        storage: of overrides.
        shown: the pictures.
    """

    def __init__(self, storage: OverrideStorage, shown: Pictures) -> None:
        self._storage = storage
        self._shown = shown

    def allowed_methods(self, *params: str) -> Methods | None:
        """There is one icon, screenshots are added to a list."""
        match params[2:]:
            case ("icon",):
                return ("GET", "POST", "DELETE")
            case ("screenshot",):
                return ("POST",)
            case ("screenshot", _):
                return ("GET", "DELETE")
        return None

    async def content_types_provided(self, context: Context, *params: str) -> Sequence[str]:
        """A picture's own type alone; JSON for everything else."""
        if context.verb != "GET" or context.account_id is None:
            return OFFERED
        try:
            known = await self._storage.load(context, params[0])
        except BadIdentifier:
            return OFFERED
        pictures = pictures_of(known.document or {}, context.account_id)
        found = find_picture(pictures, params[2], _key(params), _language(context))
        if found is None:
            return OFFERED
        holder, attached = found
        reply = context.reply
        picture = self._shown.reply(holder.account_id, holder.document, attached)
        reply.binary = replace(picture, cache_control=REVALIDATED)
        reply.etag, reply.stale = attached.etag, known.stale
        return (attached.content_type,)

    async def content_types_accepted(self, context: Context, *params: str) -> frozenset[str]:
        """Pictures, in whatever form they are sent."""
        return uploads.UPLOADED if context.verb == "POST" else ACCEPTED

    async def validate(self, context: Context, *params: str) -> None:
        """Check the request; a picture that is read was found before."""
        account_of(context)
        app_id, kind, key = params[0], params[2], _key(params)
        if context.verb == "GET":
            if context.reply.binary is None:
                await self._storage.load(context, app_id)
                raise no_attachment(kind, key)
            return
        language = _written_language(context)
        if context.verb == "POST":
            context.stored[_UPLOAD] = uploads.uploaded_picture(context.files, kind, language)
        stored = await self._storage.expect(context, app_id)
        if context.verb == "DELETE":
            _named(stored, language, kind, key)

    async def post(self, context: Context, *params: str) -> None:
        """Store the icon, or a screenshot, in one save with the document."""
        upload: Upload = context.stored[_UPLOAD]
        edit = partial(
            app_overrides.with_picture,
            kind=params[2],
            language=_language(context),
            name=upload.name,
            inline=upload.inline(),
        )
        await self._storage.change(context, params[0], edit)

    async def delete(self, context: Context, *params: str) -> None:
        """Remove a picture, and its name from the document."""
        language, kind, key = _language(context), params[2], _key(params)

        def remove(stored: JsonObject) -> JsonObject:
            return app_overrides.without_picture(stored, kind, language, _named(stored, language, kind, key))

        await self._storage.change(context, params[0], remove)


def _language(context: Context) -> str:
    return prefixes.language(context) or DEFAULT_LANGUAGE


def _written_language(context: Context) -> str:
    """The language, which becomes part of the document."""
    language = _language(context)
    if not prefixes.is_language(language):
        problem = {"message": "Field is not in the correct format", "value": language}
        raise ValidationError({"language": {"wrong_format": problem}})
    return language


def _key(params: Sequence[str]) -> str | None:
    return params[3] if len(params) > 3 else None


def _named(override: JsonObject, language: str, kind: str, key: str | None) -> str:
    """The name of a picture that the override has in that very language; 404 if it has none."""
    names = app_overrides.picture_names(override, kind, language)
    name = screenshot_name(names, "0" if key is None else key)
    if name is None:
        raise no_attachment(kind, key)
    return name
