"""What loading an app's folder would change: decided from the folder and the catalogue, without I/O."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crossbar_appstore.appstore.metadata import INIT_KEYS, REFRESH_KEYS, new_app_document, refresh, with_api_url
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import stamp_maintenance
from crossbar_appstore.kazoo.ids import new_id
from crossbar_appstore.kazoo.values import object_at, string_at
from crossbar_appstore.maintenance.app_source import AppSource
from crossbar_appstore.maintenance.attached_pictures import is_stored, kept_stubs, picture_changes, with_stubs
from crossbar_appstore.maintenance.field_changes import FieldChange, PictureChange, changed_keys, field_changes
from crossbar_appstore.maintenance.master_catalogue import APP_TYPE
from crossbar_appstore.maintenance.picture_files import PictureFile
from crossbar_appstore.maintenance.remarks import Remark, Weight

ADDRESSES: Final = ("api_url", "source_url")


class Mode(StrEnum):
    """What is loaded of an app that the catalogue has already."""

    INIT = "init"
    """Its API address and its pictures."""
    REFRESH = "refresh"
    """Its metadata and its pictures."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How apps are loaded.

    ``api_url`` goes into every app; without it an app keeps the address that it has, a new one gets none.
    ``keep_addresses`` takes ``api_url`` and ``source_url`` from the file. ``refresh_keys`` are what ``REFRESH`` looks
    at. ``remove_old_pictures`` drops what neither icon nor screenshots name.
    """

    mode: Mode = Mode.INIT
    api_url: str | None = None
    keep_addresses: bool = False
    refresh_keys: tuple[str, ...] = REFRESH_KEYS
    remove_old_pictures: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that an app of the catalogue takes over from the file."""
        keys = INIT_KEYS if self.mode is Mode.INIT else self.refresh_keys
        return (*keys, *(key for key in ADDRESSES if key not in keys)) if self.keep_addresses else keys


class Action(StrEnum):
    """What becomes of an app."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    FAILED = "failed"
    """CouchDB would not save it."""


@dataclass(frozen=True, slots=True)
class AppPlan:
    """What is to be done with one app's folder.

    ``document`` is what to save, where anything is: with the stubs of what it keeps, and without ``inline``, the
    pictures that are still to be read. ``app_id`` is ``None`` where saving makes one up.
    """

    source: AppSource
    action: Action
    app_id: str | None = None
    document: JsonObject | None = None
    inline: tuple[PictureFile, ...] = ()
    changes: tuple[FieldChange, ...] = ()
    pictures: tuple[PictureChange, ...] = ()
    remarks: tuple[Remark, ...] = ()
    """Those of the source and what the catalogue adds."""


def is_exported(metadata: JsonObject) -> bool:
    """Whether the metadata come from a catalogue: only exported ones hold an ``_id``."""
    return string_at(metadata, "_id") is not None


def plan_app(
    source: AppSource,
    stored: Sequence[JsonObject],
    account_id: str,
    options: LoadOptions,
    *,
    same: Collection[str] = (),
) -> AppPlan:
    """What to do with one app's folder.

    Args:
        source: the folder.
        stored: the apps of the catalogue that have its name or its id.
        account_id: of the master account.
        options: how it is loaded.
        same: names of pictures that are known to be stored as they are, whatever their digests say.
    """
    if source.refused:
        return _refused(source)
    if len(stored) > 1:
        ids = [document["_id"] for document in stored]
        return _refused(source, "name", "unique", f"{len(ids)} apps of the catalogue are meant: {', '.join(ids)}")
    metadata = _metadata(source, options)
    if not stored:
        return _creation(source, metadata, account_id, options)
    if stored[0].get("name") != source.name and options.mode is Mode.INIT:
        message = f"the app {stored[0].get('name')!r} has this id; refresh-app renames it"
        return _refused(source, "_id", "unique", message)
    return _update(source, metadata, stored[0], options, same)


def _metadata(source: AppSource, options: LoadOptions) -> JsonObject:
    """The metadata with the addresses that they shall have."""
    metadata = source.metadata
    if options.keep_addresses or is_exported(metadata):
        kept = {key: value for key, value in metadata.items() if not (key in ADDRESSES and value == "")}
        return kept if options.api_url is None else with_api_url(kept, options.api_url)
    return with_api_url(metadata, options.api_url)


def _creation(source: AppSource, metadata: JsonObject, account_id: str, options: LoadOptions) -> AppPlan:
    document = new_app_document(metadata)
    remarks = source.remarks
    if "source_url" in metadata:
        if options.keep_addresses or is_exported(metadata):
            document["source_url"] = metadata["source_url"]
        else:
            message = "is left out, as KAZOO does; --keep-addresses keeps it"
            remarks += (_note(source, "source_url", "address", message, metadata["source_url"]),)
    document = stamp_maintenance({"_id": new_id(), **document}, account_id=account_id, doc_type=APP_TYPE)
    return AppPlan(
        source,
        Action.CREATED,
        string_at(metadata, "_id"),
        document,
        source.pictures,
        field_changes({}, {key: value for key, value in document.items() if key != "_id" or key in metadata}),
        picture_changes({}, {}, source.pictures),
        remarks,
    )


def _update(
    source: AppSource, metadata: JsonObject, stored: JsonObject, options: LoadOptions, same: Collection[str]
) -> AppPlan:
    refreshed = refresh(stored, metadata, options.keys)
    stubs = object_at(stored, "_attachments")
    inline = tuple(each for each in source.pictures if not is_stored(each, stubs, same))
    kept = kept_stubs(stubs, refreshed.document, inline, remove_old=options.remove_old_pictures)
    unchanged = not refreshed.changed and not inline and len(kept) == len(stubs)
    changes = changed_keys(stored, refreshed.document, refreshed.keys)
    plan = AppPlan(source, Action.UNCHANGED, stored["_id"], remarks=source.remarks)
    if unchanged:
        return plan
    return AppPlan(
        source,
        Action.UPDATED,
        stored["_id"],
        with_stubs(refreshed.document, kept),
        inline,
        changes,
        picture_changes(stubs, kept, inline),
        source.remarks,
    )


def _refused(source: AppSource, field: str = "", rule: str = "", message: str = "") -> AppPlan:
    remarks = source.remarks
    if rule:
        value = source.metadata.get(field)
        remarks += (Remark(Weight.REFUSED, str(source.file), field, rule, message, value),)
    return AppPlan(source, Action.REFUSED, remarks=remarks)


def _note(source: AppSource, field: str, rule: str, message: str, value: object) -> Remark:
    return Remark(Weight.NOTE, str(source.file), field, rule, message, value)
