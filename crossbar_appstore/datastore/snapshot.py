"""A snapshot of the catalogue, and how it is made of documents. No I/O."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import encoded_account_db

from .collation import collation_key

Check = Callable[[JsonObject], str | None]
"""Looks at an app document and says why it must be left out, or None."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The master account's apps; the same ``generation`` means the same apps, within one process.

    ``apps`` are the documents as stored, in the view's order (by name), except that ``pvt_account_id`` and
    ``pvt_account_db`` name the master account (``cb_apps_util:load_default_apps/0`` corrects and saves them; we only
    correct). ``by_name`` has the first app of each name that is text. ``loaded_at`` is Unix time. ``stale``: CouchDB
    could not be asked. Everything is shared: never change it.
    """

    generation: int
    master_account_id: str
    apps: tuple[JsonObject, ...]
    by_id: Mapping[str, JsonObject]
    by_name: Mapping[str, JsonObject]
    loaded_at: float
    stale: bool = False


def make_snapshot(generation: int, account_id: str, apps: Sequence[JsonObject], loaded_at: float) -> Snapshot:
    """A snapshot of apps that are in order."""
    by_name = {app["name"]: app for app in reversed(apps) if isinstance(app.get("name"), str)}
    return Snapshot(
        generation,
        account_id,
        tuple(apps),
        MappingProxyType({app["_id"]: app for app in apps}),
        MappingProxyType(by_name),
        loaded_at,
    )


def is_app(document: JsonObject) -> bool:
    """Whether the view would emit it: ``pvt_type`` is ``app`` and ``pvt_deleted`` not truthy in JavaScript."""
    return document.get("pvt_type") == "app" and document.get("pvt_deleted") in (None, False, 0, "")


def owned(document: JsonObject, account_id: str) -> JsonObject:
    """The document with the master account as its owner; the same object where it says so already."""
    database = encoded_account_db(account_id)
    if document.get("pvt_account_id") == account_id and document.get("pvt_account_db") == database:
        return document
    return {**document, "pvt_account_id": account_id, "pvt_account_db": database}


def fault_of(document: JsonObject) -> str | None:
    """Why a document cannot be an app of the catalogue; None if it can."""
    doc_id = document.get("_id")
    if not isinstance(doc_id, str) or not doc_id:
        return "it has no _id"
    return None


def in_view_order(documents: Iterable[JsonObject]) -> list[JsonObject]:
    """Apps as the view would order them: by name, then by id."""
    return sorted(documents, key=lambda doc: (collation_key(doc.get("name")), doc["_id"]))
