"""Changing an account's ``apps_store`` document: install, reconfigure, uninstall, blacklist.

Each function takes the newest stored document, or ``None``, and returns the one to save, so that it can be applied
again after a conflict. Private fields, ``_rev``, attachments and whatever else the document holds stay as they are,
entries of other apps included; the caller adds what a save stamps (``kazoo.documents.stamp_crossbar``).

What is stored is what KAZOO's billing can count: ``allowed_users`` of the three kinds, ``users`` a list, a ``name``;
and neither ``apps`` nor ``blacklist`` is ever stored as anything but an object and a list, on which KAZOO crashes.
"""

from typing import Any, Final

from crossbar_appstore.appstore.allowed_apps import AllowedApp
from crossbar_appstore.appstore.apps_store_document import DOCUMENT_ID, LISTED_USERS
from crossbar_appstore.appstore.listing import shown_text
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_soft_deleted, live
from crossbar_appstore.kazoo.ids import encoded_account_db, format_account_id
from crossbar_appstore.kazoo.values import list_at, object_at
from crossbar_appstore.schema_errors import SchemaErrors, wrong_type
from crossbar_appstore.schema_validation import validate

PERMISSION_SCHEMA: Final = "app_permission"
BLACKLIST_SCHEMA: Final = "apps_store"


class PermissionRefused(Exception):
    """The account's permissions do not allow the change; the text is Crossbar's."""

    def __init__(self, app_id: str, text: str) -> None:
        super().__init__(text)
        self.app_id = app_id
        self.text = text


class AlreadyInstalled(PermissionRefused):
    """An install of an app that has a permission already."""

    def __init__(self, app_id: str) -> None:
        super().__init__(app_id, "Application already installed")


class NotInstalled(PermissionRefused):
    """A change or an uninstall of an app that has no permission."""

    def __init__(self, app_id: str) -> None:
        super().__init__(app_id, "Application is not installed")


def validate_permission(data: Json) -> SchemaErrors:
    """What is wrong with the data of an install or of an update: path → rule → details, empty if nothing."""
    return _validate(PERMISSION_SCHEMA, data)


def validate_blacklist(data: Json) -> SchemaErrors:
    """What is wrong with the data of a blacklist update: path → rule → details, empty if nothing."""
    return _validate(BLACKLIST_SCHEMA, data)


def permission_entry(data: JsonObject, app: AllowedApp) -> JsonObject:
    """What is stored for valid data: with defaults, and under the name that the catalogue has for the app."""
    name = shown_text(app.document.get("name")) or app.id
    return {"allowed_users": LISTED_USERS, "users": [], **data, "name": name}


def is_installed(apps_store: JsonObject | None, app_id: str, *, account: JsonObject | None = None) -> bool:
    """Whether an account has a permission for the app, of whatever content."""
    return app_id in _apps(apps_store, account)


def install(
    apps_store: JsonObject | None,
    app_id: str,
    entry: JsonObject,
    *,
    account_id: str,
    account: JsonObject | None = None,
) -> JsonObject:
    """The document with a permission for one more app (``cb_apps_store:maybe_install/2``).

    Args:
        apps_store: the document as stored, soft-deleted or not; ``None`` if there is none.
        app_id: of the app.
        entry: from ``permission_entry``.
        account_id: of the account, for a document that is new.
        account: the account document, whose ``apps`` count where there is no ``apps_store`` document.

    Raises:
        AlreadyInstalled: there is a permission.
    """
    apps = _apps(apps_store, account)
    if app_id in apps:
        raise AlreadyInstalled(app_id)
    return _document(apps_store, account_id) | {"apps": {**apps, app_id: entry}}


def reconfigure(
    apps_store: JsonObject | None,
    app_id: str,
    entry: JsonObject,
    *,
    account_id: str,
    account: JsonObject | None = None,
) -> JsonObject:
    """The document with another permission in place of the one for an app (``cb_apps_store:maybe_update/2``).

    Takes what ``install`` takes.

    Raises:
        NotInstalled: there is no permission.
    """
    apps = _apps(apps_store, account)
    if app_id not in apps:
        raise NotInstalled(app_id)
    return _document(apps_store, account_id) | {"apps": {**apps, app_id: entry}}


def uninstall(
    apps_store: JsonObject | None, app_id: str, *, account_id: str, account: JsonObject | None = None
) -> JsonObject:
    """The document without the permission for an app (``cb_apps_store:maybe_remove/2``).

    Raises:
        NotInstalled: there is no permission.
    """
    apps = _apps(apps_store, account)
    if app_id not in apps:
        raise NotInstalled(app_id)
    kept = {other: entry for other, entry in apps.items() if other != app_id}
    return _document(apps_store, account_id) | {"apps": kept}


def set_blacklist(
    apps_store: JsonObject | None, app_ids: list[str], *, account_id: str, account: JsonObject | None = None
) -> JsonObject:
    """The document with another blacklist (``cb_apps_store:validate_blacklist/2``)."""
    document = _document(apps_store, account_id)
    apps = _apps(apps_store, account)
    if apps:
        document["apps"] = apps
    return document | {"blacklist": list(app_ids)}


def blacklist(apps_store: JsonObject | None) -> list[Any]:
    """The blacklist as stored, ``[]`` where there is none or it is malformed."""
    return list(list_at(live(apps_store), "blacklist"))


def _validate(schema: str, data: Json) -> SchemaErrors:
    if isinstance(data, dict):
        return validate(schema, data)
    rule, details = wrong_type("object", data)
    return {"data": {rule: details}}


def _apps(apps_store: JsonObject | None, account: JsonObject | None) -> JsonObject:
    """The stored permissions; those on the account document where the ``apps_store`` document is missing."""
    return object_at(account if live(apps_store) is None else apps_store, "apps")


def _document(apps_store: JsonObject | None, account_id: str) -> JsonObject:
    """What to build on: the stored document without what crashes KAZOO, or a new one (``kzd_apps_store:new/1``)."""
    if apps_store is None:
        return {
            "_id": DOCUMENT_ID,
            "pvt_account_id": format_account_id(account_id),
            "pvt_account_db": encoded_account_db(account_id),
        }
    document = dict(apps_store)
    # What was deleted stays deleted, but the new document has to go over its revision.
    revived = is_soft_deleted(document)
    document.pop("pvt_deleted", None)
    if revived or not isinstance(document.get("apps"), dict):
        document.pop("apps", None)
    if revived or not isinstance(document.get("blacklist"), list):
        document.pop("blacklist", None)
    return document
