"""Query strings and form bodies (`cow_qs:parse_qs/1`)."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class MalformedQuery(ValueError):
    """A percent sign that escapes nothing, a value without a name, or too many pairs."""


def decode(text: str) -> str:
    """Undo percent-encoding; bytes that are no UTF-8 become replacement characters.

    Raises:
        MalformedQuery: a percent sign without two hexadecimal digits.
    """
    if "%" not in text:
        return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if _BAD_ESCAPE.search(text):
        raise MalformedQuery(text)
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")


def parse_pairs(raw: str, most: int | None = None) -> list[tuple[str, str | None]]:
    """The (name, value) pairs of a query string in their order; None for a name without ``=``.

    Raises:
        MalformedQuery: it cannot be decoded, a value has no name, or there are more than ``most`` pairs.
    """
    if most is not None and raw.count("&") >= most:
        raise MalformedQuery("too many pairs")
    pairs: list[tuple[str, str | None]] = []
    for item in raw.replace("+", " ").split("&"):
        if not item:
            continue
        name, separator, value = item.partition("=")
        if not name:
            raise MalformedQuery(item)
        pairs.append((decode(name), decode(value) if separator else None))
    return pairs


def parse_query(raw: str) -> dict[str, str]:
    """A query string as names and values: the first of a name counts, a name without a value has an empty one.

    Raises:
        MalformedQuery: it cannot be decoded, or a value has no name.
    """
    if not raw:
        return {}
    query: dict[str, str] = {}
    for name, value in parse_pairs(raw):
        query.setdefault(name, value or "")
    return query
