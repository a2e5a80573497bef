"""The gatekeeper: callers by token, Basic and Bearer, masquerading, hierarchy and restrictions."""

import base64
import logging
from typing import Any

import pytest

from crossbar_appstore.auth.hierarchy import Identity
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, ExpiredToken, Forbidden, ValidationError
from crossbar_appstore.crossbar.pipeline import Gatekeeper
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.json_codec import JsonObject
from tests.kit.accounts import PASSWORD, Account, User
from tests.kit.auth import AuthParts, context
from tests.kit.system import System


async def caller(parts: AuthParts, token: str, **extra: Any) -> Identity | None:
    asked = context(token=token, **extra)
    await parts.gatekeeper.early(asked)
    identity: Identity | None = asked.identity
    return identity


async def known(parts: AuthParts, token: str, **extra: Any) -> Identity:
    identity = await caller(parts, token, **extra)
    assert identity is not None
    return identity


def basic(account: Account, proof: str) -> str:
    return base64.b64encode(f"{account.id}:{proof}".encode()).decode()


async def by_scheme(parts: AuthParts, scheme: str, token: str, **extra: Any) -> Identity | None:
    asked = context(token=token, scheme=scheme, **extra)
    await parts.gatekeeper.early(asked)
    early: Identity | None = asked.identity
    assert early is None
    await parts.gatekeeper.authenticate(asked)
    identity: Identity | None = asked.identity
    return identity


async def asks(parts: AuthParts, identity: Identity | None, path: str, verb: str = "GET") -> bool:
    asked = context(path, verb=verb)
    asked.identity = identity
    await parts.gatekeeper.account(asked)
    return await parts.gatekeeper.authorize(asked)


async def test_gatekeeper_implements_the_frameworks_protocol(parts: AuthParts) -> None:
    gatekeeper: Gatekeeper = parts.gatekeeper
    asked = context()
    await gatekeeper.early(asked)
    await gatekeeper.account(asked)
    await gatekeeper.authenticate(asked)
    assert not await gatekeeper.authorize(asked)


# Tokens


async def test_early_identifies_the_user_of_a_valid_token(parts: AuthParts, system: System, sub: Account) -> None:
    identity = await known(parts, system.token(sub.admin))
    assert (identity.account_id, identity.owner_id) == (sub.id, sub.admin.id)
    assert identity.method == "cb_user_auth"
    assert not identity.is_superduper


async def test_early_marks_users_of_the_master_account_as_superduper_admins(parts: AuthParts, system: System) -> None:
    assert (await known(parts, system.token(system.master.user))).is_superduper


@pytest.mark.parametrize("token", ["", "undefined", "garbage", "a.b.c"])
async def test_early_leaves_the_caller_unknown_for_an_invalid_token(parts: AuthParts, token: str) -> None:
    assert await caller(parts, token) is None


async def test_early_ignores_a_token_of_another_scheme(parts: AuthParts, system: System, sub: Account) -> None:
    asked = context(token=system.token(sub.admin), scheme="unknown")
    gatekeeper = parts.gatekeeper
    await gatekeeper.early(asked)
    await gatekeeper.authenticate(asked)
    assert asked.identity is None


async def test_early_raises_for_an_expired_token(parts: AuthParts, system: System, sub: Account) -> None:
    with pytest.raises(ExpiredToken):
        await caller(parts, system.token(sub.admin, exp=1000))


async def test_early_needs_the_account_of_the_account_header(
    parts: AuthParts, system: System, sub: Account, other: Account
) -> None:
    token = system.token(sub.admin)
    assert await caller(parts, token, headers={"X-Auth-Account-ID": sub.id})
    assert await caller(parts, token, headers={"X-Auth-Account-ID": other.id}) is None


async def test_early_raises_for_an_account_whose_trial_has_ended(
    parts: AuthParts, system: System, sub: Account
) -> None:
    await system.change(sub, pvt_trial_expires=1000)
    with pytest.raises(ValidationError) as raised:
        await caller(parts, system.token(sub.admin))
    assert raised.value.data == {"account": {"expired": {"message": "account expired", "cause": 1000}}}


async def test_early_accepts_tokens_of_a_disabled_account(parts: AuthParts, system: System, sub: Account) -> None:
    await system.change(sub, pvt_enabled=False)
    assert await caller(parts, system.token(sub.admin))


