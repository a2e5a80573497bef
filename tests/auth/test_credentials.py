"""Accounts and users by what people type, with KAZOO's views and without them."""

import base64
import hashlib
from typing import Any

import pytest

from crossbar_appstore.auth.credentials import (
    SHA,
    BasicToken,
    Credentials,
    normalize_number,
    parse_basic,
)
from crossbar_appstore.json_codec import JsonObject
from tests.auth.world import Account, Rooms, World

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
async def rooms(request: pytest.FixtureRequest, world: World) -> Rooms:
    if request.param == "with views":
        await world.put("accounts", views("accounts", "account", ACCOUNT_VIEWS))
        for account in world.accounts:
            await world.put(account.database, views("users", "user", USER_VIEWS))
    return Rooms(world)


def hashes(account: Account, level: str = "admin") -> tuple[Credentials, Credentials]:
    user = account.users[level]
    return Credentials(user["pvt_md5_auth"]), Credentials(user["pvt_sha1_auth"], SHA)


async def test_accounts_by_name(rooms: Rooms, world: World) -> None:
    assert await rooms.directory.accounts_by_name(f"Sub {world.tag}") == [world.sub.id]
    assert await rooms.directory.accounts_by_name(f" su-B!{world.tag}") == [world.sub.id]
    assert await rooms.directory.accounts_by_name(f"nobody{world.tag}") == []
    assert await rooms.directory.accounts_by_name("!") == []


async def test_accounts_of_the_same_name(rooms: Rooms, world: World) -> None:
    await world.put("accounts", world.other.document | {"name": f"SUB{world.tag}"})
    assert sorted(await rooms.directory.accounts_by_name(f"sub{world.tag}")) == sorted([world.sub.id, world.other.id])


async def test_accounts_by_realm(rooms: Rooms, world: World) -> None:
    assert await rooms.directory.accounts_by_realm(f"SUB.{world.tag}.test") == [world.sub.id]
    assert await rooms.directory.accounts_by_realm(f"sub.{world.tag}") == []


async def test_accounts_by_api_key(rooms: Rooms, world: World) -> None:
    assert await rooms.directory.account_by_api_key(world.sub.document["pvt_api_key"]) == world.sub.id
    assert await rooms.directory.account_by_api_key("f" * 64) is None


async def test_deleted_accounts_are_not_found(rooms: Rooms, world: World) -> None:
    await world.put("accounts", world.sub.document | {"pvt_deleted": True})
    assert await rooms.directory.accounts_by_name(f"Sub {world.tag}") == []
    assert await rooms.directory.accounts_by_realm(f"sub.{world.tag}.test") == []
    assert await rooms.directory.account_by_api_key(world.sub.document["pvt_api_key"]) is None


async def test_users_by_both_hashes(rooms: Rooms, world: World) -> None:
    for credentials in hashes(world.sub):
        assert await rooms.directory.users(world.sub.id, credentials) == [world.sub.users["admin"]["_id"]]
        assert await rooms.directory.users(world.other.id, credentials) == []
    assert await rooms.directory.users(world.sub.id, Credentials("0" * 32)) == []
    assert await rooms.directory.users(world.sub.id, Credentials(hashes(world.sub)[0].digest, "plain")) == []


@pytest.mark.parametrize("change", [{"enabled": False}, {"pvt_deleted": True}, {"pvt_type": "device"}])
async def test_disabled_and_deleted_users_are_not_found(rooms: Rooms, world: World, change: Any) -> None:
    await world.change(world.sub, world.sub.users["admin"], **change)
    assert await rooms.directory.users(world.sub.id, hashes(world.sub)[0]) == []


async def test_accounts_without_a_database_have_no_users(rooms: Rooms) -> None:
    assert await rooms.directory.users("0" * 32, Credentials("x")) == []


async def test_without_an_accounts_database_there_is_no_account(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossbar_appstore.auth.credentials.ACCOUNTS", f"accounts-{world.tag}")
    rooms = Rooms(world)
    assert await rooms.directory.accounts_by_name("x") == []
    assert await rooms.directory.account_by_api_key("x") is None


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
async def test_accounts_by_phone_number(world: World, document: JsonObject, found: bool) -> None:
    rooms = Rooms(world)
    database = "numbers/+1415"
    await world.couch.create_database(database)
    try:
        stored = {
            name: world.sub.id if value is True and "assigned" in name else value for name, value in document.items()
        }
        await world.put(database, {"_id": "+14158867900", **stored})
        expected = world.sub.id if found else None
        assert await rooms.directory.account_by_number("(415) 886-7900") == expected
        assert await rooms.directory.account_by_number("+14158867901") is None
        await world.remove(database, "+14158867900")
    finally:
        await world.couch.delete_database(database)


async def test_numbers_without_a_database_belong_to_nobody(world: World) -> None:
    assert await Rooms(world).directory.account_by_number("+999123456") is None
    assert await Rooms(world).directory.account_by_number("no number") is None


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
def test_numbers_become_e164(number: str, normal: str) -> None:
    assert normalize_number(number) == normal


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        (encoded(f"{ACCOUNT}:hash"), BasicToken(ACCOUNT, "hash")),
        (encoded(f"{ACCOUNT}:joe:se:cret"), BasicToken(ACCOUNT, "joe:se:cret")),
        (encoded(f"{ACCOUNT}:hash")[:20] + " " + encoded(f"{ACCOUNT}:hash")[20:], BasicToken(ACCOUNT, "hash")),
        (encoded(f"{ACCOUNT}"), None),
        (encoded("short:hash"), None),
        (encoded(f"{ACCOUNT}:hash").rstrip("=") + "!", None),
        (base64.b64encode(b"\xff" * 40).decode(), None),
        ("é", None),
        ("", None),
    ],
)
def test_basic_tokens_are_account_and_proof(text: str, parsed: BasicToken | None) -> None:
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
def test_the_proof_is_a_hash_or_name_and_password(proof: str, kind: str, credentials: Credentials | None) -> None:
    assert BasicToken(ACCOUNT, proof).credentials(kind) == credentials


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
def test_whose_credentials_they_are(user: Any, theirs: bool) -> None:
    assert Credentials(HASH).belong_to(user) is theirs


def test_credentials_of_an_unknown_method_are_nobodys() -> None:
    assert not Credentials(HASH, "plain").belong_to(USER)
    assert Credentials("s", SHA).belong_to(USER)
