"""Single byte ranges of pictures (RFC 9110 §14, deviation D18)."""

import re
from typing import Final

# No file is so long that more digits would make a difference.
_SPEC: Final = re.compile(
    r"[ \t]*bytes=(?:0*([0-9]{1,18})-(?:0*([0-9]{1,18}))?|-0*([0-9]{1,18}))[ \t]*\Z", re.IGNORECASE
)


class RangeNotSatisfiable(Exception):
    """The range begins beyond the end of the file."""


def parse_range(header: str, length: int) -> tuple[int, int] | None:
    """First and last byte that a Range header asks of ``length`` bytes; None where the whole file is the answer.

    Several ranges, other units and what is no range at all are answered with the whole file.

    Raises:
        RangeNotSatisfiable: 416.
    """
    found = _SPEC.match(header)
    if not found:
        return None
    first, last, suffix = (None if digits is None else int(digits) for digits in found.groups())
    if first is None:
        if not suffix or not length:
            raise RangeNotSatisfiable
        return max(0, length - suffix), length - 1
    if last is not None and last < first:
        return None
    if first >= length:
        raise RangeNotSatisfiable
    return first, length - 1 if last is None else min(last, length - 1)
