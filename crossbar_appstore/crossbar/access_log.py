"""One line a request, and nothing in it that lets its reader in."""

import logging
import re
import time
from typing import Final

from crossbar_appstore.crossbar.context import Context

log = logging.getLogger(__name__)

_TOKEN: Final = re.compile(r"eyJ[\w-]*(?:(?:\.|%2E)[\w-]*)+", re.IGNORECASE)
_HIDDEN: Final = "[token]"


def without_tokens(text: str) -> str:
    """The text with every JWT in it replaced: one may stand in a path, or be sent as a request id."""
    return _TOKEN.sub(_HIDDEN, text) if "eyJ" in text else text


def write(context: Context, status: int, length: int, begun: float) -> None:
    """Log an answered request at level INFO; the query string, where tokens are common, is left out.

    Args:
        begun: when the request was taken up, by ``time.perf_counter``.
    """
    if not log.isEnabledFor(logging.INFO):
        return
    log.info(
        "request",
        extra={
            "method": context.method,
            "path": without_tokens(context.path),
            "status": status,
            "bytes": length,
            "milliseconds": round((time.perf_counter() - begun) * 1000, 2),
            "client": context.client_ip,
            "account_id": context.account_id,
            "request_id": without_tokens(context.request_id),
        },
    )
