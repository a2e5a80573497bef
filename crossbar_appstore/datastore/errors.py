"""What can go wrong between this service and CouchDB, as one tree of exceptions; no other error leaves this package.

DatastoreError
├── DocumentMissing, AttachmentMissing, DatabaseMissing, ViewMissing    404
├── Conflict                                                            409, nothing was saved
│   └── RevisionsLeft                                                   a removal, of which something is left
├── DocumentRefused                                                     413 and the like: it cannot be saved as it is
├── NoMasterAccount                                                     there is no account
├── Closed                                                              the client was closed
└── Troubled                                                            no answer about the document
    ├── Unreachable                                                     a connection that broke, 502, 504
    │   ├── Unavailable                                                 no connection, 412, 429, 503
    │   │   ├── UnknownHost                       configuration         DNS knows no such host
    │   │   ├── CertificateRefused                configuration         by one of both sides
    │   │   ├── NoTLS                             configuration         the port speaks no TLS
    │   │   └── NotCouchDB                        configuration         another server, 3xx
    │   └── MalformedReply                                              the reply has not the form that it must have
    ├── TimedOut                                                        no reply in time
    ├── OutcomeUnknown                                                  a write that may have happened
    ├── Misconfigured                             configuration         401: user or password is wrong
    │   └── LockedOut                             configuration         403, after too many wrong passwords
    ├── AccessDenied                              configuration         403 for one database, 401 for administrators
    └── Fault                                                           any other answer
        └── ServerFault                                                 500, 501, 505 …

The column in the middle is ``CONFIGURATION``: what waiting does not repair. ``Troubled.words`` says of each kind what
it means. ``translate`` is the one boundary between the errors of aiocouch and aiohttp and these. No message holds a
credential: reasons are CouchDB's own words, the host's name, or the type of the connection error.
"""

import json
import os
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

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


class DatastoreError(Exception):
    """Anything that kept a document from being read or saved."""

    @property
    def explained(self) -> str:
        """What happened, for an operator."""
        return str(self)


class DocumentMissing(DatastoreError):
    """The document does not exist, or was deleted."""

    def __init__(self, database: str, doc_id: str) -> None:
        super().__init__(f"no document {doc_id} in {database}")
        self.database = database
        self.doc_id = doc_id


class AttachmentMissing(DocumentMissing):
    """The document exists without this attachment (or does not exist: PouchDB does not say which)."""

    def __init__(self, database: str, doc_id: str, name: str) -> None:
        super().__init__(database, doc_id)
        self.name = name


class DatabaseMissing(DatastoreError):
    """The database does not exist, or its name is none that CouchDB could have."""

    def __init__(self, database: str) -> None:
        super().__init__(f"no database {database}")
        self.database = database


class ViewMissing(DatastoreError):
    """The database has no such view: the design document or the view in it is missing."""

    def __init__(self, database: str, view: str) -> None:
        super().__init__(f"no view {view} in {database}")
        self.database = database
        self.view = view


class Conflict(DatastoreError):
    """The revision that was to be replaced is no longer the newest; nothing was saved."""

    def __init__(self, database: str, doc_id: str) -> None:
        super().__init__(f"document {doc_id} in {database} was changed by another writer")
        self.database = database
        self.doc_id = doc_id


class RevisionsLeft(Conflict):
    """A document whose removal was not completed: other writers changed it each time."""

    def __init__(self, database: str, doc_id: str, revisions: Iterable[str]) -> None:
        super().__init__(database, doc_id)
        self.args = (f"{self}; of it are left: {', '.join(revisions)}",)


class DocumentRefused(DatastoreError):
    """CouchDB, or a proxy, does not take this document, too large for instance; nothing was saved. Others it may take.

    ``status`` is that of the reply, None if there was none for the document alone.
    """

    def __init__(self, database: str, doc_id: str, reason: str, status: int | None = None) -> None:
        too_large = ", more than CouchDB's max_document_size or a proxy allows" if status == TOO_LARGE else ""
        super().__init__(f"document {doc_id} in {database} was refused by CouchDB: {reason}{too_large}")
        self.database = database
        self.doc_id = doc_id
        self.reason = reason
        self.status = status


class NoMasterAccount(DatastoreError):
    """No master account is configured, and there is no account at all that could be it."""


class Closed(DatastoreError):
    """The client was closed, as the service ends: no request is made any more."""

    def __init__(self) -> None:
        super().__init__("the connections to CouchDB were closed")


