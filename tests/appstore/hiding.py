"""Defines which apps must be hidden: an implementation of the rules that is independent of the code."""

from typing import Any

from crossbar_appstore.appstore.allowed_apps import AccountState, AllowedApp
from crossbar_appstore.appstore.apps_store_document import AccountUser
from crossbar_appstore.json_codec import Json, JsonObject


def must_be_hidden(
    app_id: str, documents: list[JsonObject], state: AccountState, user: AccountUser | None
) -> str | None:
    """Returns why no app of this id may be published, ``None`` if one may.

    Args:
        app_id: of the app.
        documents: every app document of that id, of the master account and of vendors.
        state: of the account.
        user: whose permissions apply, ``None`` for the account.
    """
    if state.account_id == state.master_account_id:
        return None
    store = state.apps_store if _is_live(state.apps_store) else None
    legacy = state.account if store is None else None
    if store is not None and app_id in _list(store.get("blacklist")):
        return "blacklist"
    planned = state.plan_apps.get(app_id)
    enabled = planned.get("enabled") if isinstance(planned, dict) else None
    if isinstance(planned, dict) and "enabled" in planned and not _is_true(enabled):
        return "plan"
    if enabled is None and all(_is_false(document.get("published")) for document in documents):
        return "catalogue"
    permissions = _object((store or legacy or {}).get("apps"))
    entry = permissions.get(app_id)
    if user is not None and isinstance(entry, dict) and entry and not _admits(entry, user):
        return "permission"
    if _hides_port(state) and all(document.get("name") == "port" for document in documents):
        return "whitelabel"
    return None


def assert_hidden_stays_hidden(
    apps: tuple[AllowedApp, ...], default_apps: list[JsonObject], state: AccountState, user: AccountUser | None
) -> None:
    vendors = [document for document in state.vendor_apps.values() if document is not None]
    for app in apps:
        if app.published and app.id is not None:
            documents = [one for one in (*default_apps, *vendors) if one.get("_id") == app.id]
            assert must_be_hidden(app.id, documents, state, user) is None


def _admits(entry: JsonObject, user: AccountUser) -> bool:
    match entry.get("allowed_users", "specific"):
        case "all":
            return True
        case "admins":
            return _is_live(user.document) and _object(user.document).get("priv_level") == "admin"
        case "specific":
            return any(user.user_id in (member, _object(member).get("id")) for member in _list(entry.get("users")))
        case str():
            return False
        case odd:
            # KAZOO converts other types to text; here they never admit more than the listed users.
            return odd is not None and _admits({**entry, "allowed_users": "specific"}, user)


def _hides_port(state: AccountState) -> bool:
    whitelabel = state.whitelabel if _is_live(state.whitelabel) else None
    return not state.is_reseller and _is_true(_object(whitelabel).get("hide_port"))


def _is_live(document: JsonObject | None) -> bool:
    return document is not None and not _is_true(document.get("pvt_deleted"))


def _is_true(value: Json) -> bool:
    return value is True or value == "true"


def _is_false(value: Json) -> bool:
    return value is False or value == "false"


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Any]:
    return value if isinstance(value, list) else []
