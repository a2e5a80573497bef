import inspect

import aiohttp
import pytest
from aiocouch.exception import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    RemoteResponseError,
    UnauthorizedError,
)
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from crossbar_appstore.datastore.errors import (
    TRANSLATED,
    AccessDenied,
    AttachmentMissing,
    Conflict,
    DatabaseMissing,
    DatastoreError,
    DocumentMissing,
    Fault,
    LockedOut,
    MalformedReply,
    Misconfigured,
    NotCouchDB,
    Refused,
    ServerFault,
    Subject,
    TimedOut,
    Unavailable,
    Unreachable,
    ViewMissing,
    from_status,
    translate,
)

DOCUMENT = Subject("accounts", doc_id="x")
VIEW = Subject("accounts", view="accounts/listing_by_id")
REQUEST = aiohttp.RequestInfo(
    URL("http://admin:secret@couch/db"), "GET", CIMultiDictProxy(CIMultiDict({"Authorization": "Basic c2VjcmV0"}))
)


@pytest.mark.parametrize("reason", ["Database does not exist.", "no_db_file", "Database not found"])
@pytest.mark.parametrize("subject", [DOCUMENT, VIEW, Subject("accounts")])
def test_from_status_404_with_a_databases_reason_is_database_missing(reason: str, subject: Subject) -> None:
    assert isinstance(from_status(404, reason, subject), DatabaseMissing)


@pytest.mark.parametrize("reason", ["missing", "deleted", "missing_named_view", ""])
def test_from_status_404_with_another_reason_is_about_the_subject(reason: str) -> None:
    assert type(from_status(404, reason, DOCUMENT)) is DocumentMissing
    assert type(from_status(404, reason, VIEW)) is ViewMissing
    assert type(from_status(404, reason, Subject("accounts", doc_id="x", attachment="i.png"))) is AttachmentMissing
    assert type(from_status(404, reason, Subject("accounts"))) is DatabaseMissing


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (409, "Document update conflict.", Conflict),
        (401, "Name or password is incorrect.", Misconfigured),
        (401, "", Misconfigured),
        (403, "Account is temporarily locked due to multiple authentication failures", LockedOut),
        (401, "You are not a server admin.", AccessDenied),
        (302, "", NotCouchDB),
        (403, "You are not allowed to access this db.", AccessDenied),
        (403, "", AccessDenied),
        (400, "Illegal database name: _x", DatabaseMissing),
        (400, "invalid_json", Fault),
        (408, "", TimedOut),
        (412, "", Unavailable),
        (429, "slow down", Unavailable),
        (500, "The request could not be processed in a reasonable amount of time.", TimedOut),
        (500, "timeout", TimedOut),
        (500, "all_dbs_active", Unavailable),
        (500, "badmatch", ServerFault),
        (502, "", Unreachable),
        (503, "", Unavailable),
        (504, "", Unreachable),
        (418, "teapot", Fault),
        (412, "Invalid attachment stub in x for icon.png", Fault),
    ],
)
def test_from_status_maps_every_status(status: int, reason: str, kind: type[DatastoreError]) -> None:
    error = from_status(status, reason, DOCUMENT)
    assert type(error) is kind
    assert str(error)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), TimedOut),
        (ConnectionResetError("peer"), Unreachable),
        (aiohttp.ServerDisconnectedError(), Unreachable),
        (aiohttp.ContentTypeError(REQUEST, ()), MalformedReply),
        (ValueError("Expecting value"), MalformedReply),
        (TypeError("'NoneType' object is not subscriptable"), MalformedReply),
        (AttributeError("'list' object has no attribute 'get'"), MalformedReply),
        (AssertionError(), MalformedReply),
        (RuntimeError("Session is closed"), Unreachable),
        (NotFoundError("x"), DocumentMissing),
        (ConflictError("x"), Conflict),
        (UnauthorizedError("x"), Misconfigured),
        (ForbiddenError("x"), AccessDenied),
        (BadRequestError("x"), Fault),
        (Refused(503, b"<html>"), Unavailable),
        (Refused(404, b'{"reason":"no_db_file"}'), DatabaseMissing),
        (Refused(500, b'["?"]'), ServerFault),
        (Refused(500, b'{"error":"timeout"}'), TimedOut),
        (Refused(500, b'{"reason":{"caused_by":1}}'), ServerFault),
        (RemoteResponseError("timeout", REQUEST, (), status=500), TimedOut),
        (RemoteResponseError(None, REQUEST, (), status=500), ServerFault),
    ],
)
def test_translate_maps_every_exception(error: Exception, kind: type[DatastoreError]) -> None:
    assert isinstance(error, TRANSLATED)
    assert type(translate(error, DOCUMENT)) is kind


def test_translate_uses_couchdbs_reason_from_the_cause_of_aiocouchs_error() -> None:
    locked = RemoteResponseError("Account is temporarily locked due to …", REQUEST, (), status=403)
    error = ForbiddenError("Access forbidden")
    error.__cause__ = locked
    assert type(translate(error, DOCUMENT)) is LockedOut
    gone = NotFoundError("Document x was not found")
    gone.__cause__ = RemoteResponseError("Database does not exist.", REQUEST, (), status=404)
    assert type(translate(gone, DOCUMENT)) is DatabaseMissing


def test_translate_never_shows_an_address_or_a_header() -> None:
    troubles = [
        aiohttp.ClientResponseError(REQUEST, (), status=0, message="secret"),
        aiohttp.ContentTypeError(REQUEST, (), message="secret"),
        aiohttp.InvalidURL("http://admin:secret@couch"),
        OSError("cannot connect to admin:secret@couch"),
        ValueError("secret"),
        RuntimeError("secret"),
    ]
    for trouble in troubles:
        translated = translate(trouble, DOCUMENT)
        assert "secret" not in f"{translated} {translated!r}"
        assert "c2VjcmV0" not in f"{translated!r}"


def test_aiocouch_keeps_status_and_reason_in_its_errors() -> None:
    assert issubclass(RemoteResponseError, aiohttp.ClientResponseError)
    assert "reason" in inspect.signature(RemoteResponseError.__init__).parameters
