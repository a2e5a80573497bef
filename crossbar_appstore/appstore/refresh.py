"""What of an app's new metadata goes into its stored document: ``crossbar_maintenance:update_app_updates/3``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.values import MISSING, Missing, is_empty

INIT_KEYS: Final = ("api_url",)
"""What ``init_app`` updates of an app that is there already."""

REFRESH_KEYS: Final = (
    "name",
    "i18n",
    "tags",
    "author",
    "version",
    "license",
    "price",
    "icon",
    "screenshots",
    "api_url",
    "phase",
)
"""What ``refresh_app`` updates unless ``refresh_app_keys`` of ``system_config/crossbar`` says otherwise."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """The outcome of a comparison."""

    keys: tuple[str, ...]
    """What differs, in the order asked for."""
    document: JsonObject
    """The stored document with the new values; equal to the stored one if nothing differs."""

    @property
    def changed(self) -> bool:
        """Whether there is anything to save."""
        return bool(self.keys)


def refresh(current: JsonObject, metadata: JsonObject, keys: Sequence[str]) -> Refresh:
    """Compare the metadata with the stored document, key by key.

    Empty values of the metadata never count as a change, so that keys are changed or added, never removed.

    Args:
        current: the app document as stored.
        metadata: the content of ``metadata/app.json``.
        keys: the top-level keys to look at.
    """
    changed = tuple(key for key in keys if differs(current.get(key, MISSING), metadata.get(key, MISSING)))
    return Refresh(changed, {**current, **{key: metadata[key] for key in changed}})


def differs(current: Json | Missing, new: Json | Missing) -> bool:
    """Whether a new value replaces the current one (``crossbar_maintenance:update_app_values_differ/2``).

    The order of keys is ignored if both are objects, at every depth; in arrays it counts. So does 1 against 1.0.
    """
    if is_empty(new):
        return False
    if is_empty(current):
        return True
    return not _same(current, new, in_order=not (isinstance(current, dict) and isinstance(new, dict)))


def _same(left: Json, right: Json, *, in_order: bool) -> bool:
    if type(left) is not type(right):
        return False
    match left:
        case dict():
            if in_order and list(left) != list(right):
                return False
            return left.keys() == right.keys() and all(
                _same(value, right[key], in_order=in_order) for key, value in left.items()
            )
        case list():
            return len(left) == len(right) and all(
                _same(one, other, in_order=in_order) for one, other in zip(left, right, strict=True)
            )
        case _:
            return bool(left == right)
