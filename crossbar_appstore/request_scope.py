"""What the request in progress allows the layers below: how long they may wait, and whether outdated data is an answer.

The framework opens a scope for each request; the datastore asks for it. Work without a request, such as a change feed,
and work that several requests share, has no deadline and accepts outdated data.

The scope of a request or a command is also told of each document that is changed within it.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar, Token, copy_context
from math import inf
from types import TracebackType
from typing import Final, NamedTuple

from crossbar_appstore.json_codec import JsonObject


class DocumentChange(NamedTuple):
    """A document that was saved or deleted: its revisions before and after, None where there is none."""

    database: str
    doc_id: str
    before: JsonObject | None
    after: JsonObject | None


class RequestScope:
    """Entered, the scope of a request that has to be answered within so many seconds from now.

    ``record`` is called with each change of a document that CouchDB acknowledges within.
    """

    __slots__ = ("_token", "accepts_stale", "deadline", "record")

    def __init__(
        self,
        seconds: float = inf,
        *,
        accepts_stale: bool = True,
        record: Callable[[DocumentChange], object] | None = None,
    ) -> None:
        self.accepts_stale = accepts_stale
        self.record = record
        self.deadline = seconds if seconds == inf else asyncio.get_running_loop().time() + seconds
        """A time of the event loop's clock."""

    def __enter__(self) -> None:
        self._token: Token[RequestScope] = _SCOPE.set(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _SCOPE.reset(self._token)


_NO_REQUEST: Final = RequestScope()
_SCOPE: Final[ContextVar[RequestScope]] = ContextVar("request_scope", default=_NO_REQUEST)


def accepts_stale() -> bool:
    """Whether outdated data may answer the request."""
    return _SCOPE.get().accepts_stale


def remaining(seconds: float = inf) -> float:
    """The seconds that are left to the request, at least 0 and at most ``seconds``."""
    return max(0.0, min(seconds, _SCOPE.get().deadline - asyncio.get_running_loop().time()))


def time_limit(seconds: float = inf) -> asyncio.Timeout:
    """A context manager that raises TimeoutError at the request's deadline, and at the latest after ``seconds``."""
    end = min(_SCOPE.get().deadline, asyncio.get_running_loop().time() + seconds)
    return asyncio.timeout_at(None if end == inf else end)


def shared_context() -> Context:
    """The current context without the scope, for a task that several requests wait for."""
    context = copy_context()
    context.run(_SCOPE.set, _NO_REQUEST)
    return context


def record_change(database: str, doc_id: str, before: JsonObject | None, after: JsonObject | None) -> None:
    """Tell the scope of a change that CouchDB has acknowledged; without effect where nobody records."""
    record = _SCOPE.get().record
    if record is not None:
        record(DocumentChange(database, doc_id, before, after))
