"""The policy of a corpus case: what ours answers, and what to expect of it under the corpus's table of tags.

``docs/policy.md`` states the rules that this module applies.
"""

import copy
from dataclasses import dataclass
from typing import Any

from crossbar_appstore.appstore.allowed_apps import AccountState, AllowedApp, allowed_apps, needed_vendor_apps
from crossbar_appstore.appstore.apps_store_document import AccountUser
from crossbar_appstore.appstore.listing import app_body, label_languages, list_entries, login_apps
from crossbar_appstore.json_codec import Json, JsonObject
from tests.appstore.corpus import CRASH, canonical
from tests.appstore.samples import find_app

Input = dict[str, Any]

ALLOWED_USERS = ("all", "admins", "specific")

REFUSED_KEYS = {
    *("i18n", "tags", "api_url", "source_url", "icon", "screenshots", "author", "version", "license", "price"),
    *("published", "phase", "masqueradable", "extends", "urls", "account_id", "authority", "id"),
}
"""The keys that D1 refuses, besides the private ones."""


@dataclass(frozen=True)
class Answers:
    allowed: tuple[AllowedApp, ...]
    listed: list[JsonObject]
    one: dict[str, JsonObject | None]
    login: list[JsonObject]


def state_of(given: Input, plan_apps: JsonObject, *, is_reseller: bool) -> AccountState:
    """The account as a caller would hand it over; a document that cannot be read is left out."""
    errors = given.get("errors") or {}
    unread = "apps_store" in errors
    vendors = given["vendor_apps"]
    needed = needed_vendor_apps(plan_apps, given["master_account_id"])
    return AccountState(
        account_id=given["account_id"],
        master_account_id=given["master_account_id"],
        plan_apps=plan_apps,
        vendor_apps={key: None if key[1] in errors else vendors.get(key[0], {}).get(key[1]) for key in needed},
        apps_store=None if unread else given["apps_store"],
        account=None if unread else given["account"],
        whitelabel=None if "whitelabel" in errors else given["whitelabel"],
        is_reseller=is_reseller,
    )


def user_of(given: Input) -> AccountUser | None:
    user_id = given["user_id"]
    if user_id is None:
        return None
    return AccountUser(user_id, None if user_id in (given.get("errors") or {}) else given["users"].get(user_id))


def answers(given: Input, plan_apps: JsonObject, *, is_reseller: bool) -> Answers:
    state = state_of(given, plan_apps, is_reseller=is_reseller)
    apps = [] if "default_apps" in (given.get("errors") or {}) else given["default_apps"]
    user = user_of(given)
    for_account, for_user = allowed_apps(apps, state), allowed_apps(apps, state, user)
    one = {app_id: find_app(for_account, app_id) for app_id in given["lookup_ids"]}
    document = user.document if user and user.document and not user.document.get("pvt_deleted") else None
    return Answers(
        for_user,
        list_entries(for_account).entries,
        {app_id: None if app is None else app_body(app) for app_id, app in one.items()},
        login_apps(for_user, label_languages(document, given["account"])).entries,
    )


def entries_of(given: Input) -> JsonObject:
    """The permission entries that count, as raw as they are."""
    store = given["apps_store"]
    if store is None or store.get("pvt_deleted") in (True, "true"):
        store = given["account"] or {}
    apps = store.get("apps")
    return apps if isinstance(apps, dict) else {}


@dataclass(frozen=True)
class Reading:
    """Where ours may differ because it reads a permission entry in another way: D1, D22, users as objects."""

    decision: bool = False
    """Whether the app shows, and who says so."""
    keys: frozenset[str] = frozenset()
    """What is shown of it."""


def readings(given: Input) -> dict[str | None, Reading]:
    """By app id, for the apps whose permission entry is read in another way; also by the ids that KAZOO gives them."""
    names = {app.get("_id"): app.get("name") for app in given["default_apps"]}
    found: dict[str | None, Reading] = {}
    for app_id, entry in entries_of(given).items():
        if isinstance(entry, dict) and entry:
            reading = _reading(entry, names.get(app_id), given["user_id"])
            if reading != Reading():
                aliases = [entry[key] for key in ("_id", "id") if isinstance(entry.get(key), str)]
                found |= dict.fromkeys((app_id, *aliases), reading)
    return found


