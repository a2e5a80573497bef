"""One line a request, and nothing in it that lets its reader in."""

import logging
import re
import time
from typing import Final

from crossbar_appstore.crossbar.context import Context

log = logging.getLogger(__name__)

_TOKEN: Final = re.compile(r"eyJ[\w-]*(?:(?:\.|%2E)[\w-]*)+", re.IGNORECASE)
_HIDDEN: Final = "[token]"
_FAILURE: Final = 500


def without_tokens(text: str) -> str:
    """The text with every JWT in it replaced: one may stand in a path, or be sent as a request id."""
    return _TOKEN.sub(_HIDDEN, text) if "eyJ" in text else text


class AccessLog:
    """Logs answered requests at level INFO: every failure of ours (5xx), and a share of all others.

    Args:
        share: from 0 (none) to 1 (each); 0.01 is each hundredth.
    """

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._owed = 0.0

    def write(self, context: Context, status: int, length: int, begun: float) -> None:
        """Log a request, if it is its turn; the query string, where tokens are common, is left out.

        Args:
            begun: when the request was taken up, by ``time.perf_counter``.
        """
        self._owed += self._share
        if self._owed >= 1.0:
            self._owed -= 1.0
        elif status < _FAILURE:
            return
        if log.isEnabledFor(logging.INFO):
            _log(context, status, length, begun)


def _log(context: Context, status: int, length: int, begun: float) -> None:
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
