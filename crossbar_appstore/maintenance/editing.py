"""Changes one app of the catalogue: ``set_app_*`` of ``crossbar_maintenance``, and publishing and removing.

As in KAZOO, ``pvt_modified`` is not updated. Unlike there, an unknown id is refused, values may be any JSON, what the
schema forbids is not stored, and a picture is attached and named in one save.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crossbar_appstore import json_codec
from crossbar_appstore.appstore.allowed_apps import is_published
from crossbar_appstore.appstore.picture_types import type_by_name
from crossbar_appstore.datastore.updates import remove_document
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_private_key
from crossbar_appstore.kazoo.values import MISSING, Missing, get
from crossbar_appstore.maintenance import app_files
from crossbar_appstore.maintenance.lookup import MasterCatalogue, retry_conflicts
from crossbar_appstore.maintenance.metadata_rules import address_remarks, faults, with_trimmed_addresses
from crossbar_appstore.maintenance.reports import (
    DocumentChange,
    FieldChange,
    PictureChange,
    Remark,
    Report,
    Weight,
    field_changes,
    setting,
)
from crossbar_appstore.request_scope import record_change


@dataclass(frozen=True)
class Edit(Report):
    """What was changed in an app, or would be in a dry run. ``revision`` is the new one, ``None`` if none was saved."""

    id: str
    name: Json
    revision: str | None = None
    changes: tuple[FieldChange, ...] = ()
    pictures: tuple[PictureChange, ...] = ()
    removed: bool = False
    dry_run: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything differs."""
        return bool(self.changes or self.pictures or self.removed)


class EditRefused(Exception):
    """The change is not allowed."""

    def __init__(self, remarks: Sequence[Remark]) -> None:
        super().__init__("; ".join(f"{remark.field}: {remark.message}" for remark in remarks))
        self.remarks = tuple(remarks)


async def edit_app(
    catalogue: MasterCatalogue,
    name_or_id: str,
    change: DocumentChange,
    *,
    pictures: Sequence[app_files.PictureFile] = (),
    remove_old_pictures: bool = False,
    dry_run: bool = False,
) -> Edit:
    """Apply a change to the newest revision of an app and save it with ``pictures``, unless nothing differs.

    ``remove_old_pictures`` removes attachments that neither icon nor screenshots name. Raises UnknownApp,
    AmbiguousName, EditRefused, or Conflict if other writers keep changing the app.
    """

    async def attempt() -> Edit:
        stored = await catalogue.open(name_or_id)
        changed, _ = with_trimmed_addresses("", change(stored))
        # Old faults do not block an edit: they may need several edits, or not matter to the operator.
        new_faults = _new_faults(stored, changed)
        if new_faults:
            raise EditRefused(new_faults)
        document, inline, attached = app_files.update_pictures(
            stored, changed, pictures, remove_old=remove_old_pictures, same=()
        )
        changes = field_changes(stored, changed)
        edit = Edit(stored["_id"], changed.get("name"), changes=changes, pictures=attached, dry_run=dry_run)
        # A save without changes would only create a revision and wake the change feeds.
        if dry_run or not edit.changed:
            return edit
        document = await asyncio.to_thread(app_files.with_pictures, document, inline)
        saved = await catalogue.couch.save_doc(catalogue.database, document)
        record_change(catalogue.database, stored["_id"], stored, document)
        return replace(edit, revision=saved["_rev"])

    return await retry_conflicts(attempt)


async def remove_app(catalogue: MasterCatalogue, name_or_id: str, *, dry_run: bool = False) -> Edit:
    """Delete an app with its pictures and all its branches. Permissions of accounts for it are kept, without effect.

    Raises UnknownApp, AmbiguousName, or RevisionsLeft if other writers keep changing it.
    """
    stored = await catalogue.open(name_or_id)
    if not dry_run:
        await remove_document(catalogue.couch, catalogue.database, stored["_id"])
    stubs = stored.get("_attachments", {})
    pictures = app_files.picture_changes(stubs, (), stubs)
    return Edit(stored["_id"], stored.get("name"), pictures=pictures, removed=True, dry_run=dry_run)


