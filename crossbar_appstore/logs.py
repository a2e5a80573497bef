"""Structured logs: one JSON object per line on standard error."""

import json
import logging
import sys
import time
from typing import Final

from pythonjsonlogger.core import LogData
from pythonjsonlogger.orjson import OrjsonFormatter

LOGGERS_WITH_CREDENTIALS: Final = ("aiocouch", "aiohttp.client")
"""Loggers of libraries that log requests with their headers; only their errors are logged."""
LOGGERS_THAT_REPEAT: Final = ("aio_pika", "aiormq", "opentelemetry")
"""Loggers of libraries that log each failure that they also raise or return, some with a password; none is logged."""

REMINDER_SECONDS: Final = 60.0


class Reminder:
    """Tells when to log a state that goes on: when it begins or becomes another one, then once a minute."""

    def __init__(self) -> None:
        self._logged: object = None
        self._logged_at = float("-inf")

    def due(self, state: object) -> bool:
        """Whether to log the state now; it counts as logged then."""
        now = time.monotonic()
        if state == self._logged and now < self._logged_at + REMINDER_SECONDS:
            return False
        self._logged, self._logged_at = state, now
        return True


def set_up_logging(level: int = logging.INFO) -> None:
    """Sends the records of every logger to standard error; the keys of ``extra`` become members."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(json_formatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # No line contains them, and collecting them costs time for each logged request.
    logging.logThreads = logging.logMultiprocessing = False
    silence_libraries()


def silence_libraries() -> None:
    """Keep out of the log what libraries log with credentials."""
    for noisy in LOGGERS_WITH_CREDENTIALS:
        logging.getLogger(noisy).setLevel(logging.ERROR)
    for repeating in LOGGERS_THAT_REPEAT:
        logging.getLogger(repeating).setLevel(logging.CRITICAL + 1)


def json_formatter() -> logging.Formatter:
    """Makes a JSON object of a record, on one line."""
    renamed = {"levelname": "level", "name": "logger", "process": "pid"}
    return _Formatter("%(levelname)s %(name)s %(process)d %(message)s", rename_fields=renamed, timestamp=True)


class _Formatter(OrjsonFormatter):
    def jsonify_log_record(self, log_data: LogData) -> str:
        try:
            return super().jsonify_log_record(log_data)
        except TypeError:
            # A request may contain bytes that are not UTF-8, which orjson cannot serialize.
            return json.dumps(log_data, default=str)
