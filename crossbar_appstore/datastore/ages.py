"""How long a cached document is believed, with and without a feed that tells of other writers."""

from typing import Any

from .changes import Feed

UNWATCHED_SECONDS = 1.5
"""Below the 2 s after which an outside write must be seen."""
WATCHED_SECONDS = 60.0
"""While ``_db_updates`` is heard of: the net below a feed that may lose something."""


class FeedAges:
    """Long for what was asked for since the feed is connected, as it would have named any later change; else short."""

    def __init__(
        self, feed: Feed[Any], *, unwatched: float = UNWATCHED_SECONDS, watched: float = WATCHED_SECONDS
    ) -> None:
        self._feed = feed
        self._unwatched = unwatched
        self._watched = watched

    def limit(self, asked_at: float) -> float:
        """Seconds."""
        watched = asked_at >= self._feed.connected_at and self._feed.is_healthy()
        return self._watched if watched else self._unwatched
