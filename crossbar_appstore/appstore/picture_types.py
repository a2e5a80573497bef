"""What kind of picture a file is: by its bytes, and by its name."""

from contextlib import suppress
from pathlib import PurePath
from typing import Final
from xml.parsers import expat

SVG: Final = "image/svg+xml"
_PIECE: Final = 4096

_TYPES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": SVG,
}

PICTURE_TYPES: Final = frozenset(_TYPES.values())
"""What the web client shows."""


def type_by_bytes(content: bytes) -> str | None:
    """The media type that the bytes show, ``None`` if they show none."""
    # The library takes any text with the tag in it for an SVG, and some that are for something else.
    if _begins_with_svg(content):
        return SVG
    import puremagic  # noqa: PLC0415 (a megabyte of tables, which only who stores pictures needs)

    try:
        matches = puremagic.magic_string(content)
    except (puremagic.PureError, ValueError):
        return None
    return next((match.mime_type for match in matches if match.mime_type != SVG), None) or None


def type_by_name(name: str) -> str | None:
    """The media type of a picture of this name (``kz_mime:from_filename/1``), ``None`` if it is none of ours."""
    return _TYPES.get(PurePath(name).suffix.lower())


def extension(content_type: str) -> str:
    """The usual extension of a type of ``PICTURE_TYPES``, with its dot (``kz_mime:to_extension/1``)."""
    return next(extension for extension, known in _TYPES.items() if known == content_type)


def _begins_with_svg(content: bytes) -> bool:
    """Whether the first element of an XML text is ``svg``; what follows is not looked at."""
    elements: list[str] = []

    def begin(name: str, attributes: dict[str, str]) -> None:
        elements.append(name)

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = begin
    with suppress(expat.ExpatError):
        for start in range(0, len(content), _PIECE):
            parser.Parse(content[start : start + _PIECE], False)
            if elements:
                break
    return bool(elements) and elements[0].rpartition(" ")[2] == "svg"