class Troubled(DatastoreError):
    """CouchDB gave no answer that tells anything about the document."""

    words: ClassVar[str] = "CouchDB is away"
    """What the kind means, for an operator; ``reason`` has the details."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def explained(self) -> str:
        """The words and the reason."""
        return f"{self.words}: {self.reason}"


class Unreachable(Troubled):
    """A connection that broke, 502 or 504: what was asked for may have been done."""


class Unavailable(Unreachable):
    """No connection, 412, 429 or 503: nothing was done, so that a write may be repeated."""


class UnknownHost(Unavailable):
    """DNS knows no host of this name. Where DNS itself does not answer it is ``Unavailable``."""

    words = "the host of CouchDB is unknown"


class CertificateRefused(Unavailable):
    """CouchDB's certificate is not valid for the host or not trusted, or CouchDB does not trust ours."""

    words = "the certificate of CouchDB, or the one presented to it, is refused"


class NoTLS(Unavailable):
    """The address begins with https, and what listens there speaks no TLS."""

    words = "CouchDB's port does not speak TLS (http in place of https?)"


class NotCouchDB(Unavailable):
    """What listens at the address is another web server, or a redirect to somewhere else."""

    words = "the address is not that of a CouchDB"


class MalformedReply(Unreachable):
    """A reply that is not whole, no JSON, or JSON of another form than was asked for."""

    words = "CouchDB's reply is malformed"


class TimedOut(Troubled):
    """No reply in time, ours or CouchDB's."""


class OutcomeUnknown(Troubled):
    """A write without a usable reply: it may have happened or not."""

    words = "CouchDB did not answer a change, which may have been saved"


class Misconfigured(Troubled):
    """CouchDB refuses the user and password (401), or did so lately: ``credentials`` says when they are tried again."""

    words = "CouchDB refuses the user and password"


class LockedOut(Misconfigured):
    """CouchDB has locked the user out, after too many wrong passwords of any client at this machine's address."""

    words = "CouchDB has locked the user out for some minutes"


class AccessDenied(Troubled):
    """CouchDB refuses this request: the database's ``_security``, a ``validate_doc_update``, or no administrator."""

    words = "CouchDB does not allow the user to do this"


class Fault(Troubled):
    """Any other answer that CouchDB should not have given; ``status`` is its status, if it had one."""

    words = "CouchDB failed"

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class ServerFault(Fault):
    """CouchDB failed at the request (500): what was asked for may have been done."""


CONFIGURATION: Final = (Misconfigured, AccessDenied, UnknownHost, CertificateRefused, NoTLS, NotCouchDB)
"""The kinds that stay until somebody corrects a setting, here or in CouchDB."""


class Refused(Exception):
    """An HTTP status of 300 or above on a request that was not made through aiocouch."""

    def __init__(self, status: int, body: bytes = b"") -> None:
        super().__init__(status)
        self.status = status
        self.reason = _reason(body)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request is about, for the error that it may end in."""

    database: str = ""
    doc_id: str = ""
    view: str = ""
    attachment: str = ""


TRANSLATED = (
    aiohttp.ClientError,
    OSError,  # TimeoutError and PermissionError (aiocouch's 401, 403) are among its kinds
    ValueError,  # a reply that is no JSON; aiocouch's 400, 412, 415
    LookupError,  # aiocouch's 404 and 409; a member that a reply should have
    Refused,
    RuntimeError,  # a session or a transport that was closed meanwhile
    AssertionError,  # aiocouch's, about a reply of another form
    AttributeError,
    TypeError,
)
"""Everything that a call through aiocouch or aiohttp can raise."""

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
# CouchDB 2 and newer; BigCouch, CouchDB 1 and PouchDB.
_DATABASE_REASONS = ("Database does not exist", "no_db_file", "Database not found")
TOO_LARGE = 413
"""CouchDB's status, and that of proxies, for a document or a request that exceeds a limit."""
_UNKNOWN_STUB = "Invalid attachment stub"
_LOCKED_OUT = "temporarily locked"
"""CouchDB 3.4 and newer, after five wrong passwords: "Account is temporarily locked due to multiple …"."""
_NO_ADMINISTRATOR = "You are not a server"
"""CouchDB's 401 for a user who is known: "You are not a server admin.", "You are not a server or db admin."."""
_UNKNOWN_HOST = (socket.EAI_NONAME, socket.EAI_NODATA)
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
"""OpenSSL's names for an answer that is no TLS record."""


