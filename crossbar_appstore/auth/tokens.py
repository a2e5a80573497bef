"""Tokens as KAZOO issues and checks them (``kz_auth``, ``kz_auth_jwt``, ``kz_auth_identity``).

A token is worth nothing without the documents that it was made from: its key, its user's or account's signature
secret, the server's own secret. They are looked at again on each use, so a changed secret ends every token at once.
"""

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.ids import account_db, is_account_id

from . import jws
from .documents import ASKED_NEXT, TOKEN_RESTRICTIONS, Documents
from .keys import KeyRing
from .settings import Settings

ISSUER: Final = "kazoo"
AUTH_CATEGORY: Final = "auth"
SYSTEM_CONFIG: Final = "system_config"
SYSTEM_KEY: Final = "system_key"
SERVER_SECRET: Final = "secret_for_user_signature"
REMEMBERED: Final = 10_000
"""Checked tokens kept at a time; about a kilobyte each."""


class TokenRefused(Exception):
    """The token opens nothing; ``code`` and ``reason`` are what KAZOO would say of it."""

    def __init__(self, reason: str, code: int = 401) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class TokenExpired(TokenRefused):
    """Rightly signed, past its time."""

    def __init__(self) -> None:
        super().__init__("token expired")


class NoSigningKey(Exception):
    """The system has no key to sign with: nobody can log in here until it has one."""


@dataclass(frozen=True, slots=True)
class _Signed:
    """What an identity signature was checked against: revisions, since the documents are larger than all the rest."""

    signature: bytes
    database: str
    doc_id: str
    revision: str
    settings: str


@dataclass(slots=True)
class _Checked:
    claims: JsonObject
    expires: float | None
    key_id: str
    key: RSAPublicKey
    signed: _Signed | None


