"""Structured logs: one JSON object a line on standard error."""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

_FIELDS = "%(levelname)s %(name)s %(message)s"
_RENAMED = {"levelname": "level", "name": "logger"}


def set_up_logging(level: int = logging.INFO) -> None:
    """Send the records of every logger to standard error; what they carry in ``extra`` become members."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(_FIELDS, rename_fields=_RENAMED, timestamp=True))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # aiocouch and aiohttp log requests with their headers; those hold credentials.
    for noisy in ("aiocouch", "aiohttp.client"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
