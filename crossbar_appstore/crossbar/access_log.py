"""One line a request, and nothing in it that lets its reader in."""

import logging
import re
from dataclasses import dataclass
from typing import Final

log = logging.getLogger(__name__)

_TOKEN: Final = re.compile(r"eyJ[\w-]*(?:(?:\.|%2E)[\w-]*)+", re.IGNORECASE)
_HIDDEN: Final = "[token]"
_FAILURE: Final = 500


def without_tokens(text: str) -> str:
    """The text with every JWT in it replaced: one may stand in a path, or be sent as a request id."""
    return _TOKEN.sub(_HIDDEN, text) if "eyJ" in text else text


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered; ``target`` may have a query string, ``length`` is in bytes."""

    request_id: str
    client_ip: str
    method: str
    target: str
    account_id: str | None
    status: int
    length: int
    seconds: float


class AccessLog:
    """Logs answered requests at level INFO: every failure of ours (5xx), and a share of all others.

    Args:
        share: from 0 (none) to 1 (each); 0.01 is each hundredth.
    """

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._owed = 0.0

    def is_due(self, status: int) -> bool:
        """Whether a request that was answered with this status is to be logged."""
        self._owed += self._share
        if self._owed >= 1.0:
            self._owed -= 1.0
            return True
        return status >= _FAILURE

    def write(self, answered: Answered) -> None:
        """Log a request; the query string, where tokens are common, is left out."""
        log.info(
            "request",
            extra={
                "method": answered.method,
                "path": without_tokens(answered.target.partition("?")[0]),
                "status": answered.status,
                "bytes": answered.length,
                "milliseconds": round(answered.seconds * 1000, 2),
                "client": answered.client_ip,
                "account_id": answered.account_id,
                "request_id": without_tokens(answered.request_id),
            },
        )
