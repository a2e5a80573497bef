"""Reads an account's ``apps_store`` document: permissions by app id, and the blacklist.

Other programs write these documents too; malformed content counts as missing.
"""

from dataclasses import dataclass
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_private_key, live, revision
from crossbar_appstore.kazoo.values import as_text, list_at, object_at, string_at

DOCUMENT_ID: Final = "apps_store"

LISTED_USERS: Final = "specific"
ALLOWED_USERS: Final = ("all", "admins", LISTED_USERS)

OPERATOR_KEYS: Final = frozenset(
    {"account_id", "api_url", "authority", "extends", "id", "masqueradable", "published", "source_url"}
)
"""The keys that decide from where an app is loaded, which API it calls, and whether it is shown."""
CATALOGUE_KEYS: Final = OPERATOR_KEYS.union(
    {"author", "i18n", "icon", "license", "phase", "price", "screenshots", "tags", "urls", "version"}
)
"""The keys of an app that a permission cannot change; neither can it change ``name``, although it stores one."""


@dataclass(frozen=True, slots=True)
class AccountUser:
    """A user of the account."""

    user_id: str
    document: JsonObject | None
    """The user document, ``None`` if it is missing or could not be read."""

    @property
    def is_administrator(self) -> bool:
        """Whether ``priv_level`` is ``admin`` (``kzd_users:is_account_admin/2``)."""
        return string_at(live(self.document), "priv_level") == "admin"


@dataclass(frozen=True, slots=True)
class Permissions:
    """An account's permissions by app id, its blacklist, and the document that holds them."""

    apps: JsonObject
    blacklist: frozenset[str]
    document_id: str
    revision: str | None

    @classmethod
    def of(cls, apps_store: JsonObject | None, account: JsonObject | None) -> "Permissions":
        """Reads the ``apps_store`` document, or ``apps`` of the account document if the former is missing.

        Releases before 3.22 stored permissions in the latter (``cb_apps_maintenance:migrate/1``); nothing is moved.
        """
        stored = live(apps_store)
        if stored is not None:
            blacklist = frozenset(member for member in list_at(stored, "blacklist") if isinstance(member, str))
            return cls(object_at(stored, "apps"), blacklist, DOCUMENT_ID, revision(stored))
        legacy = account or {}
        return cls(object_at(legacy, "apps"), frozenset(), string_at(legacy, "_id") or "account", revision(legacy))

    def entry(self, app_id: str | None) -> JsonObject | None:
        """Returns the permission of an app, ``None`` if it is missing, malformed or empty."""
        found = None if app_id is None else self.apps.get(app_id)
        return found if isinstance(found, dict) and found else None


def is_authorized(entry: JsonObject, user: AccountUser | None) -> bool:
    """Whether a permission allows a user to use the app; always without a user (``cb_apps_util:is_authorized/4``).

    Where ``allowed_users`` is not a text, both KAZOO's conversion of it and the default (listed users) must allow it.
    """
    if user is None:
        return True
    stated = entry.get("allowed_users", LISTED_USERS)
    if isinstance(stated, str):
        return _admits(stated, entry, user)
    return _admits(as_text(stated) or LISTED_USERS, entry, user) and _admits(LISTED_USERS, entry, user)


def mergeable(entry: JsonObject) -> JsonObject:
    """Returns the fields of a permission that are merged over the app: neither private nor the catalogue's."""
    return {
        key: value
        for key, value in entry.items()
        if key not in CATALOGUE_KEYS and key != "name" and not is_private_key(key)
    }


def listed_users(users: Json) -> frozenset[str]:
    """Returns the user ids in ``users`` of a permission: plain, or as the ``id`` of an object."""
    members = users if isinstance(users, list) else []
    ids = (member.get("id") if isinstance(member, dict) else member for member in members)
    return frozenset(found for found in ids if isinstance(found, str))


def _admits(allowed: str, entry: JsonObject, user: AccountUser) -> bool:
    match allowed:
        case "all":
            return True
        case "admins":
            return user.is_administrator
        case "specific":
            return user.user_id in listed_users(entry.get("users"))
    return False
