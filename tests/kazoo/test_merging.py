import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.kazoo.merging import merge, merge_recursive, without_nulls
from tests.json_values import json_values

objects = st.dictionaries(st.sampled_from("abc"), json_values, max_size=3)


@pytest.mark.parametrize(
    ("left", "right", "merged"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a": {"x": 1, "y": 3}}),
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({"a": None, "b": {"c": None, "d": 1}}, {}, {"b": {"d": 1}}),
        ({}, {"b": {"c": None, "d": 1}}, {"b": {"d": 1}}),
        ({"a": {"x": 1}}, {"a": {}}, {"a": {}}),
        ({"a": [1, None]}, {"a": [2, None]}, {"a": [2, None]}),
        ({"a": {"x": 1}}, {"a": [1]}, {"a": [1]}),
        ({"a": [1]}, {"a": {"x": 1, "y": None}}, {"a": {"x": 1}}),
    ],
)
def test_merge_is_deep_and_right_wins(left: Any, right: Any, merged: Any) -> None:
    assert merge(left, right) == merged


@pytest.mark.parametrize(
    ("left", "right", "merged"),
    [
        ({"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}),
        ({"a": {"x": 1}}, {"a": {"x": None}}, {"a": {}}),
        ({"a": {"x": 1}}, {"a": {}}, {"a": {"x": 1}}),
        ({}, {"a": {}, "b": {"c": {}}, "d": {"e": None}}, {}),
        ({}, {"a": []}, {"a": []}),
        ({"a": {"x": 1}}, {"a": [1]}, {"a": [1]}),
        ({"a": {"x": 1}}, {"a": "s"}, {"a": "s"}),
        ({"a": []}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        ({"a": [1]}, {"a": {}}, {"a": [1]}),
        ({"a": None}, {"b": 1}, {"a": None, "b": 1}),
    ],
)
def test_merge_recursive_sets_leaf_by_leaf(left: Any, right: Any, merged: Any) -> None:
    assert merge_recursive(left, right) == merged


@pytest.mark.parametrize("below", ["text", 0, True, [1]])
def test_merge_recursive_object_replaces_scalar(below: Any) -> None:
    assert merge_recursive({"a": below}, {"a": {"x": 1}}) == {"a": {"x": 1}}


@given(objects, objects)
def test_merge_and_merge_recursive_do_not_change_arguments(left: Any, right: Any) -> None:
    before = copy.deepcopy((left, right))
    for merged in (merge(left, right), merge_recursive(left, right)):
        assert merged.keys() <= left.keys() | right.keys()
    assert (left, right) == before


def _holds_no_null(value: Any) -> bool:
    """Whether no key has a ``null``; arrays are not searched."""
    return not isinstance(value, dict) or all(each is not None and _holds_no_null(each) for each in value.values())


@given(objects)
def test_merge_with_an_empty_object_drops_nulls(value: Any) -> None:
    without_nulls = merge(value, {})
    assert without_nulls == merge({}, value)
    assert _holds_no_null(without_nulls)
    assert merge_recursive(value, {}) == value


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"a": None, "b": {"c": None, "d": False}, "e": ""}, {"b": {"d": False}, "e": ""}),
        ({"a": {"b": {"c": None}}}, {"a": {"b": {}}}),
        ({"a": [None, {"b": None, "c": 0}, [{"d": None}]]}, {"a": [None, {"c": 0}, [{}]]}),
        ([None, {"a": None}], [None, {}]),
        (None, None),
    ],
)
def test_without_nulls_drops_members_at_any_depth_but_no_items(value: Any, kept: Any) -> None:
    assert without_nulls(value) == kept
