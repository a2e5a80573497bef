"""The icon and the screenshots of an app's folder: their type by their bytes, and whether they may be stored."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossbar_appstore.appstore.picture_types import PICTURE_TYPES, SVG, type_by_bytes, type_by_name
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.maintenance.app_files import FileMissing, FileRefused, is_plain_name, read_inside
from crossbar_appstore.maintenance.app_folders import METADATA
from crossbar_appstore.maintenance.remarks import Remark, Weight

MAX_PICTURE_BYTES: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class PictureRules:
    """Which pictures may be stored. ``lenient`` believes the bytes where the name says otherwise."""

    allow_svg: bool = False
    lenient: bool = False
    max_bytes: int = MAX_PICTURE_BYTES


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture on disk that may be stored. ``digest`` is what CouchDB will call it (``md5-…``)."""

    folder: Path
    path: Path
    name: str
    content_type: str
    length: int
    digest: str

    def inline(self) -> JsonObject:
        """The attachment as a document holds it that is to be saved.

        Raises:
            FileMissing, FileRefused: the file is not what it was.
        """
        content = read_inside(self.folder, self.path, self.length)
        if digest_of(content) != self.digest:
            raise FileRefused("unchanged", "was changed while it was being loaded")
        return {"content_type": self.content_type, "data": base64.b64encode(content).decode()}


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a look at a picture gave: the picture, unless it is missing or refused, and what is to be said."""

    picture: PictureFile | None
    remarks: tuple[Remark, ...] = ()


def digest_of(content: bytes) -> str:
    """The digest that CouchDB gives to an attachment that it does not compress."""
    return "md5-" + base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def is_picture_name(name: str) -> bool:
    """Whether a file of this name is meant to be a picture."""
    return type_by_name(name) is not None


def inspect_picture(folder: Path, kind: str, field: str, name: str, rules: PictureRules) -> Inspected:
    """Look at a picture that the metadata of an app's folder name.

    Args:
        folder: the app's folder.
        kind: ``icon`` or ``screenshots``, the folder below ``metadata``.
        field: where the name stands, for remarks.
        name: of the file.
        rules: which pictures may be stored.
    """
    path = folder / METADATA / kind / name
    if not name:
        return _without(Weight.MISSING, path, field, "name", "the name is empty", name)
    return inspect_file(folder, path, field, name, rules)


def inspect_file(folder: Path, path: Path, field: str, name: str, rules: PictureRules) -> Inspected:
    """Look at a picture that lies in a folder, out of which no link may lead."""
    if not is_plain_name(name):
        return _without(Weight.LEFT_OUT, path, field, "inside", "is not the name of a file in this folder", name)
    try:
        content = read_inside(folder, path, rules.max_bytes)
    except FileMissing:
        return _without(Weight.MISSING, path, field, "exists", "the file is missing", name)
    except FileRefused as refused:
        return _without(Weight.LEFT_OUT, path, field, refused.rule, refused.message, name)
    return _judged(folder, path, field, content, rules)


def _judged(folder: Path, path: Path, field: str, content: bytes, rules: PictureRules) -> Inspected:
    name = path.name
    shown, named = type_by_bytes(content), type_by_name(name)
    if shown is None or shown not in PICTURE_TYPES:
        message = f"is no picture that the web client shows: its bytes are {shown or 'of an unknown type'}"
        return _without(Weight.LEFT_OUT, path, field, "type", message, name)
    if SVG in (shown, named) and not rules.allow_svg:
        message = "is an SVG, which can hold scripts; --allow-svg loads it"
        return _without(Weight.LEFT_OUT, path, field, "svg", message, name)
    picture = PictureFile(folder, path, name, shown, len(content), digest_of(content))
    if shown == named:
        return Inspected(picture)
    message = f"its bytes are {shown}, its name says {named or 'nothing'}"
    if not rules.lenient:
        return _without(Weight.LEFT_OUT, path, field, "type", message, name)
    remark = Remark(Weight.REPAIRED, str(path), field, "type", f"{message}; stored as {shown}", name)
    return Inspected(picture, (remark,))


def _without(weight: Weight, path: Path, field: str, rule: str, message: str, value: str) -> Inspected:
    return Inspected(None, (Remark(weight, str(path), field, rule, message, value),))
