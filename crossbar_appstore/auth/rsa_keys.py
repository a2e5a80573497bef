"""RSA keys as KAZOO makes them: 2048 bits, public exponent 2049, stored as PKCS#1 PEM."""

import math
from typing import Final

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

KEY_BITS: Final = 2048
PUBLIC_EXPONENT: Final = 2049
PEM_TYPE: Final = "application/x-pem-file"

_USUAL_EXPONENT: Final = 65537
_PROBE: Final = b"signed by one half, checked by the other"


def generate() -> RSAPrivateKey:
    """A fresh key; takes up to some seconds, so not for an event loop's thread.

    The library makes keys for the exponent 65537 alone. Its primes serve any exponent that is coprime to them less
    one: about one pair in four is for 2049.
    """
    while True:
        usual = rsa.generate_private_key(_USUAL_EXPONENT, KEY_BITS).private_numbers()
        if math.gcd(PUBLIC_EXPONENT, (usual.p - 1) * (usual.q - 1)) == 1:
            return _with_exponent(usual.p, usual.q)


def to_pem(key: RSAPrivateKey) -> bytes:
    """PKCS#1, as KAZOO stores and reads it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def from_pem(pem: bytes) -> RSAPrivateKey | None:
    """The key, of whatever exponent; None if the bytes hold no usable RSA key.

    Of its numbers only this is checked: what the private half signs is good by the public half. That they are primes is
    not proved again at each start, which takes a hundred times as long: keys come from our own database, as the
    passwords do.
    """
    try:
        key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
        return key if isinstance(key, RSAPrivateKey) and _signs(key) else None
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
        return None


def _signs(key: RSAPrivateKey) -> bool:
    try:
        key.public_key().verify(key.sign(_PROBE, PKCS1v15(), SHA256()), _PROBE, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _with_exponent(p: int, q: int) -> RSAPrivateKey:
    private = pow(PUBLIC_EXPONENT, -1, math.lcm(p - 1, q - 1))
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=private,
        dmp1=rsa.rsa_crt_dmp1(private, p),
        dmq1=rsa.rsa_crt_dmq1(private, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(PUBLIC_EXPONENT, p * q),
    ).private_key()
