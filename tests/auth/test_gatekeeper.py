"""The gatekeeper: callers by token, Basic and Bearer, masquerading, hierarchy and restrictions."""

import base64
import logging
from typing import Any

import pytest

from crossbar_appstore.auth.identity import Identity
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, ExpiredToken, Forbidden, ValidationError
from crossbar_appstore.crossbar.pipeline import Gatekeeper
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.json_codec import JsonObject
from tests.auth.world import PASSWORD, Account, Rooms, World, context, open_couch


async def caller(rooms: Rooms, token: str, **extra: Any) -> Identity | None:
    asked = context(token=token, **extra)
    await rooms.gatekeeper.early(asked)
    identity: Identity | None = asked.identity
    return identity


async def known(rooms: Rooms, token: str, **extra: Any) -> Identity:
    identity = await caller(rooms, token, **extra)
    assert identity is not None
    return identity


def basic(account: Account, proof: str) -> str:
    return base64.b64encode(f"{account.id}:{proof}".encode()).decode()


async def by_scheme(rooms: Rooms, scheme: str, token: str, **extra: Any) -> Identity | None:
    asked = context(token=token, scheme=scheme, **extra)
    await rooms.gatekeeper.early(asked)
    early: Identity | None = asked.identity
    assert early is None
    await rooms.gatekeeper.authenticate(asked)
    identity: Identity | None = asked.identity
    return identity


async def asks(rooms: Rooms, identity: Identity | None, path: str, verb: str = "GET") -> bool:
    asked = context(path, verb=verb)
    asked.identity = identity
    await rooms.gatekeeper.account(asked)
    return await rooms.gatekeeper.authorize(asked)


async def test_it_keeps_the_frameworks_contract(world: World) -> None:
    gatekeeper: Gatekeeper = Rooms(world).gatekeeper
    asked = context()
    await gatekeeper.early(asked)
    await gatekeeper.account(asked)
    await gatekeeper.authenticate(asked)
    assert not await gatekeeper.authorize(asked)


# Tokens


async def test_a_good_token_names_its_user(world: World) -> None:
    identity = await known(Rooms(world), world.token(world.sub))
    assert (identity.account_id, identity.owner_id) == (world.sub.id, world.sub.users["admin"]["_id"])
    assert identity.method == "cb_user_auth"
    assert not identity.is_superduper


async def test_users_of_the_master_account_are_superduper_admins(world: World) -> None:
    assert (await known(Rooms(world), world.token(world.master, "user"))).is_superduper


@pytest.mark.parametrize("token", ["", "undefined", "garbage", "a.b.c"])
async def test_a_bad_token_leaves_the_caller_unknown(world: World, token: str) -> None:
    assert await caller(Rooms(world), token) is None


async def test_a_token_in_another_scheme_is_not_looked_at_early(world: World) -> None:
    asked = context(token=world.token(world.sub), scheme="unknown")
    gatekeeper = Rooms(world).gatekeeper
    await gatekeeper.early(asked)
    await gatekeeper.authenticate(asked)
    assert asked.identity is None


async def test_an_expired_token_is_told(world: World) -> None:
    with pytest.raises(ExpiredToken):
        await caller(Rooms(world), world.token(world.sub, exp=1000))


async def test_the_account_header_must_agree(world: World) -> None:
    rooms, token = Rooms(world), world.token(world.sub)
    assert await caller(rooms, token, headers={"X-Auth-Account-ID": world.sub.id})
    assert await caller(rooms, token, headers={"X-Auth-Account-ID": world.other.id}) is None


async def test_an_ended_trial_is_told(world: World) -> None:
    await world.change(world.sub, world.sub.document, pvt_trial_expires=1000)
    with pytest.raises(ValidationError) as raised:
        await caller(Rooms(world), world.token(world.sub))
    assert raised.value.data == {"account": {"expired": {"message": "account expired", "cause": 1000}}}


async def test_a_disabled_accounts_tokens_keep_working(world: World) -> None:
    await world.change(world.sub, world.sub.document, pvt_enabled=False)
    assert await caller(Rooms(world), world.token(world.sub))


async def test_without_a_datastore_nobody_is_called_unknown(world: World) -> None:
    async with open_couch("http://127.0.0.1:1") as nowhere:
        with pytest.raises(DatastoreError):
            await caller(Rooms(world, couch=nowhere), world.token(world.sub))


# Masquerading


