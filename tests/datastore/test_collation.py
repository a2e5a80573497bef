from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.datastore.collation import collation_key
from crossbar_appstore.json_codec import Json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def test_collation_key_orders_types_as_couchdb() -> None:
    ordered: list[Json] = [None, False, True, -1, 2.5, 10, "", "1", "a", "A", "b", [], ["a"], ["b"], {}, {"a": 1}]
    mixed = ordered[::-1]
    assert sorted(mixed, key=collation_key) == ordered


def test_collation_key_compares_letters_before_case_and_accents() -> None:
    ordered = ["_x", "9", "accounts", "Accounts", "Äccounts", "accountsb", "voip", "Webhooks", "\ufff0"]
    mixed = ordered[::-1]
    assert sorted(mixed, key=collation_key) == ordered


@given(st.lists(VALUES, max_size=6))
def test_collation_key_orders_any_values(values: list[Json]) -> None:
    assert len(sorted(values, key=collation_key)) == len(values)
