"""Files of an app's folder: safe reading, checks of pictures, and the attachments that pictures become."""

import base64
import hashlib
import os
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from crossbar_appstore.appstore.picture_types import PICTURE_TYPES, SVG, type_by_bytes, type_by_name
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.values import list_at, object_at, string_at
from crossbar_appstore.maintenance.reports import PictureChange, Remark, Weight

METADATA: Final = "metadata"
APP_JSON: Final = "app.json"
MAX_PICTURE_BYTES: Final = 5_000_000


class FileMissing(Exception):
    """There is no such file."""


class FileRefused(Exception):
    """The file exists, but must not or cannot be read."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message


@dataclass(frozen=True, slots=True)
class PictureRules:
    """Which pictures may be stored. With ``lenient``, the bytes count where a name says another type."""

    allow_svg: bool = False
    lenient: bool = False
    max_bytes: int = MAX_PICTURE_BYTES


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture on disk that may be stored. ``digest`` is the one that CouchDB will compute (``md5-…``)."""

    folder: Path
    path: Path
    name: str
    content_type: str
    length: int
    digest: str

    def inline(self) -> JsonObject:
        """The attachment as an inline member of ``_attachments``; reads the file.

        Raises:
            FileMissing, FileRefused: the file was removed or changed since it was inspected.
        """
        content = read_inside(self.folder, self.path, self.length)
        if digest_of(content) != self.digest:
            raise FileRefused("unchanged", "was changed while it was being loaded")
        return {"content_type": self.content_type, "data": base64.b64encode(content).decode()}


@dataclass(frozen=True, slots=True)
class Inspected:
    """The result of inspecting a picture: the picture, ``None`` if it is missing or refused, and remarks."""

    picture: PictureFile | None
    remarks: tuple[Remark, ...] = ()


def is_plain_name(name: str) -> bool:
    """Whether a name is a file name, not a path, and one that CouchDB accepts for an attachment."""
    return (
        name not in ("", ".", "..")
        and not name.startswith("_")
        and not any(char in name for char in "/\\\0")
        and PurePath(name).name == name
    )


def read_inside(folder: Path, path: Path, limit: int) -> bytes:
    """Read a file that must be inside a folder.

    Args:
        folder: the app's folder.
        path: the file, below the folder by its name.
        limit: in bytes; longer files are refused.

    Raises:
        FileMissing: no such file.
        FileRefused: a link leads out of the folder, it is not a regular file, is too large, or cannot be read.
    """
    try:
        # Links are resolved before the check, so that none leads out of the folder.
        real = path.resolve(strict=True)
        if not real.is_relative_to(folder.resolve()):
            raise FileRefused("inside", "a symbolic link leads out of the app's folder")
        return _read(real, limit)
    except (FileNotFoundError, NotADirectoryError):
        raise FileMissing(str(path)) from None
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        reason = getattr(error, "strerror", None) or str(error)
        raise FileRefused("readable", f"cannot be read: {reason}") from None


def digest_of(content: bytes) -> str:
    """The digest that CouchDB gives to an attachment that it does not compress."""
    return "md5-" + base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def inspect_picture(folder: Path, kind: str, field: str, name: str, rules: PictureRules) -> Inspected:
    """Inspect a picture that the metadata of an app's folder name.

    Args:
        folder: the app's folder.
        kind: ``icon`` or ``screenshots``, the folder below ``metadata``.
        field: path of the name in the metadata, for remarks.
        name: of the file.
        rules: which pictures may be stored.
    """
    path = folder / METADATA / kind / name
    if not name:
        return _without(Weight.MISSING, path, field, "name", "the name is empty", name)
    return inspect_file(folder, path, field, name, rules)


def inspect_file(folder: Path, path: Path, field: str, name: str, rules: PictureRules) -> Inspected:
    """Inspect a picture file inside a folder: its name, its size, and its type by its bytes."""
    if not is_plain_name(name):
        return _without(Weight.LEFT_OUT, path, field, "inside", "is not the name of a file in this folder", name)
    try:
        content = read_inside(folder, path, rules.max_bytes)
    except FileMissing:
        return _without(Weight.MISSING, path, field, "exists", "the file is missing", name)
    except FileRefused as refused:
        return _without(Weight.LEFT_OUT, path, field, refused.rule, refused.message, name)
    # The bytes decide, since a browser may ignore the stored type.
    detected, named = type_by_bytes(content), type_by_name(name)
    if detected is None or detected not in PICTURE_TYPES:
        message = f"is not a picture that the web client shows: its bytes are {detected or 'of an unknown type'}"
        return _without(Weight.LEFT_OUT, path, field, "type", message, name)
    # A name that ends in .svg is refused too: KAZOO derives the type from the name.
    if SVG in (detected, named) and not rules.allow_svg:
        message = "is an SVG, which can contain scripts; --allow-svg loads it"
        return _without(Weight.LEFT_OUT, path, field, "svg", message, name)
    picture = PictureFile(folder, path, name, detected, len(content), digest_of(content))
    if detected == named:
        return Inspected(picture)
    message = f"its bytes are {detected}, its name says {named or 'nothing'}"
    if not rules.lenient:
        return _without(Weight.LEFT_OUT, path, field, "type", message, name)
    remark = Remark(Weight.REPAIRED, str(path), field, "type", f"{message}; stored as {detected}", name)
    return Inspected(picture, (remark,))


