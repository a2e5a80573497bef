from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.datastore.edits import Edit, edits, holds, value_at, with_values
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.values import MISSING

VALUES = st.one_of(st.none(), st.integers(0, 2), st.lists(st.integers(0, 2), max_size=2))
DOCUMENTS = st.dictionaries(
    st.sampled_from("abc"), st.one_of(VALUES, st.dictionaries(st.sampled_from("xyz"), VALUES)), max_size=3
)


@given(DOCUMENTS, DOCUMENTS)
def test_with_values_makes_all_edits(before: JsonObject, after: JsonObject) -> None:
    changed = edits(before, after)
    assert holds(after, changed)
    made = with_values(before, {path: edit.after for path, edit in changed.items()})
    assert edits(made, after) == {}


@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_with_values_leaves_other_entries(before: JsonObject, after: JsonObject, other: JsonObject) -> None:
    changed = edits(before, after)
    made = with_values(other, {path: edit.after for path, edit in changed.items() if edit.after is not MISSING})
    touched = {path[0] for path in changed}
    assert all(path[0] in touched for path in edits(other, made))


def test_edits_ignores_stamps_and_compares_attachments_by_digest() -> None:
    before = {"_id": "x", "_rev": "1-a", "pvt_modified": 1, "_attachments": {"a": {"digest": "md5-a", "stub": True}}}
    after = {"_id": "x", "_rev": "2-b", "pvt_modified": 2, "_attachments": {"a": {"digest": "md5-a", "revpos": 1}}}
    assert edits(before, after) == {}
    inline = {**after, "_attachments": {"a": {"content_type": "text/plain", "data": ""}}}
    assert edits(before, inline) == {("_attachments", "a"): Edit("md5-a", None)}


def test_edits_of_a_new_document_are_all_its_entries() -> None:
    document = {"_id": "x", "apps": {"a": {"users": []}}, "blacklist": [], "empty": {}}
    assert edits(None, document) == {
        ("apps", "a"): Edit(MISSING, {"users": []}),
        ("blacklist",): Edit(MISSING, []),
    }
    assert value_at(document, ("apps", "b")) is MISSING
