"""Errors of the datastore mapped to those of Crossbar."""

from typing import Any

import pytest

from crossbar_appstore.datastore.errors import (
    AccessDenied,
    AttachmentMissing,
    Conflict,
    DatabaseMissing,
    DatastoreError,
    DocumentMissing,
    DocumentRefused,
    Fault,
    MalformedReply,
    Misconfigured,
    NoMasterAccount,
    OutcomeUnknown,
    ServerFault,
    TimedOut,
    Unavailable,
    Unreachable,
    ViewMissing,
)
from crossbar_appstore.resources.error_mapping import translate


@pytest.mark.parametrize(
    ("error", "code", "message", "data", "retry"),
    [
        (DocumentMissing("db", "x"), 404, "bad_identifier", {"cause": "x", "message": "bad identifier"}, None),
        (AttachmentMissing("db", "x", "y"), 404, "bad_identifier", {"cause": "x", "message": "bad identifier"}, None),
        (Conflict("db", "x"), 409, "datastore_conflict", {"message": "conflicting documents"}, None),
        (Unreachable("no"), 503, "datastore_unreachable", {"message": "datastore timeout"}, "2"),
        (TimedOut("no"), 503, "datastore_unreachable", {"message": "datastore timeout"}, "2"),
        (Unavailable("no"), 503, "datastore_unreachable", {"message": "datastore timeout"}, "2"),
        (MalformedReply("no"), 503, "datastore_unreachable", {"message": "datastore timeout"}, "2"),
        (ServerFault("500"), 503, "datastore_unreachable", {"message": "datastore timeout"}, "2"),
        (OutcomeUnknown("no"), 503, "datastore_unreachable", {"message": "datastore timeout"}, "2"),
        (Misconfigured("no"), 503, "datastore_unreachable", {"message": "datastore timeout"}, "30"),
        (AccessDenied("no"), 503, "datastore_fault", {"cause": "no", "message": "datastore fatal error"}, None),
        (DatabaseMissing("db"), 500, "datastore_missing", {"cause": "db", "message": "unknown failure"}, None),
        (ViewMissing("db", "v"), 500, "datastore_missing_view", {"cause": "v", "message": "unknown failure"}, None),
        (NoMasterAccount("none"), 404, "bad_identifier", {"message": "bad identifier"}, None),
        (
            DocumentRefused("db", "x", "413 x", 413),
            413,
            "datastore_fault",
            {"cause": "413 x", "message": "too large to be stored"},
            None,
        ),
        (
            DocumentRefused("db", "x", "400 odd", 400),
            500,
            "datastore_fault",
            {"cause": "document x in db was refused by CouchDB: 400 odd", "message": "unknown failure"},
            None,
        ),
        (Fault("odd"), 500, "datastore_fault", {"cause": "odd", "message": "unknown failure"}, None),
        (DatastoreError("new"), 500, "datastore_fault", {"cause": "new", "message": "unknown failure"}, None),
    ],
)
def test_translate_maps_datastore_errors_to_crossbars(
    error: DatastoreError, code: int, message: str, data: Any, retry: str | None
) -> None:
    refusal = translate(error)
    assert refusal is not None
    assert (refusal.code, refusal.message, refusal.data) == (code, message, data)
    assert refusal.headers.get("Retry-After") == retry


def test_translate_warns_only_of_a_write_whose_outcome_is_unknown() -> None:
    unknown, undone = translate(OutcomeUnknown("no")), translate(Unavailable("no"))
    assert unknown is not None
    assert unknown.headers["Warning"] == '199 - "The change may have been saved or not"'
    assert undone is not None
    assert "Warning" not in undone.headers


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), OSError("x")])
def test_translate_returns_none_for_other_errors(error: Exception) -> None:
    assert translate(error) is None
