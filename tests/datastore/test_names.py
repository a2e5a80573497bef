import pytest
from crossbar_appstore.datastore.names import is_attachment_name, is_database_name, is_document_id


@pytest.mark.parametrize(
    "name",
    ["accounts", "account/aa/bb/cccc", "account/aa/bb/c-202611", "numbers/+1415", "_users"],
)
def test_names_of_kazoos_databases_are_names(name: str) -> None:
    assert is_database_name(name)


@pytest.mark.parametrize("name", ["", "_", "Accounts", "account/AA", "9lives", "a b", "accounts?x=1", "a%2Fb", ".."])
def test_what_couchdb_could_not_have_is_no_name_of_a_database(name: str) -> None:
    assert not is_database_name(name)


@pytest.mark.parametrize("doc_id", ["apps_store", "0" * 32, "a/b", "ü", "%2e", "_design/users", "_local/x", "..."])
def test_ids_of_documents_are_ids(doc_id: str) -> None:
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
def test_an_id_never_leads_to_another_resource_than_a_document(doc_id: str) -> None:
    assert not is_document_id(doc_id)


def test_names_of_attachments() -> None:
    assert is_attachment_name("VoIP icon.png")
    assert is_attachment_name("screenshots/1.png")
    assert not is_attachment_name("..")
    assert not is_attachment_name("_attachment")
    assert not is_attachment_name("")
