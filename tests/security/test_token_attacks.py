"""Attacks with tokens and request bodies over HTTP, against the whole application.

What concerns single tokens is in ``tests/auth/test_tokens.py``; here is what needs the application around it, and what
passes through the HTTP parser first.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from crossbar_appstore.auth import keys
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import password_hashes
from tests.kit.accounts import Account
from tests.kit.service import Service
from tests.kit.system import System, base64url

Forge = Callable[[System, Account], str]
OTHER_KEY: Final = rsa.generate_private_key(65537, 2048)


@pytest.fixture
async def sub(system: System) -> Account:
    return await system.account("Sub", below=system.master)


@pytest.fixture
async def other(system: System) -> Account:
    return await system.account("Other", below=system.master)


async def status_of(service: Service, account: Account, token: str, **headers: str) -> int:
    return (await service.get(account.path, token=token, headers=headers)).status


# Headers of a token


def signed_by_hand(head: JsonObject, claims: JsonObject, sign: Callable[[bytes], bytes]) -> str:
    text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
    return f"{text}.{base64url(sign(text.encode()))}"


def unsigned(system: System, sub: Account) -> str:
    return signed_by_hand({"alg": "none", "kid": system.key_id}, system.claims(sub.admin), lambda text: b"")


def with_public_key(encoding: Encoding, form: PublicFormat) -> Forge:
    """Signed by HMAC with the public key, which a verifier may take for the secret (CVE-2015-9235)."""

    def forge(system: System, sub: Account) -> str:
        public = system.key.public_key().public_bytes(encoding, form)
        head = {"alg": "HS256", "kid": system.key_id}
        return signed_by_hand(head, system.claims(sub.admin), lambda text: hmac.digest(public, text, hashlib.sha256))

    return forge


def with_header(**header: Any) -> Forge:
    """Signed with another key, which the header recommends in some way."""
    return lambda system, sub: system.sign(system.claims(sub.admin), key=OTHER_KEY, **header)


def public_jwk() -> JsonObject:
    numbers = OTHER_KEY.public_key().public_numbers()
    modulus = base64url(numbers.n.to_bytes(256, "big"))
    return {"kty": "RSA", "n": modulus, "e": base64url(numbers.e.to_bytes(3, "big"))}


@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        with_public_key(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        with_public_key(Encoding.PEM, PublicFormat.PKCS1),
        with_public_key(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        with_header(),
        with_header(jwk=public_jwk()),
        with_header(jku="https://keys.example.org/jwks.json"),
        with_header(x5u="file:///etc/ssl/certs/ca-certificates.crt"),
        with_header(x5c=[base64.b64encode(b"certificate").decode()]),
        with_header(jwk=public_jwk(), kid=None),
    ],
    ids=["none", "hs-pem", "hs-pkcs1", "hs-der", "other-key", "jwk", "jku", "x5u", "x5c", "jwk-without-kid"],
)
async def test_token_with_a_forged_signature_is_401(
    system: System, service: Service, sub: Account, forge: Forge
) -> None:
    assert await status_of(service, sub, forge(system, sub)) == 401


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": ["b64"], "b64": False}, {"crit": []}, {"crit": "x"}])
async def test_token_with_a_critical_header_is_401(
    system: System, service: Service, sub: Account, header: JsonObject
) -> None:
    """RFC 7515 §4.1.11: what is critical and not understood is refused, however well it is signed."""
    assert await status_of(service, sub, system.sign(system.claims(sub.admin), **header)) == 401


async def test_token_with_an_unencoded_payload_is_401(system: System, service: Service, sub: Account) -> None:
    """RFC 7797: the signature covers the claims as they are, not their base64."""
    head = base64url(json.dumps({"alg": "RS256", "b64": False, "crit": ["b64"], "kid": system.key_id}).encode())
    signed = system.sign(system.claims(sub.admin)).split(".")
    assert await status_of(service, sub, f"{head}.{signed[1]}.{signed[2]}") == 401
    assert await status_of(service, sub, f"{head}..{signed[2]}") == 401


@pytest.mark.parametrize(
    "key_id",
    [
        "../accounts/key", "..%2Faccounts%2Fkey", "%2e%2e", "_design/auth", "_local/key", "_all_docs", "key?rev=1-x",
        "key/private_key.pem", "key%00", "key\n", "https://keys.example.org/key", "/etc/passwd", "key' or '1'='1",
        "K" * 4000,
    ],
)  # fmt: skip
async def test_token_with_another_documents_id_as_key_is_401(
    system: System, service: Service, sub: Account, key_id: str
) -> None:
    assert await status_of(service, sub, system.sign(system.claims(sub.admin), key=OTHER_KEY, kid=key_id)) == 401


async def test_token_with_a_key_outside_system_auth_is_401(system: System, service: Service, sub: Account) -> None:
    """A tenant may attach a file to a document of its own database; only ``system_auth`` holds keys."""
    pem = base64.b64encode(keys.to_pem(OTHER_KEY)).decode()
    attached = {"private_key.pem": {"content_type": keys.PEM_TYPE, "data": pem}}
    await system.put(sub.database, {"_id": "mine", "pvt_type": "system_key", "_attachments": attached})
    for key_id in ("mine", f"{sub.database}/mine", f"../{sub.database}/mine"):
        assert await status_of(service, sub, system.sign(system.claims(sub.admin), key=OTHER_KEY, kid=key_id)) == 401


# The form of a token


def without_last_bits(token: str) -> str:
    """The signature in another spelling: its last character holds bits that are no part of it."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(token[-1])
    return token[:-1] + alphabet[last ^ 1]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token + ".",
        lambda token: "." + token,
        lambda token: token.replace(".", "..", 1),
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token.rpartition(".")[0],
        lambda token: token.replace(".", "%2E"),
        lambda token: f"{token}, {token}",
        lambda token: f"{token} {token}",
        lambda token: f'"{token}"',
        lambda token: "eyJ" + token,
        lambda token: token.swapcase(),
        lambda token: base64url(token.encode()),
        lambda token: token.rpartition(".")[0] + "." + "A" * 342,
        lambda token: token.rpartition(".")[0] + "." + "A" * 100_000,
    ],
)
async def test_token_in_another_form_is_refused(
    system: System, service: Service, sub: Account, spoil: Callable[[str], str]
) -> None:
    spoiled = spoil(system.token(sub.admin))
    answer = await service.get(sub.path, token=spoiled)
    assert answer.status in (400, 401), spoiled
    # In the query string no parser of headers stands before ours.
    if len(spoiled) < 8000:
        assert (await service.get(f"{sub.path}?auth_token={spoiled.replace(' ', '+')}")).status == 401 or "%" in spoiled


