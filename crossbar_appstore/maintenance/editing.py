"""Changing one app of the catalogue: ``set_app_*`` of ``crossbar_maintenance``, and what KAZOO has no command for.

As with KAZOO, ``pvt_modified`` stays as it is. Unlike there, an unknown id is refused, values may be any JSON, what the
schema forbids is not stored, and the pictures' names are set with the pictures.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossbar_appstore import json_codec
from crossbar_appstore.appstore.allowed_apps import is_published
from crossbar_appstore.appstore.metadata import validate_app
from crossbar_appstore.datastore.errors import Conflict
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_private_key
from crossbar_appstore.kazoo.values import object_at
from crossbar_appstore.maintenance.attached_pictures import (
    is_stored,
    kept_stubs,
    picture_changes,
    with_pictures,
    with_stubs,
)
from crossbar_appstore.maintenance.field_changes import FieldChange, PictureChange, field_changes
from crossbar_appstore.maintenance.master_catalogue import MasterCatalogue
from crossbar_appstore.maintenance.metadata_rules import markup_remarks
from crossbar_appstore.maintenance.picture_files import PictureFile, PictureRules, inspect_file, is_picture_name
from crossbar_appstore.maintenance.remarks import Remark, Weight, schema_remarks

_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Edit:
    """What was changed in an app, or would be in a dry run. ``revision`` is the new one, ``None`` if nothing was."""

    app_id: str
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

    def as_json(self) -> JsonObject:
        """For ``--json``."""
        return {
            "id": self.app_id,
            "name": self.name,
            "revision": self.revision,
            "removed": self.removed,
            "dry_run": self.dry_run,
            "changes": [change.as_json() for change in self.changes],
            "pictures": [picture.as_json() for picture in self.pictures],
        }


class EditRefused(Exception):
    """The app must not be changed like that."""

    def __init__(self, remarks: Sequence[Remark]) -> None:
        super().__init__("; ".join(f"{remark.field}: {remark.message}" for remark in remarks))
        self.remarks = tuple(remarks)


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures that an edit brings. ``remove_old`` drops those that the app does not name any more."""

    files: tuple[PictureFile, ...] = ()
    remove_old: bool = False


NO_PICTURES: Final = Pictures()

Change = Callable[[JsonObject], JsonObject]
"""From the stored document to the one to save, in a new object; EditRefused if it will not do."""


async def edit_app(
    catalogue: MasterCatalogue,
    name_or_id: str,
    change: Change,
    *,
    pictures: Pictures = NO_PICTURES,
    dry_run: bool = False,
) -> Edit:
    """Apply a change to the newest revision of an app and save it, unless it changes nothing.

    Raises:
        UnknownApp, AmbiguousName: there is no such app.
        EditRefused: the change will not do.
        Conflict: others keep changing it.
        DatastoreError: CouchDB is away.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        stored = await catalogue.open(name_or_id)
        changed = change(stored)
        _refuse_new_faults(stored, changed)
        stubs = object_at(stored, "_attachments")
        inline = tuple(each for each in pictures.files if not is_stored(each, stubs))
        kept = kept_stubs(stubs, changed, inline, remove_old=pictures.remove_old)
        edit = Edit(
            stored["_id"],
            changed.get("name"),
            None,
            field_changes(stored, changed),
            picture_changes(stubs, kept, inline),
            dry_run=dry_run,
        )
        if dry_run or not edit.changed:
            return edit
        document = await asyncio.to_thread(with_pictures, with_stubs(changed, kept), inline)
        try:
            saved = await catalogue.couch.save_doc(catalogue.database, document)
        except Conflict:
            if attempt == _ATTEMPTS:
                raise
            continue
        return Edit(edit.app_id, edit.name, saved["_rev"], edit.changes, edit.pictures)
    raise AssertionError("unreachable")


async def remove_app(catalogue: MasterCatalogue, name_or_id: str, *, dry_run: bool = False) -> Edit:
    """Delete an app with its pictures. Permissions that accounts have for it stay, and mean nothing.

    Raises:
        UnknownApp, AmbiguousName: there is no such app.
        Conflict: it was changed at this moment.
        DatastoreError: CouchDB is away.
    """
    stored = await catalogue.open(name_or_id)
    if not dry_run:
        await catalogue.couch.delete_doc(catalogue.database, stored["_id"], stored["_rev"])
    stubs = object_at(stored, "_attachments")
    gone = picture_changes(stubs, {}, ())
    return Edit(stored["_id"], stored.get("name"), None, (), gone, removed=True, dry_run=dry_run)


def set_field(path: Sequence[str], value: Json) -> Change:
    """Set what a path of keys leads to; ``null`` removes it.

    Raises:
        EditRefused: the field is private, or the path leads through something that is no object.
    """
    field = ".".join(path)
    if not all(path):
        raise _refusal(field, "field", "a field has a name", field)
    if is_private_key(path[0]) or path[0] == "id":
        raise _refusal(field, "private", "private fields are not edited", value)

    def change(document: JsonObject) -> JsonObject:
        return _with(document, path, value, field)

    return change


def set_text_or_json(path: Sequence[str], text: str) -> Change:
    """Set a field to a value that was typed: JSON if it is any, else the text as it is.

    Digits and truth values are texts where the schema wants a text. So ``price 5`` is a number, ``version 1.0`` a text,
    and ``tags '["reseller"]'`` a list.

    Raises:
        EditRefused: as ``set_field``.
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
        changed, texted = as_json(document), as_text(document)
        return texted if _new_faults(document, changed) and not _new_faults(document, texted) else changed

    return change


