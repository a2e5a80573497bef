"""Which attachments are an app's icon and its screenshots, in which language, and whose they are.

KAZOO 4 knows the fields ``icon`` and ``screenshots`` of the app document; KAZOO 5 has them in ``i18n.{language}`` too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.appstore.allowed_apps import AllowedApp
from crossbar_appstore.appstore.app_overrides import DEFAULT_LANGUAGE, overriding
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.values import Missing, get

ICON: Final = "icon"
SCREENSHOTS: Final = "screenshots"

_LONGEST_INDEX: Final = 6


@dataclass(frozen=True, slots=True)
class Holder:
    """A document that may have the attachments, and the account in whose database it is."""

    account_id: str
    document: JsonObject


@dataclass(frozen=True, slots=True)
class Illustrated:
    """An app as far as its pictures go."""

    app: JsonObject
    """The app document with the override merged over it."""
    branding: JsonObject
    """What counts of the override, ``{}`` where there is none."""
    holders: tuple[Holder, ...]
    """Where to look for a picture, in this order: override, service plan's vendor, master account."""

    def icons(self, language: str | None) -> tuple[str, ...]:
        """The names that the icon may have, the best first.

        Args:
            language: that the path asks for. Where it asks for none, the app document's own field comes before its
                English ones, as in KAZOO 4; an override comes before both.
        """
        return tuple(dict.fromkeys(name for name in self._stated(ICON, language) if isinstance(name, str) and name))

    def screenshots(self, language: str | None) -> list[Json]:
        """The names of the screenshots, in the first language that has some; ``language`` as in ``icons``."""
        return next((names for names in self._stated(SCREENSHOTS, language) if isinstance(names, list) and names), [])

    def _stated(self, field: str, language: str | None) -> tuple[Json | Missing, ...]:
        english, plain = get(self.app, "i18n", DEFAULT_LANGUAGE, field), get(self.app, field)
        if language is None:
            return (get(self.branding, "i18n", DEFAULT_LANGUAGE, field), plain, english)
        return (get(self.app, "i18n", language, field), english, plain)


def illustrated(apps: Sequence[AllowedApp], account_id: str) -> Illustrated:
    """The pictures that an account sees of the apps of one id, of which the first counts."""
    first = apps[0]
    holders = tuple(Holder(app.owner, app.document) for app in apps)
    if first.override is None:
        return Illustrated(first.document, {}, holders)
    return Illustrated(first.document, overriding(first.override), (Holder(account_id, first.override), *holders))


def pictures_of(document: JsonObject, account_id: str) -> Illustrated:
    """The pictures of a single document: an app of the catalogue, or an override."""
    return Illustrated(document, {}, (Holder(account_id, document),))


def screenshot_name(names: list[Json], key: str) -> str | None:
    """The name at a 0-based index, or the key itself where it is one of the names (``resolve_screenshot_name/2``)."""
    if key.isascii() and key.isdigit() and len(key) <= _LONGEST_INDEX and int(key) < len(names):
        name = names[int(key)]
        return name if isinstance(name, str) else None
    return key if key in names else None
