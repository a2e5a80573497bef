"""Selects the attachments that are an app's icon and screenshots, by language and by document.

KAZOO 4 names them in ``icon`` and ``screenshots`` of the app document, KAZOO 5 also in ``i18n.{language}``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from crossbar_appstore.appstore.allowed_apps import AllowedApp
from crossbar_appstore.appstore.app_overrides import ICON, SCREENSHOTS, overriding
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import DEFAULT_LANGUAGE
from crossbar_appstore.kazoo.values import Missing, get


@dataclass(frozen=True, slots=True)
class Holder:
    """A document that may hold the attachments, and the account in whose database it is."""

    account_id: str
    document: JsonObject


@dataclass(frozen=True, slots=True)
class Illustrated:
    """The pictures of an app."""

    app: JsonObject
    """The app document with the override merged over it."""
    branding: JsonObject
    """The applicable fields of the override, ``{}`` without one."""
    holders: tuple[Holder, ...]
    """The documents to search for a picture, in this order: override, service plan's vendor, master account."""

    def icons(self, language: str | None) -> tuple[str, ...]:
        """Returns the possible names of the icon in the language of the path, if it has one, the best first."""
        return tuple(dict.fromkeys(name for name in self._stated(ICON, language) if isinstance(name, str) and name))

    def screenshots(self, language: str | None) -> list[Json]:
        """Returns the names of the screenshots in the first language that has some; ``language`` as in ``icons``."""
        return next((names for names in self._stated(SCREENSHOTS, language) if isinstance(names, list) and names), [])

    def _stated(self, field: str, language: str | None) -> tuple[Json | Missing, ...]:
        english, plain = get(self.app, "i18n", DEFAULT_LANGUAGE, field), get(self.app, field)
        # Without a language, the app document's own field comes first, as in KAZOO 4, but after an override's.
        if language is None:
            return (get(self.branding, "i18n", DEFAULT_LANGUAGE, field), plain, english)
        return (get(self.app, "i18n", language, field), english, plain)


def illustrated(apps: Sequence[AllowedApp], account_id: str) -> Illustrated:
    """Returns the pictures of the apps of one id for an account; the first app names them."""
    first = apps[0]
    holders = tuple(Holder(app.owner, app.document) for app in apps)
    if first.override is None:
        return Illustrated(first.document, {}, holders)
    return Illustrated(first.document, overriding(first.override), (Holder(account_id, first.override), *holders))


def pictures_of(document: JsonObject, account_id: str) -> Illustrated:
    """Returns the pictures of a single document: an app of the catalogue, or an override."""
    return Illustrated(document, {}, (Holder(account_id, document),))


def screenshot_name(names: list[Json], key: str) -> str | None:
    """Returns the name at a 0-based index, or the key itself if it is a name (``resolve_screenshot_name/2``)."""
    if key.isascii() and key.isdigit() and len(key) <= 6 and int(key) < len(names):
        name = names[int(key)]
        return name if isinstance(name, str) else None
    return key if key in names else None
