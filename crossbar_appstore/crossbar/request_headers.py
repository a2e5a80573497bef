"""The headers of a request as far as a decision may depend on them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar, overload

from multidict import istr

T = TypeVar("T")

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

_PLACES: Final[dict[object, int]] = {str(name): place for place, name in enumerate(DECIDING)}


class RequestHeaders(Mapping[str, str]):
    """Header by name, spelled as in ``DECIDING``; of headers that came more than once the first.

    Asking for any other is a mistake: what was decided is remembered by these.

    Args:
        values: of ``DECIDING``, None for those that are missing.

    Raises:
        LookupError: a header is asked for that is not in ``DECIDING``.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Sequence[str | None] = (None,) * len(DECIDING)) -> None:
        self._values = values

    @overload
    def get(self, name: str, /) -> str | None: ...

    @overload
    def get(self, name: str, /, default: str | T) -> str | T: ...

    def get(self, name: str, /, default: object = None) -> object:
        """The value, or the default where there is none."""
        value = self._values[_PLACES[name]]
        return default if value is None else value

    def __getitem__(self, name: str) -> str:
        value = self._values[_PLACES[name]]
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return self._values[_PLACES[name]] is not None

    def __iter__(self) -> Iterator[str]:
        return (str(name) for name, value in zip(DECIDING, self._values, strict=True) if value is not None)

    def __len__(self) -> int:
        return len(self._values) - self._values.count(None)
