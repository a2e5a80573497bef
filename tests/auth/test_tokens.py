"""Tokens against KAZOO's documents in a real CouchDB; what is signed by hand is signed in ``tests/kit/system.py``."""

import base64
import json
import logging
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.auth.tokens import TokenExpired, TokenRefused, parse
from crossbar_appstore.crossbar.errors import DatastoreFault
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.json_codec import JsonObject
from tests.kit.accounts import Account
from tests.kit.auth import AuthParts
from tests.kit.system import System, base64url


async def verified(parts: AuthParts, token: str) -> JsonObject:
    """The claims of a token."""
    return (await parts.tokens.verify(token, parts.store.read())).claims


async def refusal(parts: AuthParts, token: str) -> str:
    with pytest.raises(TokenRefused) as raised:
        await verified(parts, token)
    return raised.value.reason


def decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def claims_in(token: str) -> Any:
    return json.loads(decoded(token.split(".")[1]))


# Issuing


async def test_issue_gives_kazoos_claims_in_kazoos_order(parts: AuthParts, system: System, sub: Account) -> None:
    expected = system.claims(sub.admin)
    token = await parts.tokens.issue({name: expected[name] for name in ("account_id", "owner_id", "method", "exp")})
    header, claims, _ = token.split(".")
    assert list(json.loads(decoded(claims)).items()) == list(expected.items())
    assert json.loads(decoded(header)) == {"alg": "RS256", "typ": "JWT", "kid": system.key_id}
    assert await verified(parts, token) == expected


async def test_issue_writes_claims_as_compact_unescaped_utf8(parts: AuthParts, sub: Account) -> None:
    token = await parts.tokens.issue({"account_id": sub.id, "as": {"name": "Zoë"}})
    assert decoded(token.split(".")[1]).endswith(f'"account_id":"{sub.id}","as":{{"name":"Zoë"}}}}'.encode())


async def test_issue_signs_so_that_another_implementation_verifies(
    parts: AuthParts, system: System, sub: Account
) -> None:
    signed, _, signature = (await parts.tokens.issue({"account_id": sub.id})).rpartition(".")
    system.key.public_key().verify(decoded(signature), signed.encode(), PKCS1v15(), SHA256())


async def test_issue_for_an_identity_without_a_secret_has_no_signature(
    parts: AuthParts, system: System, sub: Account
) -> None:
    await system.change_user(sub.admin, pvt_signature_secret=None)
    token = await parts.tokens.issue({"account_id": sub.id, "owner_id": sub.admin.id})
    assert "identity_sig" not in claims_in(token)


async def test_issue_without_an_account_has_no_signature(parts: AuthParts) -> None:
    assert "identity_sig" not in claims_in(await parts.tokens.issue({"account_id": "x"}))


async def test_issue_without_a_system_key_raises(parts: AuthParts, system: System, sub: Account) -> None:
    await system.config("auth", secret_for_user_signature=system.server_secret)
    with pytest.raises(DatastoreFault):
        await parts.tokens.issue({"account_id": sub.id})


async def test_issue_without_the_keys_document_does_not_create_it(
    parts: AuthParts, system: System, sub: Account
) -> None:
    await system.remove("system_auth", system.key_id)
    with pytest.raises(DatastoreFault):
        await parts.tokens.issue({"account_id": sub.id})
    assert not await system.couch.all_docs("system_auth", keys=["_design/x"])


# Parsing


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "0123456789abcdef0123456789abcdef",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "..",
        "e30.e30",
        "e30.W10.AAAA",
        "W10.e30.AAAA",
        "e30.e30.*",
        "é.e30.e30",
        "e30.e3.A",
        "\udcff.e30.AAAA",
        f"e30.e30.{'A' * 20_000}",
        f"{base64url(b'[' * 5_000)}.e30.AAAA",
        f"e30.{base64url(b'[' * 5_000)}.AAAA",
        f"e30.{base64url(b'NaN')}.AAAA",
    ],
)
async def test_verify_claims_of_other_texts_are_refused(parts: AuthParts, text: str) -> None:
    assert await refusal(parts, text) == "invalid_token"


@given(st.text())
def test_parse_of_any_text_raises_nothing_else(text: str) -> None:
    with pytest.raises(TokenRefused):
        parse(text)


@given(st.lists(st.binary(max_size=40), min_size=3, max_size=3))
def test_parse_of_any_bytes_raises_nothing_else(segments: list[bytes]) -> None:
    try:
        parse(".".join(map(base64url, segments)))
    except TokenRefused:
        return