def picture_fields(metadata: JsonObject) -> Iterator[tuple[str, str, str]]:
    """Folder below ``metadata``, field and name of each picture that the metadata name."""
    icon = string_at(metadata, "icon")
    if icon is not None:
        yield "icon", "icon", icon
    for index, name in enumerate(list_at(metadata, "screenshots")):
        if isinstance(name, str):
            yield "screenshots", f"screenshots.{index}", name


def named_pictures(document: JsonObject) -> tuple[str, ...]:
    """The names of the icon and the screenshots, each once; empty names are ignored."""
    return tuple(dict.fromkeys(name for _, _, name in picture_fields(document) if name))


def is_stored(picture: PictureFile, stubs: JsonObject, same: Collection[str] = ()) -> bool:
    """Whether a picture is attached already with the same bytes and type.

    Args:
        picture: the file on disk.
        stubs: the document's ``_attachments``.
        same: names of pictures that were compared byte by byte and are equal, whatever their digests.
    """
    stub = object_at(stubs, picture.name)
    # The same bytes under another type are served wrongly, so they are stored again.
    if stub.get("content_type") != picture.content_type:
        return False
    return picture.name in same or stub.get("digest") == picture.digest


def doubtful(pictures: Iterable[PictureFile], stored: JsonObject) -> tuple[PictureFile, ...]:
    """Pictures of the stored length but another digest: CouchDB may have compressed the same bytes."""
    stubs = object_at(stored, "_attachments")
    return tuple(
        picture
        for picture in pictures
        if object_at(stubs, picture.name).get("length") == picture.length
        and object_at(stubs, picture.name).get("digest") != picture.digest
    )


def kept_stubs(
    stubs: JsonObject, document: JsonObject, inline: Iterable[PictureFile], *, remove_old: bool
) -> JsonObject:
    """The attachments to keep, including those that ``inline`` replaces: all, or the named ones if ``remove_old``."""
    if not remove_old:
        return stubs
    # Stubs of pictures that are replaced inline stay in the result, so that they are not reported as removed.
    named = {*named_pictures(document), *(picture.name for picture in inline)}
    return {name: stub for name, stub in stubs.items() if name in named}


def with_stubs(document: JsonObject, stubs: JsonObject) -> JsonObject:
    """The document with exactly these attachments."""
    bare = {key: value for key, value in document.items() if key != "_attachments"}
    return {**bare, "_attachments": stubs} if stubs else bare


def with_pictures(document: JsonObject, inline: Iterable[PictureFile]) -> JsonObject:
    """The document with these pictures added as inline attachments; reads the files.

    Raises:
        FileMissing, FileRefused: a file was removed or changed since it was inspected.
    """
    added = {picture.name: picture.inline() for picture in inline}
    return {**document, "_attachments": {**document.get("_attachments", {}), **added}} if added else document


def picture_changes(before: JsonObject, after: JsonObject, inline: Iterable[PictureFile]) -> tuple[PictureChange, ...]:
    """The attachments that are added or replaced, then those that are removed.

    Args:
        before: the stored ``_attachments``.
        after: those of them that are kept.
        inline: the pictures to store.
    """
    brought = (PictureChange(each.name, _length(before, each.name), each.length, each.content_type) for each in inline)
    removed = (PictureChange(name, _length(before, name), None) for name in before if name not in after)
    return (*brought, *removed)


def _read(path: Path, limit: int) -> bytes:
    # O_NONBLOCK: a pipe would block. O_NOFOLLOW: the path was resolved, so a link was put there since.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise FileRefused("regular", "is not a regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        size = max(status.st_size, len(content))
        raise FileRefused("size", f"is too large: {size:,} bytes, {limit:,} are allowed")
    return content


def _without(weight: Weight, path: Path, field: str, rule: str, message: str, value: str) -> Inspected:
    return Inspected(None, (Remark(weight, str(path), field, rule, message, value),))


def _length(stubs: JsonObject, name: str) -> int | None:
    length = object_at(stubs, name).get("length")
    return length if isinstance(length, int) else None
