"""Plans what loading an app's folder changes in the catalogue. No I/O."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from crossbar_appstore.appstore.app_addresses import ADDRESS_KEYS
from crossbar_appstore.appstore.metadata import (
    INIT_KEYS,
    REFRESH_KEYS,
    differs,
    new_app_document,
    refresh,
    with_api_url,
)
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import stamp_maintenance
from crossbar_appstore.kazoo.ids import new_id
from crossbar_appstore.kazoo.values import MISSING, string_at
from crossbar_appstore.maintenance import app_files
from crossbar_appstore.maintenance.app_source import AppSource
from crossbar_appstore.maintenance.metadata_rules import address_remarks
from crossbar_appstore.maintenance.reports import (
    FieldChange,
    PictureChange,
    Remark,
    Report,
    Weight,
    field_changes,
    without_repairs,
)


class Mode(StrEnum):
    """What is updated of an app that the catalogue already has."""

    INIT = "init"
    """Its API address and its pictures."""
    REFRESH = "refresh"
    """Its metadata and its pictures."""


@dataclass(frozen=True, slots=True)
class LoadOptions(app_files.PictureRules):
    """How apps are loaded, and which of their pictures: the options of ``init-apps`` and ``refresh-apps``.

    ``api_url`` is set on every app; without it a stored app keeps its address and a new one gets none.
    ``keep_addresses`` takes ``api_url`` and ``source_url`` from the file. ``refresh_keys`` are the fields that
    ``Mode.REFRESH`` updates. ``remove_old_pictures`` removes attachments that neither icon nor screenshots name.
    """

    mode: Mode = Mode.INIT
    api_url: str | None = None
    keep_addresses: bool = False
    refresh_keys: tuple[str, ...] = REFRESH_KEYS
    remove_old_pictures: bool = False
    dry_run: bool = False


class Action(StrEnum):
    """What happens to an app."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True)
class AppPlan(Report):
    """What is to be done with one app's folder, and after saving, what was done.

    ``document`` is the one to save, ``None`` if there is nothing to save: with the attachment stubs to keep, and
    without the pictures of ``inline``, which are read when it is saved. ``id`` is ``None`` where saving a new app
    makes one up. ``revision`` is that of the saved document. ``stored`` is the document that is written over.
    """

    source: AppSource
    action: Action
    id: str | None = None
    document: JsonObject | None = None
    inline: tuple[app_files.PictureFile, ...] = ()
    changes: tuple[FieldChange, ...] = ()
    pictures: tuple[PictureChange, ...] = ()
    remarks: tuple[Remark, ...] = ()
    revision: str | None = None
    stored: JsonObject | None = None

    @property
    def folder(self) -> str:
        """The app's folder."""
        return str(self.source.folder)

    @property
    def name(self) -> str | None:
        """The app's name."""
        return self.source.name

    @property
    def has_refusals(self) -> bool:
        """Whether the app, or a picture of it, was refused."""
        return any(remark.weight in (Weight.REFUSED, Weight.LEFT_OUT) for remark in self.remarks)

    def failed(self, rule: str, message: str) -> Self:
        """The plan after its document could not be saved."""
        remarks = without_repairs(self.remarks, "nothing is stored")
        remarks += (Remark(Weight.REFUSED, self.folder, "", rule, message),)
        return type(self)(self.source, Action.FAILED, self.id, remarks=remarks)

    def as_json(self) -> JsonObject:
        """The member of ``apps`` in the output of ``--json``."""
        members = super().as_json()
        shown = ("id", "action", "revision", "changes", "pictures", "remarks")
        return {"folder": self.folder, "name": self.name, **{key: members[key] for key in shown}}


def is_exported(metadata: JsonObject) -> bool:
    """Whether the metadata were written by ``export-apps``: only those contain an ``_id``."""
    return string_at(metadata, "_id") is not None


