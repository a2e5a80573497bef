"""Validation of user documents (`kzd_users:validate/3`), and what users may change in their own document.

Pure functions over documents. Of a password only the hashes are stored, as private fields.
"""

import secrets
from collections.abc import Mapping
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import new_secret, password_hashes
from crossbar_appstore.kazoo.documents import private_fields
from crossbar_appstore.kazoo.merging import merge
from crossbar_appstore.kazoo.values import is_empty, is_true, nonempty_text_at, object_at
from crossbar_appstore.resources.account_rules import Checked
from crossbar_appstore.resources.documents import own_fields
from crossbar_appstore.validation.errors import SchemaErrors
from crossbar_appstore.validation.validator import schema, validate_coercing

USER: Final = "user"
MD5: Final = "pvt_md5_auth"
SHA1: Final = "pvt_sha1_auth"
SECRET: Final = "pvt_signature_secret"

RESERVED: Final[Mapping[str, Json]] = {
    "call_restriction": {},
    "enabled": True,
    "feature_level": None,
    "flags": None,
    "priv_level": "user",
    "service": None,
    "verified": False,
}
"""Fields that only administrators change, with their defaults: they grant rights, or apps through the user's own
service plans."""


def checked_user(current: JsonObject | None, data: JsonObject, *, patch: bool = False) -> Checked:
    """A user with a client's data in place of the public fields, or merged into them (``patch``); private fields stay.

    ``current`` is None for a new user.
    """
    stored = {} if current is None else own_fields(current)
    fields = merge(stored, data) if patch else dict(data)
    # The hashes are made from the password alone; KAZOO makes them from the user name in lower case.
    fields.pop("credentials", None)
    username = nonempty_text_at(fields, "username")
    if username is not None:
        fields["username"] = username.lower()
    coerced, errors = validate_coercing("users", fields)
    document = {**({} if current is None else private_fields(current)), **schema("users").with_defaults(coerced)}
    document["pvt_type"] = USER
    password = nonempty_text_at(document, "password")
    document.pop("password", None)
    _set_credentials(document, errors, nonempty_text_at(stored, "username"), password)
    _check_call_forward(document, errors)
    return Checked(document, errors)


def kept_reserved(current: JsonObject, data: JsonObject, *, patch: bool) -> JsonObject:
    """The data of a user who is no administrator; reserved fields that a POST omits keep their stored values."""
    if patch:
        return data
    return {**{field: current[field] for field in RESERVED if field in current}, **data}


def reserved_change(current: JsonObject, changed: JsonObject) -> str | None:
    """The first reserved field that differs between two documents; None if none does."""
    differing = (name for name, default in RESERVED.items() if changed.get(name, default) != current.get(name, default))
    return next(differing, None)


def without_secrets(data: JsonObject) -> JsonObject:
    """A reply's data without passwords, which old documents may hold in plain text."""
    return {key: value for key, value in data.items() if key not in ("credentials", "password")}


def listing_entry(user: JsonObject) -> JsonObject:
    """A user as the view ``users/crossbar_listing`` emits it, for databases without that view."""
    fields = ("username", "email", "first_name", "last_name", "priv_level", "feature_level", "presence_id", "timezone")
    entry: JsonObject = {"id": user["_id"], "features": _features(user)}
    entry |= {name: user[name] for name in (*fields, "call_recording", "service") if name in user}
    entry["flags"] = user.get("flags") or []
    return entry


def listing_key(user: JsonObject) -> str:
    """The key of ``listing_entry``: last name, then first name."""
    return f"{user.get('last_name', 'undefined')} {user.get('first_name', 'undefined')}"


def _set_credentials(document: JsonObject, errors: SchemaErrors, was: str | None, password: str | None) -> None:
    """Set the hashes of user name and password if either changed (`kzd_users:maybe_rehash_creds/3`)."""
    username = nonempty_text_at(document, "username")
    if password is not None:
        if username is None:
            username = document["username"] = f"user_{secrets.token_hex(8)}"
        hashes = password_hashes(username, password)
        if hashes != (document.get(MD5), document.get(SHA1)):
            # Tokens are signed with it: a new password invalidates all tokens of the user.
            document[SECRET] = new_secret()
        document[MD5], document[SHA1] = hashes
    elif username is None:
        document.pop(MD5, None)
        document.pop(SHA1, None)
    elif username != was:
        message = "The password must be provided when creating / updating the user name"
        errors.setdefault("password", {})["required"] = {"message": message, "cause": username}
    if not nonempty_text_at(document, SECRET):
        document[SECRET] = new_secret()


def _check_call_forward(document: JsonObject, errors: SchemaErrors) -> None:
    forward = object_at(document, "call_forward")
    if is_true(forward.get("enabled")) and nonempty_text_at(forward, "number") is None:
        message = "Call forward number cannot be empty when call forward is enabled"
        errors.setdefault("call_forward.number", {})["required"] = {"message": message}


def _features(user: JsonObject) -> list[Json]:
    """The features that are enabled for a user, in the order of the view."""
    stored = user.get("features")
    features = list(stored) if isinstance(stored, list) else []
    features += [name for name, value in object_at(user, "smartpbx").items() if _is_on(value)]
    features += [name for name in ("hotdesk", "call_forward") if _is_on(user.get(name))]
    forward = object_at(user, "call_forward")
    if not is_empty(forward.get("failover")) and forward["failover"] is not False and not _is_on(forward):
        features.append("call_forward_failover")
    if nonempty_text_at(user, "caller_id", "external", "number") is not None:
        features.append("caller_id")
    if is_true(user.get("vm_to_email_enabled")):
        features.append("vm_to_email")
    if nonempty_text_at(user, "music_on_hold", "media_id") is not None:
        features.append("music_on_hold")
    features += [name for name in ("do_not_disturb", "ctu", "desktop") if _is_on(user.get(name))]
    return features


def _is_on(value: Json) -> bool:
    return isinstance(value, dict) and is_true(value.get("enabled"))
