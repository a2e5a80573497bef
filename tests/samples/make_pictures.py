"""Draws the pictures of the sample apps and of the tests' apps; the bytes are the same on every run.

``python tests/samples/make_pictures.py`` writes them; a test compares them. No picture library is needed: a PNG is a
zlib stream with a palette, and a JPEG of flat 8×8 blocks needs no more than its DC coefficients.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).parent
PACKAGED = HERE.parents[1] / "crossbar_appstore" / "maintenance" / "samples"

Colour = tuple[int, int, int]
Paint = Callable[[int, int], int]

INK, PAPER, PALE = (38, 50, 56), (255, 255, 255), (236, 239, 241)
BLUE, GREEN, AMBER, RED = (30, 136, 229), (67, 160, 71), (255, 179, 0), (229, 57, 53)
PALETTE: tuple[Colour, ...] = (PAPER, INK, PALE, BLUE, GREEN, AMBER, RED)
WHITE, DARK, LIGHT, SEA, LEAF, SUN, ROSE = range(7)


def png(width: int, height: int, paint: Paint) -> bytes:
    """Returns a PNG; ``paint`` returns the colour of a pixel at x and y as an index of ``PALETTE``."""
    rows = b"".join(b"\0" + bytes(paint(x, y) for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    palette = b"".join(bytes(colour) for colour in PALETTE)
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def jpeg(columns: int, rows: int, paint: Callable[[int, int], int]) -> bytes:
    """Returns a grey JPEG of 8×8 blocks; ``paint`` returns the brightness (0 to 255) of a block by column and row."""
    quantisation = b"\xff\xdb" + struct.pack(">HB", 67, 0) + b"\x08" + b"\x01" * 63
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, rows * 8, columns * 8, 1) + b"\x01\x11\x00"
    # DC: the sizes 0 to 8 as codes of four bits. AC: only "end of block", one bit.
    dc = b"\xff\xc4" + struct.pack(">HB", 28, 0x00) + bytes([0, 0, 0, 9] + [0] * 12) + bytes(range(9))
    ac = b"\xff\xc4" + struct.pack(">HB", 20, 0x10) + bytes([1] + [0] * 15) + b"\x00"
    scan = b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\x01\x00\x00\x3f\x00"
    bits = "".join(_block_bits(paint(x, y) - before) for (x, y), before in _with_previous(columns, rows, paint))
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)).replace(b"\xff", b"\xff\x00")
    return b"\xff\xd8" + _jfif() + quantisation + frame + dc + ac + scan + data + b"\xff\xd9"


def _jfif() -> bytes:
    return b"\xff\xe0" + struct.pack(">H5sHBHHBB", 16, b"JFIF\0", 0x0101, 0, 1, 1, 0, 0)


def _with_previous(columns: int, rows: int, paint: Paint) -> Iterator[tuple[tuple[int, int], int]]:
    before = 128
    for y in range(rows):
        for x in range(columns):
            yield (x, y), before
            before = paint(x, y)


def _block_bits(difference: int) -> str:
    """Encodes the difference of two blocks' brightness and the end of the block."""
    size = abs(difference).bit_length()
    value = difference if difference > 0 else difference + (1 << size) - 1
    return f"{size:04b}" + (f"{value:0{size}b}" if size else "") + "0"


def gif() -> bytes:
    """Returns a GIF of one pixel."""
    screen = b"\x01\x00\x01\x00\x80\x00\x00" + b"\x00\x00\x00\xff\xff\xff"
    return b"GIF89a" + screen + b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02L\x01\x00;"


def webp() -> bytes:
    """Returns a lossless WebP of one pixel."""
    chunk = b"VP8L" + struct.pack("<I", 13) + b"/\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def svg(colour: str = "#1e88e5") -> bytes:
    """Returns an SVG of a disc."""
    disc = f'<circle cx="32" cy="32" r="28" fill="{colour}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">{disc}</svg>\n'.encode()


def icon(symbol: Callable[[int, int], bool], colour: int) -> bytes:
    """Returns an icon of 96×96 pixels: a white symbol on a disc."""

    def paint(x: int, y: int) -> int:
        if (x - 47.5) ** 2 + (y - 47.5) ** 2 > 46**2:
            return WHITE
        return WHITE if symbol(x, y) else colour

    return png(96, 96, paint)


def page(colour: int, boxes: Iterable[tuple[int, int, int, int, int]]) -> bytes:
    """Returns a screenshot of 480×300 pixels: a coloured bar and boxes (left, top, right, bottom, colour)."""
    drawn = tuple(boxes)

    def paint(x: int, y: int) -> int:
        if y < 36:
            return WHITE if 14 <= y < 22 and 16 <= x < 140 else colour
        return next((box[4] for box in drawn if box[0] <= x < box[2] and box[1] <= y < box[3]), LIGHT)

    return png(480, 300, paint)


def packaged() -> dict[str, bytes]:
    """Returns the pictures by path below the package's samples."""
    bars = [
        (40 + 60 * at, 250 - height, 80 + 60 * at, 250, SEA)
        for at, height in enumerate((60, 120, 90, 170, 140, 80, 30))
    ]
    tiles = [(24 + 112 * x, 60 + 110 * y, 120 + 112 * x, 150 + 110 * y, WHITE) for x in range(4) for y in range(2)]
    lines = [(40, 60 + 34 * y, 440 - 50 * (y % 3), 80 + 34 * y, WHITE) for y in range(7)]
    shifts = [
        (60 + 50 * x, 60 + 60 * y, 100 + 50 * x, 100 + 60 * y, (LEAF, SUN, ROSE)[(x + y) % 3])
        for x in range(8)
        for y in range(4)
    ]
    return {
        "wallboard/metadata/icon/wallboard.png": icon(
            lambda x, y: 28 <= x < 68 and y < 68 and y > 68 - (x - 20) % 14 * 4, SEA
        ),
        "wallboard/metadata/screenshots/queues.png": page(SEA, bars),
        "wallboard/metadata/screenshots/agents.png": page(SEA, tiles),
        "call-notes/metadata/icon/call-notes.png": icon(
            lambda x, y: 28 <= x < 68 and 30 <= y < 66 and (y - 30) % 12 < 5, LEAF
        ),
        "call-notes/metadata/screenshots/notes.png": page(LEAF, lines),
        "shift-plan/metadata/icon/shift-plan.png": icon(
            lambda x, y: 28 <= x < 68 and 28 <= y < 68 and (x - 28) % 14 < 10 and (y - 28) % 14 < 10, SUN
        ),
        "shift-plan/metadata/screenshots/week.png": page(SUN, shifts),
        "sound-library/metadata/icon/sound-library.png": icon(
            lambda x, y: 26 <= x < 70 and abs(y - 48) < 4 + abs((x % 16) - 8) * 2.4, ROSE
        ),
        "sound-library/metadata/screenshots/waves.jpg": jpeg(
            60, 30, lambda x, y: 250 if abs(y - 15) > (x * 7 % 13) else 90
        ),
    }


def write(directory: Path, pictures: dict[str, bytes]) -> None:
    """Writes pictures below a directory."""
    for name, content in pictures.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    write(PACKAGED, packaged())