def masked(world: World, account: Account, level: str | None = "admin", *, mask: Any) -> str:
    return world.sign(world.claims(account, level) | {"as": mask})


def mask(account: Account, level: str = "admin") -> JsonObject:
    return {"account_id": account.id, "owner_id": account.users[level]["_id"]}


async def test_a_mask_of_a_descendant_is_worn(world: World) -> None:
    rooms = Rooms(world)
    identity = await known(rooms, masked(world, world.reseller, mask=mask(world.sub)))
    assert (identity.account_id, identity.owner_id) == (world.sub.id, world.sub.users["admin"]["_id"])
    assert identity.claims["account_id"] == world.sub.id
    assert not await asks(rooms, identity, f"accounts:{world.reseller.id} apps_store")
    assert await asks(rooms, identity, f"accounts:{world.sub.id} apps_store")


async def test_a_superduper_admin_in_a_mask_is_none(world: World) -> None:
    identity = await known(Rooms(world), masked(world, world.master, mask=mask(world.sub)))
    assert not identity.is_superduper


@pytest.mark.parametrize("whose", ["reseller", "other", "sub"])
async def test_a_mask_of_anybody_else_is_refused(world: World, whose: str) -> None:
    token = masked(world, world.sub, mask=mask(getattr(world, whose)))
    assert await caller(Rooms(world), token) is None


@pytest.mark.parametrize("missing", ["account_id", "owner_id"])
async def test_half_a_mask_is_ignored(world: World, missing: str) -> None:
    half = {name: value for name, value in mask(world.sub).items() if name != missing}
    assert (await known(Rooms(world), masked(world, world.reseller, mask=half))).account_id == world.reseller.id


@pytest.mark.parametrize("nonsense", ["text", 5, []])
async def test_nonsense_is_no_mask(world: World, nonsense: Any) -> None:
    assert (await known(Rooms(world), masked(world, world.reseller, mask=nonsense))).account_id == world.reseller.id


@pytest.mark.parametrize("part", [{"owner_id": None}, {"owner_id": ""}, {"owner_id": 5}, {"account_id": None}])
async def test_a_mask_without_a_face_is_refused(world: World, part: JsonObject) -> None:
    token = masked(world, world.reseller, mask=mask(world.sub) | part)
    assert await caller(Rooms(world), token) is None


async def test_a_mask_of_a_deleted_account_is_refused(world: World) -> None:
    await world.change(world.sub, world.sub.document, pvt_deleted=True)
    assert await caller(Rooms(world), masked(world, world.reseller, mask=mask(world.sub))) is None


# Writing


@pytest.mark.parametrize(
    ("level", "claims", "allowed"),
    [
        ("admin", {}, True),
        ("user", {}, False),
        (None, {}, True),
        ("admin", {"owner_id": "gone", "identity_sig": None}, False),
    ],
)
async def test_writing_needs_an_administrator_or_an_account(
    world: World, level: str | None, claims: JsonObject, allowed: bool
) -> None:
    rooms, free = Rooms(world), Rooms(world, writes_need_admin=False)
    identity = await known(rooms, world.token(world.sub, level, **claims))
    assert await rooms.gatekeeper.may_write(identity) is allowed
    assert await free.gatekeeper.may_write(identity)
    assert await rooms.gatekeeper.is_account_admin(identity) is (allowed and level == "admin")


@pytest.mark.parametrize(
    ("behind", "face", "allowed"),
    [("admin", "admin", True), ("user", "admin", False), ("admin", "user", False), (None, "admin", True)],
)
async def test_no_mask_gives_a_user_the_right_to_write(
    world: World, behind: str | None, face: str, allowed: bool
) -> None:
    rooms = Rooms(world)
    identity = await known(rooms, masked(world, world.reseller, behind, mask=mask(world.sub, face)))
    assert await rooms.gatekeeper.may_write(identity) is allowed


# Basic and Bearer


@pytest.mark.parametrize(
    ("kind", "proof"),
    [
        (None, lambda user: user["pvt_md5_auth"]),
        ("md5", lambda user: user["pvt_md5_auth"]),
        ("sha", lambda user: user["pvt_sha1_auth"]),
        ("plain", lambda user: f"{user['username']}:{PASSWORD}"),
    ],
)
async def test_basic_takes_what_the_settings_say(world: World, kind: str | None, proof: Any) -> None:
    if kind is not None:
        await world.config("crossbar.auth", basic_auth_type=kind)
    user = world.sub.users["user"]
    identity = await by_scheme(Rooms(world), "basic", basic(world.sub, proof(user)))
    assert identity is not None
    assert (identity.account_id, identity.owner_id, identity.method) == (world.sub.id, user["_id"], "cb_basic_auth")


