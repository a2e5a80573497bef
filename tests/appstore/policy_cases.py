"""The policy of a corpus case: the results of this service, and the expected ones by the table of tags.

``docs/policy.md`` defines the rules that this module applies.
"""

import copy
from dataclasses import dataclass
from typing import Any

from crossbar_appstore.appstore.allowed_apps import AccountState, AllowedApp, allowed_apps, needed_vendor_apps
from crossbar_appstore.appstore.apps_store_document import AccountUser
from crossbar_appstore.appstore.listing import app_body, label_languages, list_entries, login_apps
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.values import object_at
from tests.appstore.corpus import CRASH, canonical
from tests.appstore.samples import find_app

Input = dict[str, Any]

ALLOWED_USERS = ("all", "admins", "specific")

REFUSED_KEYS = {
    *("i18n", "tags", "api_url", "source_url", "icon", "screenshots", "author", "version", "license", "price"),
    *("published", "phase", "masqueradable", "extends", "urls", "account_id", "authority", "id"),
}
"""The keys that D1 rejects, besides the private ones."""


@dataclass(frozen=True)
class Answers:
    allowed: tuple[AllowedApp, ...]
    listed: list[JsonObject]
    one: dict[str, JsonObject | None]
    login: list[JsonObject]


def state_of(given: Input, plan_apps: JsonObject, *, is_reseller: bool) -> AccountState:
    """Returns the account's state as a caller would; a document that cannot be read is missing."""
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
    """Returns the applicable permissions as stored."""
    store = given["apps_store"]
    if store is None or store.get("pvt_deleted") in (True, "true"):
        store = given["account"] or {}
    apps = store.get("apps")
    return apps if isinstance(apps, dict) else {}


@dataclass(frozen=True)
class Reading:
    """How a result may differ because a permission is read differently: P1, P2 and P3 of ``docs/policy.md``."""

    decision: bool = False
    """Whether ``published`` and ``authority`` may differ."""
    keys: frozenset[str] = frozenset()
    """The keys of the result that may differ."""


def readings(given: Input) -> dict[str | None, Reading]:
    """Returns the allowed differences by app id, and by the ids that KAZOO uses for the app."""
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
    """Returns the input without ignored parts: rejected keys and other names; users as plain ids."""
    names = {app.get("_id"): app.get("name") for app in given["default_apps"]}
    tidy = copy.deepcopy(given)
    for app_id, entry in entries_of(tidy).items():
        if isinstance(entry, dict) and entry:
            kept = {key: value for key, value in entry.items() if not is_refused(key)}
            if kept.get("name") != names.get(app_id):
                kept.pop("name", None)
            if isinstance(kept.get("users"), list):
                kept["users"] = [_plain_id(member) for member in kept["users"]]
            # An entry without other keys must remain an entry.
            kept.setdefault("ui_metadata", {"kept": True})
            entry.clear()
            entry.update(kept)
    return tidy


def is_refused(key: str) -> bool:
    return key in REFUSED_KEYS or key.startswith(("_", "pvt_"))


def stored_permission(given: Input, app_id: str | None) -> JsonObject:
    """Returns the applicable permission of an app, ``{}`` for a blacklisted one."""
    store = given["apps_store"] or {}
    blacklist = store.get("blacklist")
    if isinstance(blacklist, list) and app_id in blacklist and store.get("pvt_deleted") not in (True, "true"):
        return {}
    entry = entries_of(given).get(app_id) if app_id is not None else None
    return entry if isinstance(entry, dict) else {}


def expected_entry(recorded: JsonObject, stored: JsonObject) -> JsonObject | None:
    """Returns a recorded list entry or body repaired by D23 and D28; ``None`` if it must be omitted.

    ``allowed_users`` is returned for an installed app only: a ``stored`` text unchanged, other values if valid.
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


def expected_login(recorded: JsonObject, listed: JsonObject) -> JsonObject | None:
    """Returns a recorded entry of a login reply repaired by D23 and D28; ``None`` if it must be omitted.

    ``listed`` is the app's recorded list entry.
    """
    if not recorded.get("id") or not recorded.get("name"):
        return None
    entry = dict(recorded)
    if entry.get("api_url") == "":
        del entry["api_url"]
    if entry.get("label") is None:
        i18n = _labelled(listed.get("i18n"), entry["name"])
        # The label that is missing in the user's language is that of the texts in en-US, unless those are malformed.
        stated = object_at(listed, "i18n", "en-US")
        entry["label"] = entry["name"] if "label" in stated else i18n["en-US"]["label"]
    return entry


def difference(ours: JsonObject, expected: JsonObject, *, free: frozenset[str]) -> list[str]:
    """Returns the keys whose values differ, except for the free ones."""
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
    labelled = {language: _with_label(texts, name) for language, texts in i18n.items()}
    # None of the recorded apps has en-us, so that the first language is taken (D28).
    return labelled if "en-US" in labelled else {**labelled, "en-US": next(iter(labelled.values()))}


def _with_label(texts: Json, name: str) -> JsonObject:
    if not isinstance(texts, dict):
        return {"label": name}
    return texts if isinstance(texts.get("label"), str) else {**texts, "label": name}


def recorded_published(recorded: dict[str, Any]) -> list[bool] | None:
    """Returns whether each recorded app is published for the user; ``None`` if the original crashed."""
    allowed = recorded["allowed"]
    return None if allowed == CRASH else [app["published"] for app in allowed]
