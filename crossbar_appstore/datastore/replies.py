"""What CouchDB answers, as values."""

from dataclasses import dataclass

from crossbar_appstore.json_codec import Json, JsonObject, dumps


@dataclass(frozen=True, slots=True)
class ViewRow:
    """One row of a view or of ``_all_docs``.

    ``id`` is None on reduced rows; ``doc`` only where documents were asked for, and None for a deleted one.
    """

    id: str | None
    key: Json
    value: Json
    doc: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class SaveResult:
    """What became of one document of a ``_bulk_docs``: its new revision, or an error such as ``conflict``."""

    id: str
    rev: str | None
    error: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attachment whole; ``digest`` is CouchDB's (``md5-…``), as in the document's stub."""

    name: str
    content_type: str
    digest: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Who answers: ``vendor`` in its own words, lower-case."""

    vendor: str
    version: str


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a ``_changes`` feed. ``seq`` is opaque: a number on PouchDB, text on CouchDB 2 and newer."""

    seq: Json
    id: str
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseUpdate:
    """One line of ``_db_updates``: ``kind`` is created, updated or deleted."""

    seq: Json
    database: str
    kind: str


def view_row(raw: JsonObject) -> ViewRow:
    """One row as CouchDB sends it → ViewRow; a row of a missing document has value None."""
    doc = raw.get("doc")
    return ViewRow(raw.get("id"), raw.get("key"), raw.get("value"), doc if isinstance(doc, dict) else None)


def save_result(raw: JsonObject) -> SaveResult:
    """One line of a ``_bulk_docs`` reply → SaveResult."""
    return SaveResult(str(raw.get("id", "")), raw.get("rev"), raw.get("error"), raw.get("reason"))


def change_line(raw: JsonObject) -> Change:
    """One line of ``_changes`` → Change."""
    return Change(raw.get("seq"), raw["id"], raw.get("deleted") is True)


def update_line(raw: JsonObject) -> DatabaseUpdate:
    """One line of ``_db_updates`` → DatabaseUpdate."""
    return DatabaseUpdate(raw.get("seq"), raw["db_name"], str(raw.get("type", "updated")))


def sequence(since: Json) -> str:
    """A sequence as the ``since`` parameter: numbers and text as they are, BigCouch's arrays as JSON."""
    return since if isinstance(since, str) else dumps(since).decode()
