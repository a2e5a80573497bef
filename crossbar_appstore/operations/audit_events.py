"""Audit events from changed documents, as pure functions: what was changed, before and after, without secrets.

Values are shown of accounts, users, installed apps, overrides and apps of the catalogue; of other documents only which
members differ. Of accounts and users, ``_SHOWN`` says which. Members of any depth whose name sounds like a secret are
left out, and secrets in texts are replaced.
"""

import re
from collections.abc import Iterator
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_private_key, is_soft_deleted
from crossbar_appstore.kazoo.ids import parse_account_id
from crossbar_appstore.kazoo.values import object_at, string_at
from crossbar_appstore.request_scope import DocumentChange

APPS_STORE: Final = "apps_store"
ACCOUNT_NAMES: Final = ("account_name", "account_realm", "realm")
"""Members of an event's ``named``: what a login says about the account that it wants."""

_ACCOUNT: Final = "account"
_USER: Final = "user"
_APP: Final = "app"
_OVERRIDE: Final = "app_whitelabel"
_PASSWORD_RESET: Final = "password_reset"
_SHOWN: Final = {
    _ACCOUNT: frozenset(
        {"name", "realm", "enabled", "language", "timezone", "pvt_enabled", "pvt_reseller", "pvt_reseller_id"}
        | {"pvt_superduper_admin", "pvt_tree", "pvt_trial_expires"}
    ),
    _USER: frozenset({"username", "email", "priv_level", "enabled", "language", "timezone"}),
}
"""``pvt_type`` → the members whose values are shown; of the types that are in ``_WHOLE`` all public ones are."""
_WHOLE: Final = frozenset({_APP, _OVERRIDE})
_NAMED: Final = {
    "pvt_md5_auth": "password",
    "pvt_sha1_auth": "password",
    "pvt_signature_secret": "signature",
    "pvt_api_key": "api_key",
    "_attachments": "pictures",
}
"""Private members that are named, by another name, where they differ."""

_SECRET: Final = re.compile(
    r"passw|passphrase|passcode|secret|hash|token|apikey|accesskey|credential|md5|sha1|sha256|privatekey|authkey"
    r"|signature|sasl|^(?:pin|pwd|pass|auth|authorization|key|jwt)$|pinnumber|cookie|session"
)
_NO_LETTERS: Final = re.compile(r"[^a-z0-9]")
_TOKEN: Final = re.compile(
    r"eyJ[\w-]{5,}(?:(?:\.|%2E)[\w-]*)*|\b(?:Basic|Bearer) \S+"
    r"|(?<==)(?:(?<=token=)|(?<=key=)|(?<=password=)|(?<=secret=))[^\s&#]+"
    r"|-----BEGIN[^-]*PRIVATE KEY.*|recovery=\w+|\b[0-9a-f]{70,}\b",
    re.IGNORECASE | re.DOTALL,
)
"""Tokens, secrets in query strings, private keys, and password resets (``kazoo.ids.SHORTEST_RESET_ID``) in texts."""
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/?#\s]*@")
_TYPE: Final = re.compile(r"[a-z_]{1,40}")
_LONGEST_TEXT: Final = 500
_LONGEST_NAME: Final = 100
_MOST_ITEMS: Final = 500
_DEEPEST: Final = 12


def clean(value: Json, depth: int = 0) -> Json:
    """The value without secrets; long texts and long lists are cut."""
    if isinstance(value, str):
        text = _CREDENTIALS.sub("***@", _TOKEN.sub("[removed]", value))
        return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"
    if depth == _DEEPEST and isinstance(value, dict | list):
        return "…"
    if isinstance(value, dict):
        shown = {name: member for name, member in value.items() if not is_secret(name)}
        return {str(clean(name))[:_LONGEST_NAME]: clean(member, depth + 1) for name, member in shown.items()}
    if isinstance(value, list):
        items = [clean(item, depth + 1) for item in value[:_MOST_ITEMS]]
        return items if len(value) <= _MOST_ITEMS else [*items, f"… {len(value) - _MOST_ITEMS} more"]
    return value


