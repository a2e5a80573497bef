"""Icons and screenshots of apps: which one a path asks for, and whose it is (`cb_apps_store:get_attachment/1`).

A path without an account shows the catalogue's picture. A path with an account, or with a domain that is an account's,
shows what that account sees: its override's picture, else that of its service plan's vendor, else the catalogue's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from crossbar_appstore.appstore.app_overrides import ICON
from crossbar_appstore.appstore.app_pictures import Holder, Illustrated, illustrated, pictures_of, screenshot_name
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, CrossbarError
from crossbar_appstore.crossbar.negotiation import OFFERED
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.datastore.snapshot import Snapshot
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.resources import path_prefixes
from crossbar_appstore.resources.account_apps import AppStore
from crossbar_appstore.resources.pictures import CACHE_CONTROL, Attached, Pictures, attachment

REVALIDATED: Final = "private, no-cache"
"""The ``Cache-Control`` of pictures that may be others a moment later."""
_BRANDED: Final = "private, max-age=300"

_SEEN: Final = "seen"


@dataclass(frozen=True, slots=True)
class _Seen:
    """An app's pictures as the viewed account sees them; ``pictures`` is None where there is no such app."""

    pictures: Illustrated | None
    stale: bool
    cache_control: str = CACHE_CONTROL


def find_picture(
    pictures: Illustrated, kind: str, key: str | None, language: str | None
) -> tuple[Holder, Attached] | None:
    """The first picture of a ``kind`` that exists, and the document that has it; None if there is none.

    ``key`` is the index or name of a screenshot; a ``language`` in the path comes before the app's own.
    """
    if kind == ICON:
        names = pictures.icons(language)
    else:
        name = screenshot_name(pictures.screenshots(language), key or "")
        names = () if name is None else (name,)
    places = ((holder, attachment(holder.document, name)) for name in names for holder in pictures.holders)
    return next(((holder, attached) for holder, attached in places if attached is not None), None)


def no_attachment(kind: str, key: str | None) -> CrossbarError:
    """KAZOO 5's refusal where there is no such picture."""
    cause = f"{kind} attachment" if key is None else f"{kind} attachment at index {key}"
    return CrossbarError(404, "not_found", {"message": "failed to find attachment", "cause": cause})


class AppPictures(Resource):
    """``apps_store/{id}/icon`` and ``…/screenshot/{index or name}``."""

    def __init__(self, store: Datastore, apps: AppStore, pictures: Pictures) -> None:
        self._store = store
        self._apps = apps
        self._pictures = pictures

    def allowed_methods(self, *params: str) -> Methods | None:
        """They are read."""
        return ("GET",)

    async def authenticate(self, context: Context) -> bool:
        """Pictures without an account in their path are public."""
        return _is_public(context)

    async def authorize(self, context: Context) -> bool:
        """They are public for authenticated callers, too."""
        return _is_public(context)

    async def content_types_provided(self, context: Context, *params: str) -> Sequence[str]:
        """Offers a picture in its own type alone; JSON where there is no such picture."""
        app_id, kind, key = _requested(params)
        seen = context.stored[_SEEN] = await self._seen(context, app_id)
        if seen.pictures is not None:
            found = find_picture(seen.pictures, kind, key, path_prefixes.language(context))
            if found is not None:
                return self._pictures.show(context.reply, *found, seen.cache_control, stale=seen.stale)
        # ``validate`` refuses in JSON, which may be wrong, too, while CouchDB is away.
        context.reply.stale = seen.stale
        return OFFERED

    async def validate(self, context: Context, *params: str) -> None:
        """Refuse a picture that was not found."""
        if context.reply.binary is not None:
            return
        app_id, kind, key = _requested(params)
        seen: _Seen = context.stored[_SEEN]
        if seen.pictures is None:
            raise BadIdentifier(details=app_id)
        if any(noun.name in path_prefixes.PREFIXES for noun in context.nouns):
            raise no_attachment(kind, key)
        raise CrossbarError(404, "bad identifier", [app_id if key is None else f"{kind}/{key}"])

    async def _seen(self, context: Context, app_id: str) -> _Seen:
        account_id = await path_prefixes.viewed_account(self._store, context)
        if account_id is None:
            return await self._in_catalogue(app_id)
        try:
            found = await self._apps.apps(account_id)
        except DatastoreError:
            # The account cannot be read: show the catalogue's picture, and let clients ask again next time.
            return replace(await self._in_catalogue(app_id), stale=True, cache_control=REVALIDATED)
        # Most apps are shown to everybody alike: then their pictures may be cached by whoever passes them on.
        if app_id not in found.own:
            return replace(_catalogue_pictures(found.snapshot, app_id), stale=found.stale)
        apps = found.find_all(app_id)
        if not apps:
            return _Seen(None, found.stale)
        branded = apps[0].override is not None
        return _Seen(illustrated(apps, account_id), found.stale, _BRANDED if branded else CACHE_CONTROL)

    async def _in_catalogue(self, app_id: str) -> _Seen:
        return _catalogue_pictures(await self._store.catalogue.snapshot(), app_id)


def _catalogue_pictures(snapshot: Snapshot, app_id: str) -> _Seen:
    """The pictures in the catalogue, which are the same for all accounts."""
    app = snapshot.by_id.get(app_id)
    return _Seen(None if app is None else pictures_of(app, snapshot.master_account_id), snapshot.stale)


def _requested(params: Sequence[str]) -> tuple[str, str, str | None]:
    """App id, kind, and the index or name of a screenshot."""
    return params[0], params[1], params[2] if len(params) > 2 else None


def _is_public(context: Context) -> bool:
    return context.verb == "GET" and all(noun.name in path_prefixes.PREFIXES for noun in context.nouns[:-1])
