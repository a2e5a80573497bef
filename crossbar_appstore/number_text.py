"""Numbers spelled as text, as Erlang reads them, and its rounding."""

import math
import re
from typing import Final

# Python refuses to parse integers of more than 4300 digits; nobody's priority or price has a hundred.
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,100}")
_FLOAT: Final = re.compile(r"[+-]?[0-9]{1,100}\.[0-9]{1,400}(?:[eE][+-]?[0-9]{1,5})?")


def parse_number(text: str) -> int | float | None:
    """The number that a text spells, ``None`` if it spells none: ``5``, ``-5``, ``1.5``, ``1.0e3``, but not ``1e3``."""
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else None
    return None


def round_half_away(number: float) -> int | None:
    """The nearest integer, halves away from zero (``erlang:round/1``); ``None`` for an infinite number."""
    if not math.isfinite(number):
        return None
    return math.floor(number + 0.5) if number >= 0 else math.ceil(number - 0.5)
