"""Request headers and query strings: lists, media types, tokens, ranges and file names."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from crossbar_appstore.crossbar.context import BASIC, BEARER, UNKNOWN, X_AUTH_TOKEN, Context
from crossbar_appstore.crossbar.errors import CrossbarError, Refusal

TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
SEPARATOR: Final = r"[ \t,]*+"
_END: Final = re.compile(rf"{SEPARATOR}\Z")
# Possessive quantifiers, so that no header can make the match backtrack for long.
_PARAMETERS: Final = rf"(?:[ \t]*+;[ \t]*+(?:{TOKEN}=(?:{TOKEN}|{QUOTED}))?+)*+[ \t]*+\Z"
_PARAMETER: Final = re.compile(rf";[ \t]*+(?:({TOKEN})=({TOKEN}|{QUOTED}))?")
_CONTENT_TYPE: Final = re.compile(rf"({TOKEN}/{TOKEN})({_PARAMETERS})")
_ESCAPED: Final = re.compile(r"\\(.)")
_PLAIN_NAME: Final = re.compile(rf"{TOKEN}\Z")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Eighteen digits exceed the length of any file.
_RANGE: Final = re.compile(
    r"[ \t]*bytes=(?:0*([0-9]{1,18})-(?:0*([0-9]{1,18}))?|-0*([0-9]{1,18}))[ \t]*\Z", re.IGNORECASE
)

_LONGEST_FILE_NAME: Final = 255

JSON: Final = "application/json"
JSON_TYPES: Final = (JSON, "application/x-json")
FORM: Final = "application/x-www-form-urlencoded"
BASE64_TYPES: Final = frozenset({"application/base64", "application/x-base64"})


class MalformedQuery(ValueError):
    """A percent sign that escapes nothing, a value without a name, or too many pairs."""


# Lists and media types


def elements(pattern: re.Pattern[str], header: str, complaint: str) -> Iterator[re.Match[str]]:
    """The elements of a list in a header, empty ones skipped (RFC 9110 §5.6.1); ``pattern`` begins with ``SEPARATOR``.

    Raises:
        Refusal: 400 with the text ``complaint``, an element does not match.
    """
    position = 0
    while not _END.match(header, position):
        found = pattern.match(header, position)
        if not found:
            raise Refusal(400, complaint)
        yield found
        position = found.end()


@lru_cache(maxsize=256)
def parse_content_type(header: str) -> tuple[str, str]:
    """Split a Content-Type header into its media type in lower case and its raw parameters; 400 if malformed."""
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


# Query strings and forms (`cow_qs:parse_qs/1`)


def decode(text: str) -> str:
    """Undo percent-encoding; bytes that are no UTF-8 become replacement characters. Raises ``MalformedQuery``."""
    if "%" not in text:
        return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if _BAD_ESCAPE.search(text):
        raise MalformedQuery(text)
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")


def parse_pairs(raw: str, limit: int | None = None) -> list[tuple[str, str | None]]:
    """The (name, value) pairs of a query string in their order; None for a name without ``=``.

    Raises:
        MalformedQuery: also for more than ``limit`` pairs.
    """
    if limit is not None and raw.count("&") >= limit:
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
    """Parse a query string; of equal names the first counts, a name without a value has an empty one."""
    query: dict[str, str] = {}
    for name, value in parse_pairs(raw):
        query.setdefault(name, value or "")
    return query


# Who is calling


def find_token(context: Context) -> tuple[str, str] | tuple[None, None]:
    """The token of a request and its scheme (`api_util:get_auth_token/2`).

    It is taken from X-Auth-Token, else ``auth_token`` in data, query string or envelope, else Authorization, else
    ``authorization`` in the same three.
    """
    token = context.headers.get("X-Auth-Token")
    if token is None:
        token = context.req_value("auth_token")
    if isinstance(token, str):
        return _printable(token), X_AUTH_TOKEN
    authorization = context.headers.get("Authorization")
    if authorization is None:
        authorization = context.req_value("authorization")
    if not isinstance(authorization, str):
        return None, None
    authorization = _printable(authorization)
    if authorization.startswith("Basic "):
        return authorization[6:], BASIC
    if authorization.startswith("Bearer "):
        return authorization[7:], BEARER
    return authorization, UNKNOWN


def _printable(token: str) -> str:
    # The reply repeats the token in JSON, which cannot hold bytes that are no UTF-8.
    return token if token.isascii() else token.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


# Downloads


def parse_range(header: str, length: int) -> tuple[int, int] | None:
    """First and last byte that a Range header asks of ``length`` bytes; None for the whole file.

    Several ranges, other units and malformed headers are answered with the whole file (RFC 9110 §14, deviation D18).

    Raises:
        CrossbarError: 416, the range begins beyond the end of the file.
    """
    found = _RANGE.match(header)
    if not found:
        return None
    first, last, suffix = (None if digits is None else int(digits) for digits in found.groups())
    if last is not None and first is not None and last < first:
        return None
    if first is None:  # The last ``suffix`` bytes.
        first = max(0, length - (suffix or 0))
    if first >= length:
        headers = {"Content-Range": f"bytes */{length}"}
        raise CrossbarError(416, "range not satisfiable", {}, headers=headers)
    return first, length - 1 if last is None else min(last, length - 1)


@lru_cache(maxsize=256)
def attachment(file_name: str, *, quoted: bool = True) -> str:
    """The Content-Disposition of a download (RFC 6266), without folders and control characters in the name.

    Crossbar quotes the names of CSV files always, those of pictures (``quoted=False``) only if they need it.
    """
    name = "".join(char for char in file_name.rpartition("/")[2][-_LONGEST_FILE_NAME:] if char.isprintable())
    if _PLAIN_NAME.match(name) and not quoted:
        return f"attachment; filename={name}"
    # Names that are not ASCII are given twice: with question marks for old clients, and percent-encoded.
    ascii_name = name.encode("ascii", "replace").decode().replace("\\", "\\\\").replace('"', '\\"')
    header = f'attachment; filename="{ascii_name}"'
    return header if name.isascii() else f"{header}; filename*=UTF-8''{quote(name, safe='')}"
