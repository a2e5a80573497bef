import aiohttp
import pytest
from aiocouch.exception import BadRequestError, ConflictError, ForbiddenError, NotFoundError, UnauthorizedError
from crossbar_appstore.datastore.translation import Refused, Subject, from_status, translate
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from crossbar_appstore.datastore.errors import (
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

DOCUMENT = Subject("accounts", doc_id="x")
VIEW = Subject("accounts", view="accounts/listing_by_id")


@pytest.mark.parametrize("reason", ["Database does not exist.", "no_db_file", "Database not found"])
@pytest.mark.parametrize("subject", [DOCUMENT, VIEW, Subject("accounts")])
def test_a_missing_database_is_told_by_the_reason_whatever_was_asked(reason: str, subject: Subject) -> None:
    assert isinstance(from_status(404, reason, subject), DatabaseMissing)


@pytest.mark.parametrize("reason", ["missing", "deleted", "missing_named_view", ""])
def test_any_other_404_is_about_what_was_asked(reason: str) -> None:
    assert type(from_status(404, reason, DOCUMENT)) is DocumentMissing
    assert type(from_status(404, reason, VIEW)) is ViewMissing
    assert type(from_status(404, reason, Subject("accounts", doc_id="x", attachment="i.png"))) is AttachmentMissing
    assert type(from_status(404, reason, Subject("accounts"))) is DatabaseMissing


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (409, "Document update conflict.", Conflict),
        (401, "Name or password is incorrect.", Misconfigured),
        (403, "Account is temporarily locked due to multiple authentication failures", Misconfigured),
        (403, "", Misconfigured),
        (400, "Illegal database name: _x", DatabaseMissing),
        (400, "invalid_json", Fault),
        (408, "", TimedOut),
        (429, "slow down", Unreachable),
        (500, "The request could not be processed in a reasonable amount of time.", TimedOut),
        (500, "timeout", TimedOut),
        (500, "all_dbs_active", Unreachable),
        (500, "badmatch", Fault),
        (502, "", Unreachable),
        (503, "", Unreachable),
        (504, "", Unreachable),
        (418, "teapot", Fault),
    ],
)
def test_every_status_has_its_error(status: int, reason: str, kind: type[DatastoreError]) -> None:
    assert type(from_status(status, reason, DOCUMENT)) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), TimedOut),
        (ConnectionResetError("peer"), Unreachable),
        (aiohttp.ServerDisconnectedError(), Unreachable),
        (ValueError("Expecting value"), Unreachable),
        (RuntimeError("Query execution failed"), Fault),
        (NotFoundError("x"), DocumentMissing),
        (ConflictError("x"), Conflict),
        (UnauthorizedError("x"), Misconfigured),
        (ForbiddenError("x"), Misconfigured),
        (BadRequestError("x"), Fault),
        (Refused(503, b"<html>"), Unreachable),
        (Refused(404, b'{"reason":"no_db_file"}'), DatabaseMissing),
        (Refused(500, b'["?"]'), Fault),
        (Refused(500, b'{"error":"timeout"}'), TimedOut),
        (Refused(500, b'{"reason":{"caused_by":1}}'), Fault),
    ],
)
def test_every_exception_has_its_error(error: Exception, kind: type[DatastoreError]) -> None:
    assert type(translate(error, DOCUMENT)) is kind


def test_no_error_tells_an_address_or_a_header() -> None:
    request = aiohttp.RequestInfo(
        URL("http://admin:secret@couch/db"), "GET", CIMultiDictProxy(CIMultiDict({"Authorization": "Basic c2VjcmV0"}))
    )
    troubles = [
        aiohttp.ClientResponseError(request, (), status=0, message="secret"),
        aiohttp.InvalidURL("http://admin:secret@couch"),
        OSError("cannot connect to admin:secret@couch"),
    ]
    for trouble in troubles:
        translated = translate(trouble, DOCUMENT)
        assert "secret" not in f"{translated} {translated!r}"
        assert "c2VjcmV0" not in f"{translated!r}"
