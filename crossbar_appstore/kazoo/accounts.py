"""Builds the documents of a new account: the account, its first user, its services and its empty ``apps_store``."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import (
    CROSSBAR_VERSION,
    DEFAULT_LANGUAGE,
    account_fields,
    alphanumeric_name,
    gregorian_seconds,
    stamp_maintenance,
)
from crossbar_appstore.kazoo.values import is_true, list_at, object_at, string_at

DEFAULT_TIMEZONE: Final = "America/Los_Angeles"
ACCOUNTS_CONFIG: Final = "accounts"
MASTER_ACCOUNT_ID: Final = "master_account_id"


@dataclass(frozen=True, slots=True)
class Place:
    """The position of an account: its ancestors, root first and without itself, and its reseller.

    The first account of a system has no ancestors, is its own reseller and becomes the master account.
    """

    tree: tuple[str, ...] = ()
    reseller_id: str | None = None

    @property
    def is_master(self) -> bool:
        """Whether the account is the root of the system."""
        return not self.tree

    def fields_for(self, account_id: str) -> JsonObject:
        """Returns the private fields for the position, which account and services documents share."""
        return {
            "pvt_tree": list(self.tree),
            "pvt_reseller": self.is_master,
            "pvt_reseller_id": account_id if self.is_master else (self.reseller_id or self.tree[0]),
        }


def password_hashes(username: str, password: str) -> tuple[str, str]:
    """Returns the MD5 and the SHA-1 of ``username:password`` in hexadecimal (``cb_modules_util:pass_hashes/2``)."""
    # Neither is safe any more, but KAZOO stores only these, and its clients log in with one of them.
    text = f"{username}:{password}".encode()
    md5 = hashlib.md5(text, usedforsecurity=False).hexdigest()
    return md5, hashlib.sha1(text, usedforsecurity=False).hexdigest()


def new_secret() -> str:
    """Returns a new ``pvt_signature_secret``: 32 hex digits."""
    return secrets.token_hex(16)


def new_api_key() -> str:
    """Returns a new ``pvt_api_key``: 64 hex digits."""
    return secrets.token_hex(32)


def account_document(account_id: str, fields: Mapping[str, Json], place: Place, *, enabled: bool = True) -> JsonObject:
    """Returns an account document with these public fields, for the account's database and for ``accounts`` alike."""
    # Private fields come last: the client cannot set its own place in the hierarchy.
    doc: JsonObject = {
        "_id": account_id,
        "timezone": DEFAULT_TIMEZONE,
        "language": DEFAULT_LANGUAGE,
        **fields,
        "pvt_vsn": CROSSBAR_VERSION,
        "pvt_api_key": new_api_key(),
        "pvt_signature_secret": new_secret(),
        "pvt_enabled": enabled,
        "pvt_superduper_admin": place.is_master,
        **place.fields_for(account_id),
    }
    if isinstance(name := doc.get("name"), str):
        doc["pvt_alphanum_name"] = alphanumeric_name(name)
    return stamp_maintenance(doc, account_id=account_id, doc_type="account")


def user_document(
    user_id: str, account_id: str, fields: Mapping[str, Json], *, username: str, password: str
) -> JsonObject:
    """Returns a user document with these public fields; the password is stored only as its hashes."""
    # KAZOO compares user names in lower case.
    md5, sha1 = password_hashes(username.lower(), password)
    doc: JsonObject = {
        "_id": user_id,
        "enabled": True,
        "priv_level": "user",
        **{key: value for key, value in fields.items() if key != "password"},
        "username": username.lower(),
        "pvt_vsn": CROSSBAR_VERSION,
        "pvt_md5_auth": md5,
        "pvt_sha1_auth": sha1,
        "pvt_signature_secret": new_secret(),
    }
    return stamp_maintenance(doc, account_id=account_id, doc_type="user")


def services_document(account_id: str, place: Place) -> JsonObject:
    """Returns the account's document in ``services``: no plans, good standing."""
    doc: JsonObject = {
        "_id": account_id,
        "pvt_vsn": 2,
        **place.fields_for(account_id),
        "pvt_status": "good_standing",
        "plans": {},
        "quantities": {"account": {}, "cascade": {}, "manual": {}},
    }
    return stamp_maintenance(doc, account_id=account_id, doc_type="service")


def new_apps_store(account_id: str) -> JsonObject:
    """Returns the empty ``apps_store`` document of a new account; KAZOO's billing requires that it has no type."""
    return {"_id": "apps_store", **account_fields(account_id)}


def config_document(category: str, values: Mapping[str, Json], stored: JsonObject | None = None) -> JsonObject:
    """Returns a document of ``system_config`` with ``values`` added to its ``default`` section where they are missing.

    ``stored`` is the existing document, if any; all that it holds is kept.
    """
    moment = gregorian_seconds()
    fresh = {"_id": category, "pvt_created": moment} if stored is None else stored
    section = object_at(stored, "default")
    return {
        "pvt_type": "config",
        "pvt_account_id": "system_config",
        "pvt_account_db": "system_config",
        **fresh,
        "pvt_modified": moment,
        "default": section | {key: value for key, value in values.items() if section.get(key) in (None, "")},
    }


def child_place(parent_id: str, parent: JsonObject, services: JsonObject | None) -> Place:
    """Returns the position of a new child account, from the parent's account and services documents.

    Its reseller is the parent if that is one, else the parent's reseller.
    """
    tree = (*(each for each in list_at(parent, "pvt_tree") if isinstance(each, str)), parent_id)
    held = parent if services is None else services
    reseller_id = parent_id if is_true(held.get("pvt_reseller")) else string_at(held, "pvt_reseller_id")
    return Place(tree, reseller_id or tree[0])