@pytest.mark.parametrize("token", ["", "garbage", "YTpi", basic.__name__])
async def test_basic_without_account_and_proof_is_nobody(world: World, token: str) -> None:
    assert await by_scheme(Rooms(world), "basic", token) is None


async def test_basic_with_a_wrong_hash_is_nobody(world: World) -> None:
    rooms = Rooms(world)
    assert await by_scheme(rooms, "basic", basic(world.sub, "zzz")) is None
    assert await by_scheme(rooms, "basic", basic(world.other, world.sub.users["admin"]["pvt_md5_auth"])) is None


async def test_basic_by_name_and_password_needs_both(world: World) -> None:
    await world.config("crossbar.auth", basic_auth_type="plain")
    assert await by_scheme(Rooms(world), "basic", basic(world.sub, "sub-admin")) is None


async def test_two_users_with_one_hash_are_nobody(world: World) -> None:
    admin = world.sub.users["admin"]
    await world.change(world.sub, world.sub.users["user"], pvt_md5_auth=admin["pvt_md5_auth"])
    assert await by_scheme(Rooms(world), "basic", basic(world.sub, admin["pvt_md5_auth"])) is None


async def test_a_basic_user_is_remembered_until_the_password_changes(world: World) -> None:
    rooms = Rooms(world)
    user = world.sub.users["admin"]
    old = user["pvt_md5_auth"]
    assert await by_scheme(rooms, "basic", basic(world.sub, old))
    assert await by_scheme(rooms, "basic", basic(world.sub, old))
    asked = rooms.store.counters.requests
    assert await by_scheme(rooms, "basic", basic(world.sub, old))
    assert rooms.store.counters.requests == asked
    await world.change(world.sub, user, pvt_md5_auth="f" * 32)
    assert await by_scheme(rooms, "basic", basic(world.sub, old)) is None
    assert await by_scheme(rooms, "basic", basic(world.sub, "f" * 32))


async def test_memory_of_basic_users_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossbar_appstore.auth.basic._REMEMBERED", 1)
    rooms = Rooms(world)
    first, second = (basic(world.sub, world.sub.users[level]["pvt_md5_auth"]) for level in ("admin", "user"))
    assert await by_scheme(rooms, "basic", first)
    assert await by_scheme(rooms, "basic", second)
    asked = rooms.store.counters.requests
    assert await by_scheme(rooms, "basic", first)
    assert rooms.store.counters.requests > asked


async def test_basic_in_an_account_whose_trial_ended_is_told(world: World) -> None:
    await world.change(world.sub, world.sub.document, pvt_trial_expires=1000)
    with pytest.raises(ValidationError):
        await by_scheme(Rooms(world), "basic", basic(world.sub, world.sub.users["admin"]["pvt_md5_auth"]))


async def test_bearer_names_a_stored_token(world: World) -> None:
    name = f"bearer-{world.tag}"
    await world.put("system_auth", {"_id": name, "Token": world.token(world.sub)})
    identity = await by_scheme(Rooms(world), "bearer", name)
    assert identity is not None
    assert identity.account_id == world.sub.id


@pytest.mark.parametrize("stored", [{}, {"Token": ""}, {"Token": 5}, {"Token": "garbage"}, {"pvt_deleted": True}])
async def test_bearer_that_names_no_token_is_nobody(world: World, stored: JsonObject) -> None:
    name = f"bearer-{world.tag}"
    await world.put("system_auth", {"_id": name, **stored})
    assert await by_scheme(Rooms(world), "bearer", name) is None


async def test_bearer_is_no_way_to_send_a_token(world: World) -> None:
    assert await by_scheme(Rooms(world), "bearer", world.token(world.sub)) is None
    assert await by_scheme(Rooms(world), "bearer", "_all_docs") is None


async def test_bearer_of_an_expired_token_is_told(world: World) -> None:
    name = f"bearer-{world.tag}"
    await world.put("system_auth", {"_id": name, "Token": world.token(world.sub, exp=1000)})
    with pytest.raises(ExpiredToken):
        await by_scheme(Rooms(world), "bearer", name)


# Accounts