def set_field(path: Sequence[str], value: Json) -> DocumentChange:
    """A change that sets the field at a path of keys, or removes it if the value is ``None``.

    Raises EditRefused if the field is private, and when applied, if the path leads through a value that is no object.
    """
    field = ".".join(path)
    if not all(path):
        raise _refusal(field, "field", "a field has a name", field)
    if is_private_key(path[0]) or path[0] == "id":
        raise _refusal(field, "private", "private fields are not edited", value)

    def change(document: JsonObject) -> JsonObject:
        for depth in range(1, len(path)):
            inner = get(document, *path[:depth])
            # Objects that are missing are created; what is something else must not be overwritten.
            if not isinstance(inner, dict | Missing):
                raise _refusal(field, "type", f"{path[depth - 1]} is not an object", inner)
        return setting(MISSING if value is None else value, *path)(document)

    return change


def set_text_or_json(path: Sequence[str], text: str) -> DocumentChange:
    """A change as ``set_field`` to a typed value: parsed as JSON if it is JSON, else the text.

    Numbers and booleans remain texts where the schema requires a text: ``price 5`` is a number, ``version 1.0`` a
    text, ``tags '["reseller"]'`` a list.
    """
    as_text = set_field(path, text)
    try:
        value = json_codec.loads(text)
    except ValueError:
        return as_text
    as_json = set_field(path, value)
    if not isinstance(value, int | float):
        return as_json

    def change(document: JsonObject) -> JsonObject:
        # The schema decides: JSON unless that is refused and the text is not.
        changed, texted = as_json(document), as_text(document)
        return texted if _new_faults(document, changed) and not _new_faults(document, texted) else changed

    return change


def set_published(published: bool) -> DocumentChange:
    """A change that publishes or unpublishes an app; one without ``published`` counts as published."""
    return lambda document: document if is_published(document) is published else {**document, "published": published}


def pictures_in(folder: Path) -> list[Path]:
    """The files of a folder that have the extension of a picture, sorted."""
    return sorted(path for path in folder.iterdir() if type_by_name(path.name) is not None)


def read_pictures(
    paths: Sequence[Path], field: str, rules: app_files.PictureRules
) -> tuple[app_files.PictureFile, ...]:
    """Read pictures that the operator names. Raises EditRefused if one is missing or must not be stored."""
    # The operator may name a link; the check against links out of the folder is for app folders.
    real = [path.resolve() for path in paths]
    inspected = [app_files.inspect_file(path.parent, path, field, path.name, rules) for path in real]
    refused = [remark for picture, remark in inspected if picture is None and remark is not None]
    if refused:
        raise EditRefused(refused)
    return tuple(picture for picture, _ in inspected if picture is not None)


def _new_faults(before: JsonObject, after: JsonObject) -> list[Remark]:
    """The faults of a changed document that the stored one does not have.

    A required text that is still missing does not count: the texts of a new language are set one after the other.
    """

    def key(fault: Remark) -> tuple[str, str, bytes]:
        return fault.field, fault.rule, json_codec.dumps(fault.value)

    # The schema describes files, which need an api_url; stored apps do not.
    old, new = (
        [*faults("", {"api_url": "", **document}), *address_remarks("", document)] for document in (before, after)
    )
    known = set(map(key, old))
    return [
        fault
        for fault in new
        if fault.weight is Weight.REFUSED
        and key(fault) not in known
        and not (fault.rule == "required" and fault.field.startswith("i18n."))
    ]


def _refusal(field: str, rule: str, message: str, value: Json) -> EditRefused:
    return EditRefused((Remark(Weight.REFUSED, "", field, rule, message, value),))
