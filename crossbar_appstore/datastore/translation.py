"""The one boundary between aiocouch's, aiohttp's and CouchDB's errors and ours."""

import json
from dataclasses import dataclass

import aiohttp
from aiocouch.exception import (
    BadRequestError,
    ConflictError,
    ExpectationFailedError,
    ForbiddenError,
    NotFoundError,
    PreconditionFailedError,
    RemoteResponseError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
)

from .errors import (
    AttachmentMissing,
    Conflict,
    DatabaseMissing,
    DatastoreError,
    DocumentMissing,
    Fault,
    Misconfigured,
    TimedOut,
    Unreachable,
    ViewMissing,
)

TRANSLATED = (
    aiohttp.ClientError,
    OSError,  # TimeoutError and PermissionError (aiocouch's 401, 403) are among its kinds
    ValueError,  # a reply that is not JSON; aiocouch's 400, 412, 415
    NotFoundError,
    ConflictError,
    RuntimeError,  # aiocouch's 500 of _find
)
"""Everything that a call through aiocouch or its session can raise; what is not here is our own bug."""

# CouchDB 2 and newer; BigCouch, CouchDB 1 and PouchDB.
_DATABASE_REASONS = ("Database does not exist", "no_db_file", "Database not found")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request is about, for the error that it may end in."""

    database: str = ""
    doc_id: str = ""
    view: str = ""
    attachment: str = ""


class Refused(Exception):
    """An HTTP status of 400 or above on a request that went past aiocouch."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.reason = _reason(body)


def translate(error: Exception, subject: Subject) -> DatastoreError:
    """Any error of ``TRANSLATED`` or ``Refused`` → the error of our tree that says the same."""
    status, reason = _status(error)
    if status is not None:
        return from_status(status, reason, subject)
    if isinstance(error, TimeoutError):
        return TimedOut("no reply in time")
    if isinstance(error, aiohttp.ClientError | OSError):
        return Unreachable(_kind(error))
    if isinstance(error, ValueError):
        return Unreachable("the reply is not whole")
    return Fault(type(error).__name__)


def from_status(status: int, reason: str, subject: Subject) -> DatastoreError:
    """An HTTP status with CouchDB's ``reason`` → our error."""
    if status == 404:
        return _missing(reason, subject)
    if status == 409:
        return Conflict(subject.database, subject.doc_id)
    if status in (401, 403):
        return Misconfigured(reason or f"CouchDB answered {status}")
    if status == 400 and "Illegal database name" in reason:
        return DatabaseMissing(subject.database)
    if status == 408 or (status == 500 and _is_timeout(reason)):
        return TimedOut(reason or "CouchDB answered 408")
    if status in (429, 502, 503, 504) or (status == 500 and reason == "all_dbs_active"):
        return Unreachable(reason or f"CouchDB answered {status}")
    return Fault(f"{status} {reason}".strip())


def _missing(reason: str, subject: Subject) -> DatastoreError:
    if reason.startswith(_DATABASE_REASONS):
        return DatabaseMissing(subject.database)
    if subject.view:
        return ViewMissing(subject.database, subject.view)
    if subject.attachment:
        return AttachmentMissing(subject.database, subject.doc_id, subject.attachment)
    if subject.doc_id:
        return DocumentMissing(subject.database, subject.doc_id)
    return DatabaseMissing(subject.database)


def _status(error: Exception) -> tuple[int | None, str]:
    if isinstance(error, Refused):
        return error.status, error.reason
    # aiocouch keeps CouchDB's status and reason in the cause of what it raises.
    refused = error if isinstance(error, RemoteResponseError) else error.__cause__
    if isinstance(refused, RemoteResponseError):
        return refused.status, str(refused.reason or "")
    for kind, status in _AIOCOUCH_STATUS.items():
        if isinstance(error, kind):
            return status, ""
    return None, ""


_AIOCOUCH_STATUS: dict[type[Exception], int] = {
    BadRequestError: 400,
    UnauthorizedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    PreconditionFailedError: 412,
    UnsupportedMediaTypeError: 415,
    ExpectationFailedError: 417,
}


def _is_timeout(reason: str) -> bool:
    return reason == "timeout" or "reasonable amount of time" in reason


def _kind(error: Exception) -> str:
    """The kind of connection trouble; never its text, which may hold headers or an address with a password."""
    return f"connection trouble: {type(error).__name__}"


def _reason(body: bytes) -> str:
    try:
        reply = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(reply, dict):
        return ""
    reason = reply.get("reason") or reply.get("error")
    return reason if isinstance(reason, str) else ""
