"""RSA keys that sign tokens, as KAZOO makes and stores them (PKCS#1 PEM), and a cache of those in ``system_auth``."""

import logging
import math
import re
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache
from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DocumentMissing, Troubled
from crossbar_appstore.datastore.master_account import Reader
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import live

from .documents import SYSTEM_AUTH

ATTACHMENT: Final = "private_key.pem"
PEM_TYPE: Final = "application/x-pem-file"

_KAZOOS_EXPONENT: Final = 2049
_CACHED: Final = 32
_KEY_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")

log = logging.getLogger(__name__)


def generate() -> RSAPrivateKey:
    """A new key; takes up to some seconds, so it must not run in an event loop's thread."""
    # ``cryptography`` generates keys with the exponent 65537 only. The same primes serve any exponent that is coprime
    # to (p-1)(q-1), which 2049 is for about one pair in four.
    while True:
        numbers = rsa.generate_private_key(65537, key_size=2048).private_numbers()
        p, q = numbers.p, numbers.q
        if math.gcd(_KAZOOS_EXPONENT, (p - 1) * (q - 1)) == 1:
            break
    private = pow(_KAZOOS_EXPONENT, -1, math.lcm(p - 1, q - 1))
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=private,
        dmp1=rsa.rsa_crt_dmp1(private, p),
        dmq1=rsa.rsa_crt_dmq1(private, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(_KAZOOS_EXPONENT, p * q),
    ).private_key()


def to_pem(key: RSAPrivateKey) -> bytes:
    """The key as PKCS#1 PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def from_pem(pem: bytes) -> RSAPrivateKey | None:
    """The RSA key in a PEM, with any public exponent; None if there is no usable one."""
    try:
        # OpenSSL's proof that p and q are primes takes a hundred times as long as the check below, and the keys come
        # from our own database.
        key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
        if not isinstance(key, RSAPrivateKey):
            return None
        probe = b"signed with the private key, verified with the public key"
        key.public_key().verify(key.sign(probe, PKCS1v15(), SHA256()), probe, PKCS1v15(), SHA256())
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError, InvalidSignature):
        return None
    return key


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key with the revision of the document from which it was read."""

    private: RSAPrivateKey
    revision: Json


class KeyRing:
    """Caches the keys of ``system_auth``; never creates one."""

    def __init__(self, couch: Couch) -> None:
        self._couch = couch
        self._cache: LRUCache[str, SigningKey] = LRUCache(_CACHED)

    async def get(self, key_id: str, read: Reader) -> SigningKey | None:
        """The key with that id, the same object while its document is unchanged; None if there is no usable one."""
        if _KEY_ID.fullmatch(key_id) is None:
            return None
        document = live(await read(SYSTEM_AUTH, key_id))
        if document is None:
            self._cache.pop(key_id, None)
            return None
        cached = self._cache.get(key_id)
        if cached is not None and cached.revision == document["_rev"]:
            return cached
        try:
            return await self._read(key_id, document)
        except Troubled:
            if cached is None:
                raise
            # The newer revision's attachment cannot be read now; it most likely holds the same key.
            return cached

    async def _read(self, key_id: str, document: JsonObject) -> SigningKey | None:
        if not isinstance(document.get("_attachments"), dict):
            return None  # CouchDB need not be asked
        try:
            attachment = await self._couch.open_attachment(SYSTEM_AUTH, key_id, ATTACHMENT)
        except DocumentMissing:
            return None
        key = from_pem(attachment.body)
        if key is None:
            log.error("signing key is not usable", extra={"key_id": key_id})
            return None
        loaded = self._cache[key_id] = SigningKey(key, document["_rev"])
        return loaded
