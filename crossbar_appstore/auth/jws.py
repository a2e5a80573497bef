"""Signed tokens in their compact form (RFC 7515): parsing, signing and checking, RSA with SHA-2 alone.

No other algorithm exists here, so nobody can be talked into one: a token that names ``none`` or a symmetric one is
signed by no key.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from crossbar_appstore.json_codec import Json, JsonObject, dumps, loads

DEFAULT_ALGORITHM: Final = "RS256"
ALGORITHMS: Final[Mapping[str, HashAlgorithm]] = {"RS256": SHA256(), "RS384": SHA384(), "RS512": SHA512()}

_LONGEST: Final = 16_384
"""Characters; far above any header line that a server lets through."""


class NotAToken(ValueError):
    """The text is no token in compact form."""


@dataclass(frozen=True, slots=True)
class Jws:
    """A token taken apart; nothing in it is trusted yet."""

    header: JsonObject
    claims: JsonObject
    signed: bytes
    signature: bytes

    @property
    def algorithm(self) -> str | None:
        """What the header names, whether known or not."""
        named = self.header.get("alg")
        return named if isinstance(named, str) else None


def parse(token: str) -> Jws:
    """Take a token apart.

    Raises:
        NotAToken: it has not three parts, or they hold no base64url or no JSON objects.
    """
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _LONGEST:
        raise NotAToken("three parts are needed")
    header, claims, signature = parts
    return Jws(
        _object(header), _object(claims), f"{header}.{claims}".encode("ascii", "replace"), decode_base64url(signature)
    )


def sign(claims: Mapping[str, Json], key_id: str, key: RSAPrivateKey, algorithm: str = DEFAULT_ALGORITHM) -> str:
    """A token with these claims in their order, its header as KAZOO writes it (``kz_auth_jwt:encode/3``)."""
    header = encode_base64url(dumps({"alg": algorithm, "typ": "JWT", "kid": key_id}))
    signed = f"{header}.{encode_base64url(dumps(dict(claims)))}"
    signature = key.sign(signed.encode(), PKCS1v15(), ALGORITHMS[algorithm])
    return f"{signed}.{encode_base64url(signature)}"


def is_signed_by(token: Jws, key: RSAPublicKey) -> bool:
    """Whether the private half of the key made the token's signature, by the algorithm that its header names."""
    algorithm = ALGORITHMS.get(token.algorithm or "")
    if algorithm is None:
        return False
    try:
        key.verify(token.signature, token.signed, PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    return True


def encode_base64url(raw: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_base64url(text: str) -> bytes:
    """With or without padding.

    Raises:
        NotAToken: other characters are in it.
    """
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotAToken("not base64url") from error


def _object(part: str) -> JsonObject:
    try:
        value = loads(decode_base64url(part))
    except ValueError as error:
        raise NotAToken("not JSON") from error
    if not isinstance(value, dict):
        raise NotAToken("not an object")
    return value
