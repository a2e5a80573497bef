"""Issues and verifies JSON Web Tokens as KAZOO does (``kz_auth``, ``kz_auth_jwt``, ``kz_auth_identity``).

PyJWT parses tokens, signs them and verifies signatures (``jwt.PyJWS``, RFC 7515). The claims are checked here, since
``jwt.decode`` checks them in another order than KAZOO and refuses some that KAZOO accepts (``aud``, ``iat``, ``nbf``).
"""

import base64
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import jwt

from crossbar_appstore.crossbar.errors import DatastoreFault
from crossbar_appstore.datastore.documents import Reading
from crossbar_appstore.datastore.master_account import Configuration, Reader
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject, dumps, loads
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.ids import account_db, is_account_id
from crossbar_appstore.kazoo.values import get, string_at

from .documents import PREFETCHED, SYSTEM_AUTH, TOKEN_RESTRICTIONS
from .keys import KeyRing

ISSUER: Final = "kazoo"
AUTH_CATEGORY: Final = "auth"
API_AUTH: Final = "cb_api_auth"
"""The claim ``method`` of tokens that are issued for API keys."""
SYSTEM_KEY: Final = "system_key"
SERVER_SECRET: Final = "secret_for_user_signature"

_ALGORITHMS: Final = ("RS256", "RS384", "RS512")
_JWS: Final = jwt.PyJWS(algorithms=_ALGORITHMS)
_MAX_CHARACTERS: Final = 16_384
"""Longest token that is parsed; far above any header line that a server accepts."""


class TokenRefused(Exception):
    """The token is not valid; ``code`` and ``reason`` are KAZOO's status and message for it."""

    def __init__(self, reason: str, code: int = 401) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class TokenExpired(TokenRefused):
    """The token is correctly signed and has expired."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A verified token: its claims, and when it expires in Unix seconds; None is never."""

    claims: JsonObject
    expires: float | None


class Tokens:
    """Issues and verifies tokens; ``clock`` gives Unix seconds."""

    def __init__(self, store: Datastore, keys: KeyRing, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock

    async def issue(self, claims: Mapping[str, Json]) -> str:
        """A token with these claims, in their order after issuer and identity signature (``kz_auth:create_token/1``).

        If the identity or the system has no secret, the token has no identity signature, as in KAZOO. Raises
        ``DatastoreFault`` if the system's key does not exist.
        """
        read = self._store.read().document
        key_id = await Configuration(read).text(AUTH_CATEGORY, SYSTEM_KEY)
        key = await self._keys.get(key_id, read) if key_id is not None else None
        if key_id is None or key is None:
            raise DatastoreFault(SYSTEM_KEY)
        signature = None
        place = _identity_place(claims)
        if place is not None:
            signature = await _identity_signature(*place, read)
        signed = {} if signature is None else {"identity_sig": signature}
        payload = dumps({"iss": ISSUER, **signed, **claims})
        return _JWS.encode(payload, key.private, algorithm="RS256", headers={"kid": key_id})

    async def verify(self, token: str, reading: Reading) -> Verified:
        """Verify a token in the order of ``kz_auth_jwt``: algorithm, key, signature, expiry, identity, account.

        Raises:
            TokenExpired: the token is correctly signed and has expired.
            TokenRefused: the token is not valid for another reason.
            DatastoreError: it cannot be verified.
        """
        header, claims = parse(token)
        if header.get("alg") not in _ALGORITHMS:
            raise TokenRefused("jwt algorithm not supported")
        key_id = header.get("kid")
        if claims.get("iss") != ISSUER or not isinstance(key_id, str):
            raise TokenRefused("invalid jwt")
        key = await self._keys.get(key_id, reading.document)
        if key is None:
            raise TokenRefused("not_found")
        try:
            _JWS.decode_complete(token, key.private.public_key(), algorithms=_ALGORITHMS)
        except jwt.InvalidTokenError:
            raise TokenRefused("signature verification failed") from None
        expires = self._check_expiry(claims)
        await self._check_identity(claims, reading)
        if not is_account_id(claims.get("account_id")):
            raise TokenRefused("no associated account_id", 403)
        if get(await reading.document(SYSTEM_AUTH, key_id), "_rev") != key.revision:
            # The newest key could not be read.
            reading.stale = True
        return Verified(claims, expires)

    def _check_expiry(self, claims: JsonObject) -> float | None:
        """When the token expires in Unix seconds; None, for a token without ``exp``, is never."""
        if "exp" not in claims:
            return None
        expires = claims["exp"]
        if isinstance(expires, bool) or not isinstance(expires, int | float):
            raise TokenRefused("invalid jwt")
        if expires <= self._clock():
            raise TokenExpired("token expired")
        return expires

    async def _check_identity(self, claims: JsonObject, reading: Reading) -> None:
        """Verify the identity signature, if there is one."""
        place, read = _identity_place(claims), reading.document
        if "identity_sig" not in claims:
            # A new API key comes with a new secret, and ends the tokens from before. Others are accepted, as in KAZOO.
            if place is not None and claims.get("method") == API_AUTH and await _identity_signature(*place, read):
                raise TokenRefused("identity verifty failed")
            return
        given = claims["identity_sig"]
        if not isinstance(given, str) or place is None:
            raise TokenRefused("identity verifty failed")
        # Most requests with a valid token go on to read these documents of the same database.
        prefetch = (claims["account_id"], TOKEN_RESTRICTIONS, *PREFETCHED)
        await read(*place, prefetch=prefetch)
        expected = await _identity_signature(*place, read)
        if expected is None or not hmac.compare_digest(given.rstrip("=").encode(), expected.encode()):
            raise TokenRefused("identity verifty failed")


async def _identity_signature(database: str, doc_id: str, read: Reader) -> str | None:
    """HMAC-SHA256 of an id with its document's secret and the system's (``kz_auth_identity:sign/1``), base64url.

    None if one of the secrets is missing.
    """
    secret = string_at(live(await read(database, doc_id)), "pvt_signature_secret")
    server_secret = await Configuration(read).text(AUTH_CATEGORY, SERVER_SECRET)
    if not secret or server_secret is None:
        return None
    digest = hmac.digest((secret + server_secret).encode(), doc_id.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def parse(token: str) -> tuple[JsonObject, JsonObject]:
    """Header and claims of a token, unverified; raises ``TokenRefused`` if it is not one."""
    if len(token) > _MAX_CHARACTERS:
        raise TokenRefused("invalid_token")
    try:
        parsed = _JWS.decode_complete(token, options={"verify_signature": False})
        claims = loads(parsed["payload"])
    except (jwt.DecodeError, ValueError):
        # ValueError: the claims are not JSON, or the token holds bytes that are not UTF-8.
        raise TokenRefused("invalid_token") from None
    except jwt.InvalidTokenError:
        raise TokenRefused("invalid jwt") from None
    if not isinstance(claims, dict):
        raise TokenRefused("invalid_token")
    return parsed["header"], claims


def _identity_place(claims: Mapping[str, Json]) -> tuple[str, str] | None:
    """Database and id of the identity's document: the user's, else the device's, else the account's."""
    account_id = claims.get("account_id")
    if not is_account_id(account_id):
        return None
    key = next(key for key in ("owner_id", "device_id", "account_id") if key in claims)
    doc_id = claims[key]
    return (account_db(account_id), doc_id) if isinstance(doc_id, str) and doc_id else None
