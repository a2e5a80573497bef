"""Signing keys in KAZOO's form."""

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from crossbar_appstore.auth import rsa_keys


def test_keys_have_kazoos_size_and_exponent(signing_key: RSAPrivateKey) -> None:
    assert signing_key.key_size == 2048
    assert signing_key.public_key().public_numbers().e == 2049


def test_two_keys_are_not_the_same(signing_key: RSAPrivateKey) -> None:
    assert rsa_keys.generate().private_numbers() != signing_key.private_numbers()


def test_keys_are_stored_as_pkcs1_and_come_back(signing_key: RSAPrivateKey) -> None:
    pem = rsa_keys.to_pem(signing_key)
    assert pem.startswith(b"-----BEGIN RSA PRIVATE KEY-----\n")
    loaded = rsa_keys.from_pem(pem)
    assert loaded is not None
    assert loaded.private_numbers() == signing_key.private_numbers()


def test_keys_of_the_usual_exponent_are_read_too() -> None:
    usual = rsa.generate_private_key(65537, 2048)
    assert rsa_keys.from_pem(rsa_keys.to_pem(usual)) is not None


def test_what_is_no_rsa_key_is_none(signing_key: RSAPrivateKey) -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    other = elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    locked = signing_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    broken = rsa_keys.to_pem(signing_key)[:-200]
    assert [rsa_keys.from_pem(pem) for pem in (b"", b"garbage", other, locked, broken)] == [None] * 5


def test_halves_that_do_not_fit_are_no_key(signing_key: RSAPrivateKey) -> None:
    private = signing_key.private_numbers()
    other = rsa.RSAPublicNumbers(65537, private.public_numbers.n)
    numbers = (private.p, private.q, private.d, private.dmp1, private.dmq1, private.iqmp, other)
    unfit = rsa.RSAPrivateNumbers(*numbers).private_key(unsafe_skip_rsa_key_validation=True)
    assert rsa_keys.from_pem(rsa_keys.to_pem(unfit)) is None
