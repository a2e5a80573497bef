"""Compact signed tokens, checked against an independent implementation."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.auth import jws

CLAIMS = {"iss": "kazoo", "identity_sig": "x", "account_id": "a" * 32, "owner_id": "b", "exp": 2**40}


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
def test_another_library_verifies_what_we_sign(signing_key: RSAPrivateKey, algorithm: str) -> None:
    token = jws.sign(CLAIMS, "kid", signing_key, algorithm)
    assert jwt.decode(token, signing_key.public_key(), algorithms=[algorithm]) == CLAIMS
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "typ": "JWT", "kid": "kid"}


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
def test_we_verify_what_another_library_signs(signing_key: RSAPrivateKey, algorithm: str) -> None:
    parsed = jws.parse(jwt.encode(CLAIMS, signing_key, algorithm=algorithm))
    assert jws.is_signed_by(parsed, signing_key.public_key())
    assert parsed.claims == CLAIMS


def test_header_and_claims_keep_kazoos_order(signing_key: RSAPrivateKey) -> None:
    header, claims, _ = jws.sign(CLAIMS, "kid", signing_key).split(".")
    assert list(json.loads(jws.decode_base64url(header))) == ["alg", "typ", "kid"]
    assert list(json.loads(jws.decode_base64url(claims))) == list(CLAIMS)


def test_a_changed_claim_breaks_the_signature(signing_key: RSAPrivateKey) -> None:
    header, _, signature = jws.sign(CLAIMS, "kid", signing_key).split(".")
    forged = jws.encode_base64url(json.dumps({**CLAIMS, "account_id": "c" * 32}).encode())
    assert not jws.is_signed_by(jws.parse(f"{header}.{forged}.{signature}"), signing_key.public_key())


@pytest.mark.parametrize("algorithm", ["none", "HS256", "PS256", "ES256", "rs256", "", None, 5, [], {}])
def test_no_other_algorithm_counts(signing_key: RSAPrivateKey, algorithm: Any) -> None:
    _, claims, signature = jws.sign(CLAIMS, "kid", signing_key).split(".")
    header = jws.encode_base64url(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    assert not jws.is_signed_by(jws.parse(f"{header}.{claims}.{signature}"), signing_key.public_key())


def test_a_header_without_type_is_accepted(signing_key: RSAPrivateKey) -> None:
    token = jwt.encode(CLAIMS, signing_key, algorithm="RS256", headers={"typ": None})
    assert jws.is_signed_by(jws.parse(token), signing_key.public_key())


@pytest.mark.parametrize(
    "text",
    ["", "garbage", "a.b", "a.b.c", "a.b.c.d", "..", "e30.e30", "e30.W10.AAAA", "e30.e30.*", "é.e30.e30", "e30.e3.A"],
)
def test_what_has_not_three_parts_of_base64url_json_is_no_token(text: str) -> None:
    with pytest.raises(jws.NotAToken):
        jws.parse(text)


def test_endless_tokens_are_not_looked_at() -> None:
    with pytest.raises(jws.NotAToken):
        jws.parse(f"e30.e30.{'A' * 20_000}")


@given(st.text())
def test_no_text_does_more_than_not_be_a_token(text: str) -> None:
    try:
        jws.parse(text)
    except jws.NotAToken:
        return


@given(st.lists(st.binary(max_size=40), min_size=3, max_size=3))
def test_no_bytes_do_more_than_not_be_a_token(parts: list[bytes]) -> None:
    try:
        jws.parse(".".join(map(jws.encode_base64url, parts)))
    except jws.NotAToken:
        return


@given(st.binary())
def test_base64url_comes_back_with_and_without_padding(raw: bytes) -> None:
    text = jws.encode_base64url(raw)
    assert jws.decode_base64url(text) == raw
    assert jws.decode_base64url(text + "=" * (-len(text) % 4)) == raw
