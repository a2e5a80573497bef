"""If-Match and If-None-Match as cowboy evaluates them (RFC 9110 §13, deviation D5)."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from aiohttp import hdrs

from crossbar_appstore.crossbar.context import Context, Reply
from crossbar_appstore.crossbar.errors import Refusal

_TAG: Final = re.compile(r'[ \t,]*+(W/)?"([!\x23-\x7e\x80-\xff]*)"[ \t]*+(?=,|\Z)')
_END: Final = re.compile(r"[ \t,]*+\Z")


@lru_cache(maxsize=256)
def parse_entity_tags(header: str) -> tuple[tuple[bool, str], ...] | None:
    """Parse a list of entity tags into (weak, opaque) pairs; None for ``*``, which matches any tag.

    Raises:
        Refusal: 400, the header is malformed.
    """
    if header.strip() == "*":
        return None
    tags: list[tuple[bool, str]] = []
    position = 0
    while not tags or not _END.match(header, position):
        found = _TAG.match(header, position)
        if not found:
            raise Refusal(400, "malformed entity tag")
        tags.append((bool(found[1]), found[2]))
        position = found.end()
    return tuple(tags)


def check(context: Context, *, exists: bool) -> bool:
    """Evaluate the request's preconditions against ``context.reply``, as the resource validated it.

    Args:
        context: the request.
        exists: False for an install: Crossbar reports such a resource as not existing.

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
            if context.method == "GET":
                return True
            raise Refusal(412, "precondition failed")
    return False


def _is_current(tags: Sequence[tuple[bool, str]], reply: Reply, *, weak_too: bool) -> bool:
    """Whether one of the tags is the reply's; weak tags count for If-None-Match only."""
    current = (reply.etag, *reply.matches)
    return any(opaque in current for weak, opaque in tags if weak_too or not weak)
