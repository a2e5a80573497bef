"""Finds app folders on disk and reads one: its metadata, checked, and its pictures."""

import codecs
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from crossbar_appstore import json_codec
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.values import string_at
from crossbar_appstore.maintenance import app_files
from crossbar_appstore.maintenance.metadata_rules import faults, notes, repaired
from crossbar_appstore.maintenance.reports import WHOLE_FILE, Remark, Weight

SAMPLES: Final = Path(__file__).with_name("samples")
"""The sample apps of the package."""
MAX_METADATA_BYTES: Final = 1_000_000
"""The largest known app.json has 20 kB."""
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


def find_app_folders(path: Path) -> Found:
    """Find every folder with a ``metadata/app.json`` at or below a path (``crossbar_maintenance:find_apps/1``).

    KAZOO takes each file whose name contains ``app.json``, wherever it is. Folders of version control are skipped,
    links to folders are reported and not followed.
    """
    folders: list[Path] = []
    remarks: list[Remark] = []
    unreadable: list[OSError] = []
    for place, subfolders, files in os.walk(path, onerror=unreadable.append):
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

    With ``lenient``, metadata are repaired where the intention is clear.
    """
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
        metadata = json_codec.loads(content.removeprefix(codecs.BOM_UTF8) if lenient else content)
    except ValueError as error:
        return refused("json", f"is not JSON: {error}")
    if not isinstance(metadata, dict):
        return refused("type", "is not a JSON object", metadata)
    remarks: list[Remark] = []
    if lenient:
        icons = sorted(path.name for path in (folder / app_files.METADATA / "icon").glob("*"))
        metadata, repairs = repaired(str(file), metadata, icons)
        remarks += repairs
    # Validated after the repair, so that only what is left is refused.
    remarks += faults(str(file), metadata)
    # The pictures of a refused app are inspected too, so that one run reports everything.
    pictures, about_pictures = _pictures(folder, metadata, rules)
    return AppSource(folder, metadata, pictures, (*remarks, *about_pictures, *notes(str(file), metadata)))


def _pictures(
    folder: Path, metadata: JsonObject, rules: app_files.PictureRules
) -> tuple[tuple[app_files.PictureFile, ...], tuple[Remark, ...]]:
    """The pictures that can be stored, each name once; the icon wins over a screenshot of the same name."""
    found: dict[str, app_files.PictureFile] = {}
    remarks: list[Remark] = []
    for kind, field_name, name in app_files.picture_fields(metadata):
        picture, remark = app_files.inspect_picture(folder, kind, field_name, name, rules)
        remarks += [remark] if remark else []
        # Attachments of a document share one namespace: the icon and a screenshot can be one picture, or clash.
        if picture is not None and found.setdefault(name, picture).digest != picture.digest:
            message = "the icon is another picture of the same name"
            remarks.append(Remark(Weight.LEFT_OUT, str(picture.path), field_name, "unique", message, name))
    return tuple(found.values()), tuple(remarks)
