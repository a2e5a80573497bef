"""Accounts and users by what people type, with KAZOO's views and without them."""

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from crossbar_appstore.auth.credentials import (
    SHA,
    Credentials,
    Directory,
    credentials_of,
    normalize_number,
    parse_basic,
)
from crossbar_appstore.json_codec import JsonObject
from tests.kit.accounts import Account
from tests.kit.auth import AuthParts
from tests.kit.system import System

ACCOUNT = "a" * 32
HASH = hashlib.md5(b"joe:secret", usedforsecurity=False).hexdigest()
USER = {"pvt_type": "user", "enabled": True, "pvt_md5_auth": HASH, "pvt_sha1_auth": "s"}

ACCOUNT_VIEWS = {
    "listing_by_name": "doc.name.toLowerCase().replace(/[^a-z0-9]/g, '')",
    "listing_by_realm": "doc.realm.toLowerCase()",
    "listing_by_api": "doc.pvt_api_key",
}
USER_VIEWS = {"creds_by_md5": "doc.pvt_md5_auth", "creds_by_sha": "doc.pvt_sha1_auth"}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def views(design: str, pvt_type: str, keys: dict[str, str]) -> JsonObject:
    """A design document that emits the account id, as KAZOO's do, for live documents of a type."""
    guard = f"if (doc.pvt_type != '{pvt_type}' || doc.pvt_deleted || doc.enabled === false) return;"
    maps = {
        name: {"map": f"function(doc) {{ {guard} emit({key}, {{'account_id': doc.pvt_account_id}}); }}"}
        for name, key in keys.items()
    }
    return {"_id": f"_design/{design}", "language": "javascript", "views": maps}


@pytest.fixture(params=["with views", "without views"])
async def directory(
    request: pytest.FixtureRequest, parts: AuthParts, system: System, accounts: dict[str, Account]
) -> AsyncIterator[Directory]:
    if request.param == "without views":
        yield parts.directory
        return
    await system.put("accounts", views("accounts", "account", ACCOUNT_VIEWS))
    for account in accounts.values():
        await system.put(account.database, views("users", "user", USER_VIEWS))
    yield parts.directory
    await system.remove("accounts", "_design/accounts")


def hashes(account: Account) -> tuple[Credentials, Credentials]:
    user = account.admin.document
    return Credentials(user["pvt_md5_auth"]), Credentials(user["pvt_sha1_auth"], SHA)


async def test_accounts_by_name_compares_letters_and_digits(directory: Directory, sub: Account) -> None:
    assert await directory.accounts_by_name(sub.name) == [sub.id]
    assert await directory.accounts_by_name(f" {sub.name.upper()}!-") == [sub.id]
    assert await directory.accounts_by_name(f"nobody {sub.name}") == []
    assert await directory.accounts_by_name("!") == []


async def test_accounts_by_name_finds_all_accounts_of_a_name(
    directory: Directory, system: System, sub: Account, other: Account
) -> None:
    await system.put("accounts", other.document | {"name": f"{sub.name.upper()}!"})
    assert sorted(await directory.accounts_by_name(sub.name)) == sorted([sub.id, other.id])


async def test_accounts_by_realm_compares_in_lower_case(directory: Directory, sub: Account) -> None:
    assert await directory.accounts_by_realm(sub.document["realm"].upper()) == [sub.id]
    assert await directory.accounts_by_realm(sub.document["realm"][:-1]) == []


async def test_account_by_api_key(directory: Directory, sub: Account) -> None:
    assert await directory.account_by_api_key(sub.document["pvt_api_key"]) == sub.id
    assert await directory.account_by_api_key("f" * 64) is None


async def test_accounts_by_name_realm_and_api_key_skip_deleted_accounts(
    directory: Directory, system: System, sub: Account
) -> None:
    await system.put("accounts", sub.document | {"pvt_deleted": True})
    assert await directory.accounts_by_name(sub.name) == []
    assert await directory.accounts_by_realm(sub.document["realm"]) == []
    assert await directory.account_by_api_key(sub.document["pvt_api_key"]) is None


async def test_users_by_md5_and_sha1_hash(directory: Directory, sub: Account, other: Account) -> None:
    for credentials in hashes(sub):
        assert await directory.users(sub.id, credentials) == [sub.admin.id]
        assert await directory.users(other.id, credentials) == []
    assert await directory.users(sub.id, Credentials("0" * 32)) == []
    assert await directory.users(sub.id, Credentials(hashes(sub)[0].digest, "plain")) == []


@pytest.mark.parametrize("change", [{"enabled": False}, {"pvt_deleted": True}, {"pvt_type": "device"}])
async def test_users_skips_disabled_and_deleted_users(
    directory: Directory, system: System, sub: Account, change: Any
) -> None:
    await system.change_user(sub.admin, **change)
    assert await directory.users(sub.id, hashes(sub)[0]) == []


