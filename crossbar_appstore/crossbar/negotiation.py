"""Content negotiation as cowboy does it: the Accept and Accept-Language headers (RFC 9110 §12)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from crossbar_appstore.crossbar.errors import Refusal

JSON: Final = "application/json"
JSON_TYPES: Final = (JSON, "application/x-json")
CSV_TYPES: Final = ("application/octet-stream", "text/csv", "text/comma-separated-values")
OFFERED: Final = JSON_TYPES + CSV_TYPES
DEFAULT_LANGUAGE: Final = "en"

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_PARAM: Final = rf"[ \t]*;[ \t]*({_TOKEN})(?:=({_TOKEN}|{_QUOTED}))?"
_MEDIA_RANGE: Final = re.compile(rf"({_TOKEN})/({_TOKEN})((?:{_PARAM})*)\Z")
_PARAM_RE: Final = re.compile(_PARAM)
_LANGUAGE: Final = re.compile(rf"(\*|[A-Za-z]{{1,8}}(?:-[A-Za-z0-9]{{1,8}})*)((?:{_PARAM})*)\Z")
_QUALITY: Final = re.compile(r"(?:0?\.[0-9]{1,3}|[01](?:\.[0-9]{0,3})?)\Z")
_LIST: Final = re.compile(rf"(?:[^,\"]|{_QUOTED})+")


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of an Accept header."""

    type: str
    subtype: str
    quality: float
    specificity: int


@lru_cache(maxsize=1024)
def parse_accept(header: str) -> tuple[MediaRange, ...]:
    """Parse an Accept header, best range first (cowboy prefers quality, then precision).

    Raises:
        Refusal: 400, the header is malformed.
    """
    ranges = [_media_range(element.strip(" \t")) for element in _LIST.findall(header) if element.strip(" \t")]
    return tuple(sorted(ranges, key=lambda each: (-each.quality, -each.specificity)))


def _media_range(element: str) -> MediaRange:
    found = _MEDIA_RANGE.match(element)
    if not found or (found[1] == "*" and found[2] != "*"):
        raise Refusal(400, "malformed accept header")
    params, quality = _params(found[3], "malformed accept header")
    precision = (found[1] != "*") + (found[2] != "*") + params
    return MediaRange(found[1].lower(), found[2].lower(), quality, precision)


def _params(raw: str, complaint: str) -> tuple[int, float]:
    count, quality = 0, 1.0
    for name, value in _PARAM_RE.findall(raw):
        if name.lower() != "q":
            count += 1
        elif _QUALITY.match(value):
            quality = float(value)
        else:
            raise Refusal(400, complaint)
    return count, quality


@lru_cache(maxsize=1024)
def choose_media_type(accept: str | None, offered: Sequence[str]) -> str:
    """The offered type that the Accept header likes best; a quality of zero does not exclude (as recorded).

    Raises:
        Refusal: 400 for a malformed header, 406 when nothing fits.
    """
    if accept is None:
        return offered[0]
    ranges = parse_accept(accept)
    if not ranges:
        return offered[0]
    for each in ranges:
        for media_type in offered:
            kind, _, subtype = media_type.partition(";")[0].strip().lower().partition("/")
            if each.type in ("*", kind) and each.subtype in ("*", subtype):
                return media_type
    raise Refusal(406, "not acceptable")


@lru_cache(maxsize=1024)
def choose_language(accept_language: str | None) -> str:
    """The first language of the header, in lower case; negotiation never fails (`api_resource:languages_provided/2`).

    Raises:
        Refusal: 400, the header is malformed.
    """
    if accept_language is None:
        return DEFAULT_LANGUAGE
    tags = []
    for element in accept_language.split(","):
        stripped = element.strip(" \t")
        if not stripped:
            continue
        found = _LANGUAGE.match(stripped)
        if not found:
            raise Refusal(400, "malformed accept-language header")
        _params(found[2], "malformed accept-language header")
        tags.append(found[1].lower())
    return tags[0] if tags else DEFAULT_LANGUAGE


@lru_cache(maxsize=256)
def accepts_encoding(header: str | None, encoding: str) -> bool:
    """Whether an Accept-Encoding header takes ``encoding`` with a quality above zero."""
    if not header:
        return False
    for element in header.split(","):
        name, _, params = element.strip().partition(";")
        if name.strip().lower() == encoding:
            weight = params.replace(" ", "").lower()
            return not re.fullmatch(r"q=0(?:\.0*)?", weight)
    return False
