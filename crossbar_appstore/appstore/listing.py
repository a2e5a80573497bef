"""Apps as the API shows them: entries of the list, a single app, the apps of a login reply.

On the way out, what would break the web client is repaired: a missing label is made from the name, an empty
``api_url`` and an ``allowed_users`` without meaning are left out, and an app without an id or a name that can be shown
is skipped and reported, so that the caller can log it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.appstore.allowed_apps import AllowedApp
from crossbar_appstore.appstore.apps_store_document import ALLOWED_USERS, mergeable
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import public_fields
from crossbar_appstore.kazoo.values import MISSING, as_boolean, as_text, get, list_at, string_at

DEFAULT_LANGUAGE: Final = "en-US"

_LISTED_TEXTS: Final = ("api_url", "source_url", "phase")
_LISTED_ARRAYS: Final = ("tags", "users")


@dataclass(frozen=True, slots=True)
class Skipped:
    """An app that cannot be shown."""

    app_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What goes into an answer, and what had to be left out of it."""

    entries: list[JsonObject]
    skipped: tuple[Skipped, ...]


def list_entries(apps: Iterable[AllowedApp]) -> Shown:
    """The published apps, the last first, with all their public fields (``cb_apps_store:normalize_apps_result/1``)."""
    return _shown(reversed([app for app in apps if app.published]), _list_entry)


def app_body(app: AllowedApp) -> JsonObject | None:
    """A single app, published or not, as ``cb_apps_store:load_app/2`` answers it; ``None`` if it cannot be shown."""
    if _unfit(app) is not None:
        return None
    body = _repaired(app)
    _set_account_id(body, app)
    return body


def app_body_for_others(app: AllowedApp) -> JsonObject | None:
    """The same for somebody from outside the account, whom it does not concern who uses the app there."""
    body = app_body(app)
    if body is None:
        return None
    permission = {"allowed_users", "users", *mergeable(app.permission or {})}
    return {key: value for key, value in body.items() if key not in permission}


def login_apps(apps: Iterable[AllowedApp], languages: Iterable[str]) -> Shown:
    """The published apps for the reply to a login (``crossbar_util:load_apps/2``): id, name, addresses, label.

    Args:
        apps: allowed apps for the user who logs in.
        languages: where to look for the label, from ``label_languages``.
    """
    wanted = tuple(languages)
    return _shown((app for app in apps if app.published), lambda app: _login_entry(app, wanted))


def label_languages(
    user: JsonObject | None, account: JsonObject | None, default_language: str = DEFAULT_LANGUAGE
) -> tuple[str, ...]:
    """The languages in which a user wants labels, the most wanted first.

    The user's own language counts even if it is nonsense; the account's is only asked where the user has none.
    """
    own = get(user, "language")
    chosen = get(account, "language") if own is MISSING else own
    wanted = chosen if isinstance(chosen, str) else default_language
    return tuple(dict.fromkeys((wanted, default_language, DEFAULT_LANGUAGE)))


def shown_text(value: Json) -> str | None:
    """A text, or the digits of a number; KAZOO makes names of every other value too, for us those are none."""
    return as_text(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _shown(apps: Iterable[AllowedApp], entry: Callable[[AllowedApp], JsonObject]) -> Shown:
    entries, skipped = [], []
    for app in apps:
        reason = _unfit(app)
        if reason is None:
            entries.append(entry(app))
        else:
            skipped.append(Skipped(app.id, reason))
    return Shown(entries, tuple(skipped))


def _unfit(app: AllowedApp) -> str | None:
    """Why an app cannot be shown, ``None`` if it can."""
    if app.id is None:
        return "the app has no id"
    if not shown_text(app.document.get("name")):
        return "the app has no name"
    return None


def _list_entry(app: AllowedApp) -> JsonObject:
    entry = _repaired(app)
    entry["name"] = _name(app)
    stated = as_text(app.document.get("allowed_users", MISSING))
    if app.permission is not None and stated in ALLOWED_USERS:
        entry["allowed_users"] = stated
    for key in _LISTED_TEXTS:
        text = as_text(entry.pop(key, MISSING))
        if text or (text is not None and key != "api_url"):
            entry[key] = text
    for key in _LISTED_ARRAYS:
        entry[key] = list_at(entry, key)
    entry["masqueradable"] = as_boolean(entry.get("masqueradable", MISSING)) is not False
    _set_account_id(entry, app)
    return entry


def _login_entry(app: AllowedApp, languages: tuple[str, ...]) -> JsonObject:
    document = app.document
    name = _name(app)
    entry: JsonObject = {"id": app.id, "name": name}
    for key in ("api_url", "source_url"):
        address = as_text(document.get(key, MISSING))
        if address or (address is not None and key != "api_url"):
            entry[key] = address
    label = _label(document, languages)
    entry["label"] = name if label is None else label
    return entry


def _label(document: JsonObject, languages: tuple[str, ...]) -> str | None:
    """The label in the first of the languages that has one, of whatever kind (``crossbar_util:load_apps/2``)."""
    stated = (get(document, "i18n", language, "label") for language in languages)
    return shown_text(next((label for label in stated if label is not MISSING), None))


def _repaired(app: AllowedApp) -> JsonObject:
    """The public fields, without what the web client stumbles over; a new object."""
    body = public_fields(app.document)
    body["i18n"] = _with_labels(body.get("i18n"), _name(app))
    if body.get("api_url") == "":
        del body["api_url"]
    body.pop("allowed_users", None)
    allowed_users = _allowed_users(app)
    if allowed_users is not None:
        body["allowed_users"] = allowed_users
    return body


def _allowed_users(app: AllowedApp) -> str | None:
    """Who may use the app, by which the web client knows that it is installed; ``None`` where it is not.

    A text that the account has stored is shown whatever it says, as recorded: the app is installed, and would seem not
    to be without it.
    """
    if app.permission is None:
        return None
    stored, stated = app.permission.get("allowed_users"), app.document.get("allowed_users")
    if isinstance(stored, str) and stored:
        return stored
    return stated if isinstance(stated, str) and stated in ALLOWED_USERS else None


def _with_labels(i18n: Json, name: str) -> JsonObject:
    if not isinstance(i18n, dict) or not i18n:
        return {DEFAULT_LANGUAGE: {"label": name}}
    if all(string_at(texts, "label") is not None for texts in i18n.values()):
        return i18n
    return {language: _with_label(texts, name) for language, texts in i18n.items()}


def _with_label(texts: Json, name: str) -> Json:
    if not isinstance(texts, dict):
        return {"label": name}
    label = shown_text(texts.get("label"))
    return {**texts, "label": name if label is None else label}


def _name(app: AllowedApp) -> str:
    return shown_text(app.document["name"]) or ""


def _set_account_id(body: JsonObject, app: AllowedApp) -> None:
    """The account that the app document belongs to; a public field of that name counts where there is none."""
    owner = app.document.get("pvt_account_id")
    if isinstance(owner, str):
        body["account_id"] = owner