async def test_token_in_another_spelling_ends_with_the_same_secret(
    system: System, service: Service, sub: Account
) -> None:
    """Base64 has spare bits: such a token is the same token, so it must not outlast a changed password."""
    token = system.token(sub.admin)
    spelled = without_last_bits(token)
    assert spelled != token
    before = await status_of(service, sub, spelled)
    await service.patch(
        f"accounts/{sub.id}/users/{sub.admin.id}", sub, {"password": "another", "username": sub.admin.name}
    )
    assert before in (200, 401)
    assert [await status_of(service, sub, each) for each in (token, spelled)] == [401, 401]


async def test_token_with_duplicate_claims_names_one_account_everywhere(
    system: System, service: Service, sub: Account, other: Account
) -> None:
    """Of two members the last counts: who verifies and who decides must read the same."""
    claims = json.dumps(system.claims(other.admin))[:-1] + "," + json.dumps(system.claims(sub.admin))[1:]
    token = sign_text(system, claims)
    assert await status_of(service, sub, token) == 200
    assert await status_of(service, other, token) == 403


# Claims


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"exp": -1}, 401),
        ({"exp": 0}, 401),
        ({"exp": 1.5}, 401),
        ({"exp": "never"}, 401),
        ({"exp": "1e400"}, 401),
        ({"exp": [2**40]}, 401),
        ({"exp": 2**60}, 200),
        ({"exp": 1e300}, 200),
        ({"exp": time.time() + 100_000.5}, 200),
        ({"account_id": 5}, 401),
        ({"account_id": ["x"]}, 401),
        ({"account_id": {"id": "x"}}, 401),
        ({"account_id": "../accounts"}, 401),
        ({"account_id": "_design/" + 24 * "x"}, 401),
        ({"account_id": "A" * 32}, 401),
        ({"account_id": "0" * 32}, 401),
        ({"account_id": "0" * 32, "identity_sig": None}, 401),
        ({"account_id": None, "identity_sig": None}, 401),
        ({"account_id": 5, "identity_sig": None}, 401),
        ({"owner_id": "../apps_store"}, 401),
        ({"owner_id": "_design/users"}, 401),
        ({"owner_id": "_all_docs"}, 401),
        ({"owner_id": {"id": "x"}}, 401),
        ({"iss": "https://kazoo"}, 401),
        ({"as": {"account_id": "0" * 32, "owner_id": "x"}}, 401),
        ({"as": {"account_id": "../accounts", "owner_id": "x"}}, 401),
        ({"as": {"account_id": ["x"], "owner_id": "x"}}, 401),
        ({"as": "master"}, 200),
    ],
)
async def test_token_with_unusual_claims(
    system: System, service: Service, sub: Account, claims: dict[str, Any], status: int
) -> None:
    assert await status_of(service, sub, system.token(sub.admin, **claims)) == status


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "0x7fffffff", "٣", "1_000_000_000_000"])
async def test_token_with_an_expiry_that_is_no_json_is_401(
    system: System, service: Service, sub: Account, number: str
) -> None:
    claims = json.dumps(system.claims(sub.admin, exp=12345)).replace("12345", number)
    assert await status_of(service, sub, sign_text(system, claims)) == 401


