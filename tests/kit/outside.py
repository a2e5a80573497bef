"""Somebody else who writes to CouchDB, at once and without asking the event loop: for ``FaultProxy.before``."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from crossbar_appstore.json_codec import JsonObject


def write_at_once(couchdb_url: str, database: str, doc_id: str, change: Callable[[JsonObject], JsonObject]) -> None:
    """Save what ``change`` makes of the newest document; of one with an ``_id`` alone, if there is none."""
    url = f"{quote(database, safe='')}/{quote(doc_id, safe='')}"
    try:
        stored = _ask(couchdb_url, "GET", url)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 404:
            raise
        stored = {"_id": doc_id}
    _ask(couchdb_url, "PUT", url, change(stored))


def _ask(couchdb_url: str, method: str, path: str, body: JsonObject | None = None) -> JsonObject:
    parts = urlsplit(couchdb_url)
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if parts.username is not None:
        credentials = f"{parts.username}:{parts.password}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(credentials).decode()
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{path}"
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(address, data, headers, method=method)) as reply:
        answer: JsonObject = json.load(reply)
    return answer
