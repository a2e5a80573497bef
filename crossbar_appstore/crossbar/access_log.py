"""The access log: one record a request, without tokens; and what aiohttp logs about malformed requests."""

import logging
import re
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from crossbar_appstore.crossbar.context import Context

log = logging.getLogger(__name__)

_JWT: Final = re.compile(r"eyJ[\w-]*+((?:(?:\.|%2E)[\w-]*+)++)?", re.IGNORECASE)


def without_tokens(text: str) -> str:
    """The text with every JWT in it replaced; a path or a request id may hold one."""
    return _JWT.sub(lambda found: "[token]" if found[1] else found[0], text) if "eyJ" in text else text


class AccessLog:
    """Logs requests at level INFO: every server error (5xx), and a share of all others, from 0 (none) to 1 (each)."""

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._due = 0.0

    def observe(self, context: Context, response: web.StreamResponse | None, seconds: float) -> None:
        """Log a request if it is due; None, for one that was cancelled, is never."""
        if response is not None and self.is_due(response.status):
            self.write(context, response.status, response.content_length or 0, seconds)

    def is_due(self, status: int) -> bool:
        """Whether to log a request that was answered with this status."""
        # Adding up shares logs every n-th request exactly, without random numbers.
        self._due += self._share
        if self._due >= 1.0:
            self._due -= 1.0
            return True
        return status >= 500

    def write(self, context: Context, status: int, length: int, seconds: float) -> None:
        """Log a request without its query string, which may hold a token; ``length`` in bytes."""
        log.info(
            "request",
            extra={
                "method": context.method,
                "path": without_tokens(context.path),
                "status": status,
                "bytes": length,
                "milliseconds": round(seconds * 1000, 2),
                "client": context.client_ip,
                "account_id": context.account_id,
                "auth_account_id": getattr(context.identity, "account_id", None),
                "auth_user_id": getattr(context.identity, "owner_id", None),
                "request_id": without_tokens(context.request_id),
            },
        )


def _is_no_parser_error(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


server_log: Final = logging.getLogger(f"{__package__}.server")
"""The logger given to aiohttp's server. The errors of its parser are dropped: they quote the request."""
server_log.addFilter(_is_no_parser_error)


def _has_a_target(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, AttributeError) and (error.name, error.obj) == ("absolute", None))


# aiohttp's parser gives a CONNECT without a target no URL, on which the task that serves the connection fails.
logging.getLogger("asyncio").addFilter(_has_a_target)