@pytest.mark.parametrize("claims", ["[]", "null", '"x"', "5", "{", "", "[[[[" * 2000, '{"iss":"kazoo"}' * 2])
async def test_token_whose_claims_are_no_object_is_401(
    system: System, service: Service, sub: Account, claims: str
) -> None:
    answer = await service.get(f"{sub.path}?auth_token={sign_text(system, claims)}")
    assert answer.status in (400, 401)


def sign_text(system: System, claims: str) -> str:
    """A token whose claims are any text, signed with the system's key."""
    head = base64url(json.dumps({"alg": "RS256", "kid": system.key_id}).encode())
    text = f"{head}.{base64url(claims.encode())}"
    return f"{text}.{base64url(system.key.sign(text.encode(), PKCS1v15(), SHA256()))}"


async def test_token_claims_give_no_rights_that_the_documents_do_not(
    system: System, service: Service, sub: Account, other: Account
) -> None:
    more = {
        "is_superduper_admin": True, "pvt_superduper_admin": True, "superduper_admin": True, "priv_level": "admin",
        "is_master_account": True, "original_account_id": system.master.id, "method": "cb_api_auth",
    }  # fmt: skip
    token = system.token(sub.user, **more)
    assert await status_of(service, other, token) == 403
    assert (await service.put(f"{sub.path}/{system.apps['voip']}", None, {}, token=token)).status == 403


async def test_token_of_before_a_password_change_is_401(system: System, service: Service, sub: Account) -> None:
    """Also where it was used a moment ago, and its verification is cached."""
    session = (await service.login(sub.user)).envelope["auth_token"]
    assert await status_of(service, sub, session) == 200
    changed = {"password": "another", "username": sub.user.name}
    assert (await service.patch(f"accounts/{sub.id}/users/{sub.user.id}", sub, changed)).status == 200
    assert await status_of(service, sub, session) == 401
    md5, _ = password_hashes(sub.user.name, "another")
    again = await service.put("user_auth", None, {"credentials": md5, "account_name": sub.name})
    assert await status_of(service, sub, again.envelope["auth_token"]) == 200


# Where a token is looked for


