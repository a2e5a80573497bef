"""What was decided about a request: its reply, but for what every reply has of its own."""

from dataclasses import dataclass
from typing import Final

from multidict import CIMultiDict

from crossbar_appstore.crossbar.context import PLAIN, Context, Style
from crossbar_appstore.crossbar.envelope import Form

_SERVER: Final = "crossbar-appstore"
_FAILURE: Final = 500
_TOO_MANY: Final = 429
_LARGE: Final = 65_536


@dataclass(frozen=True, slots=True)
class Outcome:
    """The same for everybody who sends the same request in the same moment.

    ``headers`` are never changed, only copied. ``body`` are the bytes themselves, or the form of an envelope that is
    yet to be filled in, in ``style`` and one of the content codings of ``accept_encoding``. ``charge`` are the tokens
    taken from the bucket of the caller's address and ``account_id``; None where nobody pays. ``lasts``: it may be
    remembered. ``has_id``: the reply names the request.
    """

    status: int
    headers: CIMultiDict[str]
    body: bytes | Form
    style: Style = PLAIN
    accept_encoding: str | None = None
    account_id: str | None = None
    charge: int | None = None
    lasts: bool = False
    has_id: bool = True

    @classmethod
    def of(cls, context: Context, status: int, headers: CIMultiDict[str], body: bytes | Form = b"") -> "Outcome":
        """What was decided in a context."""
        headers["Server"] = _SERVER
        return cls(
            status,
            headers,
            body,
            context.style,
            context.headers.get("Accept-Encoding"),
            context.account_id,
            context.consumed if context.charged else None,
            context.steady and status < _FAILURE and status != _TOO_MANY and not _is_large(body),
        )


def _is_large(body: bytes | Form) -> bool:
    """Whether the body is too long to be kept beside the cache of pictures."""
    return isinstance(body, bytes) and len(body) > _LARGE