def set_published(published: bool) -> Change:
    """Show or hide an app; one that says nothing shows."""

    def change(document: JsonObject) -> JsonObject:
        return document if is_published(document) is published else {**document, "published": published}

    return change


def set_pictures(icon: str | None, screenshots: Sequence[str] | None) -> Change:
    """Set the names of the icon, of the screenshots, or of both."""

    def change(document: JsonObject) -> JsonObject:
        changed = dict(document)
        if icon is not None:
            changed["icon"] = icon
        if screenshots is not None:
            changed["screenshots"] = list(screenshots)
        return changed

    return change


def pictures_in(folder: Path) -> list[Path]:
    """The files of a folder that have names of pictures, sorted."""
    return sorted(path for path in folder.iterdir() if is_picture_name(path.name))


def read_pictures(paths: Sequence[Path], field: str, rules: PictureRules) -> tuple[PictureFile, ...]:
    """Pictures that the operator names; each may lie anywhere.

    Raises:
        EditRefused: one of them is missing or must not be stored.
    """
    looks = [inspect_file(path.resolve().parent, path.resolve(), field, path.resolve().name, rules) for path in paths]
    refused = [remark for look in looks if look.picture is None for remark in look.remarks]
    if refused:
        raise EditRefused(refused)
    return tuple(look.picture for look in looks if look.picture is not None)


def _with(document: JsonObject, path: Sequence[str], value: Json, field: str) -> JsonObject:
    key, *below = path
    changed = dict(document)
    if not below:
        if value is None:
            changed.pop(key, None)
        else:
            changed[key] = value
        return changed
    inner = document.get(key, {})
    if not isinstance(inner, dict):
        raise _refusal(field, "type", f"{key} holds no object", inner)
    changed[key] = _with(inner, below, value, field)
    return changed


def _refuse_new_faults(before: JsonObject, after: JsonObject) -> None:
    faults = _new_faults(before, after)
    if faults:
        raise EditRefused(faults)


def _new_faults(before: JsonObject, after: JsonObject) -> list[Remark]:
    """What the schema and we have against the document that was not so before.

    A text that is still missing is no fault: a new language gets its texts one after the other.
    """
    known = {(fault.field, fault.rule, json_codec.dumps(fault.value)) for fault in faults_of(before)}
    return [
        fault
        for fault in faults_of(after)
        if (fault.field, fault.rule, json_codec.dumps(fault.value)) not in known
        and not (fault.rule == "required" and fault.field.startswith("i18n."))
    ]


def faults_of(document: JsonObject) -> tuple[Remark, ...]:
    """What the schema has against a document, and markup in its labels.

    The schema asks for an ``api_url``, but is about files: a stored app does well without one.
    """
    return (*schema_remarks("", validate_app({"api_url": "", **document})), *markup_remarks("", document))


def _refusal(field: str, rule: str, message: str, value: Json) -> EditRefused:
    return EditRefused((Remark(Weight.REFUSED, "", field, rule, message, value),))
