"""Multipart bodies, cut at their boundaries without touching a byte between them (RFC 2046 §5.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MOST_PARTS: Final = 100
_LONGEST_BOUNDARY: Final = 200


class MalformedMultipart(ValueError):
    """A body that its boundary does not cut into parts."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its headers with names in lower case, and its bytes."""

    headers: Mapping[str, str]
    body: bytes


def split_parts(raw: bytes, boundary: str) -> list[Part]:
    """Cut a multipart body.

    Raises:
        MalformedMultipart: no part, no end, more than ``MOST_PARTS`` parts, or a part without its empty line.
    """
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY:
        raise MalformedMultipart("boundary")
    mark = re.escape(boundary.encode("utf-8", "surrogateescape"))
    delimiter = re.compile(rb"\r\n--" + mark + rb"(--)?[ \t]*(?=\r\n|\Z)")
    parts: list[Part] = []
    begin = None
    # The first delimiter has no line before it.
    framed = b"\r\n" + raw
    for found in delimiter.finditer(framed):
        if begin is not None:
            parts.append(_part(framed[begin : found.start()]))
        if found[1] and parts:
            return parts
        if found[1] or len(parts) >= MOST_PARTS:
            break
        begin = found.end()
    raise MalformedMultipart("parts")


def _part(raw: bytes) -> Part:
    """What stands between two delimiters, beginning with the end of the first one's line."""
    head, separator, body = raw.partition(b"\r\n\r\n")
    if not separator:
        raise MalformedMultipart("header")
    headers = {}
    for line in head.decode("utf-8", "replace").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Part(headers, body)
