"""The hierarchy of accounts, administrators, trials, identities."""

from typing import Any

import pytest

from crossbar_appstore.auth.hierarchy import (
    Identity,
    User,
    identity_of,
    is_account_admin,
    is_enabled,
    is_in_account_hierarchy,
    is_superduper_admin,
    may_address,
    priv_level,
    trial_expired,
)
from crossbar_appstore.kazoo.documents import Authenticated

PARENT, CHILD, STRANGER = "a" * 32, "b" * 32, "c" * 32
CHILD_DOCUMENT = {"_id": CHILD, "pvt_tree": ["0" * 32, PARENT]}


def caller(account_id: str, *, superduper: bool = False) -> Identity:
    return identity_of({"account_id": account_id}, {"pvt_superduper_admin": superduper})


def test_is_in_account_hierarchy_for_ancestors_only() -> None:
    assert is_in_account_hierarchy(PARENT, CHILD_DOCUMENT)
    assert is_in_account_hierarchy("0" * 32, CHILD_DOCUMENT)
    assert not is_in_account_hierarchy(CHILD, CHILD_DOCUMENT)
    assert not is_in_account_hierarchy(STRANGER, CHILD_DOCUMENT)
    assert not is_in_account_hierarchy(None, CHILD_DOCUMENT)
    assert not is_in_account_hierarchy(PARENT, None)


@pytest.mark.parametrize("tree", [None, "text", 5, {}, {PARENT: 1}])
def test_is_in_account_hierarchy_with_a_malformed_tree(tree: Any) -> None:
    assert not is_in_account_hierarchy(PARENT, {"pvt_tree": tree})


@pytest.mark.parametrize(
    ("identity", "allowed"),
    [
        (caller(CHILD), True),
        (caller(PARENT), True),
        (caller(STRANGER), False),
        (caller(STRANGER, superduper=True), True),
    ],
)
def test_may_address_own_account_and_descendants(identity: Identity, allowed: bool) -> None:
    assert may_address(identity, CHILD, CHILD_DOCUMENT) is allowed


def test_may_address_not_the_parent() -> None:
    assert not may_address(caller(CHILD), PARENT, {"pvt_tree": []})


@pytest.mark.parametrize(("value", "is_one"), [(True, True), ("true", True), (1, False), (None, False), ("yes", False)])
def test_is_superduper_admin_needs_true(value: Any, is_one: bool) -> None:
    assert is_superduper_admin({"pvt_superduper_admin": value}) is is_one
    assert not is_superduper_admin(None)
    assert not is_superduper_admin({})


@pytest.mark.parametrize(
    ("account", "enabled"),
    [
        ({}, True),
        ({"pvt_enabled": True}, True),
        ({"pvt_enabled": "true"}, True),
        ({"pvt_enabled": False}, False),
        ({"pvt_enabled": None}, False),
        (None, False),
    ],
)
def test_is_enabled_unless_pvt_enabled_is_not_true(account: Any, enabled: bool) -> None:
    assert is_enabled(account) is enabled


@pytest.mark.parametrize(
    ("expires", "ended"),
    [(1000, 1000), ("1000", 1000), (2000, 2000), (2001, None), (None, None), ("soon", None), ([], None)],
)
def test_trial_expired_at_its_second(expires: Any, ended: int | None) -> None:
    assert trial_expired({"pvt_trial_expires": expires}, now=2000) == ended


def test_trial_expired_uses_gregorian_seconds() -> None:
    assert trial_expired({"pvt_trial_expires": 1000}) == 1000
    assert trial_expired({"pvt_trial_expires": 99_999_999_999}) is None
    assert trial_expired({}) is None
    assert trial_expired(None) is None


@pytest.mark.parametrize(
    ("user", "level", "admin"),
    [
        ({"priv_level": "admin"}, "admin", True),
        ({"priv_level": ["admin"]}, "admin", True),
        ({"priv_level": "Admin"}, "Admin", False),
        ({"priv_level": "user"}, "user", False),
        ({"priv_level": ""}, "user", False),
        ({}, "user", False),
        ({"priv_level": "admin", "enabled": False}, "admin", True),
        ({"priv_level": "admin", "pvt_deleted": True}, "admin", False),
    ],
)
def test_is_account_admin_needs_priv_level_admin(user: Any, level: str, admin: bool) -> None:
    assert priv_level(user) == level
    assert is_account_admin(user) is admin


def test_is_account_admin_without_a_user() -> None:
    assert not is_account_admin(None)


def test_identity_of_claims() -> None:
    claims = {
        "account_id": CHILD,
        "owner_id": "u",
        "method": "cb_user_auth",
        "original_account_id": PARENT,
        "original_owner_id": "p",
    }
    identity = identity_of(claims, CHILD_DOCUMENT)
    assert identity.authenticated == Authenticated(CHILD, "u", PARENT, "p")
    assert identity.method == "cb_user_auth"
    assert identity.users == (User(CHILD, "u"),)


def test_identity_of_claims_that_are_no_strings() -> None:
    identity = identity_of({"account_id": CHILD, "owner_id": 5, "method": None}, CHILD_DOCUMENT)
    assert (identity.owner_id, identity.method) == (None, None)


def test_identity_users_include_the_one_behind() -> None:
    identity = identity_of({"account_id": CHILD, "owner_id": "u"}, CHILD_DOCUMENT, behind=User(PARENT, "p"))
    assert identity.users == (User(CHILD, "u"), User(PARENT, "p"))
