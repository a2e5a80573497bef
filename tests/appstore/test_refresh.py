from typing import Any

import pytest
from hypothesis import given

from crossbar_appstore.appstore.metadata import INIT_KEYS, REFRESH_KEYS, differs, refresh
from crossbar_appstore.kazoo.values import MISSING
from tests.json_values import json_values

CURRENT = {"_id": "a", "_rev": "3-a", "name": "voip", "price": 5, "tags": ["a"], "published": False}


def test_refresh_changes_only_differing_keys() -> None:
    metadata = {"name": "voip", "price": 6, "tags": ["b"], "published": True, "author": "Example"}
    keys, document = refresh(CURRENT, metadata, ("tags", "author", "name", "icon"))
    assert keys == ("tags", "author")
    assert document == {**CURRENT, "tags": ["b"], "author": "Example"}


def test_refresh_with_equal_metadata_changes_nothing() -> None:
    assert refresh(CURRENT, CURRENT, REFRESH_KEYS) == ((), CURRENT)


def test_refresh_with_init_keys_changes_api_url_only() -> None:
    assert refresh(CURRENT, {"name": "x", "api_url": "y"}, INIT_KEYS)[1] == {**CURRENT, "api_url": "y"}


@pytest.mark.parametrize("empty", [MISSING, None, "", "0", "NULL", "undefined", 0, 0.0, [], {}])
def test_differs_empty_value_never_replaces_and_is_always_replaced(empty: Any) -> None:
    assert not differs("x", empty)
    assert differs(empty, "x")
    assert not differs(empty, empty)


@pytest.mark.parametrize(
    ("current", "new", "expected"),
    [
        ("a", "a", False),
        ("a", "b", True),
        (1, 1.0, True),
        (1, True, True),
        (True, False, True),
        ({"a": 1, "b": [{"c": 1, "d": 2}]}, {"b": [{"d": 2, "c": 1}], "a": 1}, False),
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1, "b": 2}, {"a": 1, "c": 2}, True),
        ([{"a": 1, "b": 2}], [{"a": 1, "b": 2}], False),
        ([{"a": 1, "b": 2}], [{"b": 2, "a": 1}], True),
        ([1, 2], [1], True),
        ([1, 2], [2, 1], True),
        ({"a": 1}, [1], True),
    ],
)
def test_differs_compares_order_in_arrays_but_not_in_objects(current: Any, new: Any, expected: bool) -> None:
    assert differs(current, new) is expected


@given(json_values)
def test_differs_is_false_for_the_same_value(value: Any) -> None:
    assert not differs(value, value)
