"""Content negotiation as cowboy does it: Accept, Accept-Language and Accept-Encoding (RFC 9110 §12)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from crossbar_appstore.crossbar.errors import Refusal
from crossbar_appstore.crossbar.headers import JSON_TYPES, QUOTED, SEPARATOR, TOKEN, elements

CSV_TYPES: Final = ("application/octet-stream", "text/csv", "text/comma-separated-values")
OFFERED: Final = JSON_TYPES + CSV_TYPES
DEFAULT_LANGUAGE: Final = "en"

_LANGUAGES: Final = (DEFAULT_LANGUAGE, "en-us", "en-gb")
# Some clients write .2 for 0.2, and Java's writes * for */*; cowboy takes both.
_QVALUE: Final = r"0?\.[0-9]{1,3}|0\.?|1(?:\.0{0,3})?"
_PARAMS: Final = rf"(?:[ \t]*+;[ \t]*+{TOKEN}(?:=(?:{TOKEN}|{QUOTED}))?+)*+"
_MEDIA_RANGE: Final = re.compile(rf"{SEPARATOR}(?:({TOKEN})/({TOKEN})|\*)({_PARAMS})[ \t]*+(?=,|\Z)")
_PARAM: Final = re.compile(rf";[ \t]*({TOKEN})(?:=({TOKEN}|{QUOTED}))?")
_WEIGHT: Final = re.compile(rf"(?:{_QVALUE})\Z")
_LANGUAGE: Final = re.compile(
    rf"{SEPARATOR}(\*|[A-Za-z]{{1,8}}(?:-[A-Za-z0-9]{{1,8}})*)(?:[ \t]*+;[ \t]*+[qQ]=({_QVALUE}))?[ \t]*+(?=,|\Z)"
)
_ZERO: Final = re.compile(r"q=0(?:\.0*)?\Z")


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of an Accept header; ``precision`` counts the names that are no wildcards, and the parameters."""

    type: str
    subtype: str
    quality: float
    precision: int


def _media_range(found: re.Match[str]) -> MediaRange:
    kind, subtype = (found[1] or "*").lower(), (found[2] or "*").lower()
    precision, quality = (kind != "*") + (subtype != "*"), 1.0
    for name, value in _PARAM.findall(found[3]):
        if name.lower() != "q":
            precision += 1
        elif _WEIGHT.match(value):
            quality = float(value)
            break  # Parameters after the weight are Accept extensions, which have no meaning here.
        else:
            raise Refusal(400, "malformed accept header")
    return MediaRange(kind, subtype, quality, precision)


@lru_cache(maxsize=256)
def choose_media_type(accept: str | None, offered: Sequence[str]) -> str:
    """The offered type that the Accept header prefers; a quality of zero does not exclude a type (as recorded).

    Raises:
        Refusal: 400 for a malformed header, 406 if no offered type is acceptable.
    """
    if accept is None:
        return offered[0]
    ranges = [_media_range(found) for found in elements(_MEDIA_RANGE, accept, "malformed accept header")]
    for each in sorted(ranges, key=lambda each: (-each.quality, -each.precision)):
        for media_type in offered:
            kind, _, subtype = media_type.partition(";")[0].strip().lower().partition("/")
            if each.subtype in ("*", subtype) and (each.type == kind or each.type == each.subtype == "*"):
                return media_type
    raise Refusal(406, "not acceptable")


@lru_cache(maxsize=256)
def choose_language(accept_language: str | None) -> str:
    """The language of the reply, in lower case; 400 for a malformed or empty header.

    English and the first language of the header are on offer (`api_resource:languages_provided/2`), so negotiation
    never fails.
    """
    if accept_language is None:
        return DEFAULT_LANGUAGE
    complaint = "malformed accept-language header"
    preferred = [(found[1].lower(), float(found[2] or 1)) for found in elements(_LANGUAGE, accept_language, complaint)]
    if not preferred:
        raise Refusal(400, complaint)
    offered = (*_LANGUAGES, preferred[0][0])
    # Of two languages with the same quality the later one wins, as in cowboy; the sort is stable.
    preferred.reverse()
    preferred.sort(key=lambda each: -each[1])
    return next(
        language for tag, _ in preferred for language in offered if language == tag or language.startswith(f"{tag}-")
    )


@lru_cache(maxsize=256)
def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header names gzip with a quality above zero."""
    for element in accept_encoding.lower().split(","):
        name, _, weight = element.replace(" ", "").replace("\t", "").partition(";")
        if name == "gzip" and not _ZERO.match(weight):
            return True
    return False
