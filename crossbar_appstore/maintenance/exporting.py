"""Writing the catalogue back as metadata folders, which ``init-apps`` loads again to the same documents.

An exported ``app.json`` holds the document's ``_id``, by which loading knows that its addresses are meant.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossbar_appstore.datastore.errors import AttachmentMissing
from crossbar_appstore.json_codec import JsonObject, dumps_pretty
from crossbar_appstore.kazoo.documents import is_private_key
from crossbar_appstore.kazoo.values import list_at, object_at, string_at
from crossbar_appstore.maintenance.app_files import is_plain_name
from crossbar_appstore.maintenance.app_folders import APP_JSON, METADATA
from crossbar_appstore.maintenance.attached_pictures import named_pictures
from crossbar_appstore.maintenance.editing import faults_of
from crossbar_appstore.maintenance.master_catalogue import MasterCatalogue
from crossbar_appstore.maintenance.remarks import Remark, Weight

_KINDS: Final = ("icon", "screenshots")


@dataclass(frozen=True, slots=True)
class ExportedApp:
    """One app that was written, or would be: its folder, how many files changed there, and what is to be said."""

    app_id: str
    name: str | None
    folder: str
    files: int
    written: int
    remarks: tuple[Remark, ...] = ()

    def as_json(self) -> JsonObject:
        """For ``--json``."""
        return {
            "id": self.app_id,
            "name": self.name,
            "folder": self.folder,
            "files": self.files,
            "written": self.written,
            "remarks": [remark.as_json() for remark in self.remarks],
        }


async def export_app(
    catalogue: MasterCatalogue, document: JsonObject, folder: Path, *, dry_run: bool = False
) -> ExportedApp:
    """Write one app into a folder; files that are there with the same content are left alone, others are replaced.

    Raises:
        OSError: the folder cannot be written.
        DatastoreError: CouchDB is away.
    """
    files: dict[Path, bytes] = {folder / METADATA / APP_JSON: dumps_pretty(metadata_of(document)) + b"\n"}
    remarks = list(_about(document, folder))
    for kind, name in _pictures(document):
        if not is_plain_name(name):
            message = "is no name of a file, and is not written"
            remarks.append(Remark(Weight.LEFT_OUT, str(folder), kind, "inside", message, name))
            continue
        try:
            picture = await catalogue.couch.open_attachment(catalogue.database, document["_id"], name)
        except AttachmentMissing:
            remarks.append(Remark(Weight.MISSING, str(folder), kind, "exists", "is not attached", name))
        else:
            files[folder / METADATA / kind / name] = picture.body
    written = sum(_write(path, content, dry_run=dry_run) for path, content in files.items())
    return ExportedApp(document["_id"], string_at(document, "name"), str(folder), len(files), written, tuple(remarks))


def export_folders(directory: Path, documents: Sequence[JsonObject]) -> list[Path]:
    """A folder for each app: its name, or its id where the name will not do or is another's too."""
    names = Counter(string_at(document, "name") for document in documents)
    return [directory / _folder_name(document, names) for document in documents]


def metadata_of(document: JsonObject) -> JsonObject:
    """What ``app.json`` holds of a document: ``_id`` and the public fields.

    An app without an address gets an empty one, since KAZOO refuses metadata without; loading drops it again.
    """
    public = {key: value for key, value in document.items() if not is_private_key(key) and key != "id"}
    return {"_id": document["_id"], "api_url": "", **public}


def _folder_name(document: JsonObject, names: Counter[str | None]) -> str:
    name = string_at(document, "name")
    if name is not None and names[name] == 1 and is_plain_name(name) and not name.startswith("."):
        return name
    app_id: str = document["_id"]
    return app_id


def _pictures(document: JsonObject) -> Iterable[tuple[str, str]]:
    """Kind and name of each picture that the app names; one may be both icon and screenshot."""
    icon = string_at(document, "icon")
    if icon:
        yield _KINDS[0], icon
    for name in dict.fromkeys(name for name in list_at(document, "screenshots") if isinstance(name, str) and name):
        yield _KINDS[1], name


def _about(document: JsonObject, folder: Path) -> Iterable[Remark]:
    unnamed = sorted(set(object_at(document, "_attachments")) - set(named_pictures(document)))
    if unnamed:
        message = "neither icon nor screenshots name these attachments; they are not written"
        yield Remark(Weight.NOTE, str(folder), "_attachments", "named", message, unnamed)
    for fault in faults_of(metadata_of(document)):
        message = f"will be refused when it is loaded again: {fault.message}"
        yield Remark(Weight.NOTE, str(folder), fault.field, fault.rule, message, fault.value)


def _write(path: Path, content: bytes, *, dry_run: bool) -> bool:
    """Write a file whole or not at all, if it differs; whether it does."""
    if path.is_file() and path.read_bytes() == content:
        return False
    if not dry_run:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        beside.write_bytes(content)
        beside.replace(path)
    return True
