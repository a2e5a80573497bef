"""Signing keys in KAZOO's form, and the key ring over key documents."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from crossbar_appstore.auth import keys
from crossbar_appstore.datastore.errors import Unreachable
from crossbar_appstore.json_codec import JsonObject
from tests.kit.auth import AuthParts
from tests.kit.system import System


def test_generate_makes_keys_of_kazoos_size_and_exponent(kit_key: RSAPrivateKey) -> None:
    assert kit_key.key_size == 2048
    assert kit_key.public_key().public_numbers().e == 2049


def test_generate_makes_another_key_each_time(kit_key: RSAPrivateKey) -> None:
    assert keys.generate().private_numbers() != kit_key.private_numbers()


def test_to_pem_gives_pkcs1_that_from_pem_reads(kit_key: RSAPrivateKey) -> None:
    pem = keys.to_pem(kit_key)
    assert pem.startswith(b"-----BEGIN RSA PRIVATE KEY-----\n")
    loaded = keys.from_pem(pem)
    assert loaded is not None
    assert loaded.private_numbers() == kit_key.private_numbers()


def test_from_pem_reads_keys_of_the_usual_exponent() -> None:
    usual = rsa.generate_private_key(65537, 2048)
    assert keys.from_pem(keys.to_pem(usual)) is not None


def test_from_pem_of_anything_but_an_rsa_key_is_none(kit_key: RSAPrivateKey) -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    other = elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    locked = kit_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    broken = keys.to_pem(kit_key)[:-200]
    assert [keys.from_pem(pem) for pem in (b"", b"garbage", other, locked, broken)] == [None] * 5


def test_from_pem_of_halves_that_do_not_match_is_none(kit_key: RSAPrivateKey) -> None:
    private = kit_key.private_numbers()
    other = rsa.RSAPublicNumbers(65537, private.public_numbers.n)
    numbers = (private.p, private.q, private.d, private.dmp1, private.dmq1, private.iqmp, other)
    unfit = rsa.RSAPrivateNumbers(*numbers).private_key(unsafe_skip_rsa_key_validation=True)
    assert keys.from_pem(keys.to_pem(unfit)) is None


# The key ring


async def test_key_ring_reads_a_key_once(parts: AuthParts, system: System) -> None:
    key = await parts.keys.get(system.key_id, parts.documents.open)
    asked = parts.store.statistics.requests
    assert key is not None
    assert await parts.keys.get(system.key_id, parts.documents.open) is key
    assert parts.store.statistics.requests == asked


async def test_key_ring_reads_a_changed_document_again(parts: AuthParts, system: System) -> None:
    first = await parts.keys.get(system.key_id, parts.documents.open)
    await system.put("system_auth", system.key_document() | {"note": "touched"})
    second = await parts.keys.get(system.key_id, parts.documents.open)
    assert first is not None
    assert second is not None
    assert second is not first
    assert second.private.private_numbers() == first.private.private_numbers()


async def test_key_ring_has_no_key_for_documents_without_a_usable_one(parts: AuthParts, system: System) -> None:
    names = ["bare", "garbage", "misnamed"]
    attachments = [None, {"private_key.pem": "Z2FyYmFnZQ=="}, {"other.pem": "Z2FyYmFnZQ=="}]
    for name, files in zip(names, attachments, strict=True):
        document: JsonObject = {"_id": name, "pvt_type": "system_key"}
        if files is not None:
            document |= {
                "_attachments": {file: {"content_type": "text/plain", "data": data} for file, data in files.items()}
            }
        await system.put("system_auth", document)
    assert [await parts.keys.get(name, parts.documents.open) for name in names] == [None] * 3


@pytest.mark.parametrize("key_id", ["", "_all_docs", "_design/x", "a/b", "../x", "x" * 200, "missing"])
async def test_key_ring_has_no_key_for_other_ids(parts: AuthParts, key_id: str) -> None:
    assert await parts.keys.get(key_id, parts.documents.open) is None


async def test_key_ring_keeps_a_key_whose_new_revision_cannot_be_read(
    parts: AuthParts, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await parts.keys.get(system.key_id, parts.documents.open)
    await system.put("system_auth", system.key_document() | {"note": "touched"})

    async def away(*args: object) -> None:
        raise Unreachable("gone")

    monkeypatch.setattr(system.couch, "open_attachment", away)
    assert await parts.keys.get(system.key_id, parts.documents.open) is key
    with pytest.raises(Unreachable):
        await AuthParts(system.couch).keys.get(system.key_id, parts.documents.open)


async def test_key_ring_is_bounded(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossbar_appstore.auth.keys._CACHED", 1)
    parts = AuthParts(system.couch)
    ring = parts.keys
    await system.put("system_auth", system.key_document() | {"_id": "second"})
    first = await ring.get(system.key_id, parts.documents.open)
    assert await ring.get(system.key_id, parts.documents.open) is first
    assert await ring.get("second", parts.documents.open) is not None
    assert await ring.get(system.key_id, parts.documents.open) is not first
