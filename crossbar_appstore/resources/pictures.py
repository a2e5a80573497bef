"""Attachments that are shown: what their documents say of them, and their bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from cachetools import LRUCache

from crossbar_appstore.appstore.app_pictures import Holder
from crossbar_appstore.crossbar.context import Binary, Reply
from crossbar_appstore.datastore.cache import SingleFlight
from crossbar_appstore.datastore.documents import refuse_lost_database
from crossbar_appstore.datastore.errors import DatabaseMissing, MalformedReply
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db

CACHE_CONTROL: Final = "public, max-age=86400, stale-while-revalidate=604800"
MAX_BYTES: Final = 16_000_000
_MAX_PICTURE: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Attached:
    """An attachment as its document's stub describes it."""

    name: str
    content_type: str
    digest: str
    length: int | None
    """Its bytes, uncompressed; None if the stub does not say."""

    @property
    def etag(self) -> str:
        """The content digest as an entity tag."""
        return self.digest.removeprefix("md5-")


Key = tuple[str, str, Attached]
"""Database, document id, and the attachment."""


def attachment(document: JsonObject, name: Any) -> Attached | None:
    """The attachment of that name, from the document's stubs; None if there is none in CouchDB."""
    stubs = document.get("_attachments")
    stub = stubs.get(name) if isinstance(stubs, Mapping) and isinstance(name, str) else None
    if not isinstance(stub, Mapping) or not isinstance(name, str):
        return None
    content_type, length = stub.get("content_type"), stub.get("length")
    return Attached(
        name,
        content_type if isinstance(content_type, str) else "application/octet-stream",
        str(stub.get("digest")),
        length if isinstance(length, int) else None,
    )


class Pictures:
    """Attachments by content digest, in a cache bounded by bytes; those who ask for one together share one read."""

    def __init__(self, store: Datastore, max_bytes: int = MAX_BYTES) -> None:
        self._store = store
        self._bodies: LRUCache[Key, bytes] = LRUCache(max_bytes, getsizeof=len)
        self._loading: SingleFlight[Key, bytes] = SingleFlight()

    def show(self, reply: Reply, holder: Holder, attached: Attached, cache_control: str, *, stale: bool) -> list[str]:
        """Reply with a picture, whose bytes are loaded when they are needed; returns the only media type on offer."""
        key = (account_db(holder.account_id), str(holder.document["_id"]), attached)
        load = partial(self._body, key)
        reply.binary = Binary(load, attached.content_type, attached.name, attached.etag, cache_control)
        reply.etag, reply.stale = attached.etag, stale
        return [attached.content_type]

    async def _body(self, key: Key) -> bytes:
        body = self._bodies.get(key)
        return await self._loading.run(key, partial(self._load, key)) if body is None else body

    async def _load(self, key: Key) -> bytes:
        database, doc_id, attached = key
        try:
            found = await self._store.couch.open_attachment(database, doc_id, attached.name)
        except DatabaseMissing:
            # A document of this database names the attachment.
            await refuse_lost_database(self._store.couch, database)
            raise
        # One digest has one type and length: else it is the page of a proxy, or something else that is not CouchDB's.
        seen = (found.content_type, len(found.body) if attached.length is not None else None)
        if found.digest == attached.digest and seen != (attached.content_type, attached.length):
            raise MalformedReply("an attachment is not what its document says")
        # A picture that was replaced meanwhile is shown, but not kept as the one that was asked for.
        if len(found.body) <= _MAX_PICTURE and found.digest == attached.digest:
            self._bodies[key] = found.body
        return found.body