async def test_early_raises_while_couchdb_is_unreachable(system: System, sub: Account, unreachable: Couch) -> None:
    with pytest.raises(DatastoreError):
        await caller(AuthParts(unreachable), system.token(sub.admin))


# Masquerading


def masked(system: System, who: User | Account, mask: Any) -> str:
    return system.sign(system.claims(who) | {"as": mask})


def mask(user: User) -> JsonObject:
    return {"account_id": user.account.id, "owner_id": user.id}


def member(account: Account, level: str | None) -> User | Account:
    """The account itself without a level."""
    return account if level is None else {"admin": account.admin, "user": account.user}[level]


async def test_early_masquerades_as_a_descendant(
    parts: AuthParts, system: System, reseller: Account, sub: Account
) -> None:
    identity = await known(parts, masked(system, reseller.admin, mask(sub.admin)))
    assert (identity.account_id, identity.owner_id) == (sub.id, sub.admin.id)
    assert identity.claims["account_id"] == sub.id
    assert not await asks(parts, identity, f"accounts:{reseller.id} apps_store")
    assert await asks(parts, identity, f"accounts:{sub.id} apps_store")


async def test_early_masquerading_superduper_admin_is_no_superduper_admin(
    parts: AuthParts, system: System, sub: Account
) -> None:
    identity = await known(parts, masked(system, system.master.admin, mask(sub.admin)))
    assert not identity.is_superduper


@pytest.mark.parametrize("whose", ["reseller", "other", "sub"])
async def test_early_refuses_to_masquerade_as_another_account(
    parts: AuthParts, system: System, sub: Account, accounts: dict[str, Account], whose: str
) -> None:
    token = masked(system, sub.admin, mask(accounts[whose].admin))
    assert await caller(parts, token) is None


@pytest.mark.parametrize("missing", ["account_id", "owner_id"])
async def test_early_ignores_masquerading_with_one_member(
    parts: AuthParts, system: System, reseller: Account, sub: Account, missing: str
) -> None:
    half = {name: value for name, value in mask(sub.admin).items() if name != missing}
    assert (await known(parts, masked(system, reseller.admin, half))).account_id == reseller.id


@pytest.mark.parametrize("nonsense", ["text", 5, []])
async def test_early_ignores_masquerading_that_is_no_object(
    parts: AuthParts, system: System, reseller: Account, nonsense: Any
) -> None:
    assert (await known(parts, masked(system, reseller.admin, nonsense))).account_id == reseller.id


@pytest.mark.parametrize("part", [{"owner_id": None}, {"owner_id": ""}, {"owner_id": 5}, {"account_id": None}])
async def test_early_refuses_to_masquerade_without_a_user(
    parts: AuthParts, system: System, reseller: Account, sub: Account, part: JsonObject
) -> None:
    token = masked(system, reseller.admin, mask(sub.admin) | part)
    assert await caller(parts, token) is None


async def test_early_refuses_to_masquerade_as_a_deleted_account(
    parts: AuthParts, system: System, reseller: Account, sub: Account
) -> None:
    await system.change(sub, pvt_deleted=True)
    assert await caller(parts, masked(system, reseller.admin, mask(sub.admin))) is None


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
async def test_may_write_needs_an_administrator_or_an_api_key(
    parts: AuthParts, system: System, sub: Account, level: str | None, claims: JsonObject, allowed: bool
) -> None:
    identity = await known(parts, system.token(member(sub, level), **claims))
    assert await parts.gatekeeper.may_write(identity) is allowed
    assert await AuthParts(system.couch, writes_need_admin=False).gatekeeper.may_write(identity)
    assert await parts.gatekeeper.is_account_admin(identity) is (allowed and level == "admin")


@pytest.mark.parametrize(
    ("behind", "face", "allowed"),
    [("admin", "admin", True), ("user", "admin", False), ("admin", "user", False), (None, "admin", True)],
)
async def test_may_write_when_masquerading_needs_two_administrators(
    parts: AuthParts, system: System, reseller: Account, sub: Account, behind: str | None, face: str, allowed: bool
) -> None:
    identity = await known(
        parts, masked(system, member(reseller, behind), mask(sub.admin if face == "admin" else sub.user))
    )
    assert await parts.gatekeeper.may_write(identity) is allowed


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
async def test_authenticate_basic_follows_basic_auth_type(
    parts: AuthParts, system: System, sub: Account, kind: str | None, proof: Any
) -> None:
    if kind is not None:
        await system.config("crossbar.auth", basic_auth_type=kind)
    user = sub.user.document
    identity = await by_scheme(parts, "basic", basic(sub, proof(user)))
    assert identity is not None
    assert (identity.account_id, identity.owner_id, identity.method) == (sub.id, user["_id"], "cb_basic_auth")