@given(st.dictionaries(st.text(), st.integers()), st.dictionaries(st.text(), st.integers()))
def test_parse_accepts_segments_with_and_without_padding(header: dict[str, int], claims: dict[str, int]) -> None:
    header = {name: value for name, value in header.items() if name not in ("b64", "crit", "kid")}
    bare = [base64url(json.dumps(part).encode()) for part in (header, claims)]
    padded = [segment + "=" * (-len(segment) % 4) for segment in bare]
    assert parse(".".join((*bare, "AA"))) == parse(".".join((*padded, "AA=="))) == (header, claims)


# Verifying


async def test_verify_claims_of_a_token_from_kazoo_are_returned(parts: AuthParts, system: System, sub: Account) -> None:
    claims = system.claims(sub.admin)
    assert await verified(parts, system.sign(claims)) == claims


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
async def test_verify_claims_are_accepted_with_each_of_kazoos_algorithms(
    parts: AuthParts, system: System, sub: Account, algorithm: str
) -> None:
    assert await verified(parts, system.sign(system.claims(sub.admin), algorithm))


async def test_verify_claims_of_an_account_without_user_are_accepted(
    parts: AuthParts, system: System, sub: Account
) -> None:
    assert "owner_id" not in await verified(parts, system.token(sub))


async def test_verify_claims_without_expiry_or_identity_signature_are_accepted(
    parts: AuthParts, system: System, sub: Account
) -> None:
    assert await verified(parts, system.token(sub.admin, exp=None))
    assert await verified(parts, system.token(sub.admin, identity_sig=None))


async def test_verify_claims_of_an_api_key_need_an_identity_signature_where_the_account_has_a_secret(
    parts: AuthParts, system: System, sub: Account
) -> None:
    assert await refusal(parts, system.token(sub, identity_sig=None)) == "identity verifty failed"
    # As in KAZOO, where another program than ``api_auth`` issued it.
    assert await verified(parts, system.token(sub, identity_sig=None, method=None))
    unsigned = system.token(sub, identity_sig=None, n=1)
    await system.change(sub, pvt_signature_secret=None)
    assert await verified(parts, unsigned)
    await system.change(sub, pvt_signature_secret="f" * 32)
    assert await refusal(parts, unsigned) == "identity verifty failed"


@pytest.mark.parametrize("claims", [{"aud": "x"}, {"iat": 2**40}, {"nbf": 2**40}, {"sub": 5}, {"jti": 5}])
async def test_verify_claims_that_kazoo_does_not_check_are_not_checked(
    parts: AuthParts, system: System, sub: Account, claims: dict[str, Any]
) -> None:
    assert await verified(parts, system.token(sub.admin, **claims))


async def test_verify_claims_are_accepted_without_typ_in_the_header(
    parts: AuthParts, system: System, sub: Account
) -> None:
    assert await verified(parts, system.sign(system.claims(sub.admin), typ=None))


async def test_verify_claims_in_padded_segments_are_accepted(parts: AuthParts, system: System, sub: Account) -> None:
    head = {"alg": "RS256", "typ": "JWT", "kid": system.key_id}
    segments = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in (head, system.claims(sub.admin))]
    signed = b".".join(segments)
    signature = base64.urlsafe_b64encode(system.key.sign(signed, PKCS1v15(), SHA256()))
    assert await verified(parts, b".".join((signed, signature)).decode())


async def test_verify_claims_with_a_damaged_signature_are_refused(
    parts: AuthParts, system: System, sub: Account
) -> None:
    token = system.token(sub.admin)
    assert await refusal(parts, token[:-4] + "AAAA") == "signature verification failed"


async def test_verify_claims_that_were_changed_are_refused(parts: AuthParts, system: System, sub: Account) -> None:
    header, _, signature = system.token(sub.admin).split(".")
    forged = base64url(json.dumps(system.claims(sub.admin) | {"account_id": "c" * 32}).encode())
    assert await refusal(parts, f"{header}.{forged}.{signature}") == "signature verification failed"


@pytest.mark.parametrize(
    "algorithm", ["none", "HS256", "PS256", "ES256", "rs256", "", None, 5, ["RS256"], [], {}, "RS256 "]
)
async def test_verify_claims_with_another_algorithm_are_refused(
    parts: AuthParts, system: System, sub: Account, algorithm: Any
) -> None:
    token = system.sign(system.claims(sub.admin), alg=algorithm)
    assert await refusal(parts, token) == "jwt algorithm not supported"


async def test_verify_claims_without_an_algorithm_are_refused(parts: AuthParts, system: System, sub: Account) -> None:
    _, claims, signature = system.token(sub.admin).split(".")
    forged = base64url(json.dumps({"kid": system.key_id, "typ": "JWT"}).encode())
    assert await refusal(parts, f"{forged}.{claims}.{signature}") == "jwt algorithm not supported"


