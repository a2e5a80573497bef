"""Apps of the size that real ones have: texts in a few languages, an icon that cannot be compressed, screenshots."""

import base64
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from crossbar_appstore.json_codec import JsonObject, dumps
from crossbar_appstore.kazoo.documents import stamp_maintenance

ICON_SIDE: Final = 92
"""Pixels; three bytes each that nothing compresses: about 25 KB."""
SCREENSHOT_SIDE: Final = 110
_SMALL_SIDE: Final = 4

_LOCALES: Final = ("en-US", "de-DE", "fr-FR")
_WORDS: Final = (  # noqa: SIM905 (fifty quoted words are harder to read)
    "account alert agent answer billing call caller carrier channel conference contact device directory extension "
    "feature fax group hold invoice line manage media menu message monitor number office park phone port queue record "
    "report ring route schedule screen search service share storage support switch team time tone transfer trunk user "
    "voicemail webhook"
).split()


def app_documents(count: int, account_id: str, *, lean: bool = False) -> Iterator[JsonObject]:
    """App documents of a master account with their pictures inline, the same each time but for the moment.

    Made one at a time, since a thousand of them would be much to hold. ``lean`` ones have pictures of a few pixels, but
    for the first one's icon.
    """
    for number in range(count):
        chance = random.Random(number)  # noqa: S311 (noise, no secret)
        doc = app_metadata(chance, number)
        pictures = {doc["icon"]: _SMALL_SIDE if lean and number else ICON_SIDE}
        pictures |= dict.fromkeys(doc["screenshots"], _SMALL_SIDE if lean else SCREENSHOT_SIDE)
        doc["_id"] = f"ab{number:030x}"
        doc["_attachments"] = {name: _inline(noise_png(chance, side)) for name, side in pictures.items()}
        yield stamp_maintenance(doc, account_id=account_id, doc_type="app")


def write_app_folders(folder: Path, count: int) -> None:
    """The same apps as folders that ``init-apps`` loads, without their pictures' bytes in the metadata."""
    for number in range(count):
        chance = random.Random(number)  # noqa: S311 (noise, no secret)
        app = app_metadata(chance, number)
        metadata = folder / app["name"] / "metadata"
        for kind, names, side in (
            ("icon", [app["icon"]], ICON_SIDE),
            ("screenshots", app["screenshots"], SCREENSHOT_SIDE),
        ):
            (metadata / kind).mkdir(parents=True)
            for name in names:
                (metadata / kind / name).write_bytes(noise_png(chance, side))
        (metadata / "app.json").write_bytes(dumps(app))


def app_metadata(chance: random.Random, number: int) -> JsonObject:
    """What ``metadata/app.json`` holds."""
    name = _name(number)
    return {
        "name": name,
        "i18n": {locale: _texts(chance, name) for locale in _LOCALES[: 1 + number % len(_LOCALES)]},
        "tags": chance.sample(_WORDS, 3),
        "icon": f"{name}.png",
        "screenshots": [f"{name}-1.png", f"{name}-2.png"],
        "api_url": "https://api.example.com:8443/v2/",
        "source_url": f"https://apps.example.com/{name}",
        "author": "Example Telephony",
        "version": f"{1 + number % 4}.{number % 10}",
        "license": "-",
        "price": 0,
        "urls": {"documentation": f"https://docs.example.com/{name}", "howto": f"https://video.example.com/{name}"},
        "phase": "gold",
        "published": True,
    }


def _name(number: int) -> str:
    """Words joined by dashes, another name for each number."""
    rest, last = divmod(number, len(_WORDS))
    return f"{_name(rest - 1)}-{_WORDS[last]}" if rest else _WORDS[last]


def _texts(chance: random.Random, name: str) -> JsonObject:
    return {
        "label": name.title(),
        "description": _sentence(chance, 9),
        "extended_description": _sentence(chance, 20),
        "features": [_sentence(chance, 4) for _ in range(3)],
    }


def _sentence(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(_WORDS, k=words)).capitalize() + "."


def noise_png(chance: random.Random, side: int) -> bytes:
    """A square PNG of random colours, ``side`` pixels wide: three bytes a pixel."""
    rows = b"".join(b"\0" + chance.randbytes(3 * side) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _inline(png: bytes) -> JsonObject:
    return {"content_type": "image/png", "data": base64.b64encode(png).decode()}