@pytest.mark.parametrize("token", ["", "garbage", "YTpi", basic.__name__])
async def test_authenticate_basic_refuses_a_malformed_token(parts: AuthParts, token: str) -> None:
    assert await by_scheme(parts, "basic", token) is None


async def test_authenticate_basic_refuses_a_wrong_hash(parts: AuthParts, sub: Account, other: Account) -> None:
    assert await by_scheme(parts, "basic", basic(sub, "zzz")) is None
    assert await by_scheme(parts, "basic", basic(other, sub.admin.document["pvt_md5_auth"])) is None


async def test_authenticate_basic_by_password_needs_name_and_password(
    parts: AuthParts, system: System, sub: Account
) -> None:
    await system.config("crossbar.auth", basic_auth_type="plain")
    assert await by_scheme(parts, "basic", basic(sub, sub.admin.name)) is None


async def test_authenticate_basic_refuses_a_hash_of_two_users(parts: AuthParts, system: System, sub: Account) -> None:
    admin = sub.admin.document
    await system.change_user(sub.user, pvt_md5_auth=admin["pvt_md5_auth"])
    assert await by_scheme(parts, "basic", basic(sub, admin["pvt_md5_auth"])) is None


async def test_authenticate_basic_is_cached_until_the_password_changes(
    parts: AuthParts, system: System, sub: Account
) -> None:
    user = sub.admin.document
    old = user["pvt_md5_auth"]
    assert await by_scheme(parts, "basic", basic(sub, old))
    assert await by_scheme(parts, "basic", basic(sub, old))
    asked = parts.store.statistics.requests
    assert await by_scheme(parts, "basic", basic(sub, old))
    assert parts.store.statistics.requests == asked
    await system.change_user(sub.admin, pvt_md5_auth="f" * 32)
    assert await by_scheme(parts, "basic", basic(sub, old)) is None
    assert await by_scheme(parts, "basic", basic(sub, "f" * 32))