def translate(error: Exception, subject: Subject) -> DatastoreError:
    """The error of the tree above that says the same as an error of ``TRANSLATED``."""
    status, reason = _status(error)
    if status is not None:
        return from_status(status, reason, subject)
    if isinstance(error, TimeoutError):
        return TimedOut("no reply in time")
    if isinstance(error, aiohttp.ContentTypeError):
        return MalformedReply("the reply is no JSON")
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError):
        return _unconnected(error)
    if isinstance(error, OSError) and "CERTIFICATE" in str(error.strerror):
        # With TLS 1.3 a missing client certificate is refused after the connection was made.
        return CertificateRefused(f"connection failed: {_openssl_reason(str(error.strerror))}")
    if isinstance(error, aiohttp.ClientError | OSError | RuntimeError):
        # Only the type: the text may hold headers, or an address with a password.
        return Unreachable(f"connection failed: {type(error).__name__}")
    if isinstance(error, ValueError | TypeError | AssertionError | AttributeError | LookupError):
        return MalformedReply("the reply has not the expected form")
    return Fault(type(error).__name__)


def from_status(status: int, reason: str, subject: Subject) -> DatastoreError:
    """The error for an HTTP status with CouchDB's ``reason``."""
    if status == 404:
        return _missing(reason, subject)
    if status == 409:
        return Conflict(subject.database, subject.doc_id)
    if status in (401, 403):
        return _not_allowed(status, reason)
    if status < 400:
        return NotCouchDB(f"the answer is a redirect ({status})")
    if status == 400 and "Illegal database name" in reason:
        return DatabaseMissing(subject.database)
    if status == 408 or (status == 500 and _is_timeout(reason)):
        return TimedOut(reason or "CouchDB answered 408")
    if status == 412 and reason.startswith(_UNKNOWN_STUB):
        return Fault(f"{status} {reason}", status)
    # 412: some proxies and servers answer so to a save of which they know nothing yet.
    if status in (412, 429, 503) or (status == 500 and reason == "all_dbs_active"):
        return Unavailable(reason or f"CouchDB answered {status}")
    if status in (502, 504):
        return Unreachable(reason or f"CouchDB answered {status}")
    return (ServerFault if status >= 500 else Fault)(f"{status} {reason}".strip(), status)


def _unconnected(error: aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError) -> Unavailable:
    """The error for a connection that was not made, so that nothing was sent."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        found = error.certificate_error
        reason = found.verify_message if isinstance(found, ssl.SSLCertVerificationError) else type(found).__name__
        return CertificateRefused(f"{error.host}: {reason}")
    cause = error.os_error
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        kind = UnknownHost if cause.errno in _UNKNOWN_HOST else Unavailable
        return kind(f"connection failed: {error.host} cannot be resolved")
    if isinstance(cause, ssl.SSLError):
        reason = cause.reason or type(cause).__name__
        kind = NoTLS if reason in _NO_TLS else CertificateRefused if "CERTIFICATE" in reason else Unavailable
        return kind(f"connection failed: {reason}")
    # Not the text of the error: asyncio's holds the address.
    return Unavailable(f"connection failed: {os.strerror(cause.errno) if cause.errno else type(error).__name__}")


def _openssl_reason(text: str) -> str:
    """OpenSSL's name of an error in Python's text for it: ``[SSL: NAME] …``."""
    return text.partition("SSL: ")[2].partition("]")[0] or "certificate"


def _not_allowed(status: int, reason: str) -> Troubled:
    text = reason or f"CouchDB answered {status}"
    if status == 401:
        return AccessDenied(text) if reason.startswith(_NO_ADMINISTRATOR) else Misconfigured(text)
    return LockedOut(text) if _LOCKED_OUT in reason else AccessDenied(text)


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
    response = error if isinstance(error, RemoteResponseError) else error.__cause__
    if isinstance(response, RemoteResponseError):
        return response.status, response.reason if isinstance(response.reason, str) else ""
    return next((status for kind, status in _AIOCOUCH_STATUS.items() if isinstance(error, kind)), None), ""


def _is_timeout(reason: str) -> bool:
    return reason == "timeout" or "reasonable amount of time" in reason


def _reason(body: bytes) -> str:
    try:
        reply = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(reply, dict):
        return ""
    reason = reply.get("reason") or reply.get("error")
    return reason if isinstance(reason, str) else ""
