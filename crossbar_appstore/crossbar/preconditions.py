"""If-Match and If-None-Match as cowboy evaluates them (RFC 9110 §13, deviation D5)."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from aiohttp import hdrs

from crossbar_appstore.crossbar.context import Context, Reply
from crossbar_appstore.crossbar.errors import Refusal
from crossbar_appstore.crossbar.headers import SEPARATOR, elements

_TAG: Final = re.compile(rf'{SEPARATOR}(W/)?"([!\x23-\x7e\x80-\xff]*)"[ \t]*+(?=,|\Z)')
_MALFORMED: Final = "malformed entity tag"


@lru_cache(maxsize=256)
def parse_entity_tags(header: str) -> tuple[tuple[bool, str], ...] | None:
    """Parse a list of entity tags into (weak, opaque) pairs, None for ``*``; 400 for a malformed or empty header."""
    if header.strip() == "*":
        return None
    tags = tuple((bool(found[1]), found[2]) for found in elements(_TAG, header, _MALFORMED))
    if not tags:
        raise Refusal(400, _MALFORMED)
    return tags


def check(context: Context, *, exists: bool) -> bool:
    """Evaluate the request's preconditions against ``context.reply``, as the resource validated it.

    ``exists`` is False for an install: Crossbar reports such a resource as not existing.

    Returns:
        Whether the client's copy is current, so that the reply is 304.

    Raises:
        Refusal: 412, or 400 for a malformed header.
    """
    if_match, if_none_match = context.headers.get(hdrs.IF_MATCH), context.headers.get(hdrs.IF_NONE_MATCH)
    if if_match is not None:
        tags = parse_entity_tags(if_match)
        if not exists or not (tags is None or _is_current(tags, context.reply, weak_too=False)):
            raise Refusal(412, "precondition failed")
    if if_none_match is not None and exists:
        tags = parse_entity_tags(if_none_match)
        if tags is None or _is_current(tags, context.reply, weak_too=True):
            # The client's copy is current: nothing to send for a read, and for a write the wrong state.
            if context.method == "GET":
                return True
            raise Refusal(412, "precondition failed")
    return False


def _is_current(tags: Sequence[tuple[bool, str]], reply: Reply, *, weak_too: bool) -> bool:
    """Whether one of the tags is the reply's; weak tags count for If-None-Match only."""
    current = (reply.etag, *reply.matches)
    return any(opaque in current for weak, opaque in tags if weak_too or not weak)
