"""Tokens against KAZOO's documents in a real CouchDB."""

import json
import logging
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from crossbar_appstore.auth import jws
from crossbar_appstore.auth.tokens import NoSigningKey, TokenExpired, TokenRefused
from crossbar_appstore.datastore.errors import DatastoreError
from tests.auth.world import Rooms, World, open_couch


async def refusal(rooms: Rooms, token: str, account_id: str | None = None) -> str:
    with pytest.raises(TokenRefused) as raised:
        await rooms.tokens.claims(token, account_id)
    return raised.value.reason


async def test_what_kazoo_issues_is_accepted(world: World) -> None:
    rooms = Rooms(world)
    claims = world.claims(world.sub)
    assert await rooms.tokens.claims(world.sign(claims)) == claims


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
async def test_every_algorithm_of_kazoos_is_accepted(world: World, algorithm: str) -> None:
    assert await Rooms(world).tokens.claims(world.sign(world.claims(world.sub), algorithm))


async def test_an_account_alone_is_an_identity_too(world: World) -> None:
    claims = world.claims(world.sub, None)
    assert "owner_id" not in await Rooms(world).tokens.claims(world.sign(claims))


async def test_tokens_without_expiry_and_without_identity_signature_are_accepted(world: World) -> None:
    rooms = Rooms(world)
    assert await rooms.tokens.claims(world.token(world.sub, exp=None))
    assert await rooms.tokens.claims(world.token(world.sub, identity_sig=None))


async def test_issued_tokens_have_kazoos_claims_in_kazoos_order(world: World) -> None:
    rooms = Rooms(world)
    expected = world.claims(world.sub)
    token = await rooms.tokens.issue({name: expected[name] for name in ("account_id", "owner_id", "method", "exp")})
    assert jwt.decode(token, world.key.public_key(), algorithms=["RS256"]) == expected
    header, claims, _ = token.split(".")
    assert list(json.loads(jws.decode_base64url(claims))) == list(expected)
    assert json.loads(jws.decode_base64url(header)) == {"alg": "RS256", "typ": "JWT", "kid": world.key_id}
    assert await rooms.tokens.claims(token) == expected


async def test_an_identity_without_secret_gets_a_token_without_signature(world: World) -> None:
    await world.change(world.sub, world.sub.users["admin"], pvt_signature_secret=None)
    token = await Rooms(world).tokens.issue({"account_id": world.sub.id, "owner_id": world.sub.users["admin"]["_id"]})
    assert "identity_sig" not in jwt.decode(token, options={"verify_signature": False})


async def test_claims_of_no_account_are_not_signed_for(world: World) -> None:
    token = await Rooms(world).tokens.issue({"account_id": "x"})
    assert "identity_sig" not in jwt.decode(token, options={"verify_signature": False})


async def test_without_a_system_key_nobody_can_log_in(world: World) -> None:
    await world.config("auth", secret_for_user_signature=world.server_secret)
    with pytest.raises(NoSigningKey):
        await Rooms(world).tokens.issue({"account_id": world.sub.id})


async def test_without_its_document_the_key_is_not_made(world: World) -> None:
    await world.remove("system_auth", world.key_id)
    with pytest.raises(NoSigningKey):
        await Rooms(world).tokens.issue({"account_id": world.sub.id})
    assert not await world.couch.all_docs("system_auth", keys=["_design/x"])


@pytest.mark.parametrize("text", ["garbage", "0123456789abcdef0123456789abcdef", "a.b.c", "a.b"])
async def test_other_texts_are_refused(world: World, text: str) -> None:
    assert await refusal(Rooms(world), text) == "invalid_token"


async def test_a_damaged_signature_is_refused(world: World) -> None:
    token = world.token(world.sub)
    assert await refusal(Rooms(world), token[:-4] + "AAAA") == "signature verification failed"


@pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "HS256"}, {"typ": "JWT"}, {"alg": ["RS256"]}])
async def test_other_algorithms_are_refused(world: World, header: dict[str, Any]) -> None:
    _, claims, signature = world.token(world.sub).split(".")
    forged = jws.encode_base64url(json.dumps({"kid": world.key_id, **header}).encode())
    assert await refusal(Rooms(world), f"{forged}.{claims}.{signature}") == "jwt algorithm not supported"


