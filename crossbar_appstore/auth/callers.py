"""Who is calling, by JSON Web Token, cached with everything that decides it.

That is the token's signing key, the user or account with the signature secret, the accounts' documents and the token
restrictions. At each use all of them must still be current, so that a changed secret ends its tokens at once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from cachetools import LRUCache

from crossbar_appstore.datastore.documents import Reading, Sources
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.ids import account_db, is_account_id
from crossbar_appstore.kazoo.values import MISSING, get, string_at

from .documents import PREFETCHED, TOKEN_RESTRICTIONS
from .hierarchy import Identity, User, identity_of, is_in_account_hierarchy, refuse_expired_trial
from .restrictions import restrictions_of
from .tokens import TokenRefused, Tokens

CACHED_CALLERS: Final = 10_000
"""Callers cached at a time, one for each token; about a kilobyte each."""


@dataclass(frozen=True, slots=True)
class _Known:
    """The caller with a verified token.

    ``account`` is that of the token, None if it is deleted. ``expires`` is in Unix seconds, None for never.
    """

    account_id: str
    account: JsonObject | None
    identity: Identity | None
    expires: float | None
    sources: Sources | None


class Callers:
    """Identifies callers; ``clock`` gives Unix seconds, ``cached`` is how many are cached."""

    def __init__(
        self, store: Datastore, tokens: Tokens, *, clock: Callable[[], float] = time.time, cached: int = CACHED_CALLERS
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._clock = clock
        self._cache: LRUCache[str, _Known] = LRUCache(cached)

    async def of_token(self, token: str, account_id: str | None = None) -> Identity | None:
        """The caller with a JSON Web Token, the same object for the same token.

        None if its account is deleted, or masquerades as no descendant. ``account_id`` is the value of the header
        ``X-Auth-Account-ID``, None without that header.

        Raises:
            TokenExpired: the token is correctly signed and has expired.
            TokenRefused: the token is not valid for another reason.
            ValidationError: the trial of the token's account has ended.
            DatastoreError: CouchDB does not answer, and what decides is not cached.
        """
        # While this awaits a document, other requests may evict any entry: nothing relies on one being there.
        known = self._cache.get(token)
        if known is None or not await self._still_holds(known):
            self._cache.pop(token, None)
            known = self._cache[token] = await self._find(token)
        if account_id is not None and known.account_id != account_id:
            raise TokenRefused("account header mismatch")
        refuse_expired_trial(known.account)
        return known.identity

    async def of_claims(self, claims: JsonObject) -> Identity | None:
        """The caller that claims from elsewhere describe; None and errors as ``of_token``."""
        account, identity = await self._identify(claims, self._store.read())
        refuse_expired_trial(account)
        return identity

    async def _still_holds(self, known: _Known) -> bool:
        if known.expires is not None and known.expires <= self._clock():
            return False
        return self._store.are_current(known.sources) or await self._store.are_unchanged(known.sources)

    async def _find(self, token: str) -> _Known:
        reading = self._store.read()
        verified = await self._tokens.verify(token, reading)
        account, identity = await self._identify(verified.claims, reading)
        return _Known(verified.claims["account_id"], account, identity, verified.expires, reading.sources())

    async def _identify(self, claims: JsonObject, reading: Reading) -> tuple[JsonObject | None, Identity | None]:
        """The account of verified claims, and the identity; each is None if there is none.

        The claim ``as`` counts only with both its members (``cb_token_auth:check_as_payload/3``).
        """
        account_id: str = claims["account_id"]
        # KAZOO deletes an account's database, and no token of its users can be verified; here it is kept (E4).
        account = await _account(account_id, reading)
        if account is None:
            return None, None
        masked_id, masked_owner = get(claims, "as", "account_id"), get(claims, "as", "owner_id")
        if masked_id is MISSING or masked_owner is MISSING:
            identity = identity_of(claims, account)
        else:
            # Without a user the identity would count as an account's API key, which may write.
            if not isinstance(masked_id, str) or not isinstance(masked_owner, str) or not masked_owner:
                return account, None
            masked = await _account(masked_id, reading)
            if not is_in_account_hierarchy(account_id, masked):
                return account, None
            stated = {**claims, "account_id": masked_id, "owner_id": masked_owner}
            identity = identity_of(stated, masked, behind=User(account_id, string_at(claims, "owner_id")))
        return account, replace(identity, restrictions=await restrictions_of(identity, reading.document))


async def _account(account_id: str, reading: Reading) -> JsonObject | None:
    if not is_account_id(account_id):
        return None
    # Nearly every request goes on to read the others of the same database.
    prefetch = (TOKEN_RESTRICTIONS, *PREFETCHED)
    return live(await reading.document(account_db(account_id), account_id, prefetch=prefetch))
