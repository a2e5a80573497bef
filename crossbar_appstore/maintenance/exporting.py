"""Exports the catalogue as app folders, and compares folders with the catalogue.

``init-apps`` loads exported folders to the same documents: their ``app.json`` contains the document's ``_id``, by
which loading recognizes that its addresses are to be kept.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from crossbar_appstore.appstore.app_addresses import ADDRESS_KEYS
from crossbar_appstore.datastore.errors import AttachmentMissing
from crossbar_appstore.json_codec import JsonObject, dumps_pretty
from crossbar_appstore.kazoo.documents import is_private_key
from crossbar_appstore.kazoo.values import object_at, string_at
from crossbar_appstore.maintenance import app_files
from crossbar_appstore.maintenance.app_plan import is_exported
from crossbar_appstore.maintenance.app_source import AppSource, read_app
from crossbar_appstore.maintenance.lookup import MasterCatalogue
from crossbar_appstore.maintenance.metadata_rules import address_remarks, faults, with_trimmed_addresses
from crossbar_appstore.maintenance.reports import (
    FieldChange,
    PictureChange,
    Remark,
    Report,
    Weight,
    field_changes,
    without_repairs,
)

_ANY_PICTURE: Final = app_files.PictureRules(allow_svg=True, lenient=True, max_picture_bytes=1_000_000_000)


@dataclass(frozen=True)
class ExportedApp(Report):
    """One app that was exported, or would be: its folder, and how many of its files were written."""

    id: str
    name: str | None
    folder: str
    files: int
    written: int
    remarks: tuple[Remark, ...] = ()


class State(StrEnum):
    """The result of comparing an app folder with the catalogue."""

    SAME = "same"
    DIFFERENT = "different"
    ONLY_IN_FOLDER = "only in folder"
    ONLY_IN_CATALOGUE = "only in catalogue"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class ComparedApp(Report):
    """One app of either side; changes go from the catalogue to the folder."""

    state: State
    name: str | None
    id: str | None
    folder: str | None
    changes: tuple[FieldChange, ...] = ()
    pictures: tuple[PictureChange, ...] = ()
    remarks: tuple[Remark, ...] = ()


async def export_app(
    catalogue: MasterCatalogue, document: JsonObject, folder: Path, *, dry_run: bool = False
) -> ExportedApp:
    """Write one app into a folder, files that differ only. Raises OSError if the folder cannot be written."""
    # Everything is read before the first file is written.
    metadata = metadata_of(document)
    files: dict[Path, bytes] = {folder / app_files.METADATA / app_files.APP_JSON: dumps_pretty(metadata) + b"\n"}
    unnamed = sorted(set(object_at(document, "_attachments")) - set(app_files.named_pictures(document)))
    remarks = []
    if unnamed:
        message = "neither icon nor screenshots name these attachments; they are not written"
        remarks.append(Remark(Weight.NOTE, str(folder), "_attachments", "named", message, unnamed))
    loaded, _ = with_trimmed_addresses(str(folder), metadata)
    for remark in (*faults(str(folder), loaded), *address_remarks(str(folder), loaded)):
        # Loading drops an empty address.
        if remark.weight is Weight.REFUSED and remark.rule != "empty":
            message = f"will be refused when it is loaded again: {remark.message}"
            remarks.append(replace(remark, weight=Weight.NOTE, message=message))
    pictures = dict.fromkeys((kind, name) for kind, _, name in app_files.picture_fields(document) if name)
    for kind, name in pictures:
        fault = app_files.fault_of_name(name)
        if fault is not None:
            rule, message = fault
            remarks.append(Remark(Weight.LEFT_OUT, str(folder), kind, rule, f"is not written: {message}", name))
            continue
        try:
            picture = await catalogue.couch.open_attachment(catalogue.database, document["_id"], name)
        except AttachmentMissing:
            remarks.append(Remark(Weight.MISSING, str(folder), kind, "exists", "is not attached", name))
        else:
            files[folder / app_files.METADATA / kind / name] = picture.body
    written = sum(_write(path, content, dry_run=dry_run) for path, content in files.items())
    return ExportedApp(document["_id"], string_at(document, "name"), str(folder), len(files), written, tuple(remarks))


def export_folders(directory: Path, documents: Sequence[JsonObject]) -> list[Path]:
    """A folder for each app: its name, or its id if the name is not unique or not usable as a file name."""
    names = Counter(string_at(document, "name") for document in documents)

    def folder(document: JsonObject) -> str:
        name = string_at(document, "name")
        if name is not None and names[name] == 1 and app_files.is_plain_name(name) and not name.startswith("."):
            return name
        return str(document["_id"])

    return [directory / folder(document) for document in documents]


def metadata_of(document: JsonObject) -> JsonObject:
    """The content of ``app.json`` for a document: ``_id`` and the public fields.

    KAZOO refuses metadata without an ``api_url``, so a missing one is written as an empty text; loading drops it.
    """
    public = {key: value for key, value in document.items() if not is_private_key(key) and key != "id"}
    return {"_id": document["_id"], "api_url": "", **public}


def compare_apps(folders: Iterable[Path], documents: Sequence[JsonObject]) -> list[ComparedApp]:
    """Compare folders, which are read, with app documents, by id if the folder was exported, else by name."""
    unmatched = {document["_id"]: document for document in documents}
    compared = []
    for folder in folders:
        source = read_app(folder, _ANY_PICTURE)
        # By id first: an exported folder may have another name than the app.
        same_id = [each for each in documents if each["_id"] == source.metadata.get("_id")]
        same_name = [each for each in documents if source.name is not None and each.get("name") == source.name]
        document = next(iter([*same_id, *same_name]), None)
        if document is not None:
            unmatched.pop(document["_id"], None)
        compared.append(_compared(source, document))
    for app_id, document in unmatched.items():
        compared.append(ComparedApp(State.ONLY_IN_CATALOGUE, string_at(document, "name"), app_id, None))
    return compared


def _write(path: Path, content: bytes, *, dry_run: bool) -> bool:
    """Write a file atomically if its content differs; whether it does."""
    if path.is_file() and path.read_bytes() == content:
        return False
    if not dry_run:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Renamed when complete: a reader never sees a part of the file.
        beside = path.with_name(f".{path.name}.new")
        beside.write_bytes(content)
        beside.replace(path)
    return True


def _compared(source: AppSource, document: JsonObject | None) -> ComparedApp:
    folder, remarks = str(source.folder), without_repairs(source.remarks, "nothing is stored here")
    if not source.metadata:
        return ComparedApp(State.UNREADABLE, None, None, folder, remarks=remarks)
    if document is None:
        return ComparedApp(State.ONLY_IN_FOLDER, source.name, None, folder, remarks=remarks)
    metadata, stored = source.metadata, metadata_of(document)
    if is_exported(metadata):
        metadata = {**metadata, "api_url": metadata.get("api_url", "")}
    else:
        # Metadata that were not exported describe only what their author wrote, and loading replaces the addresses.
        metadata = {key: value for key, value in metadata.items() if key not in ADDRESS_KEYS}
        stored = {key: value for key, value in stored.items() if key in metadata}
    changes = field_changes(stored, metadata)
    stubs = object_at(document, "_attachments")
    differing = [picture for picture in source.pictures if not app_files.is_stored(picture, stubs)]
    # A picture that the document names is missing in the folder; other attachments are not part of a folder.
    missing = set(app_files.named_pictures(document)) - {picture.name for picture in source.pictures}
    pictures = app_files.picture_changes(stubs, differing, [name for name in stubs if name in missing])
    state = State.DIFFERENT if changes or pictures else State.SAME
    return ComparedApp(state, source.name, document["_id"], folder, changes, pictures, remarks)
