"""Token restrictions as pure rules; the cases are those of KAZOO's own tests."""

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.auth.restrictions import (
    account_names,
    matches,
    of_method,
    of_priv_level,
    permits,
)

OWN = "6eb37425cd30bf7e5b1785abdcbc2c1d"
ACCOUNT = "c959c8f96db9891f99e6f655d1aeb503"
DEVICE = "d60fb8c1f0930f2d0d9c9f878f271432"
PARAMS = [(), (DEVICE,), (DEVICE, "sync"), (DEVICE, "quick_call", "+14158867900")]
NAMES = account_names(OWN, ACCOUNT, is_descendant=True)
ANY = {"#": ["_"]}


def passed(restrictions: Any, verb: str = "GET") -> list[bool]:
    return [permits(restrictions, "devices", params, verb, NAMES) for params in PARAMS]


def entry(rules: Any = ANY, **extra: Any) -> dict[str, Any]:
    return {"rules": rules, **extra}


@pytest.mark.parametrize(
    ("restrictions", "allowed"),
    [
        ({"_": [entry(allowed_accounts=["_"])]}, True),
        ({"accounts": [entry(allowed_accounts=["_"])]}, False),
        ({"devices": [entry(allowed_accounts=["_"])]}, True),
        ({"devices": "x", "_": [entry()]}, True),
        ({"devices": [], "_": [entry()]}, False),
        ({}, False),
    ],
)
def test_permits_by_endpoint_or_catch_all(restrictions: Any, allowed: bool) -> None:
    assert passed(restrictions) == [allowed] * 4


@pytest.mark.parametrize(
    ("accounts", "allowed"),
    [
        (["{AUTH_ACCOUNT_ID}"], False),
        (["{DESCENDANT_ACCOUNT_ID}"], True),
        ([ACCOUNT], True),
        ([OWN], False),
        ([OWN, ACCOUNT], True),
        (["_"], True),
        ([], False),
        ([5, None], False),
        (None, True),
        ("text", True),
    ],
)
def test_permits_by_allowed_accounts(accounts: Any, allowed: bool) -> None:
    assert passed({"devices": [entry(allowed_accounts=accounts)]}) == [allowed] * 4


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ("/", [True, False, False, False]),
        ("", [True, False, False, False]),
        ("*", [False, True, False, False]),
        ("#", [True, True, True, True]),
        (DEVICE, [False, True, False, False]),
        ("*/*", [False, False, True, False]),
        ("*/*/*", [False, False, False, True]),
        (f"{DEVICE}/#", [False, True, True, True]),
        ("#/sync", [False, False, True, False]),
        ("*/", [False, True, False, False]),
    ],
)
def test_permits_by_patterns_over_the_params(pattern: str, allowed: list[bool]) -> None:
    assert passed({"devices": [entry({pattern: ["_"]}, allowed_accounts=[ACCOUNT])]}) == allowed


@pytest.mark.parametrize(
    ("verbs", "allowed"),
    [(["_"], True), (["GET"], True), (["GET", "POST"], True), (["POST"], False), ([], False), ("GET", False)],
)
def test_permits_by_listed_verbs(verbs: Any, allowed: bool) -> None:
    assert passed({"devices": [entry({"#": verbs})]}) == [allowed] * 4


def test_permits_by_the_first_matching_pattern() -> None:
    rules = {"*": ["POST"], "#": ["_"]}
    assert passed({"devices": [entry(rules)]}) == [True, False, True, True]


def test_permits_by_the_first_entry_for_the_account() -> None:
    entries = [entry({"#": ["POST"]}, allowed_accounts=[ACCOUNT]), entry()]
    assert passed({"devices": entries}) == [False] * 4


@pytest.mark.parametrize("broken", [None, 5, "x", [], {"rules": None}, {"rules": "x"}, {"rules": []}])
def test_permits_nothing_by_an_entry_without_rules(broken: Any) -> None:
    assert passed({"devices": [broken]}) == [False] * 4


def test_account_names_tell_own_account_and_descendants() -> None:
    assert account_names(OWN, None, is_descendant=False) == {"_"}
    assert account_names(OWN, OWN, is_descendant=False) == {"_", OWN, "{AUTH_ACCOUNT_ID}"}
    assert account_names(OWN, ACCOUNT, is_descendant=False) == {"_", ACCOUNT}


@pytest.mark.parametrize(
    ("stored", "method", "found"),
    [
        ({"cb_user_auth": {"a": 1}, "_": {"b": 1}}, "cb_user_auth", {"a": 1}),
        ({"cb_user_auth": None, "_": {"b": 1}}, "cb_user_auth", {"b": 1}),
        ({"cb_user_auth": {"a": 1}, "_": {"b": 1}}, None, {"b": 1}),
        ({"cb_user_auth": {"a": 1}}, "cb_api_auth", None),
        ("text", "cb_user_auth", None),
        (None, "cb_user_auth", None),
    ],
)
def test_of_method_or_catch_all(stored: Any, method: str | None, found: Any) -> None:
    assert of_method(stored, method) == found


@pytest.mark.parametrize(
    ("by_level", "found"),
    [
        ({"admin": {"a": 1}, "_": {"b": 1}}, {"a": 1}),
        ({"user": {"a": 1}, "_": {"b": 1}}, {"b": 1}),
        ({"admin": None, "_": {"b": 1}}, None),
        ({"user": {"a": 1}}, None),
    ],
)
def test_of_priv_level_or_catch_all(by_level: Any, found: Any) -> None:
    assert of_priv_level(by_level, "admin") == found


WORDS = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=6)


@given(pattern=st.lists(st.sampled_from(["a", "b", "*", "#"]), max_size=6), words=WORDS)
def test_matches_as_amqp_topics_do(pattern: list[str], words: list[str]) -> None:
    parts = {"*": "[^.]+[.]", "#": "(?:[^.]+[.])*", "a": "a[.]", "b": "b[.]"}
    expression = "".join(parts[part] for part in pattern)
    text = "".join(f"{word}." for word in words)
    assert matches(pattern, words) == (re.fullmatch(expression, text) is not None)


@given(WORDS)
def test_matches_its_own_words(words: list[str]) -> None:
    assert matches(words, words)
    assert matches(["#"], words)
    assert all(matches([*words[:cut], "#"], words) for cut, _ in pairwise(range(len(words) + 1)))
