"""Long bodies that are written piece by piece: to join them would copy what lasts for each reply."""

from typing import Final

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

WORTHWHILE: Final = 65_536
"""Bytes of a piece from which on writing it by itself costs less than copying it."""


class Pieces(Payload):
    """A body in pieces, as aiohttp takes it."""

    _autoclose = True

    def __init__(self, *pieces: bytes) -> None:
        super().__init__(pieces)
        self._pieces = pieces
        self._size = sum(map(len, pieces))

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The whole as a text."""
        return b"".join(self._pieces).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write it, as fast as the client takes it."""
        for piece in self._pieces:
            await writer.write(piece)