@pytest.mark.parametrize("kid", ["unknown", "", "_design/auth", "../accounts", "a/b", None, 5])
async def test_verify_claims_with_an_unknown_key_are_refused_and_no_key_is_created(
    parts: AuthParts, system: System, sub: Account, kid: Any
) -> None:
    token = system.sign(system.claims(sub.admin), kid=kid)
    assert await refusal(parts, token) in {"not_found", "invalid jwt"}
    assert isinstance(kid, str) is False or not await system.couch.all_docs("system_auth", keys=[kid or "x"])


async def test_verify_claims_signed_with_another_key_are_refused(
    parts: AuthParts, system: System, sub: Account
) -> None:
    token = system.sign(system.claims(sub.admin), key=rsa.generate_private_key(65537, 2048))
    assert await refusal(parts, token) == "signature verification failed"


@pytest.mark.parametrize("issuer", ["accounts.google.com", "Kazoo", None, 5])
async def test_verify_claims_of_another_issuer_are_refused(
    parts: AuthParts, system: System, sub: Account, issuer: Any
) -> None:
    assert await refusal(parts, system.sign(system.claims(sub.admin) | {"iss": issuer})) == "invalid jwt"


async def test_verify_claims_expiry_is_checked_after_the_signature(
    parts: AuthParts, system: System, sub: Account
) -> None:
    expired = system.token(sub.admin, exp=1000)
    with pytest.raises(TokenExpired):
        await verified(parts, expired)
    assert await refusal(parts, expired[:-4] + "AAAA") == "signature verification failed"


async def test_verify_claims_expiry_is_checked_before_the_identity(
    parts: AuthParts, system: System, sub: Account
) -> None:
    with pytest.raises(TokenExpired):
        await verified(parts, system.token(sub.admin, exp=1000, identity_sig="AAAA"))


@pytest.mark.parametrize("expiry", ["later", "99999999999", True, [], {}, None])
async def test_verify_claims_with_an_expiry_that_is_no_number_are_refused(
    parts: AuthParts, system: System, sub: Account, expiry: Any
) -> None:
    assert await refusal(parts, system.sign(system.claims(sub.admin) | {"exp": expiry})) == "invalid jwt"


@pytest.mark.parametrize("signature", ["AAAA", "", 5, None, "*", "é"])
async def test_verify_claims_with_a_wrong_identity_signature_are_refused(
    parts: AuthParts, system: System, sub: Account, signature: Any
) -> None:
    token = system.sign(system.claims(sub.admin) | {"identity_sig": signature})
    assert await refusal(parts, token) == "identity verifty failed"


async def test_verify_claims_identity_signature_may_be_padded(parts: AuthParts, system: System, sub: Account) -> None:
    claims = system.claims(sub.admin)
    claims["identity_sig"] += "=" * (-len(claims["identity_sig"]) % 4)
    assert await verified(parts, system.sign(claims))


@pytest.mark.parametrize("owner", ["nobody", 5, None])
async def test_verify_claims_of_an_unknown_identity_are_refused(
    parts: AuthParts, system: System, sub: Account, owner: Any
) -> None:
    token = system.sign(system.claims(sub.admin) | {"owner_id": owner})
    assert await refusal(parts, token) == "identity verifty failed"


async def test_verify_claims_identity_may_be_a_device(parts: AuthParts, system: System, sub: Account) -> None:
    device = sub.new_user()
    await system.put(sub.database, device.document | {"pvt_type": "device"})
    claims = system.claims(device) | {"device_id": device.id}
    del claims["owner_id"]
    assert await verified(parts, system.sign(claims))


@pytest.mark.parametrize("account_id", [None, 5, "short"])
async def test_verify_claims_without_an_account_are_refused(parts: AuthParts, system: System, account_id: Any) -> None:
    claims = {"iss": "kazoo", "owner_id": "x", **({} if account_id is None else {"account_id": account_id})}
    with pytest.raises(TokenRefused) as raised:
        await verified(parts, system.sign(claims))
    assert raised.value.code == 403


async def test_verify_claims_of_a_signed_identity_without_an_account_are_refused(
    parts: AuthParts, system: System
) -> None:
    token = system.sign({"iss": "kazoo", "identity_sig": "AAAA", "owner_id": "x"})
    assert await refusal(parts, token) == "identity verifty failed"


async def test_verify_claims_while_couchdb_is_unreachable_raise_a_datastore_error(
    system: System, sub: Account, unreachable: Couch
) -> None:
    with pytest.raises(DatastoreError):
        await verified(AuthParts(unreachable), system.token(sub.admin))


async def test_verify_and_issue_log_no_token(
    parts: AuthParts, system: System, sub: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good, bad = system.token(sub.admin), system.token(sub.admin, identity_sig="AAAA")
    await verified(parts, good)
    await refusal(parts, bad)
    assert await parts.tokens.issue({"account_id": sub.id}) not in caplog.text
    assert good not in caplog.text
    assert bad not in caplog.text
