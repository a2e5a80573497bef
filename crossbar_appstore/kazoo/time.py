"""KAZOO's clock: seconds since year 0 of the Gregorian calendar, in UTC."""

import time
from typing import Final

GREGORIAN_EPOCH: Final = 62_167_219_200
"""Gregorian seconds at 1970-01-01T00:00:00Z."""


def gregorian_seconds(unix: float | None = None) -> int:
    """Whole Gregorian seconds of a time in Unix seconds, or of now."""
    return int(time.time() if unix is None else unix) + GREGORIAN_EPOCH


def unix_seconds(gregorian: int) -> int:
    """Unix seconds of a time in Gregorian seconds."""
    return gregorian - GREGORIAN_EPOCH
