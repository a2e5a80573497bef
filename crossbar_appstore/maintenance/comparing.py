"""How the folders below a path differ from the catalogue."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.values import object_at, string_at
from crossbar_appstore.maintenance.app_plan import ADDRESSES, is_exported
from crossbar_appstore.maintenance.app_source import AppSource, read_app
from crossbar_appstore.maintenance.attached_pictures import is_stored, named_pictures
from crossbar_appstore.maintenance.exporting import metadata_of
from crossbar_appstore.maintenance.field_changes import FieldChange, PictureChange, field_changes
from crossbar_appstore.maintenance.picture_files import PictureRules
from crossbar_appstore.maintenance.remarks import Remark

_ANY_PICTURE: Final = PictureRules(allow_svg=True, lenient=True, max_bytes=1_000_000_000)


class State(StrEnum):
    """How a folder and the catalogue stand to each other."""

    SAME = "same"
    DIFFERENT = "different"
    ONLY_IN_FOLDER = "only in folder"
    ONLY_IN_CATALOGUE = "only in catalogue"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class ComparedApp:
    """One app on both sides; changes lead from the catalogue to the folder."""

    state: State
    name: str | None
    app_id: str | None
    folder: str | None
    changes: tuple[FieldChange, ...] = ()
    pictures: tuple[PictureChange, ...] = ()
    remarks: tuple[Remark, ...] = ()

    def as_json(self) -> JsonObject:
        """For ``--json``."""
        return {
            "state": str(self.state),
            "name": self.name,
            "id": self.app_id,
            "folder": self.folder,
            "changes": [change.as_json() for change in self.changes],
            "pictures": [picture.as_json() for picture in self.pictures],
            "remarks": [remark.as_json() for remark in self.remarks],
        }


def compare_apps(folders: Iterable[Path], documents: Sequence[JsonObject]) -> list[ComparedApp]:
    """Compare folders with app documents, by id where a folder was exported, else by name. Reads the folders.

    Of a folder that was not exported, only what its ``app.json`` says is compared, and no addresses.
    """
    left = {document["_id"]: document for document in documents}
    compared = []
    for folder in folders:
        source = read_app(folder, _ANY_PICTURE)
        document = _counterpart(source, documents)
        if document is not None:
            left.pop(document["_id"], None)
        compared.append(_compared(source, document))
    alone = (_catalogue_only(document) for document in left.values())
    return [*compared, *alone]


def _counterpart(source: AppSource, documents: Sequence[JsonObject]) -> JsonObject | None:
    same_id = (document for document in documents if document["_id"] == source.metadata.get("_id"))
    same_name = (document for document in documents if source.name is not None and document.get("name") == source.name)
    return next(same_id, None) or next(same_name, None)


def _compared(source: AppSource, document: JsonObject | None) -> ComparedApp:
    folder, remarks = str(source.folder), source.remarks
    if not source.metadata:
        return ComparedApp(State.UNREADABLE, None, None, folder, remarks=remarks)
    if document is None:
        return ComparedApp(State.ONLY_IN_FOLDER, source.name, None, folder, remarks=remarks)
    changes = field_changes(*_comparable(source.metadata, document))
    pictures = tuple(_picture_changes(source, document))
    state = State.DIFFERENT if changes or pictures else State.SAME
    return ComparedApp(state, source.name, document["_id"], folder, changes, pictures, remarks)


def _comparable(metadata: JsonObject, document: JsonObject) -> tuple[JsonObject, JsonObject]:
    stored = metadata_of(document)
    if is_exported(metadata):
        return stored, {**metadata, "api_url": metadata.get("api_url", "")}
    wanted = [key for key in metadata if key not in ADDRESSES]
    return {key: stored[key] for key in wanted if key in stored}, {key: metadata[key] for key in wanted}


def _picture_changes(source: AppSource, document: JsonObject) -> Iterable[PictureChange]:
    """Pictures that differ, and those that the catalogue has under names which both sides know."""
    stubs = object_at(document, "_attachments")
    found = {picture.name: picture for picture in source.pictures}
    for picture in found.values():
        if not is_stored(picture, stubs):
            before = object_at(stubs, picture.name).get("length")
            yield PictureChange(picture.name, before, picture.length, picture.content_type)
    for name in named_pictures(document):
        if name in stubs and name not in found:
            yield PictureChange(name, object_at(stubs, name).get("length"), None)


def _catalogue_only(document: JsonObject) -> ComparedApp:
    return ComparedApp(State.ONLY_IN_CATALOGUE, string_at(document, "name"), document["_id"], None)
