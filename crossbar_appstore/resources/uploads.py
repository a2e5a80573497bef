"""Uploaded files: one a request, checked by their bytes, in the form in which CouchDB takes them within a document."""

import base64
from collections.abc import Sequence
from typing import Final

from crossbar_appstore.appstore.picture_types import HTML, ICO, PICTURE_TYPES, SVG, is_ico, type_by_bytes
from crossbar_appstore.crossbar.context import File
from crossbar_appstore.crossbar.errors import ValidationError
from crossbar_appstore.crossbar.headers import BASE64_TYPES
from crossbar_appstore.crossbar.resource import ACCEPTED
from crossbar_appstore.json_codec import Json, JsonObject

MAX_PICTURE: Final = 5_000_000
"""Bytes of one picture."""

MAX_PAGE: Final = 1_000_000
"""Bytes of one HTML page."""

PICTURES: Final = PICTURE_TYPES - {SVG}
"""The types of pictures that requests may bring; an SVG can hold scripts."""

_ALIASES: Final = {
    "image/jpg": "image/jpeg",
    "image/x-png": "image/png",
    "image/ico": ICO,
    "image/icon": ICO,
    "image/vnd.microsoft.icon": ICO,
}
# curl sends parts without a known extension as application/octet-stream.
_UNKNOWN: Final = "application/octet-stream"
_WRAPPED: Final = ACCEPTED | BASE64_TYPES | {_UNKNOWN}

ACCEPTED_PICTURES: Final = _WRAPPED | PICTURES | {"image/jpg", "image/x-png"}
"""The media types of bodies that bring a picture."""

ACCEPTED_ICONS: Final = ACCEPTED_PICTURES | _ALIASES.keys() | {ICO}
"""The same where it may be an icon file, too."""

ACCEPTED_PAGES: Final = ACCEPTED | {HTML}
"""The media types of bodies that bring an HTML page."""


def picture(files: Sequence[File], allowed: frozenset[str] = PICTURES) -> File:
    """The picture of a request, with the type that its bytes have.

    Raises:
        ValidationError: there is no file, more than one, it is too large, or its bytes are of no allowed type.
    """
    file = _only(files, "an image file", MAX_PICTURE)
    # What a browser would take it for counts, whatever the client says.
    found = ICO if is_ico(file.body) else type_by_bytes(file.body)
    if found == SVG:
        raise _refused("svg", "An SVG can hold scripts, please provide another kind of image")
    if found is None or found not in allowed or (found == ICO and not is_ico(file.body)):
        raise _refused("type", "The file is no image that the web client shows", ", ".join(sorted(allowed)))
    declared = _ALIASES.get(file.content_type, file.content_type)
    if declared in PICTURE_TYPES | {ICO} and declared != found:
        raise _refused("type", f"The file was sent as {declared}, its bytes are {found}", found)
    return File(file.body, found, file.name)


def page(files: Sequence[File]) -> File:
    """The HTML page of a request, which is UTF-8.

    Raises:
        ValidationError: there is no file, more than one, it is too large, or no such text.
    """
    file = _only(files, "an html file", MAX_PAGE)
    try:
        text = file.body.decode()
    except UnicodeDecodeError as error:
        raise _refused("encoding", f"The page is no UTF-8: byte {error.start}", "utf-8") from None
    if "\0" in text:
        raise _refused("type", "The file is no HTML page", HTML)
    return File(file.body, HTML, file.name)


def inline(file: File) -> JsonObject:
    """The file as an attachment within the document that is saved."""
    return {"content_type": file.content_type, "data": base64.b64encode(file.body).decode()}


def _only(files: Sequence[File], wanted: str, limit: int) -> File:
    if not files:
        raise _refused("required", f"Please provide {wanted}")
    if len(files) > 1:
        raise _refused("maxItems", f"Please provide a single {wanted.partition(' ')[2]}", 1)
    (file,) = files
    if len(file.body) > limit:
        raise _refused("maxSize", f"The file must not be more than {limit} bytes", limit)
    return file


def _refused(rule: str, message: str, target: Json = None) -> ValidationError:
    details = {"message": message} if target is None else {"message": message, "target": target}
    return ValidationError({"file": {rule: details}})
