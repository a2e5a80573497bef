"""Files of an app's folder: safe reading, checks of pictures, and the attachments that pictures become."""

import base64
import hashlib
import os
import stat
from collections.abc import Container, Iterable, Iterator
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRules:
    """Which pictures may be stored. With ``lenient``, the bytes count where a name says another type."""

    allow_svg: bool = False
    lenient: bool = False
    max_picture_bytes: int = MAX_PICTURE_BYTES


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
        """The inline member of ``_attachments``. Raises FileMissing or FileRefused if the file was changed."""
        content = read_inside(self.folder, self.path, self.length)
        if digest_of(content) != self.digest:
            raise FileRefused("unchanged", "was changed while it was being loaded")
        return {"content_type": self.content_type, "data": base64.b64encode(content).decode()}


def is_plain_name(name: str) -> bool:
    """Whether a name is a file name, not a path, and one that CouchDB accepts for an attachment."""
    return fault_of_name(name) is None


def fault_of_name(name: str) -> tuple[str, str] | None:
    """Rule and message of what is wrong with a picture's name, ``None`` if a file and an attachment may have it."""
    if name.startswith("_"):
        return "name", "CouchDB takes no attachment names that begin with _"
    if any(char in name for char in "\\\0"):
        return "name", "contains a backslash or a null character"
    # A lone surrogate is how Python reads a byte of a file's name that is no UTF-8.
    if any("\ud800" <= char <= "\udfff" for char in name):
        return "name", "is not UTF-8"
    if name in ("", "..") or PurePath(name).name != name:
        return "inside", "is not the name of a file in this folder"
    return None


def read_inside(folder: Path, path: Path, limit: int) -> bytes:
    """Read a file that must be inside a folder and have at most ``limit`` bytes.

    Raises:
        FileMissing: no such file.
        FileRefused: a link leads out of the folder, it is not a regular file, is too large, or cannot be read.
    """
    try:
        # Links are resolved before the check, so that none leads out of the folder.
        real = path.resolve(strict=True)
        if not real.is_relative_to(folder.resolve()):
            raise FileRefused("inside", "a symbolic link leads out of the app's folder")
        # O_NONBLOCK: a pipe would block. O_NOFOLLOW: the path was resolved, so a link was put there since.
        with os.fdopen(os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise FileRefused("regular", "is not a regular file")
            content = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise FileMissing(str(path)) from None
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        reason = getattr(error, "strerror", None) or str(error)
        raise FileRefused("readable", f"cannot be read: {reason}") from None
    # One byte more was asked for, which tells a file that grew since its size was read.
    if len(content) > limit:
        size = max(status.st_size, len(content))
        raise FileRefused("size", f"is too large: {size:,} bytes, {limit:,} are allowed")
    return content


def digest_of(content: bytes) -> str:
    """The digest that CouchDB gives to an attachment that it does not compress."""
    return "md5-" + base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def inspect_picture(
    folder: Path, kind: str, field: str, name: str, rules: PictureRules
) -> tuple[PictureFile | None, Remark | None]:
    """Inspect the picture that the metadata name in ``field``; ``kind`` is the folder below ``metadata``."""
    return inspect_file(folder, folder / METADATA / kind / name, field, name, rules)


def inspect_file(
    folder: Path, path: Path, field: str, name: str, rules: PictureRules
) -> tuple[PictureFile | None, Remark | None]:
    """Inspect a picture file inside a folder: its name, its size, and its type by its bytes.

    Returns:
        The picture, ``None`` if it is missing or refused, and a remark if something is wrong with it.
    """

    def remark(rule: str, message: str, weight: Weight = Weight.LEFT_OUT) -> Remark:
        return Remark(weight, str(path), field, rule, message, name)

    if not name:
        return None, remark("name", "the name is empty", Weight.MISSING)
    fault = fault_of_name(name)
    if fault is not None:
        return None, remark(*fault)
    try:
        content = read_inside(folder, path, rules.max_picture_bytes)
    except FileMissing:
        return None, remark("exists", "the file is missing", Weight.MISSING)
    except FileRefused as refused:
        return None, remark(refused.rule, refused.message)
    # The bytes decide, since a browser may ignore the stored type.
    detected, named = type_by_bytes(content), type_by_name(name)
    if detected is None or detected not in PICTURE_TYPES:
        found = detected or "of an unknown type"
        return None, remark("type", f"is not a picture that the web client shows: its bytes are {found}")
    # A name that ends in .svg is refused too: KAZOO derives the type from the name.
    if SVG in (detected, named) and not rules.allow_svg:
        return None, remark("svg", "is an SVG, which can contain scripts; --allow-svg loads it")
    picture = PictureFile(folder, path, name, detected, len(content), digest_of(content))
    if detected == named:
        return picture, None
    message = f"its bytes are {detected}, its name says {named or 'nothing'}"
    if not rules.lenient:
        return None, remark("type", message)
    return picture, remark("type", f"{message}; taken as {detected}", Weight.REPAIRED)


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


def is_stored(picture: PictureFile, stubs: JsonObject, same: Container[str] = ()) -> bool:
    """Whether ``_attachments`` has a picture already with the same bytes and type; ``same`` as ``update_pictures``."""
    stub = object_at(stubs, picture.name)
    # The same bytes under another type are served wrongly, so they are stored again.
    if stub.get("content_type") != picture.content_type:
        return False
    return picture.name in same or stub.get("digest") == picture.digest


def update_pictures(
    stored: JsonObject, document: JsonObject, pictures: Iterable[PictureFile], *, remove_old: bool, same: Container[str]
) -> tuple[JsonObject, tuple[PictureFile, ...], tuple[PictureChange, ...]]:
    """Attach pictures to a document that is to be saved over the one as ``stored``.

    ``remove_old`` removes attachments that neither icon nor screenshots name. ``same`` are the names of pictures that
    were compared byte by byte and are equal, whatever their digests.

    Returns:
        The document with the stubs to keep, the pictures to add to it inline, and what changes.
    """
    stubs = object_at(stored, "_attachments")
    # Pictures that are stored already are kept as stubs and not sent again.
    inline = tuple(each for each in pictures if not is_stored(each, stubs, same))
    # Stubs of pictures that are replaced stay as well, so that they are not reported as removed.
    wanted = {*named_pictures(document), *(each.name for each in inline)}
    removed = [name for name in stubs if remove_old and name not in wanted]
    kept = {name: stub for name, stub in stubs.items() if name not in removed}
    bare = {key: value for key, value in document.items() if key != "_attachments"}
    return {**bare, "_attachments": kept} if kept else bare, inline, picture_changes(stubs, inline, removed)


def with_pictures(document: JsonObject, inline: Iterable[PictureFile]) -> JsonObject:
    """The document with these pictures added as inline attachments; reads the files, errors as ``inline``."""
    added = {picture.name: picture.inline() for picture in inline}
    return {**document, "_attachments": {**document.get("_attachments", {}), **added}} if added else document


def picture_changes(
    stubs: JsonObject, inline: Iterable[PictureFile], removed: Iterable[str] = ()
) -> tuple[PictureChange, ...]:
    """The changes to the attachments ``stubs``: those that are stored ``inline``, then those that are removed."""

    def length(name: str) -> int | None:
        found = object_at(stubs, name).get("length")
        return found if isinstance(found, int) else None

    stored = (PictureChange(each.name, length(each.name), each.length, each.content_type) for each in inline)
    return (*stored, *(PictureChange(name, length(name), None) for name in removed))