async def test_the_account_of_the_path_is_loaded(world: World) -> None:
    asked = context(f"accounts:{world.sub.id} apps_store")
    await Rooms(world).gatekeeper.account(asked)
    assert asked.account is not None
    assert asked.account["name"] == world.sub.document["name"]


async def test_a_soft_deleted_account_is_one(world: World) -> None:
    await world.change(world.sub, world.sub.document, pvt_deleted=True)
    asked = context(f"accounts:{world.sub.id} apps_store")
    await Rooms(world).gatekeeper.account(asked)
    assert asked.account is not None


@pytest.mark.parametrize("account_id", ["0" * 32, "A" * 32, "/" * 32, "é" * 16, "_" + "x" * 31, "." * 32, "é" * 32])
async def test_an_account_that_is_not_there_is_told(world: World, account_id: str) -> None:
    with pytest.raises(BadIdentifier) as raised:
        await Rooms(world).gatekeeper.account(context(f"accounts:{account_id} apps_store"))
    assert raised.value.data == {"cause": account_id, "message": "bad identifier"}


async def test_an_account_that_cannot_be_read_is_the_datastores_error(world: World) -> None:
    async with open_couch("http://127.0.0.1:1") as nowhere:
        with pytest.raises(DatastoreError):
            await Rooms(world, couch=nowhere).gatekeeper.account(context(f"accounts:{world.sub.id} apps_store"))


# Hierarchy


@pytest.mark.parametrize(
    ("who", "whose", "allowed"),
    [
        ("sub", "sub", True),
        ("reseller", "sub", True),
        ("master", "sub", True),
        ("sub", "reseller", False),
        ("sub", "master", False),
        ("other", "sub", False),
        ("reseller", "other", False),
        ("master", "master", True),
    ],
)
async def test_who_may_address_whose_account(world: World, who: str, whose: str, allowed: bool) -> None:
    rooms = Rooms(world)
    identity = await known(rooms, world.token(getattr(world, who), "user"))
    path = f"accounts:{getattr(world, whose).id} apps_store"
    assert await asks(rooms, identity, path) is allowed
    assert await asks(rooms, identity, path, "DELETE") is allowed


@pytest.mark.parametrize("noun", ["acls", "rates", "sup"])
async def test_some_endpoints_are_for_the_system_alone(world: World, noun: str) -> None:
    rooms = Rooms(world)
    path = f"accounts:{world.sub.id} {noun}"
    assert not await asks(rooms, await known(rooms, world.token(world.sub)), path)
    assert await asks(rooms, await known(rooms, world.token(world.master)), path)


async def test_without_an_account_only_the_system_and_new_accounts(world: World) -> None:
    rooms = Rooms(world)
    user, superduper = await known(rooms, world.token(world.sub)), await known(rooms, world.token(world.master))
    assert not await asks(rooms, user, "apps_store")
    assert not await asks(rooms, user, "accounts apps_store")
    assert not await asks(rooms, user, "accounts")
    assert await asks(rooms, user, "accounts", "PUT")
    assert not await asks(rooms, user, "accounts apps_store", "PUT")
    assert await asks(rooms, superduper, "apps_store")


async def test_nobody_may_do_nothing(world: World) -> None:
    assert not await asks(Rooms(world), None, f"accounts:{world.sub.id} apps_store")


# Restrictions


async def restrict(world: World, by_endpoint: JsonObject, method: str = "cb_user_auth", level: str = "_") -> None:
    await world.config("crossbar.token_restrictions", **{method: {level: by_endpoint}})


READ_ONLY: JsonObject = {"apps_store": [{"rules": {"#": ["GET"]}}]}


async def denied(rooms: Rooms, identity: Identity, path: str, verb: str) -> bool:
    try:
        await asks(rooms, identity, path, verb)
    except Forbidden as refusal:
        return bool(refusal.data == {"cause": "access denied by token restrictions", "message": "forbidden"})
    return False


async def test_restrictions_of_the_system(world: World) -> None:
    await restrict(world, READ_ONLY)
    rooms = Rooms(world)
    identity = await known(rooms, world.token(world.sub))
    path = f"accounts:{world.sub.id} apps_store:x"
    assert not await denied(rooms, identity, path, "GET")
    assert await denied(rooms, identity, path, "PUT")
    assert await denied(rooms, identity, f"accounts:{world.sub.id} users", "GET")
    assert await denied(rooms, identity, "token_auth", "GET")


