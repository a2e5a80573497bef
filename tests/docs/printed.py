"""Compares an answer with the one that a page prints, apart from values that differ between runs.

``…`` stands for what a page omits: at the end of a text, as the last element of a list, as a member of an object.
Ids and revisions are mapped one to one. Timestamps, tokens, host names and the release may be any value of their
type.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

LEFT_OUT: Final = "…"

_VOLATILE: Final = frozenset({"auth_token", "created", "node", "remaining", "request_id", "timestamp"})
_ID: Final = re.compile(r"(?:\d+-)?([0-9a-f]{32}|[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28})")


class Printed:
    """Compares printed answers with received ones; remembers which id is printed for which."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._printed: dict[str, str] = {}

    def differences(self, language: str, printed: str, given: str) -> list[str]:
        """The differences from a printed block of ``json`` or ``text``."""
        if language != "json":
            return list(self._texts("the output", printed.strip(), given.strip()))
        try:
            answer = json.loads(given)
        except ValueError:
            return [f"no JSON: {given!r}"]
        envelope = json.loads(printed)
        if "version" in envelope and "version" in answer:
            # A new release does not change the page.
            envelope["version"] = answer["version"]
        return list(self._values("the answer", envelope, answer))

    def _values(self, where: str, printed: Any, given: Any) -> Iterator[str]:
        if type(printed) is not type(given):
            yield f"{where}: printed {printed!r}, given {given!r}"
        elif isinstance(printed, dict):
            yield from self._objects(where, printed, given)
        elif isinstance(printed, list):
            yield from self._lists(where, printed, given)
        elif isinstance(printed, str):
            yield from self._texts(where, printed, given)
        elif printed != given:
            yield f"{where}: printed {printed!r}, given {given!r}"

    def _objects(self, where: str, printed: dict[str, Any], given: dict[str, Any]) -> Iterator[str]:
        missing = printed.keys() - given.keys() - {LEFT_OUT}
        more = given.keys() - printed.keys()
        if missing:
            yield f"{where}: printed, not given: {sorted(missing)}"
        if bool(more) != (LEFT_OUT in printed):
            yield f"{where}: given, not printed: {sorted(more)}"
        for member in printed.keys() & given.keys():
            if member in _VOLATILE:
                if type(printed[member]) is not type(given[member]):
                    yield f"{where}.{member}: printed {printed[member]!r}, given {given[member]!r}"
            else:
                yield from self._values(f"{where}.{member}", printed[member], given[member])

    def _lists(self, where: str, printed: list[Any], given: list[Any]) -> Iterator[str]:
        cut = printed[-1:] == [LEFT_OUT]
        shown = printed[:-1] if cut else printed
        if len(given) <= len(shown) if cut else len(given) != len(shown):
            yield f"{where}: {len(shown)} printed, {len(given)} given"
        for number, (one, other) in enumerate(zip(shown, given, strict=False)):
            yield from self._values(f"{where}[{number}]", one, other)

    def _texts(self, where: str, printed: str, given: str) -> Iterator[str]:
        if printed.endswith(LEFT_OUT):
            printed = printed.removesuffix(LEFT_OUT)
            given = given[: len(printed)]
        if _ID.sub("id", printed) != _ID.sub("id", given):
            yield f"{where}: printed {printed!r}, given {given!r}"
            return
        for one, other in zip(_ID.findall(printed), _ID.findall(given), strict=True):
            if self._given.setdefault(one, other) != other or self._printed.setdefault(other, one) != one:
                yield f"{where}: {one} is printed for {self._given[one]}, and {other} given"
