"""How long a cached document is believed, with and without a feed that tells of other writers."""

from typing import Any

from .changes import Feed

UNWATCHED_SECONDS = 1.5
"""Below the 2 s after which an outside write must be seen."""
WATCHED_SECONDS = 60.0
"""While ``_db_updates`` is heard of: the net below a feed that may lose something."""


class FeedAges:
    """Long for what was asked for since the feed is connected, as it would have named any later change; else short.

    A feed that never named anything is not trusted: CouchDB's ``[global_changes] update_db`` may be off.
    """

    def __init__(self, feed: Feed[Any]) -> None:
        self._feed = feed
        self.proved = False

    def limit(self, asked_at: float) -> float:
        """Seconds."""
        feed = self._feed
        watched = self.proved and asked_at >= feed.connected_at and feed.is_healthy()
        return WATCHED_SECONDS if watched else UNWATCHED_SECONDS
