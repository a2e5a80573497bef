"""What CouchDB accepts as names, and what it replies, as values."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeGuard

from crossbar_appstore.json_codec import Json, JsonObject, dumps

from .errors import MalformedReply

# https://docs.couchdb.org/en/stable/api/database/common.html#put--db, and the system databases.
_DATABASE = re.compile(r"[a-z][a-z0-9_$()+/-]*|_[a-z_]+")
_MAX_ID_LENGTH = 2000
_LATEST = 1e11
"""Seconds since 1970 that no clock shows."""


def is_database_name(name: str) -> bool:
    """Whether CouchDB could have a database of this name."""
    return _DATABASE.fullmatch(name) is not None


def is_document_id(doc_id: str) -> bool:
    """Whether the id names a document, a design document or a local document.

    An id from a client's URL must never reach ``/db/_all_docs``, ``/db/`` or ``/db/..``: CouchDB would answer with
    something that is no document.
    """
    if doc_id.startswith("_"):
        kind, slash, rest = doc_id.partition("/")
        return bool(slash) and kind in ("_design", "_local") and _is_plain(rest)
    return _is_plain(doc_id)


def is_attachment_name(name: str) -> bool:
    """Whether an attachment could have this name."""
    return not name.startswith("_") and _is_plain(name)


def _is_plain(text: str) -> bool:
    if not text or len(text) > _MAX_ID_LENGTH or text in (".", ".."):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate cannot be part of a URL
        return False
    return True


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
    """The server's vendor, in its own words in lower case, and its version."""

    vendor: str
    version: str


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node of a cluster; what it does not tell is empty."""

    address: str
    is_current: bool
    """Whether it gets the requests."""
    trouble: str | None
    """Why it cannot be used; None if it can."""
    version: str = ""
    """CouchDB's."""
    name: str = ""
    """Its name in the cluster (``couchdb@host``)."""
    members: frozenset[str] = frozenset()
    """The names of the nodes that it takes for members of the cluster."""


def server_info(info: JsonObject) -> ServerInfo:
    """Vendor and version from the reply to ``GET /``; "unknown" if it names no vendor."""
    vendor = info.get("vendor")
    name = vendor.get("name") if isinstance(vendor, dict) else None
    vendor_name = "PouchDB" if "express-pouchdb" in info else str(name or "unknown")
    return ServerInfo(vendor_name.lower(), str(info.get("version", "")))


def is_welcome(value: Json) -> bool:
    """Whether a value is what CouchDB, BigCouch or PouchDB Server replies to ``GET /``."""
    return isinstance(value, dict) and ("couchdb" in value or "express-pouchdb" in value)


def is_refusal(value: Json) -> bool:
    """Whether a value has the form in which CouchDB replies that it has, or does, something not."""
    return isinstance(value, dict) and "error" in value and "reason" in value


def view_rows(rows: Json) -> list[ViewRow]:
    """The ``rows`` member of a view's reply as rows, without those that say that their key was not found.

    Raises:
        MalformedReply: it is no list of rows, a row could not be read, or its ``doc`` is not the row's document.
    """
    if not isinstance(rows, list):
        raise MalformedReply("no list of rows")
    found = []
    for raw in rows:
        error, doc = raw.get("error"), raw.get("doc")
        if error not in (None, "not_found"):
            raise MalformedReply(f"a row could not be read: {error}")
        if doc is not None and not is_document(doc):
            raise MalformedReply("a row holds something else than a document")
        # A view may name another document as the row's: ``{"_id": …}`` in its value.
        if doc is not None and doc["_id"] != raw.get("id") and not _links(raw.get("value")):
            raise MalformedReply("a row holds another document")
        if error is None:
            found.append(ViewRow(raw.get("id"), raw.get("key"), raw.get("value"), doc))
    return found


def names(value: Json) -> list[str]:
    """A list of names as it is; MalformedReply if it is anything else."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise MalformedReply("no list of names")
    return value


def posix_time(value: Json) -> float | None:
    """Digits as a POSIX time, in seconds, milliseconds (PouchDB) or microseconds (CouchDB 1); None for "0"."""
    moment = float(value) if isinstance(value, str) and value.isdigit() else 0.0
    while moment > _LATEST:
        moment /= 1000
    return moment or None


def attachment_of(name: str, headers: Mapping[str, str], body: bytes) -> Attachment:
    """An attachment from the reply to a GET of it.

    Raises:
        MalformedReply: the bytes of a picture are not those of its digest.
    """
    content_type = headers.get("Content-Type", "application/octet-stream")
    # The ETag is the base64 of the MD5 on CouchDB and on PouchDB; the stub writes it "md5-…".
    digest = "md5-" + headers.get("ETag", "").removeprefix("W/").strip('"')
    # CouchDB stores texts, SVG among them if so configured, compressed, and digests that.
    if content_type.startswith("image/") and content_type != "image/svg+xml" and digest != _digest(body):
        raise MalformedReply("the bytes of an attachment do not match its digest")
    return Attachment(name, content_type, digest, body)


def _digest(body: bytes) -> str:
    return "md5-" + base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _links(value: Json) -> bool:
    return isinstance(value, dict) and "_id" in value


def is_document(value: Json) -> TypeGuard[JsonObject]:
    """Whether this is a stored document: an object with ``_id`` and ``_rev``."""
    return isinstance(value, dict) and isinstance(value.get("_id"), str) and isinstance(value.get("_rev"), str)


def history(document: JsonObject) -> list[str]:
    """A document's revision and those that it descends from, newest first; for one read with ``revs``."""
    match document.get("_revisions"):
        case {"start": int(start), "ids": list(ids)}:
            return [f"{start - index}-{each}" for index, each in enumerate(ids)]
    raise MalformedReply("the revisions are missing")


def sequence(since: Json) -> str:
    """A sequence as the ``since`` parameter: numbers and text as they are, BigCouch's arrays as JSON."""
    return since if isinstance(since, str) else dumps(since).decode()


_KINDS: Final = {
    "_all_docs": "documents",
    "_bulk_docs": "bulk",
    "_bulk_get": "documents",
    "_changes": "feed",
    "_db_updates": "feed",
    "_find": "find",
    "_local": "document",
    "_session": "session",
}
"""Part of a path that begins with an underscore → what is asked for; of others, it is the server or a database."""


def kind_of(path: str) -> str:
    """What a request to a quoted path asks for: one of a dozen words, for metrics."""
    first, _, rest = path.lstrip("/").partition("/")
    if not rest or first.startswith("_"):
        return _KINDS.get(first, "database" if first and not first.startswith("_") else "server")
    second, _, rest = rest.partition("/")
    if second == "_design":
        return "view" if "/_view/" in rest else "design" if "/" not in rest else "attachment"
    if second.startswith("_"):
        return _KINDS.get(second, "database")
    return "attachment" if rest else "document"
