"""Determines the media type of a picture by its bytes or by its name, and names the attachment that holds it."""

import secrets
import struct
from contextlib import suppress
from pathlib import PurePath, PurePosixPath
from typing import Final
from xml.parsers import expat

HTML: Final = "text/html"
ICO: Final = "image/x-icon"
SVG: Final = "image/svg+xml"
_CHUNK_BYTES: Final = 4096

_TYPES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": SVG,
}

PICTURE_TYPES: Final = frozenset(_TYPES.values())
"""The types that the web client shows."""

_SUFFIXES: Final = {**_TYPES, ".ico": ICO, ".html": HTML, ".htm": HTML}
_LONGEST_NAME: Final = 128
_ICO_HEAD: Final = struct.Struct("<HHH")
_ICO_ENTRY: Final = struct.Struct("<8xII")


def type_by_bytes(content: bytes) -> str | None:
    """Returns the media type of the content, ``None`` if it is unknown."""
    # puremagic takes any text that contains the tag for an SVG, and some SVGs for something else.
    if _begins_with_svg(content):
        return SVG
    import puremagic  # noqa: PLC0415 (it loads a megabyte of tables, which only storing a picture needs)

    try:
        matches = puremagic.magic_string(content)
    except (puremagic.PureError, ValueError):
        return None
    return next((match.mime_type for match in matches if match.mime_type != SVG), None) or None


def type_by_name(name: str) -> str | None:
    """Returns the media type for a file name (``kz_mime:from_filename/1``), ``None`` if it is no ``PICTURE_TYPES``."""
    return _TYPES.get(PurePath(name).suffix.lower())


def is_ico(content: bytes) -> bool:
    """Whether the content is an icon file of at least one picture, each of which lies within the file."""
    if len(content) < _ICO_HEAD.size:
        return False
    reserved, kind, count = _ICO_HEAD.unpack_from(content)
    directory_end = _ICO_HEAD.size + count * _ICO_ENTRY.size
    if (reserved, kind) != (0, 1) or count == 0 or directory_end > len(content):
        return False
    entries = _ICO_ENTRY.iter_unpack(content[_ICO_HEAD.size : directory_end])
    return all(size > 0 and directory_end <= start <= len(content) - size for size, start in entries)


def attachment_name(prefix: str, file_name: str | None, content_type: str) -> str:
    """Returns the name of an uploaded file's attachment: ``logo-ours.png``.

    The file name comes from the client: folders and control characters are removed, an empty name becomes a random one,
    and the extension of the type is added if the name has another's (``kz_mime:to_extension/1``).
    """
    printable = "".join(char for char in file_name or "" if char.isprintable())
    name = PurePosixPath(printable.replace("\\", "/")).name[-_LONGEST_NAME:] or secrets.token_hex(6)
    suffixes = [suffix for suffix, media_type in _SUFFIXES.items() if media_type == content_type]
    return f"{prefix}-{name}{'' if PurePath(name).suffix.lower() in suffixes else suffixes[0]}"


def _begins_with_svg(content: bytes) -> bool:
    """Whether the root element of an XML text is ``svg``; the text behind its start tag is not parsed."""
    elements: list[str] = []
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = lambda name, _attributes: elements.append(name)
    with suppress(expat.ExpatError):
        for start in range(0, len(content), _CHUNK_BYTES):
            parser.Parse(content[start : start + _CHUNK_BYTES], False)
            if elements:
                break
    return bool(elements) and elements[0].rpartition(" ")[2] == "svg"
