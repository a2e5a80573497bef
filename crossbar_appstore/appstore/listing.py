"""Apps as the API returns them: entries of the list, a single app, the apps of a login reply.

Values that the web client cannot handle are repaired (D23): a missing label becomes the name, an empty ``api_url`` and
an invalid ``allowed_users`` are left out. An app without an id or a usable name is skipped and reported for the log.
What would act in the client is made harmless, whoever stored it (D27): markup in labels, and addresses that run or hold
credentials. Every app has texts in en-US (D28).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.appstore.allowed_apps import AllowedApp
from crossbar_appstore.appstore.app_addresses import ADDRESS_KEYS, is_harmless
from crossbar_appstore.appstore.apps_store_document import ALLOWED_USERS, mergeable
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import DEFAULT_LANGUAGE, public_fields
from crossbar_appstore.kazoo.values import MISSING, Missing, as_boolean, as_text, get, list_at, object_at

_WITHOUT_MARKUP: Final = str.maketrans({"<": "\u2039", ">": "\u203a"})


@dataclass(frozen=True, slots=True)
class Skipped:
    """An app that cannot be returned, and why."""

    app_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Shown:
    """The entries of a reply, and the apps that were left out."""

    entries: list[JsonObject]
    skipped: tuple[Skipped, ...]


def list_entries(apps: Iterable[AllowedApp]) -> Shown:
    """Returns the published apps, last first, with all public fields (``cb_apps_store:normalize_apps_result/1``)."""
    return _shown(reversed([app for app in apps if app.published]), _list_entry)


def app_body(app: AllowedApp) -> JsonObject | None:
    """Returns one app, published or not, as ``cb_apps_store:load_app/2``; ``None`` if it cannot be returned."""
    return None if _unfit(app) is not None else _repaired(app)


def app_body_for_others(app: AllowedApp) -> JsonObject | None:
    """Returns the same for a user of another account, without the account's permission."""
    body = app_body(app)
    if body is None:
        return None
    permission = {"allowed_users", "users", *mergeable(app.permission or {})}
    return {key: value for key, value in body.items() if key not in permission}


def login_apps(apps: Iterable[AllowedApp], languages: Iterable[str]) -> Shown:
    """Returns id, name, addresses and label of the published apps for the login reply (``crossbar_util:load_apps/2``).

    The label is in the first of the languages that has one.
    """
    wanted = tuple(languages)
    return _shown((app for app in apps if app.published), lambda app: _login_entry(app, wanted))


def label_languages(
    user: JsonObject | None, account: JsonObject | None, default_language: str = DEFAULT_LANGUAGE
) -> tuple[str, ...]:
    """Returns the languages for a user's labels in order of preference.

    The account's language applies only if the user has none; a malformed one of the user's hides it too.
    """
    own = get(user, "language")
    chosen = get(account, "language") if own is MISSING else own
    wanted = chosen if isinstance(chosen, str) else default_language
    return tuple(dict.fromkeys((wanted, default_language, DEFAULT_LANGUAGE)))


