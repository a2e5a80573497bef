"""Determines the media type of a picture by its bytes or by its name."""

from contextlib import suppress
from pathlib import PurePath
from typing import Final
from xml.parsers import expat

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


def extension(content_type: str) -> str:
    """Returns the usual extension of one of ``PICTURE_TYPES``, with its dot (``kz_mime:to_extension/1``)."""
    return next(suffix for suffix, media_type in _TYPES.items() if media_type == content_type)


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
