"""The headers of a request as far as a decision may depend on them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Self

from multidict import istr

DECIDING: Final = tuple(
    istr(name)
    for name in (
        "X-Auth-Token",
        "X-Auth-Account-ID",
        "Authorization",
        "Accept",
        "Accept-Language",
        "Accept-Encoding",
        "If-None-Match",
        "If-Match",
        "Range",
        "If-Range",
        "Content-Type",
        "X-File-Name",
        "X-Pretty-Print",
        "Origin",
        "Access-Control-Request-Method",
        "Access-Control-Request-Headers",
    )
)
"""Whatever else a request carries, it is answered alike; its id and its sender are told apart from its headers."""

_NAMES: Final = tuple(str(name) for name in DECIDING)
_KNOWN: Final = frozenset(_NAMES)


class RequestHeaders(Mapping[str, str]):
    """Header by name, spelled as in ``DECIDING``; of headers that came more than once the first.

    Asking for any other is a mistake: what was decided is remembered by these.

    Raises:
        LookupError: a header is asked for that is not in ``DECIDING``.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Sequence[str | None]) -> None:
        self._values = {name: value for name, value in zip(_NAMES, values, strict=True) if value is not None}

    @classmethod
    def none(cls) -> Self:
        """Of what is no request."""
        return cls([None] * len(DECIDING))

    def __getitem__(self, name: str) -> str:
        _check(name)
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        _check(name)
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _check(name: object) -> None:
    if name not in _KNOWN:
        raise LookupError(f"no decision may depend on the header {name}")