class Tokens:
    """Issues and checks tokens.

    Args:
        documents: where identities and secrets are read.
        settings: where the system's key and secret are named.
        keys: the keys.
        clock: Unix seconds.
        remembered: how many checked tokens are kept.
    """

    def __init__(
        self,
        documents: Documents,
        settings: Settings,
        keys: KeyRing,
        *,
        clock: Callable[[], float] = time.time,
        remembered: int = REMEMBERED,
    ) -> None:
        self._documents = documents
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._remembered = remembered
        self._checked: OrderedDict[str, _Checked] = OrderedDict()

    async def issue(self, claims: Mapping[str, Json]) -> str:
        """A token with these claims behind issuer and identity signature, in their order (``kz_auth:create_token/1``).

        An identity without a secret, or a system without one, gives a token without the signature, as in KAZOO.

        Raises:
            NoSigningKey: the system's key is not there.
            DatastoreError: it cannot be read.
        """
        key_id = await self._settings.text(AUTH_CATEGORY, SYSTEM_KEY)
        key = await self._keys.private(key_id) if key_id is not None else None
        if key_id is None or key is None:
            raise NoSigningKey
        signature = await self._identity_signature(claims)
        signed: JsonObject = {} if signature is None else {"identity_sig": jws.encode_base64url(signature)}
        return jws.sign({"iss": ISSUER, **signed, **claims}, key_id, key)

    async def claims(self, token: str, account_id: str | None = None) -> JsonObject:
        """The claims of a good token; the same object for the same token. Never change it.

        ``account_id`` is the account that the caller says it is, from the header ``X-Auth-Account-ID``.

        Raises:
            TokenExpired: rightly signed, past its time.
            TokenRefused: anything else that is wrong with it.
            DatastoreError: it cannot be checked.
        """
        known = self._checked.get(token)
        checked = await self._check_again(token, known) if known is not None else await self._check(token)
        if account_id is not None and checked.claims["account_id"] != account_id:
            raise TokenRefused("account header mismatch")
        return checked.claims

    async def _check(self, token: str) -> _Checked:
        """The checks of ``kz_auth_jwt`` in their order: signature, time, identity, account."""
        try:
            parsed = jws.parse(token)
        except jws.NotAToken:
            raise TokenRefused("invalid_token") from None
        if parsed.algorithm not in jws.ALGORITHMS:
            raise TokenRefused("jwt algorithm not supported")
        key_id, key = await self._signer(parsed)
        if not jws.is_signed_by(parsed, key):
            raise TokenRefused("signature verification failed")
        expires = self._unexpired(parsed.claims)
        signed = await self._identity(parsed.claims)
        if not is_account_id(parsed.claims.get("account_id")):
            raise TokenRefused("no associated account_id", 403)
        checked = _Checked(parsed.claims, expires, key_id, key, signed)
        self._remember(token, checked)
        return checked

    async def _check_again(self, token: str, known: _Checked) -> _Checked:
        """A token that was good: is it in time, and are key, identity and secrets still the same?"""
        try:
            if known.expires is not None and known.expires <= self._clock():
                raise TokenExpired
            if await self._keys.public(known.key_id) is not known.key:
                return await self._check(token)
            if known.signed is not None and not await self._is_unchanged(known.signed):
                known.signed = await self._identity(known.claims)
        except TokenRefused:
            self._checked.pop(token, None)
            raise
        self._checked.move_to_end(token)
        return known

    async def _signer(self, parsed: jws.Jws) -> tuple[str, RSAPublicKey]:
        key_id = parsed.header.get("kid")
        if parsed.claims.get("iss") != ISSUER or not isinstance(key_id, str):
            raise TokenRefused("invalid jwt")
        key = await self._keys.public(key_id)
        if key is None:
            raise TokenRefused("not_found")
        return key_id, key

    def _unexpired(self, claims: JsonObject) -> float | None:
        expires = claims.get("exp")
        if expires is None and "exp" not in claims:
            return None
        if isinstance(expires, bool) or not isinstance(expires, int | float):
            raise TokenRefused("invalid jwt")
        if expires <= self._clock():
            raise TokenExpired
        return expires

    async def _identity(self, claims: JsonObject) -> _Signed | None:
        """Check the identity signature; None where the token has none."""
        if "identity_sig" not in claims:
            return None
        given = claims["identity_sig"]
        place = _identity_place(claims)
        if not isinstance(given, str) or not given or place is None:
            raise TokenRefused("identity verifty failed")
        database, doc_id = place
        # Whoever has a good token is looked at further: its account, and what restricts its tokens.
        next_ones = (claims["account_id"], TOKEN_RESTRICTIONS, *ASKED_NEXT)
        document = await self._documents.open_live(database, doc_id, prefetch=next_ones)
        settings = await self._documents.open_live(SYSTEM_CONFIG, AUTH_CATEGORY)
        expected = await self._signature_of(document, doc_id)
        if document is None or settings is None or expected is None or not _same(given, expected):
            raise TokenRefused("identity verifty failed")
        return _Signed(expected, database, doc_id, document["_rev"], settings["_rev"])

    async def _is_unchanged(self, signed: _Signed) -> bool:
        """Whether the documents behind a signature are of the revisions that it was checked against."""
        document = await self._documents.open(signed.database, signed.doc_id)
        if document is None or document["_rev"] != signed.revision:
            return False
        settings = await self._documents.open(SYSTEM_CONFIG, AUTH_CATEGORY)
        return settings is not None and settings["_rev"] == signed.settings

    async def _identity_signature(self, claims: Mapping[str, Json]) -> bytes | None:
        place = _identity_place(claims)
        if place is None:
            return None
        database, doc_id = place
        return await self._signature_of(await self._documents.open_live(database, doc_id), doc_id)

    async def _signature_of(self, document: JsonObject | None, doc_id: str) -> bytes | None:
        """HMAC-SHA256 of the identity's id, by its secret and the server's (``kz_auth_identity:sign/1``)."""
        secret = document.get("pvt_signature_secret") if document is not None else None
        server_secret = await self._settings.text(AUTH_CATEGORY, SERVER_SECRET)
        if not isinstance(secret, str) or not secret or server_secret is None:
            return None
        return hmac.digest((secret + server_secret).encode(), doc_id.encode(), "sha256")

    def _remember(self, token: str, checked: _Checked) -> None:
        self._checked[token] = checked
        if len(self._checked) > self._remembered:
            self._checked.popitem(last=False)


def _identity_place(claims: Mapping[str, Json]) -> tuple[str, str] | None:
    """Database and id of the document whose secret signs: the user's, else the device's, else the account's."""
    account_id = claims.get("account_id")
    if not is_account_id(account_id):
        return None
    key = next(key for key in ("owner_id", "device_id", "account_id") if key in claims)
    doc_id = claims[key]
    return (account_db(account_id), doc_id) if isinstance(doc_id, str) and doc_id else None


def _same(given: str, expected: bytes) -> bool:
    try:
        return hmac.compare_digest(jws.decode_base64url(given), expected)
    except jws.NotAToken:
        return False
