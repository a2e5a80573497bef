import pytest

from crossbar_appstore.datastore.errors import MalformedReply
from crossbar_appstore.datastore.replies import (
    ViewRow,
    is_attachment_name,
    is_database_name,
    is_document_id,
    names,
    posix_time,
    sequence,
    view_rows,
)
from crossbar_appstore.json_codec import Json


@pytest.mark.parametrize(
    "name",
    ["accounts", "account/aa/bb/cccc", "account/aa/bb/c-202611", "numbers/+1415", "_users"],
)
def test_is_database_name_accepts_kazoos_databases(name: str) -> None:
    assert is_database_name(name)


@pytest.mark.parametrize("name", ["", "_", "Accounts", "account/AA", "9lives", "a b", "accounts?x=1", "a%2Fb", ".."])
def test_is_database_name_rejects_names_that_couchdb_rejects(name: str) -> None:
    assert not is_database_name(name)


@pytest.mark.parametrize("doc_id", ["apps_store", "0" * 32, "a/b", "ü", "%2e", "_design/users", "_local/x", "..."])
def test_is_document_id_accepts_documents(doc_id: str) -> None:
    assert is_document_id(doc_id)


@pytest.mark.parametrize(
    "doc_id",
    [
        "",
        ".",
        "..",
        "_all_docs",
        "_changes",
        "_security",
        "_design",
        "_design/",
        "_design/..",
        "_x/y",
        "\ud800",
        "a" * 2001,
    ],
)
def test_is_document_id_rejects_what_leads_to_another_resource(doc_id: str) -> None:
    assert not is_document_id(doc_id)


def test_is_attachment_name_tells_attachments_from_other_resources() -> None:
    assert is_attachment_name("VoIP icon.png")
    assert is_attachment_name("screenshots/1.png")
    assert not is_attachment_name("..")
    assert not is_attachment_name("_attachment")
    assert not is_attachment_name("")


def test_view_rows_leaves_out_keys_that_were_not_found() -> None:
    document = {"_id": "a", "_rev": "1-a"}
    rows: Json = [
        {"id": "a", "key": "k", "value": 1, "doc": document},
        {"key": "none", "error": "not_found"},
        {"id": "b", "key": "b", "value": {"deleted": True}, "doc": None},
        {"key": None, "value": 3},
    ]
    assert view_rows(rows) == [
        ViewRow("a", "k", 1, document),
        ViewRow("b", "b", {"deleted": True}),
        ViewRow(None, None, 3),
    ]


@pytest.mark.parametrize(
    "rows",
    [
        None,
        {},
        "rows",
        [{"id": "a", "error": "badarg"}],
        [{"id": "a", "doc": ["_id"]}],
        [{"id": "a", "doc": {"_id": "a"}}],
        [{"id": "a", "doc": {"_rev": "1-a"}}],
        [{"id": "a", "doc": {"_id": 1, "_rev": "1-a"}}],
    ],
)
def test_view_rows_of_another_form_is_a_malformed_reply(rows: Json) -> None:
    with pytest.raises(MalformedReply):
        view_rows(rows)


@pytest.mark.parametrize(
    ("since", "text"), [(7, "7"), ("7-abc", "7-abc"), ("now", "now"), ([7, "abc"], '[7,"abc"]'), (0, "0")]
)
def test_sequence_is_given_back_as_the_server_gave_it(since: Json, text: str) -> None:
    assert sequence(since) == text


@pytest.mark.parametrize("value", [{}, "accounts", None, ["accounts", 5]])
def test_names_refuses_what_is_no_list_of_texts(value: Json) -> None:
    with pytest.raises(MalformedReply):
        names(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1795732993", 1795732993.0),
        ("1795732993555", 1795732993.555),
        ("1795732993555000", 1795732993.555),
        ("0", None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_posix_time_reads_every_unit_of_instance_start_time(text: Json, seconds: float | None) -> None:
    assert posix_time(text) == seconds