async def test_users_without_the_accounts_database(directory: Directory) -> None:
    assert await directory.users("0" * 32, Credentials("x")) == []


async def test_accounts_without_the_database_accounts(
    parts: AuthParts, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbar_appstore.auth.credentials.ACCOUNTS", "accounts-of-nobody")
    assert await parts.directory.accounts_by_name("x") == []
    assert await parts.directory.account_by_api_key("x") is None


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"pvt_assigned_to": True}, True),
        ({"assigned_to": True, "pvt_state": "in_service"}, True),
        ({"pvt_assigned_to": True, "pvt_state": "port_in"}, True),
        ({"pvt_assigned_to": True, "pvt_state": "reserved"}, False),
        ({"pvt_assigned_to": True, "pvt_deleted": True}, False),
        ({"pvt_assigned_to": "nobody"}, False),
        ({}, False),
    ],
)
async def test_account_by_number_needs_a_number_in_service(
    parts: AuthParts, system: System, sub: Account, document: JsonObject, found: bool
) -> None:
    database = "numbers/+1415"
    await system.couch.create_database(database)
    try:
        stored = {name: sub.id if value is True and "assigned" in name else value for name, value in document.items()}
        await system.put(database, {"_id": "+14158867900", **stored})
        expected = sub.id if found else None
        assert await parts.directory.account_by_number("(415) 886-7900") == expected
        assert await parts.directory.account_by_number("+14158867901") is None
        await system.remove(database, "+14158867900")
    finally:
        await system.couch.delete_database(database)


async def test_account_by_number_without_the_numbers_database(parts: AuthParts) -> None:
    assert await parts.directory.account_by_number("+999123456") is None
    assert await parts.directory.account_by_number("no number") is None


@pytest.mark.parametrize(
    ("number", "normal"),
    [
        ("4158867900", "+14158867900"),
        ("14158867900", "+14158867900"),
        ("+1 (415) 886-7900", "+14158867900"),
        ("+442079460000", "+442079460000"),
        ("00442079460000", "+442079460000"),
        ("011442079460000", "+442079460000"),
        ("1234", "1234"),
        ("", ""),
    ],
)
def test_normalize_number_gives_e164(number: str, normal: str) -> None:
    assert normalize_number(number) == normal


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        (encoded(f"{ACCOUNT}:hash"), (ACCOUNT, "hash")),
        (encoded(f"{ACCOUNT}:joe:se:cret"), (ACCOUNT, "joe:se:cret")),
        (encoded(f"{ACCOUNT}:hash")[:20] + " " + encoded(f"{ACCOUNT}:hash")[20:], (ACCOUNT, "hash")),
        (encoded(f"{ACCOUNT}"), None),
        (encoded("short:hash"), None),
        (encoded(f"{ACCOUNT}:hash").rstrip("=") + "!", None),
        (base64.b64encode(b"\xff" * 40).decode(), None),
        ("é", None),
        ("", None),
    ],
)
def test_parse_basic_gives_account_and_proof(text: str, parsed: tuple[str, str] | None) -> None:
    assert parse_basic(text) == parsed


@pytest.mark.parametrize(
    ("proof", "kind", "credentials"),
    [
        (HASH, "md5", Credentials(HASH)),
        ("s", "sha", Credentials("s", SHA)),
        ("joe:secret", "plain", Credentials(HASH)),
        ("joe", "plain", None),
    ],
)
def test_credentials_of_a_hash_or_name_and_password(proof: str, kind: str, credentials: Credentials | None) -> None:
    assert credentials_of(proof, kind) == credentials


@pytest.mark.parametrize(
    ("user", "theirs"),
    [
        (USER, True),
        ({**USER, "enabled": []}, True),
        ({**USER, "enabled": "no"}, True),
        ({**USER, "enabled": 0}, False),
        ({**USER, "enabled": ""}, False),
        ({**USER, "enabled": None}, False),
        ({**USER, "pvt_md5_auth": "other"}, False),
        ({**USER, "pvt_type": "device"}, False),
        ({**USER, "pvt_deleted": True}, False),
        ({name: value for name, value in USER.items() if name != "enabled"}, False),
        (None, False),
    ],
)
def test_credentials_belong_to_an_enabled_user_with_the_hash(user: Any, theirs: bool) -> None:
    assert Credentials(HASH).belong_to(user) is theirs


def test_credentials_of_unknown_method_find_no_caller() -> None:
    assert not Credentials(HASH, "plain").belong_to(USER)
    assert Credentials("s", SHA).belong_to(USER)
