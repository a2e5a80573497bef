from typing import Any

import pytest
from hypothesis import given

from crossbar_appstore.kazoo.values import (
    MISSING,
    as_boolean,
    as_integer,
    as_number,
    as_text,
    get,
    is_empty,
    is_true,
    list_at,
    nonempty_text_at,
    object_at,
    string_at,
)
from tests.json_values import json_values

NOT_BOOLEAN: list[Any] = [None, 0, 1, "no", "True", "", [], {}, [True], MISSING]
NOT_A_NUMBER: list[Any] = [
    *("", "x", " 5", "5 ", "1e2", "1.", ".5", "1_0", "٥", "inf", "9.9e99999"),
    *(None, True, [], {}, float("inf"), MISSING),
]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        ("voip", "voip"),
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (1.5, "1.5"),
        ([], ""),
        (["a", "b"], "ab"),
        (["a", 66, ["c", []]], "aBc"),
        ([195, 169], "é"),
        ({"all": True}, '{"all":true}'),
        ([None], None),
        ([True], None),
        ([{}], None),
        ([[1.5]], None),
        ([256], None),
        ([-1], None),
        ([255], None),
        (MISSING, None),
    ],
)
def test_as_text_matches_kazoo(value: Any, text: str | None) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("value", "boolean"),
    [
        (True, True),
        ("true", True),
        (False, False),
        ("false", False),
        *((other, None) for other in NOT_BOOLEAN),
    ],
)
def test_as_boolean_and_is_true_accept_literals_and_spellings(value: Any, boolean: bool | None) -> None:
    assert as_boolean(value) is boolean
    assert is_true(value) is (boolean is True)


@pytest.mark.parametrize(
    ("value", "number", "integer"),
    [
        (5, 5, 5),
        (2.5, 2.5, 3),
        (-2.5, -2.5, -3),
        ("5", 5, 5),
        ("+5", 5, 5),
        ("-7", -7, -7),
        ("1.5", 1.5, 2),
        ("1.0e2", 100.0, 100),
        *((other, None, None) for other in NOT_A_NUMBER),
    ],
)
def test_as_number_and_as_integer_accept_erlangs_notation(
    value: Any, number: float | None, integer: int | None
) -> None:
    assert as_number(value) == number
    assert as_integer(value) == integer


@pytest.mark.parametrize("value", [MISSING, None, "", "0", "NULL", "undefined", 0, 0.0, [], {}])
def test_is_empty_is_true(value: Any) -> None:
    assert is_empty(value)


@pytest.mark.parametrize("value", [False, True, "null", "00", 1, [0], {"a": None}])
def test_is_empty_is_false(value: Any) -> None:
    assert not is_empty(value)


def test_get_and_typed_variants_of_missing_paths() -> None:
    doc = {"a": {"b": None, "c": [{"d": 1}], "t": "x", "n": 5, "e": ""}, "s": "text"}
    assert get(doc, "a", "b") is None
    assert get(doc) is doc
    for path in (("a", "x"), ("s", "x"), ("a", "b", "x"), ("a", "c", "d"), ("a", "c", "0")):
        assert get(doc, *path) is MISSING
    assert object_at(doc, "a") == doc["a"]
    assert object_at(doc, "s") == {}
    assert list_at(doc, "a", "c") == [{"d": 1}]
    assert list_at(doc, "a") == []
    assert string_at(doc, "a", "t") == "x"
    assert string_at(doc, "a", "n") is None
    assert nonempty_text_at(doc, "a", "n") == "5"
    assert nonempty_text_at(doc, "a", "e") is None
    assert nonempty_text_at(None, "a") is None


@given(json_values)
def test_conversions_accept_any_value(value: Any) -> None:
    text = as_text(value)
    assert text is None or isinstance(text, str)
    assert isinstance(is_empty(value), bool)
    assert as_boolean(value) in (True, False, None)
    assert as_integer(value) is None or isinstance(as_integer(value), int)