async def test_superduper_admins_are_not_restricted(world: World) -> None:
    await restrict(world, {})
    rooms = Rooms(world)
    assert not await denied(rooms, await known(rooms, world.token(world.master)), f"accounts:{world.sub.id} x", "PUT")


async def test_restrictions_of_another_method_do_not_count_and_those_of_any_do(world: World) -> None:
    await restrict(world, {}, "cb_api_auth")
    rooms = Rooms(world)
    path = f"accounts:{world.sub.id} apps_store"
    assert not await denied(rooms, await known(rooms, world.token(world.sub)), path, "GET")
    assert await denied(rooms, await known(rooms, world.token(world.sub, None)), path, "GET")
    await restrict(world, {}, "_")
    again = Rooms(world)
    assert await denied(again, await known(again, world.token(world.sub)), path, "GET")
    without_method = world.token(world.sub, method=None)
    assert await denied(again, await known(again, without_method), path, "GET")


async def test_restrictions_of_the_account_go_before_those_of_the_system(world: World) -> None:
    await restrict(world, {})
    own = {"_id": "token_restrictions", "restrictions": {"cb_user_auth": {"_": READ_ONLY}}}
    await world.put(world.sub.database, own)
    rooms = Rooms(world)
    path = f"accounts:{world.sub.id} apps_store"
    assert not await denied(rooms, await known(rooms, world.token(world.sub)), path, "GET")
    assert await denied(rooms, await known(rooms, world.token(world.reseller)), path, "GET")
    await world.put(world.sub.database, own | {"restrictions": {"cb_api_auth": {"_": READ_ONLY}}})
    again = Rooms(world)
    assert await denied(again, await known(again, world.token(world.sub)), path, "GET")


async def test_restrictions_go_by_privilege_level(world: World) -> None:
    await restrict(world, READ_ONLY, level="user")
    rooms = Rooms(world)
    path = f"accounts:{world.sub.id} apps_store"
    assert await denied(rooms, await known(rooms, world.token(world.sub, "user")), path, "PUT")
    assert not await denied(rooms, await known(rooms, world.token(world.sub, "admin")), path, "PUT")


async def test_accounts_and_users_who_are_gone_have_the_default_level(world: World) -> None:
    await world.config(
        "crossbar.token_restrictions", cb_api_auth={"admin": {}}, cb_user_auth={"boss": {}}, default_priv_level=""
    )
    rooms = Rooms(world)
    path = f"accounts:{world.sub.id} apps_store"
    assert await denied(rooms, await known(rooms, world.token(world.sub, None)), path, "GET")
    gone = world.token(world.sub, owner_id="gone", identity_sig=None)
    assert not await denied(rooms, await known(rooms, gone), path, "GET")
    await world.config("crossbar.token_restrictions", cb_user_auth={"boss": {}}, default_priv_level="boss")
    again = Rooms(world)
    assert await denied(again, await known(again, gone), path, "GET")


async def test_restrictions_know_the_own_account_and_descendants(world: World) -> None:
    rules = [{"allowed_accounts": ["{AUTH_ACCOUNT_ID}"], "rules": {"#": ["GET"]}}]
    await restrict(world, {"apps_store": [*rules, {"allowed_accounts": ["{DESCENDANT_ACCOUNT_ID}"], "rules": {}}]})
    rooms = Rooms(world)
    identity = await known(rooms, world.token(world.reseller))
    assert not await denied(rooms, identity, f"accounts:{world.reseller.id} apps_store", "GET")
    assert await denied(rooms, identity, f"accounts:{world.sub.id} apps_store", "GET")


async def test_no_credential_reaches_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    rooms = Rooms(world)
    secret = world.sub.users["admin"]["pvt_md5_auth"]
    await by_scheme(rooms, "basic", basic(world.sub, secret))
    await by_scheme(rooms, "basic", basic(world.sub, "wrong"))
    await caller(rooms, world.token(world.sub, identity_sig="AAAA"))
    # PouchDB and CouchDB get the hash as a view's key; what is logged must not hold it.
    assert secret not in caplog.text
    assert basic(world.sub, secret) not in caplog.text


def test_contexts_of_these_tests_are_the_frameworks() -> None:
    asked: Context = context("accounts:x users:y apps_store:z:icon", token="t")
    assert [(noun.name, noun.params) for noun in asked.nouns] == [
        ("accounts", ("x",)),
        ("users", ("y",)),
        ("apps_store", ("z", "icon")),
    ]
    assert asked.account_id == "x"
