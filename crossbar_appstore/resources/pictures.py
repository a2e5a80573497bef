"""Attachments that are shown: what their documents say of them, and their bytes."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from crossbar_appstore.crossbar.context import Binary
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.resources.shared_work import SharedWork

CACHE_CONTROL: Final = "public, max-age=86400, stale-while-revalidate=604800"
_UNTYPED: Final = "application/octet-stream"
_MOST_BYTES: Final = 16_000_000
_LARGEST: Final = 4_000_000

Key = tuple[str, str, str, str]
"""Database, document id, attachment name, digest."""


@dataclass(frozen=True, slots=True)
class Attached:
    """An attachment as its document's stub describes it."""

    name: str
    content_type: str
    digest: str

    @property
    def etag(self) -> str:
        """The content digest as an entity tag."""
        return self.digest.removeprefix("md5-")


def attachment(document: JsonObject, name: Any) -> Attached | None:
    """The attachment of that name, from the document's stubs; None if there is none in CouchDB."""
    stubs = document.get("_attachments")
    stub = stubs.get(name) if isinstance(stubs, Mapping) and isinstance(name, str) else None
    if not isinstance(stub, Mapping) or not isinstance(name, str):
        return None
    content_type, digest = stub.get("content_type"), stub.get("digest")
    return Attached(name, content_type if isinstance(content_type, str) else _UNTYPED, str(digest))


class Pictures:
    """Attachments by content digest, in a cache of bounded size; askers of one picture share one read."""

    def __init__(self, store: Datastore, most_bytes: int = _MOST_BYTES) -> None:
        self._store = store
        self._most_bytes = most_bytes
        self._bytes = 0
        self._bodies: OrderedDict[Key, bytes] = OrderedDict()
        self._loading: SharedWork[Key, bytes] = SharedWork()

    def reply(self, account_id: str, document: JsonObject, attached: Attached) -> Binary:
        """The picture as a reply; its bytes are loaded when they are needed."""
        key = (account_db(account_id), str(document["_id"]), attached.name, attached.digest)
        return Binary(partial(self._body, key), attached.content_type, attached.name, attached.etag, CACHE_CONTROL)

    async def _body(self, key: Key) -> bytes:
        body = self._bodies.get(key)
        if body is not None:
            self._bodies.move_to_end(key)
            return body
        return await self._loading.result(key, partial(self._load, key))

    async def _load(self, key: Key) -> bytes:
        database, doc_id, name, digest = key
        found = await self._store.couch.open_attachment(database, doc_id, name)
        body = found.body
        # A picture that was replaced meanwhile is shown, but not remembered as the one that was asked for.
        if len(body) <= _LARGEST and found.digest == digest:
            self._bodies[key] = body
            self._bytes += len(body)
            while self._bytes > self._most_bytes:
                self._bytes -= len(self._bodies.popitem(last=False)[1])
        return body
