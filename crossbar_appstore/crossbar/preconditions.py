"""If-Match and If-None-Match as cowboy evaluates them (RFC 9110 §13, deviation D5)."""

import re
from functools import lru_cache
from typing import Final

from crossbar_appstore.crossbar.context import Reply
from crossbar_appstore.crossbar.errors import Refusal

ANY: Final = "*"
_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\Z')


class NotModified(Exception):
    """304: the client's copy is current."""


@lru_cache(maxsize=1024)
def parse_entity_tags(header: str) -> tuple[tuple[bool, str], ...] | str:
    """Parse a list of entity tags into (weak, opaque) pairs, or ``"*"``.

    Raises:
        Refusal: 400, the header is malformed.
    """
    if header.strip() == ANY:
        return ANY
    tags = []
    for element in header.split(","):
        stripped = element.strip()
        if not stripped:
            continue
        found = _TAG.match(stripped)
        if not found:
            raise Refusal(400, "malformed entity tag")
        tags.append((bool(found[1]), found[2]))
    if not tags:
        raise Refusal(400, "malformed entity tag")
    return tuple(tags)


def check(method: str, exists: bool, reply: Reply, if_match: str | None, if_none_match: str | None) -> None:
    """Hold the request's preconditions against what the resource validated.

    Args:
        method: the HTTP method; only GET and HEAD can be answered 304.
        exists: False for an install: Crossbar reports such a resource as not existing.

    Raises:
        NotModified: 304.
        Refusal: 412, or 400 for a malformed header.
    """
    if if_match is not None:
        tags = parse_entity_tags(if_match)
        if not exists or not _matches_strongly(tags, reply):
            raise Refusal(412, "precondition failed")
    if if_none_match is not None:
        tags = parse_entity_tags(if_none_match)
        if exists and _matches_weakly(tags, reply):
            if method == "GET":
                raise NotModified
            raise Refusal(412, "precondition failed")


def _matches_strongly(tags: tuple[tuple[bool, str], ...] | str, reply: Reply) -> bool:
    if isinstance(tags, str):
        return True
    current = {reply.etag, *reply.matches}
    return any(not weak and opaque in current for weak, opaque in tags)


def _matches_weakly(tags: tuple[tuple[bool, str], ...] | str, reply: Reply) -> bool:
    if isinstance(tags, str):
        return True
    current = {reply.etag, *reply.matches}
    return any(opaque in current for _, opaque in tags)
