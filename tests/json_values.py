"""Hypothesis strategies for JSON."""

from typing import Any

from hypothesis import strategies as st

json_scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 300),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "0", "null", "true", "false", "all", "admins", "specific", "port", "undefined"]),
    st.text(max_size=5),
)

json_values: st.SearchStrategy[Any] = st.recursive(
    json_scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