async def test_first_token_counts_even_if_it_is_not_valid(
    system: System, service: Service, sub: Account, other: Account
) -> None:
    """Header, data, query string, envelope: a second token, of whomever, never adds rights to the first."""
    good, bad, foreign = system.token(sub.admin), "garbage", system.token(other.admin)
    for first in (bad, foreign):
        refused = 401 if first == bad else 403
        assert (await service.get(f"{sub.path}?auth_token={good}", token=first)).status == refused
        assert (await service.get(sub.path, token=first, headers={"Authorization": f"Bearer {good}"})).status == refused
        body = {"data": {"auth_token": first}, "auth_token": good}
        path = f"{sub.path}/{system.apps['voip']}?auth_token={good}"
        assert (await service.call("POST", path, body=json.dumps(body).encode())).status == refused
        assert (await service.get(f"{sub.path}?auth_token={first}&auth_token={good}")).status == refused


async def test_account_header_must_be_the_tokens_account(
    system: System, service: Service, sub: Account, other: Account
) -> None:
    token = system.token(sub.admin)
    assert await status_of(service, sub, token, **{"X-Auth-Account-ID": sub.id}) == 200
    for account_id in (other.id, system.master.id, "", sub.id.upper(), f"{sub.id} ", f"{sub.id},{other.id}"):
        given = await status_of(service, sub, token, **{"X-Auth-Account-ID": account_id})
        # Blanks around a header's value are no part of it (RFC 9110 §5.5).
        assert given == (200 if account_id.strip() == sub.id else 401), account_id


# Ids in paths

TRICKS: Final = (
    "..", "%2e%2e", "..%2F..%2Faccounts", "%2F_all_docs", "_design%2Fusers", "_local%2Fx", "_all_docs",
    "_security", "_changes", "_find", "%00", "x%00", "%0d%0a", "%ff%fe", "x?rev=1", "x%3Frev%3D1-a", "x%23y", "x%2Fy",
    "*", "%25", "{x}", "'", "%22", "token_restrictions", "a" * 3000,
)  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS)
async def test_paths_with_other_documents_ids_are_refused(
    system: System, service: Service, sub: Account, trick: str
) -> None:
    """No document is read, written or created that is not of the type that the path is about."""
    await system.store(sub, apps={})
    await system.put(sub.database, {"_id": "token_restrictions", "restrictions": {"x": {}}})
    before = await system.couch.all_docs(sub.database)
    for path in (
        f"accounts/{trick}", f"accounts/{trick}/apps_store", f"{sub.path}/{trick}", f"{sub.path}/{trick}/icon",
        f"{sub.path}/{trick}/override", f"{sub.path}/{system.apps['voip']}/screenshot/{trick}",
        f"accounts/{sub.id}/users/{trick}", f"accounts/{sub.id}/whitelabel/{trick}/icon", f"whitelabel/{trick}",
        f"accounts/{sub.id}/{trick}", f"schemas/{trick}",
    ):  # fmt: skip
        for method in ("GET", "DELETE"):
            answer = await service.call(method, path, sub, headers={"X-Forwarded-For": "10.1.1.1"})
            assert answer.status in (400, 403, 404, 405), (method, path, answer.status, answer.raw[:200])
    after = await system.couch.all_docs(sub.database)
    assert [row.id for row in after] == [row.id for row in before]


async def test_ids_that_begin_or_end_with_another_id_are_other_ids(
    system: System, service: Service, sub: Account, other: Account
) -> None:
    for account_id in (sub.id + "0", sub.id[:-1], sub.id.upper(), f"0{sub.id}", f"{sub.id}%20", f"{sub.id}%00"):
        answer = await service.get(f"accounts/{account_id}/apps_store", sub)
        assert answer.status == 404, account_id
    assert (await service.get(f"accounts/{sub.id}/accounts/{other.id}/apps_store", sub)).status == 403
    assert (await service.get(f"accounts/{other.id}/accounts/{sub.id}/apps_store", other)).status == 403
    app_id = system.apps["voip"]
    for wrong in (app_id + "0", app_id[:-1], app_id.upper()):
        if wrong != app_id:
            assert (await service.get(f"{sub.path}/{wrong}", sub)).status == 404


