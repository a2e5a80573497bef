"""Compressed replies without compressing them each time.

A reply is an envelope around data. The data of a list is the same for everybody until it changes, the envelope never
is. So the data is compressed once, and the little around it goes uncompressed beside it: DEFLATE and Zstandard both
have blocks for that (RFC 1951 §3.2.4, RFC 8878 §3.1.1.2). What a client gets is one ordinary compressed body.
"""

import importlib
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from crossbar_appstore.crossbar.context import PreparedJson

GZIP: Final = "gzip"
ZSTD: Final = "zstd"

_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LARGEST_STORED: Final = 0xFFFF
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_SIZED: Final = b"\xe0"
"""Frame header descriptor: one segment, its size in eight bytes, no checksum."""
_LARGEST_RAW: Final = 0x20000
_RUN: Final = 1
"""A Zstandard block that repeats one byte."""
_LEVEL: Final = 6
_CRC_POLYNOMIAL: Final = 0xEDB88320


def spliced(coding: str, head: bytes, data: PreparedJson, tail: bytes) -> bytes:
    """``head + data + tail`` in a content coding; what is long and lasting is compressed once for all replies."""
    block = data.compressed.get(coding)
    if block is None:
        block = data.compressed[coding] = _zstd_blocks(data.raw) if coding == ZSTD else _deflated(data.raw)
    size = len(head) + len(data.raw) + len(tail)
    if coding == ZSTD:
        begin = _ZSTD_MAGIC + _ZSTD_SIZED + size.to_bytes(8, "little")
        return b"".join((begin, *_raw_blocks(head, last=False), block, *_raw_blocks(tail, last=True)))
    checksum = _combined(zlib.crc32(head), _crc_of(data), len(data.raw))
    return b"".join(
        (
            _GZIP_HEADER,
            *_stored_blocks(head, last=False),
            block,
            *_stored_blocks(tail, last=True),
            zlib.crc32(tail, checksum).to_bytes(4, "little"),
            (size & 0xFFFFFFFF).to_bytes(4, "little"),
        )
    )


def _deflated(raw: bytes) -> bytes:
    """Raw DEFLATE blocks that end on a byte and need nothing before them."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(raw) + compressor.flush(zlib.Z_FULL_FLUSH)


def _stored_blocks(raw: bytes, *, last: bool) -> Sequence[bytes]:
    """Uncompressed DEFLATE blocks; ``last`` ends the stream."""
    if not raw and not last:
        return ()
    pieces = [raw[start : start + _LARGEST_STORED] for start in range(0, len(raw), _LARGEST_STORED)] or [b""]
    blocks: list[bytes] = []
    for number, piece in enumerate(pieces, 1):
        length = len(piece)
        final = b"\x01" if last and number == len(pieces) else b"\x00"
        blocks += (final, length.to_bytes(2, "little"), (length ^ 0xFFFF).to_bytes(2, "little"), piece)
    return blocks


def _crc_of(data: PreparedJson) -> int:
    found = data.compressed.get("crc32")
    if found is None:
        found = data.compressed["crc32"] = zlib.crc32(data.raw).to_bytes(4, "little")
    return int.from_bytes(found, "little")


def _combined(first: int, second: int, length: int) -> int:
    """The CRC-32 of two texts put together, from theirs and the length of the second."""
    for bit, row in enumerate(_zeros(length)):
        if first >> bit & 1:
            second ^= row
    return second


@lru_cache(maxsize=1024)
def _zeros(length: int) -> tuple[int, ...]:
    """What ``length`` zero bytes do to each bit of a CRC-32, as a matrix over GF(2)."""
    # One zero bit shifts the register and feeds the polynomial in.
    square = (_CRC_POLYNOMIAL, *(1 << bit for bit in range(31)))
    result = tuple(1 << bit for bit in range(32))
    bits = length * 8
    while bits:
        if bits & 1:
            result = tuple(_times(square, row) for row in result)
        square = tuple(_times(square, row) for row in square)
        bits >>= 1
    return result


def _times(matrix: Sequence[int], vector: int) -> int:
    product = 0
    for bit, row in enumerate(matrix):
        if vector >> bit & 1:
            product ^= row
    return product


@lru_cache(maxsize=1)
def _zstd() -> Callable[[bytes], bytes] | None:
    try:
        library: Any = importlib.import_module("zstandard")
    except ImportError:
        return None

    def compress(raw: bytes) -> bytes:
        compressed: bytes = library.ZstdCompressor(level=_LEVEL).compress(raw)
        return compressed

    return compress


def _zstd_blocks(raw: bytes) -> bytes:
    """The blocks of a Zstandard frame, none of them marked as the last."""
    compress = _zstd()
    if compress is None:
        raise LookupError("zstandard is not installed")
    frame = bytearray(compress(raw))
    descriptor = frame[len(_ZSTD_MAGIC)]
    single_segment = bool(descriptor & 0x20)
    content_size = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    start = position = len(_ZSTD_MAGIC) + 1 + (0 if single_segment else 1) + content_size
    while True:
        header = int.from_bytes(frame[position : position + 3], "little")
        last, kind, length = header & 1, header >> 1 & 3, header >> 3
        if last:
            frame[position] &= 0xFE
            return bytes(frame[start : position + 3 + (1 if kind == _RUN else length)])
        position += 3 + (1 if kind == _RUN else length)


def _raw_blocks(raw: bytes, *, last: bool) -> Sequence[bytes]:
    """Uncompressed Zstandard blocks; ``last`` ends the frame."""
    pieces = [raw[start : start + _LARGEST_RAW] for start in range(0, len(raw), _LARGEST_RAW)] or [b""]
    blocks: list[bytes] = []
    for number, piece in enumerate(pieces, 1):
        final = 1 if last and number == len(pieces) else 0
        blocks += ((len(piece) << 3 | final).to_bytes(3, "little"), piece)
    return blocks


ENCODINGS: Final = (GZIP,) if _zstd() is None else (ZSTD, GZIP)
"""The content codings on offer, best first; Zstandard where its library is installed."""