def is_secret(name: str) -> bool:
    """Whether a member of this name may hold a secret."""
    return _SECRET.search(_NO_LETTERS.sub("", name.lower())) is not None


def events_of(change: DocumentChange) -> Iterator[JsonObject]:
    """What a change is about: ``action``, ids, ``before``, ``after`` and ``changed``; nothing for copies of documents.

    Only documents of an account's databases are told of, with the master account's apps among them.
    """
    account_id = parse_account_id(change.database) or parse_account_id(change.database.rpartition("-")[0])
    kind = _kind(change)
    # The id of a password reset is what its link consists of.
    if account_id is None or kind == _PASSWORD_RESET:
        return
    if change.doc_id == APPS_STORE:
        yield from _installs(account_id, change.before or {}, change.after or {})
        return
    verb = _verb(change)
    # A document that is soft-deleted, or was until now, still has its members.
    before = None if verb == "create" else change.before
    after = None if verb == "delete" else change.after
    changed = sorted(set(_changed(before or {}, after or {}, kind)))
    if verb == "update" and not changed:
        return
    event: JsonObject = {"action": f"{_ACTIONS.get(kind, kind)}.{verb}", "account_id": account_id}
    event |= _subject(change, kind)
    if kind in _SHOWN or kind in _WHOLE:
        event |= {
            "before": _shown(before, after, kind),
            "after": _shown(after, before, kind),
        }
    yield {**event, "changed": [str(clean(name))[:_LONGEST_NAME] for name in changed]}


_ACTIONS: Final = {_OVERRIDE: "override"}


def _kind(change: DocumentChange) -> str:
    """The document's ``pvt_type``."""
    kind = string_at(change.after or change.before or {}, "pvt_type") or ""
    return kind if _TYPE.fullmatch(kind) else "document"


def _verb(change: DocumentChange) -> str:
    was, is_there = (each is not None and not is_soft_deleted(each) for each in (change.before, change.after))
    return "delete" if was and not is_there else "create" if is_there and not was else "update"


def _subject(change: DocumentChange, kind: str) -> JsonObject:
    document = change.after or change.before or {}
    if kind == _ACCOUNT:
        return {}
    if kind == _USER:
        return {"user_id": change.doc_id}
    if kind in _WHOLE:
        # An override has the id of its app behind a prefix.
        app_id = change.doc_id.rpartition("-")[2] if kind == _OVERRIDE else change.doc_id
        return {"app_id": app_id, "app": clean(string_at(document, "name"))}
    return {"document_id": clean(change.doc_id)}


def _changed(before: JsonObject, after: JsonObject, kind: str) -> Iterator[str]:
    for name in {*before, *after}:
        if before.get(name) != after.get(name):
            if name in _NAMED:
                yield _NAMED[name]
            elif not is_private_key(name) or name in _SHOWN.get(kind, ()):
                yield name


def _shown(document: JsonObject | None, other: JsonObject | None, kind: str) -> Json:
    """The members that are shown and differ from those of the other revision; None if there is no document."""
    if document is None:
        return None
    names = _SHOWN.get(kind)
    return clean(
        {
            name: value
            for name, value in document.items()
            if (not is_private_key(name) if names is None else name in names) and value != (other or {}).get(name)
        }
    )


def _installs(account_id: str, before: JsonObject, after: JsonObject) -> Iterator[JsonObject]:
    """One event for each app that was installed, updated or uninstalled, and one for the blacklist."""
    old, new = object_at(before, "apps"), object_at(after, "apps")
    for app_id in dict.fromkeys((*old, *new)):
        was, is_now = old.get(app_id), new.get(app_id)
        if was != is_now:
            verb = "install" if app_id not in old else "uninstall" if app_id not in new else "update"
            subject = {"action": f"{APPS_STORE}.{verb}", "account_id": account_id, "app_id": app_id}
            yield {**subject, "before": clean(was), "after": clean(is_now)}
    if before.get("blacklist", []) != after.get("blacklist", []):
        values = {"before": clean(before.get("blacklist")), "after": clean(after.get("blacklist"))}
        yield {"action": f"{APPS_STORE}.blacklist", "account_id": account_id, **values}