@pytest.mark.parametrize("kid", ["unknown", "", "_design/auth", "../accounts", "a/b", None, 5])
async def test_unknown_keys_are_refused_and_not_made(world: World, kid: Any) -> None:
    rooms = Rooms(world)
    header = {"alg": "RS256", "typ": "JWT", "kid": kid}
    signed = f"{jws.encode_base64url(json.dumps(header).encode())}.{world.token(world.sub).split('.')[1]}"
    assert await refusal(rooms, f"{signed}.AAAA") in {"not_found", "invalid jwt"}
    assert isinstance(kid, str) is False or not await world.couch.all_docs("system_auth", keys=[kid or "x"])


async def test_a_key_of_somebody_else_is_refused(world: World) -> None:
    other = rsa.generate_private_key(65537, 2048)
    token = jwt.encode(world.claims(world.sub), other, algorithm="RS256", headers={"kid": world.key_id})
    assert await refusal(Rooms(world), token) == "signature verification failed"


@pytest.mark.parametrize("issuer", ["accounts.google.com", "Kazoo", None, 5])
async def test_other_issuers_are_refused(world: World, issuer: Any) -> None:
    # By hand: the other library would not write such an issuer.
    token = jws.sign({**world.claims(world.sub), "iss": issuer}, world.key_id, world.key)
    assert await refusal(Rooms(world), token) == "invalid jwt"


async def test_expiry_is_looked_at_after_the_signature(world: World) -> None:
    rooms = Rooms(world)
    expired = world.token(world.sub, exp=1000)
    with pytest.raises(TokenExpired):
        await rooms.tokens.claims(expired)
    assert await refusal(rooms, expired[:-4] + "AAAA") == "signature verification failed"


async def test_expiry_is_looked_at_before_the_identity(world: World) -> None:
    with pytest.raises(TokenExpired):
        await Rooms(world).tokens.claims(world.token(world.sub, exp=1000, identity_sig="AAAA"))


@pytest.mark.parametrize("expiry", ["later", True, [], {}])
async def test_an_expiry_that_is_no_number_is_refused(world: World, expiry: Any) -> None:
    token = jws.sign({**world.claims(world.sub), "exp": expiry}, world.key_id, world.key)
    assert await refusal(Rooms(world), token) == "invalid jwt"


@pytest.mark.parametrize("signature", ["AAAA", "", 5, None, "*"])
async def test_a_wrong_identity_signature_is_refused(world: World, signature: Any) -> None:
    token = jws.sign({**world.claims(world.sub), "identity_sig": signature}, world.key_id, world.key)
    assert await refusal(Rooms(world), token) == "identity verifty failed"


async def test_the_identity_signature_may_be_padded(world: World) -> None:
    claims = world.claims(world.sub)
    claims["identity_sig"] += "=" * (-len(claims["identity_sig"]) % 4)
    assert await Rooms(world).tokens.claims(world.sign(claims))


@pytest.mark.parametrize("owner", ["nobody", 5, None])
async def test_an_unknown_identity_is_refused(world: World, owner: Any) -> None:
    token = jws.sign({**world.claims(world.sub), "owner_id": owner}, world.key_id, world.key)
    assert await refusal(Rooms(world), token) == "identity verifty failed"


async def test_a_device_may_be_the_identity(world: World) -> None:
    device = {**world.sub.users["user"], "pvt_type": "device"}
    claims = world.claims(world.sub, "user")
    claims["device_id"] = device["_id"]
    del claims["owner_id"]
    assert await Rooms(world).tokens.claims(world.sign(claims))


@pytest.mark.parametrize("account_id", [None, 5, "short"])
async def test_claims_without_an_account_are_refused(world: World, account_id: Any) -> None:
    claims = {"iss": "kazoo", "owner_id": "x", **({} if account_id is None else {"account_id": account_id})}
    with pytest.raises(TokenRefused) as raised:
        await Rooms(world).tokens.claims(jws.sign(claims, world.key_id, world.key))
    assert raised.value.code == 403


async def test_a_signed_identity_without_an_account_is_refused(world: World) -> None:
    token = jws.sign({"iss": "kazoo", "identity_sig": "AAAA", "owner_id": "x"}, world.key_id, world.key)
    assert await refusal(Rooms(world), token) == "identity verifty failed"


async def test_the_account_header_must_name_the_tokens_account(world: World) -> None:
    rooms = Rooms(world)
    token = world.token(world.sub)
    assert await rooms.tokens.claims(token, world.sub.id)
    assert await refusal(rooms, token, world.reseller.id) == "account header mismatch"
    assert await rooms.tokens.claims(token)


# What was checked once


