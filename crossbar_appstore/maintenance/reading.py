"""Reading documents that may not be there."""

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatabaseMissing, DocumentMissing
from crossbar_appstore.json_codec import JsonObject


async def stored(couch: Couch, database: str, doc_id: str) -> JsonObject | None:
    """A document as stored, soft-deleted or not; ``None`` if it, or its database, does not exist."""
    try:
        return await couch.open_doc(database, doc_id)
    except (DocumentMissing, DatabaseMissing):
        return None
