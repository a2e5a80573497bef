"""Reading an account's ``apps_store`` document: permissions by app id, and the blacklist.

Both may hold anything, since others write them too. What is malformed counts as missing.
"""

from dataclasses import dataclass
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_private_key, live, revision
from crossbar_appstore.kazoo.values import as_text, list_at, object_at, string_at

DOCUMENT_ID: Final = "apps_store"

EVERYONE: Final = "all"
ADMINISTRATORS: Final = "admins"
LISTED_USERS: Final = "specific"
ALLOWED_USERS: Final = (EVERYONE, ADMINISTRATORS, LISTED_USERS)

CATALOGUE_KEYS: Final = frozenset(
    {
        "account_id",
        "api_url",
        "author",
        "authority",
        "extends",
        "i18n",
        "icon",
        "id",
        "license",
        "masqueradable",
        "phase",
        "price",
        "published",
        "screenshots",
        "source_url",
        "tags",
        "urls",
        "version",
    }
)
"""What only the catalogue says of an app. ``name`` is stored with a permission, but the catalogue's counts."""


@dataclass(frozen=True, slots=True)
class User:
    """A user of the account, as far as permissions ask."""

    user_id: str
    document: JsonObject | None
    """The user document, ``None`` if there is none or it could not be read."""

    @property
    def is_administrator(self) -> bool:
        """Whether ``priv_level`` is ``admin`` (``kzd_users:is_account_admin/2``)."""
        return string_at(live(self.document), "priv_level") == "admin"


@dataclass(frozen=True, slots=True)
class Permissions:
    """What an account says about apps, and where it says so."""

    apps: JsonObject
    blacklist: frozenset[str]
    document_id: str
    revision: str | None

    @classmethod
    def of(cls, apps_store: JsonObject | None, account: JsonObject | None) -> "Permissions":
        """From the ``apps_store`` document, or from ``apps`` of the account document where the former is missing.

        The latter is where releases before 3.22 kept them (``cb_apps_maintenance:migrate/1``); nothing is moved.
        """
        stored = live(apps_store)
        if stored is not None:
            blacklist = frozenset(member for member in list_at(stored, "blacklist") if isinstance(member, str))
            return cls(object_at(stored, "apps"), blacklist, DOCUMENT_ID, revision(stored))
        legacy = account or {}
        return cls(object_at(legacy, "apps"), frozenset(), string_at(legacy, "_id") or "account", revision(legacy))

    def entry(self, app_id: str | None) -> JsonObject | None:
        """The permission of an app, ``None`` if there is none that means anything."""
        found = None if app_id is None else self.apps.get(app_id)
        return found if isinstance(found, dict) and found else None


def is_authorized(entry: JsonObject, user: User | None) -> bool:
    """Whether a permission lets a user use the app; without a user it always does (``cb_apps_util:is_authorized/4``).

    Where ``allowed_users`` is not a text, both KAZOO's reading of it (as the text of it) and the absent one (listed
    users) have to agree.
    """
    if user is None:
        return True
    stated = entry.get("allowed_users", LISTED_USERS)
    if isinstance(stated, str):
        return _admits(stated, entry, user)
    return _admits(as_text(stated) or LISTED_USERS, entry, user) and _admits(LISTED_USERS, entry, user)


def mergeable(entry: JsonObject) -> JsonObject:
    """The part of a permission that may be laid over the app: neither private nor a matter of the catalogue."""
    return {
        key: value
        for key, value in entry.items()
        if key not in CATALOGUE_KEYS and key != "name" and not is_private_key(key)
    }


def listed_users(users: Json) -> frozenset[str]:
    """The user ids of a permission's ``users``: plain, or as the ``id`` of an object."""
    members = users if isinstance(users, list) else []
    ids = (member.get("id") if isinstance(member, dict) else member for member in members)
    return frozenset(found for found in ids if isinstance(found, str))


def _admits(allowed: str, entry: JsonObject, user: User) -> bool:
    match allowed:
        case "all":
            return True
        case "admins":
            return user.is_administrator
        case "specific":
            return user.user_id in listed_users(entry.get("users"))
        case _:
            return False
