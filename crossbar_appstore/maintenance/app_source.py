"""Finds app folders on disk and reads one: its metadata, checked, and its pictures."""

import codecs
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from crossbar_appstore import json_codec
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.values import string_at
from crossbar_appstore.maintenance import app_files
from crossbar_appstore.maintenance.metadata_rules import faults, notes, repaired, with_trimmed_addresses
from crossbar_appstore.maintenance.reports import WHOLE_FILE, Remark, Weight

SAMPLES: Final = Path(__file__).with_name("samples")
"""The sample apps of the package."""
MAX_METADATA_BYTES: Final = 1_000_000
"""The largest known app.json has 20 kB."""
_BYTE_ORDER_MARKS: Final = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, with whose mark it begins
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_LENIENT: Final = "--lenient repairs this"
_SKIPPED: Final = frozenset({".git", ".hg", ".svn", "node_modules"})


@dataclass(frozen=True, slots=True)
class Found:
    """The app folders below a path, sorted, and remarks about folders that were not searched."""

    folders: tuple[Path, ...]
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class AppSource:
    """An app's folder as read. ``metadata`` is empty if ``app.json`` could not be read."""

    folder: Path
    metadata: JsonObject = field(default_factory=dict)
    pictures: tuple[app_files.PictureFile, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @property
    def file(self) -> Path:
        """Its ``app.json``."""
        return self.folder / app_files.METADATA / app_files.APP_JSON

    @property
    def name(self) -> str | None:
        """The app's name, ``None`` if it has none."""
        return string_at(self.metadata, "name")

    @property
    def refused(self) -> bool:
        """Whether the app must not be loaded: there is a refusal among the remarks."""
        return any(remark.weight is Weight.REFUSED for remark in self.remarks)


def app_folder(path: Path) -> Path:
    """The app's folder for the path of its ``metadata/app.json``; any other path as it is."""
    file = path.absolute()
    is_metadata = file.name == app_files.APP_JSON and file.parent.name == app_files.METADATA
    return file.parent.parent if is_metadata and file.is_file() else path


def find_app_folders(path: Path) -> Found:
    """Find every folder with a ``metadata/app.json`` at or below a path (``crossbar_maintenance:find_apps/1``).

    The path may be that of a ``metadata/app.json`` itself.

    KAZOO takes each file whose name contains ``app.json``, wherever it is. Folders of version control are skipped,
    links to folders are reported and not followed.
    """
    folders: list[Path] = []
    remarks: list[Remark] = []
    unreadable: list[OSError] = []
    for place, subfolders, files in os.walk(app_folder(path), onerror=unreadable.append):
        here = Path(place)
        if here.name == app_files.METADATA and app_files.APP_JSON in files:
            folders.append(here.parent)
        for link in (here / name for name in subfolders if (here / name).is_symlink()):
            message = f"is a symbolic link, which is not followed; load {link.name} by its own path"
            remarks.append(Remark(Weight.NOTE, str(link), WHOLE_FILE, "symlink", message))
        # Changed in place, which makes os.walk skip the others.
        subfolders[:] = [name for name in subfolders if name not in _SKIPPED]
    for error in unreadable:
        message = f"cannot be read: {error.strerror or error}"
        remarks.append(Remark(Weight.NOTE, str(error.filename), WHOLE_FILE, "readable", message))
    return Found(tuple(sorted(folders)), tuple(remarks))


def read_app(folder: Path, rules: app_files.PictureRules, *, lenient: bool = False) -> AppSource:
    """Read the folder that contains ``metadata/app.json``; whatever is wrong with it becomes a remark.

    ``folder`` may be the path of that file. With ``lenient``, metadata are repaired where the intention is clear.
    """
    folder = app_folder(folder)
    file = folder / app_files.METADATA / app_files.APP_JSON

    def refused(rule: str, message: str, value: Json = None) -> AppSource:
        return AppSource(folder, remarks=(Remark(Weight.REFUSED, str(file), WHOLE_FILE, rule, message, value),))

    try:
        content = app_files.read_inside(folder, file, MAX_METADATA_BYTES)
    except app_files.FileMissing:
        return refused("exists", "there is no metadata/app.json")
    except app_files.FileRefused as refusal:
        return refused(refusal.rule, refusal.message)
    try:
        metadata = json_codec.loads(_text(content.removeprefix(codecs.BOM_UTF8) if lenient else content))
    except ValueError as error:
        return refused("json", f"is not JSON: {error}")
    if not isinstance(metadata, dict):
        return refused("type", "is not a JSON object", metadata)
    remarks: list[Remark] = []
    if content.startswith(codecs.BOM_UTF8):
        message = "the byte order mark at its beginning is left out"
        remarks.append(Remark(Weight.REPAIRED, str(file), WHOLE_FILE, "json", message))
    icons = sorted(path.name for path in (folder / app_files.METADATA / "icon").glob("*"))
    made, repairs = repaired(str(file), metadata, icons)
    if lenient:
        metadata = made
        remarks += repairs
        # Validated after the repair, so that only what is left is refused.
        remarks += faults(str(file), metadata)
    else:
        remarks += _explained(faults(str(file), metadata), faults(str(file), made))
    metadata, trims = with_trimmed_addresses(str(file), metadata)
    # The pictures of a refused app are inspected too, so that one run reports everything.
    pictures, about_pictures = _pictures(folder, metadata, rules)
    return AppSource(folder, metadata, pictures, (*remarks, *trims, *about_pictures, *notes(str(file), metadata)))


def _text(content: bytes) -> str:
    """The content as text. Raises ValueError, which names the byte and its place, if it is no UTF-8 text."""
    if content.startswith(codecs.BOM_UTF8):
        raise ValueError(f"it begins with a byte order mark (U+FEFF, the bytes EF BB BF); {_LENIENT}")
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            raise ValueError(f"it is {encoding}, by its byte order mark {mark.hex(' ').upper()}; JSON is UTF-8")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8: {_place(content, error.start)}") from None
    # UTF-16 without a byte order mark is full of them.
    if "\0" in text:
        raise ValueError(f"it is not text in UTF-8: {_place(content, content.index(0))}")
    return text


def _place(content: bytes, offset: int) -> str:
    line_start = content.rfind(b"\n", 0, offset) + 1
    column = len(content[line_start:offset].decode()) + 1
    line = content.count(b"\n", 0, offset) + 1
    return f"byte 0x{content[offset]:02X} at line {line}, column {column} (byte {offset + 1} of the file)"


def _explained(found: Iterable[Remark], left: Iterable[Remark]) -> Iterator[Remark]:
    """The faults of metadata; those that are not ``left`` in the repaired ones say that ``--lenient`` repairs them."""
    lasting = {(fault.field, fault.rule) for fault in left}
    for fault in found:
        is_lasting = (fault.field, fault.rule) in lasting
        yield fault if is_lasting else replace(fault, message=f"{fault.message}; {_LENIENT}")


def _pictures(
    folder: Path, metadata: JsonObject, rules: app_files.PictureRules
) -> tuple[tuple[app_files.PictureFile, ...], tuple[Remark, ...]]:
    """The pictures that can be stored, each name once; the icon wins over a screenshot of the same name."""
    found: dict[str, app_files.PictureFile] = {}
    remarks: list[Remark] = []
    for kind, field_name, name in app_files.picture_fields(metadata):
        picture, remark = app_files.inspect_picture(folder, kind, field_name, name, rules)
        if remark is not None and remark.weight is Weight.LEFT_OUT and not rules.lenient:
            leniently, _ = app_files.inspect_picture(folder, kind, field_name, name, replace(rules, lenient=True))
            remark = remark if leniently is None else replace(remark, message=f"{remark.message}; {_LENIENT}")
        remarks += [remark] if remark else []
        # Attachments of a document share one namespace: the icon and a screenshot can be one picture, or clash.
        if picture is not None and found.setdefault(name, picture).digest != picture.digest:
            message = "the icon is another picture of the same name"
            remarks.append(Remark(Weight.LEFT_OUT, str(picture.path), field_name, "unique", message, name))
    return tuple(found.values()), tuple(remarks)
