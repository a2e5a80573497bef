"""What the datastore did, as plain numbers for metrics and tests."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Only ever added to. One object a process."""

    requests: int = 0
    """HTTP requests to CouchDB, feeds included."""
    retries: int = 0
    """Reads asked again after connection trouble."""
    unconfirmed_saves: int = 0
    """Writes answered 202: acknowledged, but by fewer copies than the quorum."""
    hits: int = 0
    """Documents answered from the cache."""
    reads: int = 0
    """Documents read for the first time, or after they had been dropped."""
    refetches: int = 0
    """Documents read again because of their age or a write."""
    unchanged: int = 0
    """Refetches that found the revision that was known."""
    stale_answers: int = 0
    """Answers given from what was known while CouchDB was away."""
    conflicts: int = 0
    """Saves that found another writer's revision, and were re-applied or refused."""
    skipped_apps: int = 0
    """Malformed app documents left out of the catalogue, each time one was met."""
    catalogue_loads: int = 0
    """Times the whole catalogue was read."""
    feed_restarts: int = 0
    """Times a feed was connected again."""