def tidied(given: Input) -> Input:
    """The same input without what ours does not read: refused keys and foreign names; users by their plain ids."""
    names = {app.get("_id"): app.get("name") for app in given["default_apps"]}
    tidy = copy.deepcopy(given)
    for app_id, entry in entries_of(tidy).items():
        if isinstance(entry, dict) and entry:
            kept = {key: value for key, value in entry.items() if not is_refused(key)}
            if kept.get("name") != names.get(app_id):
                kept.pop("name", None)
            if isinstance(kept.get("users"), list):
                kept["users"] = [_plain_id(member) for member in kept["users"]]
            # An entry that held nothing else is still an entry.
            kept.setdefault("ui_metadata", {"kept": True})
            entry.clear()
            entry.update(kept)
    return tidy


def is_refused(key: str) -> bool:
    return key in REFUSED_KEYS or key.startswith(("_", "pvt_"))


def stored_permission(given: Input, app_id: str | None) -> JsonObject:
    """What the account has stored of an app, as far as it counts: nothing of a blacklisted one."""
    store = given["apps_store"] or {}
    blacklist = store.get("blacklist")
    if isinstance(blacklist, list) and app_id in blacklist and store.get("pvt_deleted") not in (True, "true"):
        return {}
    entry = entries_of(given).get(app_id) if app_id is not None else None
    return entry if isinstance(entry, dict) else {}


def expected_entry(recorded: JsonObject, stored: JsonObject) -> JsonObject | None:
    """A recorded list entry or body under D23; ``None`` if it must not be shown.

    ``allowed_users`` says that an app is installed: a text that is ``stored`` is shown, of all else what has a meaning.
    """
    name = recorded.get("name")
    if not recorded.get("id") or name in (None, "") or isinstance(name, bool | list | dict):
        return None
    entry = dict(recorded)
    if entry.get("api_url") == "":
        del entry["api_url"]
    stated, own = entry.pop("allowed_users", None), stored.get("allowed_users")
    if stored and (own if isinstance(own, str) else stated in ALLOWED_USERS):
        entry["allowed_users"] = own if isinstance(own, str) else stated
    entry["i18n"] = _labelled(entry.get("i18n"), str(name))
    return entry


def expected_login(recorded: JsonObject) -> JsonObject | None:
    """A recorded entry of a login reply under D23; ``None`` if it must not be shown."""
    if not recorded.get("id") or not recorded.get("name"):
        return None
    entry = dict(recorded)
    if entry.get("api_url") == "":
        del entry["api_url"]
    if entry.get("label") is None:
        entry["label"] = entry["name"]
    return entry


def difference(ours: JsonObject, expected: JsonObject, *, free: frozenset[str]) -> list[str]:
    """The keys of what is expected, the free ones aside, that ours has otherwise."""
    return [key for key, value in expected.items() if key not in free and canonical(ours.get(key)) != canonical(value)]


def _reading(entry: JsonObject, name: Json, user_id: Json) -> Reading:
    keys = {key for key in entry if is_refused(key)}
    renamed = entry.get("name", name) != name
    users = entry.get("users")
    objects = [member for member in users if isinstance(member, dict)] if isinstance(users, list) else []
    decision = (
        not keys.isdisjoint({"published", "_id", "id"})
        or any(member.get("id") == user_id for member in objects)
        or (renamed and not {"port", None, ""}.isdisjoint(_name_or_none(one) for one in (entry.get("name"), name)))
    )
    shown = keys | ({"name", "i18n"} if renamed else set())
    if "i18n" in shown or renamed:
        shown.add("label")
    if not keys.isdisjoint({"published", "_id", "id"}):
        shown |= {"authority", "published", "id"}
    if any(key.startswith("pvt_") for key in keys):
        shown.add("account_id")
    return Reading(decision, frozenset(shown))


def _name_or_none(name: Json) -> str | None:
    return name if isinstance(name, str) else None


def _plain_id(member: Json) -> Json:
    return member["id"] if isinstance(member, dict) and isinstance(member.get("id"), str) else member


def _labelled(i18n: Json, name: str) -> JsonObject:
    if not isinstance(i18n, dict) or not i18n:
        return {"en-US": {"label": name}}
    return {language: _with_label(texts, name) for language, texts in i18n.items()}


def _with_label(texts: Json, name: str) -> JsonObject:
    if not isinstance(texts, dict):
        return {"label": name}
    return texts if isinstance(texts.get("label"), str) else {**texts, "label": name}


def recorded_published(recorded: dict[str, Any]) -> list[bool] | None:
    """Which of the recorded apps show for the user, in order; ``None`` if the original crashed."""
    allowed = recorded["allowed"]
    return None if allowed == CRASH else [app["published"] for app in allowed]
