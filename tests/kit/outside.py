"""Another client of CouchDB, which writes synchronously: for ``FaultProxy.before``."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

from crossbar_appstore.json_codec import JsonObject
from tests.datastore.fault_proxy import FaultProxy


def write_at_once(couchdb_url: str, database: str, doc_id: str, change: Callable[[JsonObject], JsonObject]) -> None:
    """Save what ``change`` makes of the newest document; of one with an ``_id`` alone, if there is none."""
    url = f"{quote(database, safe='')}/{quote(doc_id, safe='')}"
    try:
        stored = ask(couchdb_url, "GET", url)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 404:
            raise
        stored = {"_id": doc_id}
    ask(couchdb_url, "PUT", url, change(stored))


def write_before_saves(
    proxy: FaultProxy,
    database: str,
    doc_id: str,
    change: Callable[[JsonObject], JsonObject],
    *,
    times: int = 1,
    into: str | None = None,
) -> None:
    """Change a document just before each of the next saves of it that pass the proxy.

    ``into`` is the database whose saves count, if it is another one: that of a copy of the document.
    """
    watched = f"/{quote(into or database, safe='')}/{quote(doc_id, safe='')}"
    left = [times]

    def before(method: str, path: str) -> None:
        if method == "PUT" and path == watched and left[0]:
            left[0] -= 1
            write_at_once(proxy.target, database, doc_id, change)

    proxy.before = before


def ask(couchdb_url: str, method: str, path: str, body: JsonObject | None = None) -> Any:
    """The reply to one request, parsed; ``path`` is quoted and follows the address with its user and password."""
    parts = urlsplit(couchdb_url)
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if parts.username is not None:
        credentials = f"{parts.username}:{parts.password}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(credentials).decode()
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{path}"
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(address, data, headers, method=method)) as reply:
        return json.load(reply)
