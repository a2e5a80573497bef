"""The documents that make an account: the account itself, its first user, its services and its empty app store.

Builders only: nothing is read or saved here. What they leave out, KAZOO fills in when it first needs it.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import CROSSBAR_VERSION, alphanumeric_name, stamp_maintenance
from crossbar_appstore.kazoo.ids import encoded_account_db
from crossbar_appstore.kazoo.time import gregorian_seconds

DEFAULT_TIMEZONE: Final = "America/Los_Angeles"
DEFAULT_LANGUAGE: Final = "en-US"
ACCOUNTS_CONFIG: Final = "accounts"
MASTER_ACCOUNT_ID: Final = "master_account_id"

_SERVICES_VERSION: Final = 2
_KEY_BYTES: Final = 32
_SECRET_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where an account stands: its ancestors, root first and without itself, and whose customer it is.

    The first account of a system has no ancestors, is its own reseller and becomes the master account.
    """

    tree: tuple[str, ...] = ()
    reseller_id: str | None = None

    @property
    def is_master(self) -> bool:
        """Whether the account is the root of the system."""
        return not self.tree


def password_hashes(username: str, password: str) -> tuple[str, str]:
    """The MD5 and the SHA-1 of ``username:password`` in hexadecimal (``cb_modules_util:pass_hashes/2``).

    They are what a client sends to log in, and all that is stored of a password.
    """
    text = f"{username}:{password}".encode()
    md5 = hashlib.md5(text, usedforsecurity=False).hexdigest()
    return md5, hashlib.sha1(text, usedforsecurity=False).hexdigest()


def new_api_key() -> str:
    """A fresh ``pvt_api_key``: 64 hex digits."""
    return secrets.token_hex(_KEY_BYTES)


def new_secret() -> str:
    """A fresh ``pvt_signature_secret``: 32 hex digits."""
    return secrets.token_hex(_SECRET_BYTES)


def account_document(
    account_id: str,
    fields: Mapping[str, Json],
    place: Place,
    *,
    enabled: bool = True,
    now: int | None = None,
) -> JsonObject:
    """An account, for its own database and for ``accounts`` alike.

    Args:
        account_id: raw.
        fields: what the client gave: ``name``, ``realm`` and whatever else is public.
        place: its ancestors and its reseller.
        enabled: what its parent is.
        now: Gregorian seconds, the present if left out.
    """
    doc: JsonObject = {
        "_id": account_id,
        "timezone": DEFAULT_TIMEZONE,
        "language": DEFAULT_LANGUAGE,
        **fields,
        "pvt_vsn": CROSSBAR_VERSION,
        "pvt_api_key": new_api_key(),
        "pvt_signature_secret": new_secret(),
        "pvt_tree": list(place.tree),
        "pvt_enabled": enabled,
        "pvt_reseller": place.is_master,
        "pvt_reseller_id": _reseller_id(account_id, place),
        "pvt_superduper_admin": place.is_master,
    }
    name = doc.get("name")
    if isinstance(name, str):
        doc["pvt_alphanum_name"] = alphanumeric_name(name)
    return stamp_maintenance(doc, account_id=account_id, doc_type="account", now=now)


def user_document(
    user_id: str,
    account_id: str,
    fields: Mapping[str, Json],
    *,
    username: str,
    password: str,
    now: int | None = None,
) -> JsonObject:
    """A user who can log in; the user name is stored in lower case, the password only as its hashes.

    ``fields`` are the public ones (``first_name``, ``last_name``, ``email``, ``priv_level`` …); users are enabled and
    of level ``user`` unless these say otherwise.
    """
    login = username.lower()
    md5, sha1 = password_hashes(login, password)
    public = {key: value for key, value in fields.items() if key != "password"}
    doc: JsonObject = {
        "_id": user_id,
        "enabled": True,
        "priv_level": "user",
        **public,
        "username": login,
        "pvt_vsn": CROSSBAR_VERSION,
        "pvt_md5_auth": md5,
        "pvt_sha1_auth": sha1,
        "pvt_signature_secret": new_secret(),
    }
    return stamp_maintenance(doc, account_id=account_id, doc_type="user", now=now)


def services_document(account_id: str, place: Place, *, now: int | None = None) -> JsonObject:
    """The account's document in ``services``: no plans, good standing."""
    doc: JsonObject = {
        "_id": account_id,
        "pvt_vsn": _SERVICES_VERSION,
        "pvt_tree": list(place.tree),
        "pvt_reseller": place.is_master,
        "pvt_reseller_id": _reseller_id(account_id, place),
        "pvt_status": "good_standing",
        "plans": {},
        "quantities": {"account": {}, "cascade": {}, "manual": {}},
    }
    return stamp_maintenance(doc, account_id=account_id, doc_type="service", now=now)


def apps_store_document(account_id: str) -> JsonObject:
    """The bare ``apps_store`` that every new account gets; without a type, as KAZOO's billing wants it."""
    return {
        "_id": "apps_store",
        "pvt_account_id": account_id,
        "pvt_account_db": encoded_account_db(account_id),
    }


def config_document(
    category: str, values: Mapping[str, Json], stored: JsonObject | None = None, *, now: int | None = None
) -> JsonObject:
    """A document of ``system_config`` with ``values`` added to its ``default`` section where that lacks them.

    ``stored`` is the document as it is, None if there is none; what it holds is kept.
    """
    moment = gregorian_seconds() if now is None else now
    doc: JsonObject = dict(stored) if stored is not None else {"_id": category, "pvt_created": moment}
    doc.setdefault("pvt_type", "config")
    doc.setdefault("pvt_account_id", "system_config")
    doc.setdefault("pvt_account_db", "system_config")
    held = doc.get("default")
    section = dict(held) if isinstance(held, dict) else {}
    for key, value in values.items():
        if section.get(key) in (None, ""):
            section[key] = value
    doc["default"] = section
    doc["pvt_modified"] = moment
    return doc


def master_account_config(account_id: str, stored: JsonObject | None = None, *, now: int | None = None) -> JsonObject:
    """``system_config/accounts`` naming the master account, unless ``stored`` names one already."""
    return config_document(ACCOUNTS_CONFIG, {MASTER_ACCOUNT_ID: account_id}, stored, now=now)


def child_place(parent_id: str, parent: Mapping[str, Json], services: Mapping[str, Json] | None) -> Place:
    """Where a new child of an account stands, from the parent's account and services documents.

    The parent is the reseller if it is one, else the parent's own reseller is.
    """
    ancestors = parent.get("pvt_tree")
    tree = (*_ids(ancestors), parent_id)
    held = services if services is not None else parent
    if held.get("pvt_reseller") in (True, "true"):
        return Place(tree, parent_id)
    reseller_id = held.get("pvt_reseller_id")
    return Place(tree, reseller_id if isinstance(reseller_id, str) and reseller_id else tree[0])


def _ids(value: Json) -> Sequence[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _reseller_id(account_id: str, place: Place) -> str:
    return account_id if place.is_master else (place.reseller_id or place.tree[0])
