"""Views that only documents with a certain key can be in, so that most writes leave them as they are."""

from typing import Final

from .notices import row_of
from .remote import Written

KEYED_VIEWS: Final = {"services/object_plans": "service"}
"""View → the top-level key without which a document has no row in it (``couchdb_views``, as KAZOO's)."""


def notice_row(database: str, view: str) -> int:
    """The row of the notice board that tells of writes that may change a view: its own, or the whole database's."""
    return row_of(database, view if view in KEYED_VIEWS else "")


def may_change(written: Written, view: str) -> bool:
    """Whether a write may change one of ``KEYED_VIEWS``: unless neither the document has the key nor the one before."""
    if written.document is None or written.replaced is None or written.doc_id.startswith("_design/"):
        return True
    key = KEYED_VIEWS[view]
    return key in written.document or key in written.replaced
