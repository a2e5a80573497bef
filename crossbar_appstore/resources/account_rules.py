"""Validation of account documents, and the derived fields that replies show (`kzd_accounts`, `cb_accounts`).

Pure functions over documents.
"""

import secrets
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.auth.hierarchy import is_enabled, is_superduper_admin
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import new_api_key, new_secret
from crossbar_appstore.kazoo.documents import private_fields
from crossbar_appstore.kazoo.merging import merge
from crossbar_appstore.kazoo.values import as_boolean, as_integer, is_true, nonempty_text_at
from crossbar_appstore.resources.documents import own_fields
from crossbar_appstore.validation.errors import SchemaErrors
from crossbar_appstore.validation.validator import schema, validate_coercing

ACCOUNT: Final = "account"
KEY: Final = "pvt_api_key"
"""The field that holds the account's API key."""

_LEAKED: Final = frozenset(
    {
        "api_key",
        "billing_mode",
        "created",
        "is_reseller",
        "notification_preference",
        "reseller_id",
        "superduper_admin",
        "trial_time_left",
        "wnm_allow_additions",
    }
)
"""Derived fields in replies, which clients send back; they are dropped (`cleanup_leaky_keys/2`)."""

_PREFERENCES: Final = (
    ("pvt_notification_preference",),
    ("notifications", "voicemail_to_email"),
    ("notifications", "fax_to_email"),
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A document to save, and its validation errors; it may be saved if there are none."""

    document: JsonObject
    errors: SchemaErrors


def new_account(data: JsonObject, *, realm_suffix: str, realm_strength: int, timezone: str) -> Checked:
    """The public fields of an account to be created from a client's data.

    Without a realm it gets one of ``realm_strength`` random bytes under ``realm_suffix``.
    """
    fields: JsonObject = dict(data)
    if nonempty_text_at(fields, "realm") is None:
        fields["realm"] = f"{secrets.token_hex(realm_strength)}.{realm_suffix}"
    if nonempty_text_at(fields, "timezone") is None:
        fields["timezone"] = timezone
    return _checked(fields, {})


def changed_account(current: JsonObject, data: JsonObject, *, patch: bool, may_enable: bool) -> Checked:
    """An account with a client's data in place of its public fields, or merged into them.

    Private fields stay, and so do realm and time zone where the client omits them. ``enabled`` is applied only if it is
    given and the caller is an ancestor (``may_enable``).
    """
    stored = own_fields(current)
    kept: JsonObject = {key: stored[key] for key in ("realm", "timezone") if key in stored}
    fields = merge(stored, data) if patch else {**kept, **data}
    checked = _checked(fields, private_fields(current))
    enabled = as_boolean(data.get("enabled"))
    if may_enable and enabled is not None:
        checked.document["pvt_enabled"] = enabled
    return checked


def with_new_key(current: JsonObject) -> JsonObject:
    """The account with a new API key (`cb_accounts:put/3`), and a new secret, which ends the tokens of the old one."""
    return {**current, KEY: new_api_key(), "pvt_signature_secret": new_secret()}


def notification_preference(account: JsonObject | None) -> str | None:
    """Which KAZOO app sends an account's mail: ``teletype``, ``notify`` (`kzd_accounts:notification_preference/1`)."""
    stated = next(filter(None, (nonempty_text_at(account, *path) for path in _PREFERENCES)), None)
    return stated if stated in (None, "teletype") else "notify"


def metadata(
    account: JsonObject,
    *,
    reseller_id: str | None,
    is_reseller: bool,
    caller_id: str | None,
    master_id: str | None,
    now: int,
) -> JsonObject:
    """The derived fields that replies show of an account (`cb_accounts:leak_pvt_fields/2`), in Gregorian seconds."""
    # `cb_accounts:leak_billing_mode/2`
    billing_mode = "normal" if reseller_id == master_id else "manual"
    if reseller_id is not None and reseller_id == caller_id:
        billing_mode = "limits_only"
    found: dict[str, Json] = {
        "wnm_allow_additions": is_true(account.get("pvt_wnm_allow_additions")),
        "superduper_admin": is_superduper_admin(account),
        "created": account.get("pvt_created"),
        "enabled": is_enabled(account),
        "reseller_id": reseller_id,
        "is_reseller": is_reseller,
        "billing_mode": billing_mode,
        "notification_preference": notification_preference(account),
    }
    expires = as_integer(account.get("pvt_trial_expires"))
    if expires is not None:
        found["trial_time_left"] = expires - now
    return {name: value for name, value in found.items() if value is not None}


def _checked(fields: JsonObject, private: JsonObject) -> Checked:
    public = {key: value for key, value in fields.items() if key not in _LEAKED}
    realm = public.get("realm")
    if isinstance(realm, str):
        public["realm"] = realm.replace(" ", "")
    coerced, errors = validate_coercing("accounts", public)
    filled: JsonObject = schema("accounts").with_defaults(coerced)
    # ``pvt_enabled`` says whether an account is enabled.
    filled.pop("enabled", None)
    return Checked({**private, **filled}, errors)
