"""``printed.Printed``, which compares answers with those on the pages."""

import json
from typing import Any

import pytest

from tests.docs.printed import Printed

ID, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2
SLASHED = f"account/{ID[:2]}/{ID[2:4]}/{ID[4:]}"


def differences(printed: Any, given: Any) -> list[str]:
    return Printed().differences("json", json.dumps(printed), json.dumps(given))


@pytest.mark.parametrize(
    ("printed", "given"),
    [
        ({"a": 1}, {"a": 1}),
        ({"a": 1, "b": None}, {"b": None, "a": 1}),
        ({"timestamp": "then", "auth_token": "eyJ…", "a": 1}, {"timestamp": "now", "auth_token": "other", "a": 1}),
        ({"version": "1.0.0"}, {"version": "2.0.0"}),
        ({"id": ID, "again": ID}, {"id": OTHER, "again": OTHER}),
        ({"revision": f"1-{ID}"}, {"revision": f"20-{OTHER}"}),
        ({"a": ["x", "…"]}, {"a": ["x", "y", "z"]}),
        ({"a": 1, "…": "…"}, {"a": 1, "b": 2}),
        ({"a": "Once upon…"}, {"a": "Once upon a time"}),
    ],
)
def test_differences_ignores_volatile_values(printed: Any, given: Any) -> None:
    assert differences(printed, given) == []


@pytest.mark.parametrize(
    ("printed", "given"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {}),
        ({}, {"a": 1}),
        ({"a": 1, "…": "…"}, {"a": 1}),
        ({"a": []}, {"a": {}}),
        ({"a": ["x"]}, {"a": ["x", "y"]}),
        ({"a": ["x", "…"]}, {"a": ["x"]}),
        ({"a": ["x", "y"]}, {"a": ["y", "x"]}),
        ({"a": "Once upon…"}, {"a": "Once, upon a time"}),
        ({"timestamp": "then"}, {"timestamp": 5}),
        ({"version": "1.0.0"}, {}),
        ({}, {"version": "1.0.0"}),
        ({"data": {"version": "1.0"}}, {"data": {"version": "1.1"}}),
        ({"id": ID, "other": OTHER}, {"id": ID, "other": ID}),
        ({"id": ID, "again": ID}, {"id": ID, "again": OTHER}),
        ({"id": ID}, {"id": "no id"}),
    ],
)
def test_differences_reports_other_values(printed: Any, given: Any) -> None:
    assert differences(printed, given) != []


def test_differences_maps_ids_across_answers() -> None:
    printed = Printed()
    assert printed.differences("json", f'{{"id": "{ID}"}}', f'{{"id": "{OTHER}"}}') == []
    assert printed.differences("json", f'{{"id": "{ID}"}}', f'{{"id": "{OTHER}"}}') == []
    assert len(printed.differences("json", f'{{"id": "{ID}"}}', f'{{"id": "{ID}"}}')) == 1


def test_differences_reports_answer_that_is_no_json() -> None:
    assert len(Printed().differences("json", "{}", "curl: (7) Failed to connect")) == 1


def test_differences_compares_text_output() -> None:
    assert Printed().differences("text", f"in {SLASHED}", f"out {SLASHED}") != []
    assert Printed().differences("text", "2 apps\n", "3 apps\n") != []
    assert Printed().differences("text", f"in {SLASHED}", f"in account/{OTHER[:2]}/{OTHER[2:4]}/{OTHER[4:]}") == []
