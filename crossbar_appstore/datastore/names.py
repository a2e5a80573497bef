"""Which names may go into a CouchDB address.

An id from a client's URL must never reach ``/db/_all_docs``, ``/db/`` or ``/db/..``: CouchDB would answer with
something that is no document.
"""

import re

# https://docs.couchdb.org/en/stable/api/database/common.html#put--db, and the system databases.
_DATABASE = re.compile(r"[a-z][a-z0-9_$()+/-]*|_[a-z_]+")
_LONGEST_ID = 2000


def is_database_name(name: str) -> bool:
    """Whether CouchDB could have a database of this name."""
    return _DATABASE.fullmatch(name) is not None


def is_document_id(doc_id: str) -> bool:
    """Whether the id names a document, a design document or a local document."""
    if doc_id.startswith("_"):
        kind, slash, rest = doc_id.partition("/")
        return bool(slash) and kind in ("_design", "_local") and _is_plain(rest)
    return _is_plain(doc_id)


def is_attachment_name(name: str) -> bool:
    """Whether an attachment could have this name."""
    return not name.startswith("_") and _is_plain(name)


def _is_plain(text: str) -> bool:
    if not text or len(text) > _LONGEST_ID or text in (".", ".."):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate has no place in an address
        return False
    return True
