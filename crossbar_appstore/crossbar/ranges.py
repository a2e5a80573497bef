"""Single byte ranges of pictures (RFC 9110 §14, deviation D18)."""

import re
from typing import Final

_SPEC: Final = re.compile(r"bytes=([0-9]*)-([0-9]*)\Z")


class RangeNotSatisfiable(Exception):
    """The range begins beyond the end of the file."""


def parse_range(header: str, length: int) -> tuple[int, int] | None:
    """First and last byte that a Range header asks of ``length`` bytes; None where the whole file is the answer.

    Raises:
        RangeNotSatisfiable: 416.
    """
    found = _SPEC.match(header.replace(" ", ""))
    if not found or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        wanted = int(last)
        if wanted == 0 or length == 0:
            raise RangeNotSatisfiable
        return max(0, length - wanted), length - 1
    if last and int(last) < int(first):
        return None
    if int(first) >= length:
        raise RangeNotSatisfiable
    return int(first), min(int(last), length - 1) if last else length - 1
