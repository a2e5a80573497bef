"""Uploaded pictures: one file a request, whose bytes have to be those of a picture."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.appstore.app_overrides import attachment_name
from crossbar_appstore.appstore.picture_types import PICTURE_TYPES, SVG, type_by_bytes
from crossbar_appstore.crossbar.context import File
from crossbar_appstore.crossbar.errors import ValidationError
from crossbar_appstore.crossbar.headers import BASE64_TYPES
from crossbar_appstore.crossbar.resource import ACCEPTED
from crossbar_appstore.json_codec import Json, JsonObject

MAX_BYTES: Final = 5_000_000
"""Of one picture."""

_SHOWN: Final = PICTURE_TYPES - {SVG}
_SAME: Final = {"image/jpg": "image/jpeg", "image/x-png": "image/png"}
_UNTYPED: Final = "application/octet-stream"

UPLOADED: Final = ACCEPTED | _SHOWN | _SAME.keys() | BASE64_TYPES | {_UNTYPED}
"""The media types of bodies that bring a picture; curl sends parts without a known extension as untyped."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture that may be stored, under the name that its attachment gets."""

    name: str
    content_type: str
    content: bytes

    def inline(self) -> JsonObject:
        """The attachment as a document holds it that is to be saved."""
        return {"content_type": self.content_type, "data": base64.b64encode(self.content).decode()}


def uploaded_picture(files: Sequence[File], kind: str, language: str) -> Upload:
    """The picture of a request.

    Args:
        files: of the request.
        kind: ``icon`` or ``screenshot``.
        language: that it is for.

    Raises:
        ValidationError: there is no file, more than one, or none that may be shown (`cb_apps_store`).
    """
    if not files:
        raise _refused("required", "Please provide an image file")
    if len(files) > 1:
        raise _refused("maxItems", "Please provide a single image file", 1)
    (file,) = files
    if len(file.body) > MAX_BYTES:
        raise _refused("maxSize", f"A picture must not be more than {MAX_BYTES} bytes", MAX_BYTES)
    shown = type_by_bytes(file.body)
    if shown == SVG:
        raise _refused("svg", "An SVG can hold scripts, please provide another kind of image")
    if shown is None or shown not in _SHOWN:
        raise _refused("type", "The file is no image that the web client shows", ", ".join(sorted(_SHOWN)))
    declared = _SAME.get(file.content_type, file.content_type)
    if declared in PICTURE_TYPES and declared != shown:
        raise _refused("type", f"The file was sent as {declared}, its bytes are {shown}", shown)
    return Upload(attachment_name(kind, language, file.name, shown), shown, file.body)


def _refused(rule: str, message: str, target: Json = None) -> ValidationError:
    details = {"message": message} if target is None else {"message": message, "target": target}
    return ValidationError({"file": {rule: details}})
