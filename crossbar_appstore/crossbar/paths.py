"""The URL grammar: version, nouns and their params (`api_util:parse_path_tokens/3`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from crossbar_appstore.crossbar.context import Noun

_ACCOUNT_ALIAS: Final = "account"
_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_VERSION: Final = re.compile(r"v([+-]?[0-9]+)\Z")


class BadEscape(ValueError):
    """A percent sign that escapes nothing."""


@dataclass(frozen=True, slots=True)
class ApiPath:
    """A path below a version: ``nouns`` from left to right, empty when the first token names no endpoint.

    ``alias`` is set where ``/v2/account/…`` stands for the caller's own account.
    """

    version: str
    nouns: tuple[Noun, ...]
    alias: bool = False


class PathParser:
    """Splits raw paths into nouns.

    Args:
        swallowing: noun → whether it takes all that follows it as its own params.
    """

    def __init__(self, swallowing: Mapping[str, bool]) -> None:
        self._swallowing = dict(swallowing)
        self.parse = lru_cache(maxsize=4096)(self._parse)

    def _parse(self, raw_path: str) -> ApiPath | None:
        """Parse a raw path without its query string; None if it names no version of the API.

        Raises:
            BadEscape: a percent sign without two hexadecimal digits.
        """
        if _ESCAPE.search(raw_path):
            raise BadEscape(raw_path)
        tokens = [_decode(token) for token in raw_path.split("/")[1:]]
        if not tokens or not (tokens[0] == "hooks" or _VERSION.match(tokens[0])):
            return None
        version, *rest = tokens
        while rest and not rest[-1]:
            rest.pop()
        alias = bool(rest) and rest[0] == _ACCOUNT_ALIAS
        nouns = self._nouns(rest[1:] if alias else rest, alias=alias)
        return ApiPath(version, nouns, alias)

    def _nouns(self, tokens: list[str], *, alias: bool) -> tuple[Noun, ...]:
        found: list[tuple[str, list[str]]] = [("accounts", [""])] if alias else []
        for token in tokens:
            swallowed = bool(found) and self._swallowing.get(found[-1][0], False)
            if token in self._swallowing and not swallowed:
                found.append((token, []))
            elif found:
                found[-1][1].append(token)
            else:
                return ()
        return tuple(Noun(name, tuple(params)) for name, params in found)


def _decode(token: str) -> str:
    if "%" not in token:
        return token
    return unquote_to_bytes(token).decode("utf-8", "replace")


def parse_query(raw_query: str) -> dict[str, str]:
    """Decode a query string; a key without a value stands for itself with the value ``""``, the last of a name wins.

    Raises:
        BadEscape: a percent sign without two hexadecimal digits.
    """
    if not raw_query:
        return {}
    if "%" in raw_query and _ESCAPE.search(raw_query):
        raise BadEscape(raw_query)
    pairs = (item.partition("=") for item in raw_query.split("&") if item)
    return {_decode_form(name): _decode_form(value) for name, _, value in pairs}


def _decode_form(text: str) -> str:
    return _decode(text.replace("+", " "))
