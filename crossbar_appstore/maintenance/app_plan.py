"""Plans what loading an app's folder changes in the catalogue. No I/O."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self

from crossbar_appstore.appstore.metadata import INIT_KEYS, REFRESH_KEYS, new_app_document, refresh, with_api_url
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import stamp_maintenance
from crossbar_appstore.kazoo.ids import new_id
from crossbar_appstore.kazoo.values import object_at, string_at
from crossbar_appstore.maintenance import app_files
from crossbar_appstore.maintenance.app_source import AppSource
from crossbar_appstore.maintenance.lookup import APP_TYPE
from crossbar_appstore.maintenance.reports import (
    FieldChange,
    PictureChange,
    Remark,
    Weight,
    field_changes,
)

ADDRESSES: Final = ("api_url", "source_url")


class Mode(StrEnum):
    """What is updated of an app that the catalogue already has."""

    INIT = "init"
    """Its API address and its pictures."""
    REFRESH = "refresh"
    """Its metadata and its pictures."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How apps are loaded: the options of ``init-apps`` and ``refresh-apps``.

    ``api_url`` is set on every app; without it a stored app keeps its address and a new one gets none.
    ``keep_addresses`` takes ``api_url`` and ``source_url`` from the file. ``refresh_keys`` are the fields that
    ``Mode.REFRESH`` updates. ``remove_old_pictures`` removes attachments that neither icon nor screenshots name.
    """

    mode: Mode = Mode.INIT
    api_url: str | None = None
    keep_addresses: bool = False
    refresh_keys: tuple[str, ...] = REFRESH_KEYS
    remove_old_pictures: bool = False
    lenient: bool = False
    allow_svg: bool = False
    max_picture_bytes: int = app_files.MAX_PICTURE_BYTES
    dry_run: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The fields that a stored app takes from the file."""
        keys = INIT_KEYS if self.mode is Mode.INIT else self.refresh_keys
        return (*keys, *(key for key in ADDRESSES if key not in keys)) if self.keep_addresses else keys

    @property
    def pictures(self) -> app_files.PictureRules:
        """Which pictures may be stored."""
        return app_files.PictureRules(self.allow_svg, self.lenient, self.max_picture_bytes)


class Action(StrEnum):
    """What happens to an app."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    FAILED = "failed"
    """It could not be saved."""


@dataclass(frozen=True, slots=True)
class AppPlan:
    """What is to be done with one app's folder, and after saving, what was done.

    ``document`` is the one to save, ``None`` if there is nothing to save: with the attachment stubs to keep, and
    without the pictures of ``inline``, which are read when it is saved. ``id`` is ``None`` where saving a new app
    makes one up. ``revision`` is that of the saved document.
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

    def saved(self, app_id: str, revision: str | None) -> Self:
        """The plan after its document was saved; drops the document, which holds the bytes of the pictures."""
        return replace(self, id=app_id, revision=revision, document=None, inline=())

    def failed(self, rule: str, message: str) -> Self:
        """The plan after its document could not be saved."""
        remarks = (*self.remarks, Remark(Weight.REFUSED, self.folder, "", rule, message))
        return type(self)(self.source, Action.FAILED, self.id, remarks=remarks)

    def as_json(self) -> JsonObject:
        """The member of ``apps`` in the output of ``--json``."""
        return {
            "folder": self.folder,
            "name": self.name,
            "id": self.id,
            "action": str(self.action),
            "revision": self.revision,
            "changes": [change.as_json() for change in self.changes],
            "pictures": [picture.as_json() for picture in self.pictures],
            "remarks": [remark.as_json() for remark in self.remarks],
        }


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
    """Plan what to do with one app's folder.

    Args:
        source: the folder.
        stored: the apps of the catalogue that have its name or its id.
        account_id: of the master account.
        options: how it is loaded.
        same: names of pictures that were compared byte by byte and are equal, whatever their digests.
    """
    if source.refused:
        return AppPlan(source, Action.REFUSED, remarks=source.remarks)
    # To update one of them would be a guess.
    if len(stored) > 1:
        ids = [document["_id"] for document in stored]
        return _refused(source, "name", f"the folder matches {len(ids)} apps of the catalogue: {', '.join(ids)}")
    # The addresses are settled first: everything below treats them like other fields.
    metadata = _metadata(source, options)
    if not stored:
        return _creation(source, metadata, account_id, options)
    # Only an exported folder can match by id an app of another name.
    if stored[0].get("name") != source.name and options.mode is Mode.INIT:
        return _refused(source, "_id", f"the app {stored[0].get('name')!r} has this id; refresh-app renames it")
    return _update(source, metadata, stored[0], options, same)


def _metadata(source: AppSource, options: LoadOptions) -> JsonObject:
    """The metadata with the addresses that the app is to have."""
    metadata = source.metadata
    if options.keep_addresses or is_exported(metadata):
        # export-apps writes an empty api_url for an app without one.
        kept = {key: value for key, value in metadata.items() if not (key in ADDRESSES and value == "")}
        return kept if options.api_url is None else with_api_url(kept, options.api_url)
    return with_api_url(metadata, options.api_url)


def _creation(source: AppSource, metadata: JsonObject, account_id: str, options: LoadOptions) -> AppPlan:
    document = new_app_document(metadata)
    remarks = source.remarks
    if "source_url" in metadata:
        value = metadata["source_url"]
        if options.keep_addresses or is_exported(metadata):
            document["source_url"] = value
        else:
            message = "is left out, as KAZOO does; --keep-addresses keeps it"
            remarks += (Remark(Weight.NOTE, str(source.file), "source_url", "address", message, value),)
    # An exported folder brings its own _id, which replaces the new one.
    document = stamp_maintenance({"_id": new_id(), **document}, account_id=account_id, doc_type=APP_TYPE)
    # A made-up id is no change to show: a dry run would show another one each time.
    shown = {key: value for key, value in document.items() if key != "_id" or key in metadata}
    return AppPlan(
        source,
        Action.CREATED,
        string_at(metadata, "_id"),
        document,
        source.pictures,
        field_changes({}, shown),
        app_files.picture_changes({}, {}, source.pictures),
        remarks,
    )


def _update(
    source: AppSource, metadata: JsonObject, stored: JsonObject, options: LoadOptions, same: Collection[str]
) -> AppPlan:
    changed, document = refresh(stored, metadata, options.keys)
    stubs = object_at(stored, "_attachments")
    # Pictures that are stored already are kept as stubs and not sent again.
    inline = tuple(each for each in source.pictures if not app_files.is_stored(each, stubs, same))
    kept = app_files.kept_stubs(stubs, document, inline, remove_old=options.remove_old_pictures)
    if not changed and not inline and len(kept) == len(stubs):
        return AppPlan(source, Action.UNCHANGED, stored["_id"], remarks=source.remarks)
    return AppPlan(
        source,
        Action.UPDATED,
        stored["_id"],
        app_files.with_stubs(document, kept),
        inline,
        field_changes(stored, document),
        app_files.picture_changes(stubs, kept, inline),
        source.remarks,
    )


def _refused(source: AppSource, field: str, message: str) -> AppPlan:
    remark = Remark(Weight.REFUSED, str(source.file), field, "unique", message, source.metadata.get(field))
    return AppPlan(source, Action.REFUSED, remarks=(*source.remarks, remark))