async def test_authenticate_basic_cache_is_bounded(
    system: System, sub: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbar_appstore.auth.credentials._CACHED", 1)
    parts = AuthParts(system.couch)
    first, second = (basic(sub, user.document["pvt_md5_auth"]) for user in sub.users)
    assert await by_scheme(parts, "basic", first)
    assert await by_scheme(parts, "basic", second)
    asked = parts.store.statistics.requests
    assert await by_scheme(parts, "basic", first)
    assert parts.store.statistics.requests > asked


async def test_authenticate_basic_raises_for_an_account_whose_trial_has_ended(
    parts: AuthParts, system: System, sub: Account
) -> None:
    await system.change(sub, pvt_trial_expires=1000)
    with pytest.raises(ValidationError):
        await by_scheme(parts, "basic", basic(sub, sub.admin.document["pvt_md5_auth"]))


async def test_authenticate_bearer_names_a_stored_token(parts: AuthParts, system: System, sub: Account) -> None:
    name = "bearer"
    await system.put("system_auth", {"_id": name, "Token": system.token(sub.admin)})
    identity = await by_scheme(parts, "bearer", name)
    assert identity is not None
    assert identity.account_id == sub.id


@pytest.mark.parametrize("stored", [{}, {"Token": ""}, {"Token": 5}, {"Token": "garbage"}, {"pvt_deleted": True}])
async def test_authenticate_bearer_refuses_a_document_without_a_valid_token(
    parts: AuthParts, system: System, stored: JsonObject
) -> None:
    name = "bearer"
    await system.put("system_auth", {"_id": name, **stored})
    assert await by_scheme(parts, "bearer", name) is None


async def test_authenticate_bearer_refuses_the_token_itself(parts: AuthParts, system: System, sub: Account) -> None:
    assert await by_scheme(parts, "bearer", system.token(sub.admin)) is None
    assert await by_scheme(parts, "bearer", "_all_docs") is None


async def test_authenticate_bearer_raises_for_an_expired_token(parts: AuthParts, system: System, sub: Account) -> None:
    name = "bearer"
    await system.put("system_auth", {"_id": name, "Token": system.token(sub.admin, exp=1000)})
    with pytest.raises(ExpiredToken):
        await by_scheme(parts, "bearer", name)


# Accounts


async def test_account_loads_the_account_of_the_path(parts: AuthParts, sub: Account) -> None:
    asked = context(f"accounts:{sub.id} apps_store")
    await parts.gatekeeper.account(asked)
    assert asked.account is not None
    assert asked.account["name"] == sub.document["name"]


async def test_account_loads_a_soft_deleted_account(parts: AuthParts, system: System, sub: Account) -> None:
    await system.change(sub, pvt_deleted=True)
    asked = context(f"accounts:{sub.id} apps_store")
    await parts.gatekeeper.account(asked)
    assert asked.account is not None


@pytest.mark.parametrize("account_id", ["0" * 32, "A" * 32, "/" * 32, "é" * 16, "_" + "x" * 31, "." * 32, "é" * 32])
async def test_account_raises_for_a_missing_account(parts: AuthParts, account_id: str) -> None:
    with pytest.raises(BadIdentifier) as raised:
        await parts.gatekeeper.account(context(f"accounts:{account_id} apps_store"))
    assert raised.value.data == {"cause": account_id, "message": "bad identifier"}


async def test_account_raises_while_couchdb_is_unreachable(sub: Account, unreachable: Couch) -> None:
    with pytest.raises(DatastoreError):
        await AuthParts(unreachable).gatekeeper.account(context(f"accounts:{sub.id} apps_store"))


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
async def test_authorize_follows_the_account_hierarchy(
    parts: AuthParts, system: System, accounts: dict[str, Account], who: str, whose: str, allowed: bool
) -> None:
    identity = await known(parts, system.token(accounts[who].user))
    path = f"accounts:{accounts[whose].id} apps_store"
    assert await asks(parts, identity, path) is allowed
    assert await asks(parts, identity, path, "DELETE") is allowed


@pytest.mark.parametrize("noun", ["acls", "rates", "sup"])
async def test_authorize_needs_a_superduper_admin_for_system_endpoints(
    parts: AuthParts, system: System, sub: Account, noun: str
) -> None:
    path = f"accounts:{sub.id} {noun}"
    assert not await asks(parts, await known(parts, system.token(sub.admin)), path)
    assert await asks(parts, await known(parts, system.token(system.master.admin)), path)


async def test_authorize_without_an_account_allows_superduper_admins_and_new_accounts(
    parts: AuthParts, system: System, sub: Account
) -> None:
    user, superduper = (
        await known(parts, system.token(sub.admin)),
        await known(parts, system.token(system.master.admin)),
    )
    assert not await asks(parts, user, "apps_store")
    assert not await asks(parts, user, "accounts apps_store")
    assert not await asks(parts, user, "accounts")
    assert await asks(parts, user, "accounts", "PUT")
    assert not await asks(parts, user, "accounts apps_store", "PUT")
    assert await asks(parts, superduper, "apps_store")


async def test_authorize_refuses_an_unknown_caller(parts: AuthParts, sub: Account) -> None:
    assert not await asks(parts, None, f"accounts:{sub.id} apps_store")


# Restrictions


async def restrict(system: System, by_endpoint: JsonObject, method: str = "cb_user_auth", level: str = "_") -> None:
    await system.config("crossbar.token_restrictions", **{method: {level: by_endpoint}})


READ_ONLY: JsonObject = {"apps_store": [{"rules": {"#": ["GET"]}}]}


async def denied(parts: AuthParts, identity: Identity, path: str, verb: str) -> bool:
    try:
        await asks(parts, identity, path, verb)
    except Forbidden as refusal:
        return bool(refusal.data == {"cause": "access denied by token restrictions", "message": "forbidden"})
    return False


async def test_authorize_applies_restrictions_of_the_system(parts: AuthParts, system: System, sub: Account) -> None:
    await restrict(system, READ_ONLY)
    identity = await known(parts, system.token(sub.admin))
    path = f"accounts:{sub.id} apps_store:x"
    assert not await denied(parts, identity, path, "GET")
    assert await denied(parts, identity, path, "PUT")
    assert await denied(parts, identity, f"accounts:{sub.id} users", "GET")
    assert await denied(parts, identity, "token_auth", "GET")


async def test_authorize_does_not_restrict_superduper_admins(parts: AuthParts, system: System, sub: Account) -> None:
    await restrict(system, {})
    assert not await denied(parts, await known(parts, system.token(system.master.admin)), f"accounts:{sub.id} x", "PUT")


async def test_authorize_applies_restrictions_of_the_login_method_or_any(
    parts: AuthParts, system: System, sub: Account
) -> None:
    await restrict(system, {}, "cb_api_auth")
    path = f"accounts:{sub.id} apps_store"
    assert not await denied(parts, await known(parts, system.token(sub.admin)), path, "GET")
    assert await denied(parts, await known(parts, system.token(sub)), path, "GET")
    await restrict(system, {}, "_")
    assert await denied(parts, await known(parts, system.token(sub.admin)), path, "GET")
    without_method = system.token(sub.admin, method=None)
    assert await denied(parts, await known(parts, without_method), path, "GET")


async def test_authorize_prefers_restrictions_of_the_account(
    parts: AuthParts, system: System, reseller: Account, sub: Account
) -> None:
    await restrict(system, {})
    own = {"_id": "token_restrictions", "restrictions": {"cb_user_auth": {"_": READ_ONLY}}}
    await system.put(sub.database, own)
    path = f"accounts:{sub.id} apps_store"
    assert not await denied(parts, await known(parts, system.token(sub.admin)), path, "GET")
    assert await denied(parts, await known(parts, system.token(reseller.admin)), path, "GET")
    await system.put(sub.database, own | {"restrictions": {"cb_api_auth": {"_": READ_ONLY}}})
    assert await denied(parts, await known(parts, system.token(sub.admin)), path, "GET")


async def test_authorize_applies_restrictions_of_the_privilege_level(
    parts: AuthParts, system: System, sub: Account
) -> None:
    await restrict(system, READ_ONLY, level="user")
    path = f"accounts:{sub.id} apps_store"
    assert await denied(parts, await known(parts, system.token(sub.user)), path, "PUT")
    assert not await denied(parts, await known(parts, system.token(sub.admin)), path, "PUT")


async def test_authorize_uses_the_default_level_for_accounts_and_missing_users(
    parts: AuthParts, system: System, sub: Account
) -> None:
    await system.config(
        "crossbar.token_restrictions", cb_api_auth={"admin": {}}, cb_user_auth={"boss": {}}, default_priv_level=""
    )
    path = f"accounts:{sub.id} apps_store"
    assert await denied(parts, await known(parts, system.token(sub)), path, "GET")
    gone = system.token(sub.admin, owner_id="gone", identity_sig=None)
    assert not await denied(parts, await known(parts, gone), path, "GET")
    await system.config("crossbar.token_restrictions", cb_user_auth={"boss": {}}, default_priv_level="boss")
    assert await denied(parts, await known(parts, gone), path, "GET")


async def test_authorize_restrictions_tell_the_own_account_from_descendants(
    parts: AuthParts, system: System, reseller: Account, sub: Account
) -> None:
    rules = [{"allowed_accounts": ["{AUTH_ACCOUNT_ID}"], "rules": {"#": ["GET"]}}]
    await restrict(system, {"apps_store": [*rules, {"allowed_accounts": ["{DESCENDANT_ACCOUNT_ID}"], "rules": {}}]})
    identity = await known(parts, system.token(reseller.admin))
    assert not await denied(parts, identity, f"accounts:{reseller.id} apps_store", "GET")
    assert await denied(parts, identity, f"accounts:{sub.id} apps_store", "GET")


async def test_gatekeeper_logs_no_credential(
    parts: AuthParts, system: System, sub: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = sub.admin.document["pvt_md5_auth"]
    await by_scheme(parts, "basic", basic(sub, secret))
    await by_scheme(parts, "basic", basic(sub, "wrong"))
    await caller(parts, system.token(sub.admin, identity_sig="AAAA"))
    # PouchDB and CouchDB get the hash as a view's key; what is logged must not hold it.
    assert secret not in caplog.text
    assert basic(sub, secret) not in caplog.text


def test_context_of_these_tests_is_the_frameworks() -> None:
    asked: Context = context("accounts:x users:y apps_store:z:icon", token="t")
    assert [(noun.name, noun.params) for noun in asked.nouns] == [
        ("accounts", ("x",)),
        ("users", ("y",)),
        ("apps_store", ("z", "icon")),
    ]
    assert asked.account_id == "x"
