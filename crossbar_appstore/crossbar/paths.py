"""The URL grammar: version, nouns and their params (`api_util:parse_path_tokens/3`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from crossbar_appstore.crossbar.context import Noun
from crossbar_appstore.crossbar.headers import decode

_VERSION: Final = re.compile(r"v[+-]?[0-9]+\Z")
_LONGEST_CACHED: Final = 256


@dataclass(frozen=True, slots=True)
class ApiPath:
    """A path below a version: ``nouns`` from left to right, empty if the first token names no endpoint.

    ``alias`` is set for ``/v2/account/…``, which stands for the caller's own account.
    """

    version: str
    nouns: tuple[Noun, ...]
    alias: bool = False


class PathParser:
    """Splits raw paths into nouns; ``greedy``: noun → whether it takes all tokens that follow it as its own params."""

    def __init__(self, greedy: Mapping[str, bool]) -> None:
        self._greedy = greedy
        self._cached = lru_cache(maxsize=512)(self._parse)

    def parse(self, raw_path: str) -> ApiPath | None:
        """Parse a raw path without query string; None if it names no version of the API.

        Raises:
            MalformedQuery: a percent sign without two hexadecimal digits.
        """
        # A cached path of a client must not take much memory.
        return self._cached(raw_path) if len(raw_path) <= _LONGEST_CACHED else self._parse(raw_path)

    def _parse(self, raw_path: str) -> ApiPath | None:
        tokens = [decode(token) for token in raw_path.split("/")[1:]]
        if not tokens or not (tokens[0] == "hooks" or _VERSION.match(tokens[0])):
            return None
        version, *rest = tokens
        while rest and not rest[-1]:
            rest.pop()
        alias = rest[:1] == ["account"]
        # The empty param is the place of the caller's account id, which the pipeline fills in.
        return ApiPath(version, self._nouns(["accounts", "", *rest[1:]] if alias else rest), alias)

    def _nouns(self, tokens: list[str]) -> tuple[Noun, ...]:
        found: list[tuple[str, list[str]]] = []
        for token in tokens:
            if token in self._greedy and not (found and self._greedy[found[-1][0]]):
                found.append((token, []))
            elif found:
                found[-1][1].append(token)
            else:  # The first token must be an endpoint.
                return ()
        return tuple(Noun(name, tuple(params)) for name, params in found)
