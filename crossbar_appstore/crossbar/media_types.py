"""Content-Type and Content-Disposition of requests (RFC 9110 §5.6 and §8.3)."""

import re
from functools import lru_cache
from typing import Final

from crossbar_appstore.crossbar.errors import Refusal

TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
# Possessive throughout: what a header holds must not make the match slow.
_PARAMETERS: Final = rf"(?:[ \t]*+;[ \t]*+(?:{TOKEN}=(?:{TOKEN}|{QUOTED}))?+)*+[ \t]*+\Z"
_PARAMETER: Final = re.compile(rf"[ \t]*;[ \t]*(?:({TOKEN})=({TOKEN}|{QUOTED}))?")
_CONTENT_TYPE: Final = re.compile(rf"({TOKEN}/{TOKEN})({_PARAMETERS})")
_ESCAPED: Final = re.compile(r"\\(.)")

JSON: Final = "application/json"
JSON_TYPES: Final = (JSON, "application/x-json")
FORM: Final = "application/x-www-form-urlencoded"
BASE64_TYPES: Final = frozenset({"application/base64", "application/x-base64"})


@lru_cache(maxsize=256)
def parse_content_type(header: str) -> tuple[str, str]:
    """A Content-Type header as its media type in lower case and its raw parameters.

    Raises:
        Refusal: 400, the header is malformed.
    """
    found = _CONTENT_TYPE.match(header)
    if not found:
        raise Refusal(400, "malformed content-type header")
    return found[1].lower(), found[2]


def parameter(raw: str, name: str) -> str | None:
    """The value of the parameter ``name`` in what follows a type: ``; charset=utf-8; boundary="x"``."""
    for key, value in _PARAMETER.findall(raw):
        if key.lower() == name:
            return _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
    return None