# Private fields in bodies

PRIVATE: Final[JsonObject] = {
    "_id": "apps_store", "_rev": "9-f", "_deleted": True, "_attachments": {"x": {"data": "eA=="}}, "id": "apps_store",
    "pvt_type": "system_key", "pvt_account_id": "0" * 32, "pvt_account_db": "accounts", "pvt_tree": [],
    "pvt_superduper_admin": True, "pvt_reseller": True, "pvt_reseller_id": "0" * 32, "pvt_deleted": True,
    "pvt_enabled": False, "pvt_api_key": "1" * 64, "pvt_md5_auth": "2" * 32, "pvt_sha1_auth": "3" * 40,
    "pvt_signature_secret": "4" * 32, "pvt_created": 1, "pvt_document_hash": "x", "views": {"x": {"map": "x"}},
}  # fmt: skip


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_private_fields_in_a_body_change_nothing(
    system: System, service: Service, sub: Account, method: str
) -> None:
    private = {key: value for key, value in PRIVATE.items() if key != "views"}
    bodies = {
        (sub.id, f"accounts/{sub.id}"): {"name": sub.name, "realm": sub.document["realm"]},
        (sub.user.id, f"accounts/{sub.id}/users/{sub.user.id}"): {
            "first_name": "a",
            "last_name": "b",
            "username": sub.user.name,
        },
    }
    for (doc_id, path), body in bodies.items():
        before = await system.couch.open_doc(sub.database, doc_id)
        answer = await service.call(method, path, sub, body | private)
        assert answer.status == 200, answer.raw
        after = await system.couch.open_doc(sub.database, doc_id)
        for key in private:
            if key not in ("_rev", "_attachments", "id", "_deleted", "pvt_document_hash"):
                assert after.get(key) == before.get(key), key
        assert after["_rev"].partition("-")[0] == str(int(before["_rev"].partition("-")[0]) + 1)
        assert "_attachments" not in after


@pytest.mark.parametrize("field", PRIVATE)
async def test_private_field_in_a_permission_is_refused_or_no_privilege(
    system: System, service: Service, sub: Account, field: str
) -> None:
    await system.store(sub, apps={})
    path = f"{sub.path}/{system.apps['voip']}"
    answer = await service.put(path, sub, {"allowed_users": "all", field: PRIVATE[field]})
    if field == "views":  # A public member as any other.
        assert answer.status == 201
    else:
        assert answer.refusal[:2] == (400, "validation error")
        assert (await system.stored(sub))["apps"] == {}


async def test_private_fields_in_the_envelope_are_ignored(system: System, service: Service, sub: Account) -> None:
    before = await system.store(sub, apps={})
    body = json.dumps({"data": {"allowed_users": "all"}, **PRIVATE}).encode()
    path = f"{sub.path}/{system.apps['voip']}"
    answer = await service.call("PUT", path, sub, body=body, headers={"Content-Type": "application/json"})
    assert answer.status == 201
    stored = await system.stored(sub)
    assert stored["_rev"].startswith("2-")
    assert {key for key in PRIVATE if key != "_rev" and stored.get(key) != before.get(key)} == set()


# JSONP


@pytest.mark.parametrize(
    "callback", ["alert(1)//", "a;b", "</script>", "a%0d%0aX-Injected:1", "a%2F%2A", "%C3%BCnique", "a%20b"]
)
async def test_jsonp_callback_that_is_code_is_400(service: Service, callback: str) -> None:
    answer = await service.get(f"schemas?jsonp={callback}")
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert "X-Injected" not in answer.headers


async def test_jsonp_needs_a_token_as_any_request(system: System, service: Service, sub: Account) -> None:
    """A page of another origin has no token to send: nothing authenticates by cookie or address."""
    answer = await service.get(f"{sub.path}?jsonp=cb", headers={"Cookie": f"auth_token={system.token(sub.admin)}"})
    assert answer.status == 401
    assert b"voip" not in answer.raw
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
