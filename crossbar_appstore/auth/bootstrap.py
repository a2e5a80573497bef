"""Creates what a standalone system needs before the first login: a signing key, a server secret, a cluster id.

Beside KAZOO these exist already and are only read.
"""

import asyncio
import base64
from collections.abc import Mapping

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import Conflict, DocumentMissing
from crossbar_appstore.datastore.updates import ATTEMPTS
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import config_document, new_secret
from crossbar_appstore.kazoo.documents import gregorian_seconds
from crossbar_appstore.kazoo.ids import new_id

from . import keys
from .documents import SYSTEM_AUTH, SYSTEM_CONFIG
from .tokens import AUTH_CATEGORY, SERVER_SECRET, SYSTEM_KEY


async def ensure_system_auth(couch: Couch) -> str:
    """Create the system's key, secret and cluster id where they are missing; existing ones are never changed.

    Safe to repeat, and to run twice at the same time. Returns the id of the system's key; raises ``DatastoreError`` if
    CouchDB cannot be read or written.
    """
    for database in (SYSTEM_CONFIG, SYSTEM_AUTH):
        await couch.create_database(database)
    auth = await ensure_config(couch, AUTH_CATEGORY, {SYSTEM_KEY: new_id(), SERVER_SECRET: new_secret()})
    await ensure_config(couch, "cluster", {"cluster_id": new_id()})
    key_id: str = auth["default"][SYSTEM_KEY]
    await _ensure_key(couch, key_id)
    return key_id


async def ensure_config(couch: Couch, category: str, values: Mapping[str, Json]) -> JsonObject:
    """Add the settings that a category of ``system_config`` lacks, and return the category's document.

    Raises ``Conflict`` if another writer was faster in each of five attempts.
    """
    for _ in range(ATTEMPTS):
        stored = await _open(couch, SYSTEM_CONFIG, category)
        wanted = config_document(category, values, stored)
        if stored is not None and wanted["default"] == stored.get("default"):
            return stored
        try:
            return await couch.save_doc(SYSTEM_CONFIG, wanted)
        except Conflict:
            continue
    raise Conflict(SYSTEM_CONFIG, category)


async def _ensure_key(couch: Couch, key_id: str) -> None:
    """Save the key document with its PEM in one request, unless it has one."""
    stored = await _open(couch, SYSTEM_AUTH, key_id)
    if stored is not None and keys.ATTACHMENT in stored.get("_attachments", {}):
        return
    key = await asyncio.to_thread(keys.generate)
    attachment = {"content_type": keys.PEM_TYPE, "data": base64.b64encode(keys.to_pem(key)).decode()}
    now = gregorian_seconds()
    base: JsonObject = stored if stored is not None else {"_id": key_id, "pvt_created": now}
    document = {
        **base,
        "pvt_type": "system_key",
        "pvt_account_db": SYSTEM_AUTH,
        "pvt_modified": now,
        "_attachments": {**base.get("_attachments", {}), keys.ATTACHMENT: attachment},
    }
    try:
        await couch.save_doc(SYSTEM_AUTH, document)
    except Conflict:
        # Another process created the key first, and may have signed tokens with it already.
        return


async def _open(couch: Couch, database: str, doc_id: str) -> JsonObject | None:
    try:
        return await couch.open_doc(database, doc_id)
    except DocumentMissing:
        return None