def shown_text(value: Json | Missing) -> str | None:
    """Returns a text, or a number as text; ``None`` for other values, of which KAZOO makes names as well."""
    return as_text(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def has_markup(label: Json | Missing) -> bool:
    """Whether a label contains ``<`` or ``>``; the web client inserts labels into its pages without escaping."""
    return isinstance(label, str) and ("<" in label or ">" in label)


def language_for_default(i18n: JsonObject) -> str:
    """Returns the language whose texts stand for en-US where those are missing: ``en-us``, else the first."""
    return next((language for language in i18n if language.lower() == DEFAULT_LANGUAGE.lower()), next(iter(i18n)))


def _shown(apps: Iterable[AllowedApp], entry: Callable[[AllowedApp], JsonObject]) -> Shown:
    found = [(app, _unfit(app)) for app in apps]
    skipped = tuple(Skipped(app.id, reason) for app, reason in found if reason is not None)
    return Shown([entry(app) for app, reason in found if reason is None], skipped)


def _unfit(app: AllowedApp) -> str | None:
    """Returns why an app cannot be returned, ``None`` if it can."""
    if app.id is None:
        return "the app has no id"
    return None if shown_text(app.document.get("name")) else "the app has no name"


def _list_entry(app: AllowedApp) -> JsonObject:
    entry = _repaired(app)
    entry["name"] = _name(app)
    stated = as_text(app.document.get("allowed_users", MISSING))
    if app.permission is not None and stated in ALLOWED_USERS:
        entry["allowed_users"] = stated
    for key in (*ADDRESS_KEYS, "phase"):
        _set_text(entry, key, entry.pop(key, MISSING))
    for key in ("tags", "users"):
        entry[key] = list_at(entry, key)
    entry["masqueradable"] = as_boolean(entry.get("masqueradable", MISSING)) is not False
    return entry


def _login_entry(app: AllowedApp, languages: tuple[str, ...]) -> JsonObject:
    name, i18n = _name(app), app.document.get("i18n")
    if isinstance(i18n, dict) and i18n and DEFAULT_LANGUAGE not in i18n:
        i18n = {**i18n, DEFAULT_LANGUAGE: i18n[language_for_default(i18n)]}
    labels = (get(i18n, language, "label") for language in languages)
    # The first language with any label decides, as in KAZOO; a malformed label is replaced by the name.
    label = shown_text(next((label for label in labels if label is not MISSING), None))
    entry: JsonObject = {"id": app.id, "name": name}
    for key in ADDRESS_KEYS:
        value = app.document.get(key, MISSING)
        if _may_be_shown(value):
            _set_text(entry, key, value)
    return {**entry, "label": _harmless(name if label is None else label)}


def _set_text(entry: JsonObject, key: str, value: Json | Missing) -> None:
    """Sets a field converted to text; a value without a text and an empty ``api_url`` are left out."""
    text = as_text(value)
    if text or (text is not None and key != "api_url"):
        entry[key] = text


def _may_be_shown(address: Json | Missing) -> bool:
    text = address if isinstance(address, str) else as_text(address)
    return text is None or is_harmless(text)


def _repaired(app: AllowedApp) -> JsonObject:
    """Returns a new object of the public fields, with repaired values."""
    body = public_fields(app.document)
    body["i18n"] = _with_labels(body.get("i18n"), _name(app))
    if body.get("api_url") == "":
        del body["api_url"]
    for key in ADDRESS_KEYS:
        if key in body and not _may_be_shown(body[key]):
            del body[key]
    # The app document may have the field as well, but does not install the app.
    body.pop("allowed_users", None)
    if (allowed_users := _allowed_users(app)) is not None:
        body["allowed_users"] = allowed_users
    if isinstance(owner := app.document.get("pvt_account_id"), str):
        body["account_id"] = owner
    return body


def _allowed_users(app: AllowedApp) -> str | None:
    """Returns ``allowed_users``, by which the web client knows that the app is installed; ``None`` if it is not.

    A text from the account's permission is returned even if it is invalid, as recorded from KAZOO.
    """
    if app.permission is None:
        return None
    stored, stated = app.permission.get("allowed_users"), app.document.get("allowed_users")
    if isinstance(stored, str) and stored:
        return stored
    return stated if isinstance(stated, str) and stated in ALLOWED_USERS else None


def _with_labels(i18n: Json, name: str) -> JsonObject:
    if not isinstance(i18n, dict) or not i18n:
        return {DEFAULT_LANGUAGE: _with_label({}, name)}
    if DEFAULT_LANGUAGE in i18n and all(_has_harmless_label(texts) for texts in i18n.values()):
        return i18n
    made = {language: _with_label(texts, name) for language, texts in i18n.items()}
    return made if DEFAULT_LANGUAGE in made else {**made, DEFAULT_LANGUAGE: made[language_for_default(made)]}


def _has_harmless_label(texts: Json) -> bool:
    label = texts.get("label") if isinstance(texts, dict) else None
    return isinstance(label, str) and "<" not in label and ">" not in label


def _with_label(texts: Json, name: str) -> JsonObject:
    label = shown_text(get(texts, "label"))
    return {**object_at(texts), "label": _harmless(name if label is None else label)}


def _harmless(label: str) -> str:
    return label.translate(_WITHOUT_MARKUP) if has_markup(label) else label


def _name(app: AllowedApp) -> str:
    return shown_text(app.document["name"]) or ""
