"""One app as it lies on disk: its metadata, checked, and its pictures."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from crossbar_appstore import json_codec
from crossbar_appstore.appstore.metadata import validate_app
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.values import list_at, string_at
from crossbar_appstore.maintenance.app_files import MAX_METADATA_BYTES, FileMissing, FileRefused, read_inside
from crossbar_appstore.maintenance.app_folders import APP_JSON, METADATA
from crossbar_appstore.maintenance.lenient import mended
from crossbar_appstore.maintenance.metadata_rules import markup_remarks, notes
from crossbar_appstore.maintenance.picture_files import PictureFile, PictureRules, inspect_picture
from crossbar_appstore.maintenance.remarks import ABOUT_FILE, Remark, Weight, schema_remarks

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class AppSource:
    """An app's folder as read. ``metadata`` is empty where ``app.json`` could not be read.

    A folder with a refusal among its remarks must not be loaded.
    """

    folder: Path
    metadata: JsonObject = field(default_factory=dict)
    pictures: tuple[PictureFile, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @property
    def file(self) -> Path:
        """Its ``app.json``."""
        return self.folder / METADATA / APP_JSON

    @property
    def name(self) -> str | None:
        """The app's name, as far as it has one."""
        return string_at(self.metadata, "name")

    @property
    def refused(self) -> bool:
        """Whether the app must not be loaded."""
        return any(remark.weight is Weight.REFUSED for remark in self.remarks)


def read_app(folder: Path, rules: PictureRules, *, lenient: bool = False) -> AppSource:
    """Read an app's folder; never raises for what lies in it.

    Args:
        folder: the one that holds ``metadata/app.json``.
        rules: which pictures may be stored.
        lenient: mend what is plainly wrong with the metadata, and say so.
    """
    file = folder / METADATA / APP_JSON
    try:
        content = read_inside(folder, file, MAX_METADATA_BYTES)
    except FileMissing:
        return _refused(folder, file, "exists", "there is no metadata/app.json")
    except FileRefused as refused:
        return _refused(folder, file, refused.rule, refused.message)
    try:
        metadata = json_codec.loads(content.removeprefix(_BOM) if lenient else content)
    except ValueError as error:
        return _refused(folder, file, "json", f"is not JSON: {error}")
    if not isinstance(metadata, dict):
        return _refused(folder, file, "type", "holds no JSON object", metadata)
    return _checked(folder, str(file), metadata, rules, lenient=lenient)


def _checked(folder: Path, file: str, metadata: JsonObject, rules: PictureRules, *, lenient: bool) -> AppSource:
    remarks: list[Remark] = []
    if lenient:
        metadata, repairs = mended(file, metadata, _icon_names(folder))
        remarks += repairs
    remarks += schema_remarks(file, validate_app(metadata))
    remarks += markup_remarks(file, metadata)
    # Also of a refused app, so that everything can be mended at once.
    pictures, about_pictures = _pictures(folder, metadata, rules)
    return AppSource(folder, metadata, pictures, (*remarks, *about_pictures, *notes(file, metadata)))


def _pictures(
    folder: Path, metadata: JsonObject, rules: PictureRules
) -> tuple[tuple[PictureFile, ...], tuple[Remark, ...]]:
    """The pictures that can be stored, each name once; the icon goes before a screenshot of the same name."""
    found: dict[str, PictureFile] = {}
    remarks: list[Remark] = []
    for kind, field_name, name in _named_pictures(metadata):
        look = inspect_picture(folder, kind, field_name, name, rules)
        remarks += look.remarks
        picture = look.picture
        if picture is None:
            continue
        if found.setdefault(name, picture).digest != picture.digest:
            message = "the icon is another picture of the same name"
            remarks.append(Remark(Weight.LEFT_OUT, str(picture.path), field_name, "unique", message, name))
    return tuple(found.values()), tuple(remarks)


def _named_pictures(metadata: JsonObject) -> Iterable[tuple[str, str, str]]:
    """Kind, field and name of each picture that the metadata name."""
    icon = string_at(metadata, "icon")
    if icon is not None:
        yield "icon", "icon", icon
    for index, name in enumerate(list_at(metadata, "screenshots")):
        if isinstance(name, str):
            yield "screenshots", f"screenshots.{index}", name


def _icon_names(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(sorted(entry.name for entry in (folder / METADATA / "icon").iterdir()))
    except OSError:
        return ()


def _refused(folder: Path, file: Path, rule: str, message: str, value: Json = None) -> AppSource:
    return AppSource(folder, remarks=(Remark(Weight.REFUSED, str(file), ABOUT_FILE, rule, message, value),))
