"""Validation of accounts and users, and filters of listings: pure functions over documents."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.resources import account_rules, listings, user_rules

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

PERSON = {"first_name": "a", "last_name": "b"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
user_fields = st.sampled_from([*user_rules.RESERVED, "username", "password", "hotdesk", "call_forward", "x", "profile"])
users = st.dictionaries(user_fields, json_values, max_size=5).map(lambda fields: PERSON | fields)


@calm
@given(users, users, st.booleans())
def test_checked_user_accepts_any_data(stored: dict[str, Any], data: dict[str, Any], patch: bool) -> None:
    current = {"_id": "u", "_rev": "1-x", "pvt_type": "user", "pvt_md5_auth": "h", **stored}
    checked = user_rules.checked_user(current, data, patch=patch)
    assert "password" not in checked.document
    assert checked.document["_rev"] == "1-x"
    assert checked.document["pvt_type"] == "user"


@calm
@given(users, users, st.booleans())
def test_kept_reserved_and_reserved_change_protect_reserved_fields(
    stored: dict[str, Any], data: dict[str, Any], patch: bool
) -> None:
    current = {"_id": "u", "pvt_type": "user", **stored}
    kept = user_rules.kept_reserved(current, data, patch=patch)
    changed = user_rules.checked_user(current, kept, patch=patch).document
    if user_rules.reserved_change(current, changed) is None:
        for field, default in user_rules.RESERVED.items():
            assert changed.get(field, default) == current.get(field, default)


@calm
@given(users)
def test_checked_user_stores_only_hashes_of_a_password(data: dict[str, Any]) -> None:
    document = user_rules.checked_user(None, {**data, "username": "Me", "password": "pässword"}).document
    assert (document["pvt_md5_auth"], document["pvt_sha1_auth"]) == password_hashes("me", "pässword")
    assert "pässword" not in str(document)


@calm
@given(users)
def test_listing_entry_accepts_any_user(user: dict[str, Any]) -> None:
    assert user_rules.listing_entry({"_id": "u", **user})["id"] == "u"
    assert user_rules.listing_key(user)


@calm
@given(st.dictionaries(st.sampled_from(["name", "realm", "timezone", "enabled", "notifications", "x"]), json_values))
def test_changed_account_accepts_any_data(data: dict[str, Any]) -> None:
    made = account_rules.new_account(data, realm_suffix="test", realm_strength=3, timezone="UTC+0")
    assert "enabled" not in made.document
    current = {"_id": "a", "pvt_tree": ["m"], "realm": "r.test", **data}
    changed = account_rules.changed_account(current, data, patch=True, may_enable=True)
    assert changed.document["pvt_tree"] == ["m"]
    account_rules.notification_preference(current)


def test_checked_user_drops_credentials() -> None:
    document = user_rules.checked_user(None, {**PERSON, "credentials": "x", "username": "a", "password": "b"}).document
    assert "credentials" not in document
    assert document["pvt_md5_auth"] == password_hashes("a", "b")[0]


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ({}, None),
        ({"pvt_notification_preference": "teletype"}, "teletype"),
        ({"pvt_notification_preference": "notify"}, "notify"),
        ({"notifications": {"voicemail_to_email": {"x": 1}}}, "notify"),
        ({"notifications": {"fax_to_email": "teletype"}}, "teletype"),
    ],
)
def test_notification_preference_of_each_release(account: dict[str, Any], expected: str | None) -> None:
    assert account_rules.notification_preference(account) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, True),
        ({"page_size": "3"}, True),
        ({"filter_a.b": "c"}, True),
        ({"filter_a.b": "d"}, False),
        ({"filter_n": "5"}, True),
        ({"filter_n": "[5]"}, False),
        ({"filter_n": '["5"]'}, True),
        ({"filter_n": '"5"'}, True),
        ({"filter_missing": ""}, True),
        ({"filter_not_n": "5"}, False),
        ({"has_key": "a.b"}, True),
        ({"has_key": "a.x"}, False),
        ({"has_value": "empty"}, False),
        ({"value_missing": "empty"}, True),
        ({"created_from": "100", "created_to": "100"}, True),
        ({"created_from": "101"}, False),
        ({"modified_from": "1"}, True),
        ({"modified_to": "1"}, False),
        ({"created_from": "soon"}, False),
        ({"filter_n": "5", "filter_a.b": "d"}, False),
    ],
)
def test_filters_of_match_as_kazoos(query: dict[str, str], expected: bool) -> None:
    document = {"_id": "d", "a": {"b": "c"}, "n": 5, "empty": "", "pvt_created": 100}
    assert all(passes(document) for passes in listings.filters_of(query)) is expected