def plan_app(
    source: AppSource,
    stored: Sequence[JsonObject],
    account_id: str,
    options: LoadOptions,
    *,
    same: Collection[str] = (),
) -> AppPlan:
    """Plan what to do with one app's folder; ``stored`` are the apps that have its name or its id.

    ``account_id`` is the master account's; ``same`` is as in ``update_pictures``.
    """
    if source.refused:
        return _refused(source)
    # To update one of them would be a guess.
    if len(stored) > 1:
        ids = [document["_id"] for document in stored]
        message = f"the folder matches {len(ids)} apps of the catalogue: {', '.join(ids)}"
        return _refused(source, _remark(source, "name", message))
    # The addresses are settled first: everything below treats them like other fields.
    metadata = source.metadata
    keep_addresses = options.keep_addresses or is_exported(metadata)
    if keep_addresses:
        # export-apps writes an empty api_url for an app without one.
        metadata = {key: value for key, value in metadata.items() if not (key in ADDRESS_KEYS and value == "")}
    if options.api_url is not None or not keep_addresses:
        metadata = with_api_url(metadata, options.api_url)
    keys = INIT_KEYS if options.mode is Mode.INIT else options.refresh_keys
    if keep_addresses or (stored and "source_url" in keys):
        about_addresses = tuple(address_remarks(str(source.file), metadata))
    else:
        about_addresses = tuple(each for each in address_remarks(str(source.file), metadata) if each.field == "api_url")
    if any(remark.weight is Weight.REFUSED for remark in about_addresses):
        return _refused(source, *about_addresses)
    source = replace(source, remarks=(*source.remarks, *about_addresses))
    if not stored:
        return _creation(source, metadata, account_id, keep_addresses=keep_addresses)
    # Only an exported folder can match by id an app of another name.
    if stored[0].get("name") != source.name and options.mode is Mode.INIT:
        message = f"the app {stored[0].get('name')!r} has this id; refresh-app renames it"
        return _refused(source, _remark(source, "_id", message))
    # A field that is named twice is no problem.
    changed, refreshed = refresh(stored[0], metadata, (*keys, *ADDRESS_KEYS) if options.keep_addresses else keys)
    document, inline, pictures = app_files.update_pictures(
        stored[0], refreshed, source.pictures, remove_old=options.remove_old_pictures, same=same
    )
    remarks = _with_stored_repairs(source, stored[0], changed, inline, keys)
    if not changed and not pictures:
        return AppPlan(source, Action.UNCHANGED, stored[0]["_id"], remarks=remarks)
    changes = field_changes(stored[0], document)
    plan = AppPlan(source, Action.UPDATED, stored[0]["_id"], document, inline, changes, pictures, remarks)
    return replace(plan, stored=stored[0])


def _creation(source: AppSource, metadata: JsonObject, account_id: str, *, keep_addresses: bool) -> AppPlan:
    document = new_app_document(metadata)
    remarks: tuple[Remark, ...] = ()
    for remark in source.remarks:
        # Only the schema requires an api_url.
        is_stored = remark.field != "api_url" or "api_url" in document
        remarks += (remark,) if is_stored else without_repairs((remark,), "so none is stored")
    if "source_url" in metadata:
        value = metadata["source_url"]
        if keep_addresses:
            document["source_url"] = value
        else:
            message = "is left out, as KAZOO does; --keep-addresses keeps it"
            remarks += (Remark(Weight.NOTE, str(source.file), "source_url", "address", message, value),)
    # An exported folder brings its own _id, which replaces the new one.
    document = stamp_maintenance({"_id": new_id(), **document}, account_id=account_id, doc_type="app")
    # A made-up id is no change to show: a dry run would show another one each time.
    shown = {key: value for key, value in document.items() if key != "_id" or key in metadata}
    app_id, changes = string_at(metadata, "_id"), field_changes({}, shown)
    pictures = app_files.picture_changes({}, source.pictures)
    return AppPlan(source, Action.CREATED, app_id, document, source.pictures, changes, pictures, remarks)


def _with_stored_repairs(
    source: AppSource,
    stored: JsonObject,
    changed: Collection[str],
    inline: Collection[app_files.PictureFile],
    keys: Collection[str],
) -> tuple[Remark, ...]:
    """The remarks about a stored app, in which only what is written counts as repaired.

    ``changed`` are the fields and ``inline`` the pictures that are written, ``keys`` the fields that may be.
    """
    remarks: tuple[Remark, ...] = ()
    for remark in source.remarks:
        key = remark.field.partition(".")[0]
        if remark.file != str(source.file):
            is_written, reason = any(each.name == remark.value for each in inline), "is stored so already"
        elif not key:
            is_written, reason = bool(changed or inline), "nothing is stored"
        else:
            is_written, reason = key in changed, "is stored so already"
            if key in ADDRESS_KEYS or key not in source.metadata:
                reason = "is not stored"
            elif differs(stored.get(key, MISSING), source.metadata[key]):
                needs_key = key not in REFRESH_KEYS or keys is not INIT_KEYS
                reason = f"is not stored; refresh-app{f' --key {key}' * needs_key} stores it"
        remarks += (remark,) if is_written else without_repairs((remark,), reason)
    return remarks


def _remark(source: AppSource, field: str, message: str) -> Remark:
    return Remark(Weight.REFUSED, str(source.file), field, "unique", message, source.metadata.get(field))


def _refused(source: AppSource, *remarks: Remark) -> AppPlan:
    return AppPlan(source, Action.REFUSED, remarks=(*without_repairs(source.remarks, "nothing is stored"), *remarks))
