"""Callers by their tokens: who they are, and how long that is cached."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from crossbar_appstore.auth.tokens import TokenExpired, TokenRefused
from crossbar_appstore.datastore.errors import Unreachable
from tests.kit.accounts import Account
from tests.kit.auth import AuthParts
from tests.kit.system import System


async def refusal(parts: AuthParts, token: str, account_id: str | None = None) -> str:
    with pytest.raises(TokenRefused) as raised:
        await parts.callers.of_token(token, account_id)
    return raised.value.reason


async def _away(*args: object) -> None:
    raise Unreachable("gone")


async def test_of_token_needs_the_account_of_the_account_header(
    parts: AuthParts, system: System, sub: Account, reseller: Account
) -> None:
    token = system.token(sub.admin)
    assert await parts.callers.of_token(token, sub.id)
    assert await refusal(parts, token, reseller.id) == "account header mismatch"
    assert await parts.callers.of_token(token)


async def test_of_token_that_is_cached_needs_no_request_and_no_verification(
    parts: AuthParts, system: System, sub: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = system.token(sub.admin)
    known = await parts.callers.of_token(token)
    asked = parts.store.statistics.requests
    monkeypatch.setattr("crossbar_appstore.auth.tokens.parse", None)
    assert await parts.callers.of_token(token) is known
    assert parts.store.statistics.requests == asked


async def test_of_token_that_is_cached_expires(parts: AuthParts, system: System, sub: Account) -> None:
    token = system.token(sub.admin)
    assert await parts.callers.of_token(token)
    parts.now += 3601
    with pytest.raises(TokenExpired):
        await parts.callers.of_token(token)


async def test_of_token_ends_with_a_new_secret_of_the_user(parts: AuthParts, system: System, sub: Account) -> None:
    token, other = system.token(sub.admin), system.token(sub.user)
    assert await parts.callers.of_token(token)
    assert await parts.callers.of_token(other)
    await system.change_user(sub.admin, pvt_signature_secret="f" * 32)
    assert await refusal(parts, token) == "identity verifty failed"
    assert await parts.callers.of_token(system.token(sub.admin))
    assert await parts.callers.of_token(other)


async def test_of_token_outlasts_other_changes_of_the_user(parts: AuthParts, system: System, sub: Account) -> None:
    token = system.token(sub.admin)
    assert await parts.callers.of_token(token)
    await system.change_user(sub.admin, first_name="New")
    known = await parts.callers.of_token(token)
    assert await parts.callers.of_token(token) is known


async def test_of_token_has_restrictions_as_they_are_stored_now(parts: AuthParts, system: System, sub: Account) -> None:
    token, rules = system.token(sub.admin), {"apps_store": [{"rules": {"#": ["GET"]}}]}
    unrestricted = await parts.callers.of_token(token)
    assert unrestricted is not None
    assert unrestricted.restrictions is None
    await system.put(sub.database, {"_id": "token_restrictions", "restrictions": {"_": {"_": rules}}})
    restricted = await parts.callers.of_token(token)
    assert restricted is not None
    assert restricted.restrictions == rules
    await system.remove(sub.database, "token_restrictions")
    assert await parts.callers.of_token(token) == unrestricted


async def test_of_token_knows_no_caller_of_a_deleted_account(parts: AuthParts, system: System, sub: Account) -> None:
    token = system.token(sub.admin)
    assert await parts.callers.of_token(token)
    document = await system.couch.open_doc(sub.database, sub.id)
    await system.put(sub.database, document | {"pvt_deleted": True})
    assert await parts.callers.of_token(token) is None


async def test_of_token_ends_with_a_deleted_user(parts: AuthParts, system: System, sub: Account) -> None:
    token = system.token(sub.admin)
    assert await parts.callers.of_token(token)
    await system.change_user(sub.admin, pvt_deleted=True)
    assert await refusal(parts, token) == "identity verifty failed"


async def test_of_token_with_a_signature_ends_with_a_new_secret_of_the_system(
    parts: AuthParts, system: System, sub: Account
) -> None:
    token, bare = system.token(sub.admin), system.token(sub.admin, identity_sig=None)
    assert await parts.callers.of_token(token)
    assert await parts.callers.of_token(bare)
    await system.config("auth", system_key=system.key_id, secret_for_user_signature="other")
    assert await refusal(parts, token) == "identity verifty failed"
    assert await parts.callers.of_token(bare)


async def test_of_token_with_a_signature_is_refused_without_a_secret_of_the_system(
    parts: AuthParts, system: System, sub: Account, other: Account
) -> None:
    await system.config("auth", system_key=system.key_id)
    assert await refusal(parts, system.token(sub.admin)) == "identity verifty failed"
    await system.remove("system_config", "auth")
    assert await refusal(parts, system.token(other.admin)) == "identity verifty failed"


async def test_of_token_ends_with_a_replaced_key(parts: AuthParts, system: System, sub: Account) -> None:
    token = system.token(sub.admin)
    assert await parts.callers.of_token(token)
    system.key = rsa.generate_private_key(65537, 2048)
    await system.put("system_auth", system.key_document())
    assert await refusal(parts, token) == "signature verification failed"
    assert await parts.callers.of_token(system.token(sub.admin))


async def test_of_token_ends_with_a_replaced_key_that_could_not_be_read_at_first(
    parts: AuthParts, system: System, sub: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = system.token(sub.admin)
    assert await parts.callers.of_token(token)
    system.key = rsa.generate_private_key(65537, 2048)
    await system.put("system_auth", system.key_document())
    with monkeypatch.context() as broken:
        broken.setattr(parts.store.couch, "open_attachment", _away)
        assert await parts.callers.of_token(token)
    assert await refusal(parts, token) == "signature verification failed"


async def test_of_token_ends_with_a_removed_key(parts: AuthParts, system: System, sub: Account) -> None:
    token = system.token(sub.admin)
    assert await parts.callers.of_token(token)
    await system.remove("system_auth", system.key_id)
    assert await refusal(parts, token) == "not_found"


async def test_of_token_cache_is_bounded_and_evicts_the_least_recently_used(
    parts: AuthParts, system: System, sub: Account
) -> None:
    tokens = [system.token(sub.admin, n=number) for number in range(6)]
    first = [await parts.callers.of_token(token) for token in tokens]
    again = [await parts.callers.of_token(token) for token in reversed(tokens)]
    assert [new is old for new, old in zip(reversed(again), first, strict=True)] == [False] * 2 + [True] * 4
