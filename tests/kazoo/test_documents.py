import time
from collections.abc import Callable
from typing import Any

import pytest

from crossbar_appstore.kazoo.documents import (
    GREGORIAN_EPOCH,
    Authenticated,
    alphanumeric_name,
    document_id,
    gregorian_seconds,
    is_private_key,
    is_soft_deleted,
    live,
    private_fields,
    public_fields,
    revision,
    stamp_crossbar,
    stamp_maintenance,
)

At = Callable[[int], None]

ACCOUNT = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
ENCODED = "account%2F0f%2F1e%2F2d3c4b5a69788796a5b4c3d2e1f0"


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    """Sets the clock to a time in Gregorian seconds."""
    return lambda moment: monkeypatch.setattr(time, "time", lambda: float(moment - GREGORIAN_EPOCH))


def test_public_fields_and_private_fields_divide_a_document() -> None:
    doc = {"_id": "a", "_rev": "1-x", "pvt_type": "app", "name": "voip", "nested": {"pvt_x": 1}, "id": "old", "n": None}
    assert public_fields(doc) == {"name": "voip", "nested": {"pvt_x": 1}, "id": "a", "n": None}
    assert private_fields(doc) == {"_id": "a", "_rev": "1-x", "pvt_type": "app"}
    assert [is_private_key(key) for key in ("_x", "pvt_x", "pvt", "x_")] == [True, True, False, False]


@pytest.mark.parametrize(
    ("doc", "found"),
    [
        ({"_id": "a", "id": "b"}, "a"),
        ({"id": "b"}, "b"),
        ({"ID": "c"}, "c"),
        ({"value": {"id": "d"}}, "d"),
        ({"doc": {"_id": "e"}}, "e"),
        ({"_id": "", "id": "NULL", "ID": "undefined", "value": {"id": "0"}}, None),
        ({"_id": 5}, None),
        ({}, None),
    ],
)
def test_document_id_is_searched_in_several_places(doc: dict[str, Any], found: str | None) -> None:
    assert document_id(doc) == found
    assert public_fields(doc).get("id") == (found or doc.get("id"))


def test_live_and_is_soft_deleted_by_mark() -> None:
    assert live(None) is None
    marks: list[object] = [True, "true"]
    for mark in marks:
        assert is_soft_deleted({"pvt_deleted": mark})
        assert live({"pvt_deleted": mark}) is None
    others: list[object] = [False, None, 1, "yes"]
    for mark in others:
        assert live({"pvt_deleted": mark}) == {"pvt_deleted": mark}


def test_stamp_crossbar_sets_user_and_time(at: At) -> None:
    at(100)
    doc = {"_id": "apps_store", "apps": {}}
    auth = Authenticated("auth-account", "auth-user", "first-account", "first-user")
    assert stamp_crossbar(doc, account_id=ACCOUNT, request_id="r1", auth=auth) == {
        "_id": "apps_store",
        "apps": {},
        "pvt_vsn": "1",
        "pvt_account_id": ACCOUNT,
        "pvt_account_db": ENCODED,
        "pvt_created": 100,
        "pvt_modified": 100,
        "pvt_request_id": "r1",
        "pvt_is_authenticated": True,
        "pvt_auth_account_id": "auth-account",
        "pvt_auth_user_id": "auth-user",
        "pvt_original_auth_account_id": "first-account",
        "pvt_original_auth_owner_id": "first-user",
    }
    assert doc == {"_id": "apps_store", "apps": {}}


def test_stamp_crossbar_keeps_earlier_fields(at: At) -> None:
    at(100)
    doc = {
        "_rev": "2-a",
        "pvt_vsn": "7",
        "pvt_account_id": "other",
        "pvt_account_db": "other%2Fdb",
        "pvt_created": 50,
        "pvt_auth_user_id": "earlier",
    }
    stamped = stamp_crossbar(doc, account_id=ACCOUNT, request_id="r2", auth=Authenticated("acc"))
    kept = ("_rev", "pvt_vsn", "pvt_account_id", "pvt_account_db", "pvt_created", "pvt_auth_user_id")
    assert {key: stamped[key] for key in kept} == doc
    assert (stamped["pvt_modified"], stamped["pvt_auth_account_id"]) == (100, "acc")
    assert "pvt_original_auth_account_id" not in stamped
    assert "pvt_type" not in stamped


def test_stamp_crossbar_without_user_and_account() -> None:
    stamped = stamp_crossbar({"name": "Sub Account 5!"}, account_id=None, request_id="r", auth=None)
    assert stamped["pvt_is_authenticated"] is False
    assert stamped["pvt_alphanum_name"] == "subaccount5"
    assert not stamped.keys() & {"pvt_account_id", "pvt_account_db", "pvt_auth_account_id"}


def test_alphanumeric_name_keeps_ascii_letters_and_digits() -> None:
    assert alphanumeric_name("Ärger & Söhne 24/7") == "rgershne247"


def test_stamp_maintenance_sets_account_time_and_type(at: At) -> None:
    at(100)
    created = stamp_maintenance({"name": "voip"}, account_id=ACCOUNT, doc_type="app")
    assert created == {
        "name": "voip",
        "pvt_account_id": ACCOUNT,
        "pvt_account_db": ENCODED,
        "pvt_created": 100,
        "pvt_modified": 100,
        "pvt_type": "app",
    }
    at(200)
    changed = stamp_maintenance({**created, "_rev": "1-a"}, account_id=None)
    assert (changed["pvt_created"], changed["pvt_modified"], changed["pvt_type"]) == (100, 200, "app")
    assert stamp_maintenance({"_rev": "1-a"}, account_id=None)["pvt_created"] == 200


def test_revision_of_a_text_only() -> None:
    assert revision({"_rev": "1-a"}) == "1-a"
    assert revision({"_rev": 1}) is None
    assert revision({}) is None


@pytest.mark.parametrize(("unix", "gregorian"), [(0.0, 62167219200), (1709251200.9, 63876470400)])
def test_gregorian_seconds_counts_from_year_zero(monkeypatch: pytest.MonkeyPatch, unix: float, gregorian: int) -> None:
    monkeypatch.setattr(time, "time", lambda: unix)
    assert gregorian_seconds() == gregorian
