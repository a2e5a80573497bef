import pytest
from crossbar_appstore.datastore.known import CachedDocument, DocumentKind, KnownRows, RowsKind
from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.json_codec import JsonObject

DOCUMENTS = DocumentKind(Couch("http://127.0.0.1:9"))
ROWS = RowsKind(Couch("http://127.0.0.1:9"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_a_document_is_the_same_after_packing(document: JsonObject) -> None:
    assert DOCUMENTS.unpack(DOCUMENTS.pack(CachedDocument(document))) == CachedDocument(document)


@pytest.mark.parametrize("document", [None, {}, {"big": 10**40, "text": "x" * 100_000}, {"_id": "x"}])
def test_missing_and_large_documents_are_the_same_after_packing(document: JsonObject | None) -> None:
    packed = DOCUMENTS.pack(CachedDocument(document))
    assert DOCUMENTS.unpack(packed) == CachedDocument(document)


ROW = ViewRow("a", ["k", 1], {"v": None}, {"_id": "a"})


@pytest.mark.parametrize("rows", [None, (), (ROW, ViewRow(None, None, 3)), (ViewRow("", "x" * 70_000, 0),)])
def test_rows_are_the_same_after_packing(rows: tuple[ViewRow, ...] | None) -> None:
    packed = ROWS.pack(KnownRows(rows))
    assert ROWS.unpack(packed) == KnownRows(rows)
    assert ROWS.as_stale(KnownRows(rows)) == KnownRows(rows, stale=True)


def test_documents_are_the_same_if_their_revision_is() -> None:
    one, two = CachedDocument({"_rev": "1-a"}), CachedDocument({"_rev": "2-b"})
    assert DOCUMENTS.is_same(one, CachedDocument({"_rev": "1-a"}))
    assert not DOCUMENTS.is_same(one, two)
    assert not DOCUMENTS.is_same(one, CachedDocument(None))
    assert not DOCUMENTS.is_same(CachedDocument(None), one)
    assert DOCUMENTS.is_same(CachedDocument(None), CachedDocument(None))
    assert ROWS.is_same(KnownRows(()), KnownRows(()))
    assert not ROWS.is_same(KnownRows(()), KnownRows(None))


def test_a_stale_document_is_the_same_document() -> None:
    document: JsonObject = {"_id": "x"}
    stale = DOCUMENTS.as_stale(CachedDocument(document))
    assert stale.stale
    assert stale.document is document
