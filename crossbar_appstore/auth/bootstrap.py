"""What a system of its own needs before anybody can log in: a signing key, a secret, a cluster id.

Only for systems that stand alone: beside KAZOO all of this exists and is KAZOO's to make.
"""

import asyncio
import base64
from collections.abc import Mapping
from typing import Final

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import Conflict, DocumentMissing
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import config_document, new_secret
from crossbar_appstore.kazoo.documents import gregorian_seconds
from crossbar_appstore.kazoo.ids import new_id

from . import rsa_keys
from .documents import SYSTEM_AUTH
from .keys import ATTACHMENT
from .tokens import AUTH_CATEGORY, SERVER_SECRET, SYSTEM_CONFIG, SYSTEM_KEY

_ATTEMPTS: Final = 5


async def ensure_system_auth(couch: Couch) -> str:
    """Make the system's key and secret where they are missing; what exists is never changed.

    Safe to repeat, and to run twice at the same time.

    Returns:
        The id of the system's key.

    Raises:
        DatastoreError: CouchDB would not have it.
    """
    for database in (SYSTEM_CONFIG, SYSTEM_AUTH):
        await couch.create_database(database)
    auth = await ensure_config(couch, AUTH_CATEGORY, {SYSTEM_KEY: new_id(), SERVER_SECRET: new_secret()})
    await ensure_config(couch, "cluster", {"cluster_id": new_id()})
    key_id: str = auth["default"][SYSTEM_KEY]
    await _ensure_key(couch, key_id)
    return key_id


async def ensure_config(couch: Couch, category: str, values: Mapping[str, Json]) -> JsonObject:
    """Add settings to a category of ``system_config`` where it lacks them; the category's document as it is then.

    Raises:
        Conflict: others keep changing it.
        DatastoreError: CouchDB would not have it.
    """
    attempts = _ATTEMPTS
    while True:
        stored = await _open(couch, SYSTEM_CONFIG, category)
        wanted = config_document(category, values, stored)
        if stored is not None and wanted["default"] == stored.get("default"):
            return stored
        try:
            return await couch.save_doc(SYSTEM_CONFIG, wanted)
        except Conflict:
            attempts -= 1
            if not attempts:
                raise


async def _ensure_key(couch: Couch, key_id: str) -> None:
    """The key document with its PEM, in one save."""
    stored = await _open(couch, SYSTEM_AUTH, key_id)
    if stored is not None and ATTACHMENT in stored.get("_attachments", {}):
        return
    key = await asyncio.to_thread(rsa_keys.generate)
    try:
        await couch.save_doc(SYSTEM_AUTH, _key_document(key_id, rsa_keys.to_pem(key), stored))
    except Conflict:
        # Somebody else was faster, and tokens are signed with that key already.
        return


def _key_document(key_id: str, pem: bytes, stored: JsonObject | None) -> JsonObject:
    now = gregorian_seconds()
    base: JsonObject = stored if stored is not None else {"_id": key_id, "pvt_created": now}
    attachment = {"content_type": rsa_keys.PEM_TYPE, "data": base64.b64encode(pem).decode()}
    return {
        **base,
        "pvt_type": "system_key",
        "pvt_account_db": SYSTEM_AUTH,
        "pvt_modified": now,
        "_attachments": {**base.get("_attachments", {}), ATTACHMENT: attachment},
    }


async def _open(couch: Couch, database: str, doc_id: str) -> JsonObject | None:
    try:
        return await couch.open_doc(database, doc_id)
    except DocumentMissing:
        return None