async def test_a_checked_token_is_answered_from_memory(world: World) -> None:
    rooms = Rooms(world)
    token = world.token(world.sub)
    claims = await rooms.tokens.claims(token)
    asked = rooms.store.counters.requests
    assert await rooms.tokens.claims(token) is claims
    assert rooms.store.counters.requests == asked


async def test_a_remembered_token_still_expires(world: World) -> None:
    rooms = Rooms(world)
    token = world.token(world.sub)
    assert await rooms.tokens.claims(token)
    rooms.now += 3601
    with pytest.raises(TokenExpired):
        await rooms.tokens.claims(token)


async def test_a_new_secret_of_the_user_ends_the_token(world: World) -> None:
    rooms = Rooms(world)
    token, other = world.token(world.sub), world.token(world.sub, "user")
    assert await rooms.tokens.claims(token)
    assert await rooms.tokens.claims(other)
    user = world.sub.users["admin"]
    await world.change(world.sub, user, pvt_signature_secret="f" * 32)
    assert await refusal(rooms, token) == "identity verifty failed"
    assert await rooms.tokens.claims(world.token(world.sub))
    assert await rooms.tokens.claims(other)


async def test_other_changes_of_the_user_do_not(world: World) -> None:
    rooms = Rooms(world)
    token = world.token(world.sub)
    assert await rooms.tokens.claims(token)
    await world.change(world.sub, world.sub.users["admin"], first_name="New")
    claims = await rooms.tokens.claims(token)
    assert await rooms.tokens.claims(token) is claims


async def test_a_deleted_user_ends_the_token(world: World) -> None:
    rooms = Rooms(world)
    token = world.token(world.sub)
    assert await rooms.tokens.claims(token)
    await world.change(world.sub, world.sub.users["admin"], pvt_deleted=True)
    assert await refusal(rooms, token) == "identity verifty failed"


async def test_a_new_secret_of_the_server_ends_all_signed_tokens(world: World) -> None:
    rooms = Rooms(world)
    token, bare = world.token(world.sub), world.token(world.sub, identity_sig=None)
    assert await rooms.tokens.claims(token)
    assert await rooms.tokens.claims(bare)
    await world.config("auth", system_key=world.key_id, secret_for_user_signature="other")
    assert await refusal(rooms, token) == "identity verifty failed"
    assert await rooms.tokens.claims(bare)


async def test_without_a_server_secret_no_signed_identity_holds(world: World) -> None:
    await world.config("auth", system_key=world.key_id)
    rooms = Rooms(world)
    assert await refusal(rooms, world.token(world.sub)) == "identity verifty failed"
    await world.remove("system_config", "auth")
    assert await refusal(rooms, world.token(world.other)) == "identity verifty failed"


async def test_a_replaced_key_ends_the_token(world: World) -> None:
    rooms = Rooms(world)
    token = world.token(world.sub)
    assert await rooms.tokens.claims(token)
    world.key = rsa.generate_private_key(65537, 2048)
    await world.put("system_auth", world.key_document())
    assert await refusal(rooms, token) == "signature verification failed"
    assert await rooms.tokens.claims(world.token(world.sub))


async def test_a_removed_key_ends_the_token(world: World) -> None:
    rooms = Rooms(world)
    token = world.token(world.sub)
    assert await rooms.tokens.claims(token)
    await world.remove("system_auth", world.key_id)
    assert await refusal(rooms, token) == "not_found"


async def test_memory_is_bounded_and_forgets_the_oldest(world: World) -> None:
    rooms = Rooms(world)
    tokens = [world.token(world.sub, n=number) for number in range(6)]
    first = [await rooms.tokens.claims(token) for token in tokens]
    again = [await rooms.tokens.claims(token) for token in reversed(tokens)]
    assert [new is old for new, old in zip(reversed(again), first, strict=True)] == [False] * 2 + [True] * 4


async def test_what_cannot_be_checked_is_the_datastores_error_and_no_refusal(world: World) -> None:
    async with open_couch("http://127.0.0.1:1") as nowhere:
        with pytest.raises(DatastoreError):
            await Rooms(world, couch=nowhere).tokens.claims(world.token(world.sub))


async def test_no_token_reaches_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    rooms = Rooms(world)
    good, bad = world.token(world.sub), world.token(world.sub, identity_sig="AAAA")
    await rooms.tokens.claims(good)
    await refusal(rooms, bad)
    assert await rooms.tokens.issue({"account_id": world.sub.id}) not in caplog.text
    assert good not in caplog.text
    assert bad not in caplog.text
