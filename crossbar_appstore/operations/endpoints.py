"""Names of endpoints for metrics and traces, which no client can choose."""

from typing import Final

from crossbar_appstore.crossbar.context import Context

_NO_ENDPOINT: Final = "none"
"""Where the path names none."""
_PARTS: Final = frozenset({"blacklist", "explain", "icon", "override", "recovery", "screenshot"})
"""Params that are told apart from the endpoint itself; all others are ids and names."""


def endpoint_of(context: Context) -> str:
    """The name of the endpoint that answers a request: ``apps_store``, ``apps_store/icon``."""
    if not context.nouns:
        return _NO_ENDPOINT
    name, params = context.nouns[-1].name, context.nouns[-1].params
    if _PARTS.isdisjoint(params):
        return name
    return f"{name}/{next(param for param in params if param in _PARTS)}"
