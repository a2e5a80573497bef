"""Changes an account's ``apps_store`` document: install, reconfigure, uninstall, blacklist.

Each function takes the newest stored document, or ``None``, and returns the document to save, so that it can be
applied again after a conflict. Private fields, ``_rev``, attachments and entries of other apps are kept; the caller
adds the fields that a save sets (``kazoo.documents.stamp_crossbar``).

An entry has the form that KAZOO's billing can count: a valid ``allowed_users``, ``users`` as a list, and a ``name``.
``apps`` is only stored as an object and ``blacklist`` only as a list, because KAZOO crashes on anything else.
"""

from typing import Any, ClassVar

from crossbar_appstore.appstore.allowed_apps import AllowedApp
from crossbar_appstore.appstore.apps_store_document import CATALOGUE_KEYS, LISTED_USERS
from crossbar_appstore.appstore.listing import shown_text
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import new_apps_store
from crossbar_appstore.kazoo.documents import is_soft_deleted, live
from crossbar_appstore.kazoo.values import list_at, object_at
from crossbar_appstore.validation.errors import SchemaErrors, wrong_type
from crossbar_appstore.validation.validator import schema


class PermissionRefused(Exception):
    """The account's permissions do not allow the change to an app; ``text`` is Crossbar's message."""

    text: ClassVar[str]


class AlreadyInstalled(PermissionRefused):
    """An install of an app that has a permission already."""

    text = "Application already installed"


class NotInstalled(PermissionRefused):
    """A change or an uninstall of an app that has no permission."""

    text = "Application is not installed"


def validate_permission(data: Json) -> SchemaErrors:
    """Returns the errors in the data of an install or an update, empty if it is valid.

    Each field that an app may not get here is named; if there are several, clients have sent a whole app back.
    """
    errors = _validate("app_permission", data)
    own = sorted(CATALOGUE_KEYS.intersection(data)) if isinstance(data, dict) else []
    if len(own) > 1:
        message = f"An app's own fields cannot be changed here: {', '.join(own)}"
        for refused in (errors[field] for field in own if field in errors):
            refused["additionalProperties"]["message"] = message
    return errors


def validate_blacklist(data: Json) -> SchemaErrors:
    """Returns the errors in the data of a blacklist update, empty if it is valid."""
    return _validate("apps_store", data)


def permission_entry(data: JsonObject, app: AllowedApp) -> JsonObject:
    """Returns the permission to store for valid data: with defaults, and with the app's name in the catalogue."""
    name = shown_text(app.document.get("name")) or app.id
    return {"allowed_users": LISTED_USERS, "users": [], **data, "name": name}


def is_installed(apps_store: JsonObject | None, app_id: str, *, account: JsonObject | None = None) -> bool:
    """Whether an account has a permission for the app, with any content."""
    return app_id in _apps(apps_store, account)


def install(
    apps_store: JsonObject | None, app_id: str, entry: JsonObject, *, account_id: str, account: JsonObject | None = None
) -> JsonObject:
    """Adds the permission for an app (``cb_apps_store:maybe_install/2``).

    Args:
        apps_store: the document as stored, soft-deleted or not; ``None`` if there is none.
        app_id: the app's id.
        entry: from ``permission_entry``.
        account_id: for a new document.
        account: the account document, whose ``apps`` apply if there is no ``apps_store`` document.

    Raises:
        AlreadyInstalled: there is a permission.
    """
    apps = _apps(apps_store, account)
    if app_id in apps:
        raise AlreadyInstalled(app_id)
    return _document(apps_store, account_id) | {"apps": {**apps, app_id: entry}}


def reconfigure(
    apps_store: JsonObject | None, app_id: str, entry: JsonObject, *, account_id: str, account: JsonObject | None = None
) -> JsonObject:
    """Replaces the permission for an app (``cb_apps_store:maybe_update/2``); arguments as of ``install``.

    Raises:
        NotInstalled: there is no permission.
    """
    apps = _installed(apps_store, app_id, account)
    return _document(apps_store, account_id) | {"apps": {**apps, app_id: entry}}


def uninstall(
    apps_store: JsonObject | None, app_id: str, *, account_id: str, account: JsonObject | None = None
) -> JsonObject:
    """Removes the permission for an app (``cb_apps_store:maybe_remove/2``); arguments as of ``install``.

    Raises:
        NotInstalled: there is no permission.
    """
    apps = _installed(apps_store, app_id, account)
    kept = {other: entry for other, entry in apps.items() if other != app_id}
    return _document(apps_store, account_id) | {"apps": kept}


def set_blacklist(
    apps_store: JsonObject | None, app_ids: list[str], *, account_id: str, account: JsonObject | None = None
) -> JsonObject:
    """Replaces the blacklist (``cb_apps_store:validate_blacklist/2``)."""
    apps = _apps(apps_store, account)
    # With the first apps_store document, those on the account document would no longer apply.
    return _document(apps_store, account_id) | ({"apps": apps} if apps else {}) | {"blacklist": list(app_ids)}


def blacklist(apps_store: JsonObject | None) -> list[Any]:
    """Returns the blacklist as stored, ``[]`` if it is missing or malformed."""
    return list(list_at(live(apps_store), "blacklist"))


def _validate(name: str, data: Json) -> SchemaErrors:
    if isinstance(data, dict):
        return schema(name).errors(data)
    rule, details = wrong_type("object", data)
    return {"data": {rule: details}}


def _apps(apps_store: JsonObject | None, account: JsonObject | None) -> JsonObject:
    """Returns the stored permissions; those on the account document if there is no ``apps_store`` document."""
    return object_at(account if live(apps_store) is None else apps_store, "apps")


def _installed(apps_store: JsonObject | None, app_id: str, account: JsonObject | None) -> JsonObject:
    apps = _apps(apps_store, account)
    if app_id not in apps:
        raise NotInstalled(app_id)
    return apps


def _document(apps_store: JsonObject | None, account_id: str) -> JsonObject:
    """Returns the stored document without malformed parts, or a new one (``kzd_apps_store:new/1``)."""
    if apps_store is None:
        return new_apps_store(account_id)
    # A soft-deleted document loses its content, but keeps its revision, over which the new one is saved.
    content = {} if is_soft_deleted(apps_store) else apps_store
    types = {"apps": dict, "blacklist": list}
    malformed = {key for key, wanted in types.items() if not isinstance(content.get(key), wanted)}
    return {key: value for key, value in apps_store.items() if key not in malformed and key != "pvt_deleted"}
