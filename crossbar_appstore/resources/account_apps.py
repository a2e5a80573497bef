"""The apps of an account: decided once, as long as everything that decided is the same.

Accounts that the rules treat alike share what is serialized: their lists, and single apps.
"""

import asyncio
import hashlib
import logging
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from cachetools import LRUCache

from crossbar_appstore.appstore.allowed_apps import (
    AccountState,
    AllowedApp,
    allowed_apps,
    apps_with_id,
    policy_fingerprint,
)
from crossbar_appstore.appstore.apps_store_document import AccountUser
from crossbar_appstore.appstore.listing import Skipped, app_body, label_languages, list_entries, login_apps
from crossbar_appstore.crossbar.context import SerializedJson
from crossbar_appstore.datastore.cache import RETRY_SECONDS, SingleFlight
from crossbar_appstore.datastore.documents import Reading
from crossbar_appstore.datastore.errors import Unavailable
from crossbar_appstore.datastore.snapshot import Snapshot
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject, dumps
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.request_scope import accepts_stale, remaining
from crossbar_appstore.resources.account_state import account_state

log = logging.getLogger(__name__)

MAX_ACCOUNTS: Final = 5_000
MAX_BYTES: Final = 8_000_000
"""Of serialized data that is kept."""
_ENTRY_BYTES: Final = 750
"""What an entry takes beside its data: its key, tag and objects."""
_NO_APPS: Final[frozenset[str]] = frozenset()
"""Shared by all accounts without apps of their own."""
_LIST: Final = None
"""Stands for the list where else an app's id stands."""


@dataclass(frozen=True, slots=True)
class Serialized:
    """A reply's data, serialized once, with the entity tag of its bytes."""

    data: SerializedJson
    etag: str

    @classmethod
    def of(cls, value: Json) -> "Serialized":
        """Serialize a value."""
        # orjson's own bytes would keep all the memory that it wrote them into, at least 4 KB.
        raw = bytes(memoryview(dumps(value)))
        return cls(SerializedJson(raw), hashlib.blake2b(raw, digest_size=16).hexdigest())

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return len(self.data.raw) + _ENTRY_BYTES


class AccountApps:
    """What the rules say for one account; answers are computed when they are asked for.

    ``own`` are the ids of the apps that the account may see otherwise than everybody, permissions apart: its vendors',
    and those that it overrides. ``stale``: all this may be outdated, since CouchDB did not answer.
    """

    __slots__ = ("_fingerprint", "_serialized", "own", "snapshot", "sources", "stale", "state")

    def __init__(
        self, snapshot: Snapshot, state: AccountState, reading: Reading, serialized: LRUCache[Hashable, Serialized]
    ) -> None:
        self.snapshot = snapshot
        self.state = state
        self.sources = reading.sources()
        self.stale = reading.stale
        self.own = frozenset([*state.overrides, *(app_id for _, app_id in state.vendor_apps)]) or _NO_APPS
        self._fingerprint = policy_fingerprint(state)
        self._serialized = serialized

    def find(self, app_id: str) -> AllowedApp | None:
        """The app of that id, published or not."""
        return next(iter(self.find_all(app_id)), None)

    def find_all(self, app_id: str) -> Sequence[AllowedApp]:
        """All apps of that id: a vendor's, then the catalogue's."""
        listed = self.snapshot.by_id.get(app_id)
        if listed is None and app_id not in self.own:
            return ()
        return apps_with_id(app_id, listed, self.state)

    def listing(self) -> Serialized:
        """The data of the list."""
        known = self._known(_LIST)
        if known is not None:
            return known
        shown = list_entries(allowed_apps(self.snapshot.apps, self.state))
        _report(shown.skipped)
        return self._kept(_LIST, Serialized.of(shown.entries))

    def body(self, app_id: str) -> Serialized | None:
        """The data of one app; None if there is none that could be shown."""
        known = self._known(app_id)
        if known is not None:
            return known
        app = self.find(app_id)
        body = None if app is None else app_body(app)
        return None if body is None else self._kept(app_id, Serialized.of(body))

    def _known(self, app_id: str | None) -> Serialized | None:
        """What was serialized for an account that the rules treat alike; nothing where that cannot be told."""
        if self._fingerprint is None:
            return None
        return self._serialized.get((self.snapshot.generation, self._fingerprint, app_id))

    def _kept(self, app_id: str | None, serialized: Serialized) -> Serialized:
        if self._fingerprint is not None and serialized.size <= MAX_BYTES:
            self._serialized[self.snapshot.generation, self._fingerprint, app_id] = serialized
        return serialized


class AppStore:
    """Answers which apps an account has (`cb_apps_util:allowed_apps/1,2`)."""

    def __init__(self, store: Datastore) -> None:
        self._store = store
        self._decided: LRUCache[str, AccountApps] = LRUCache(MAX_ACCOUNTS)
        # By account and number of writes: no request joins what began before a write.
        self._deciding: SingleFlight[tuple[str, int], AccountApps] = SingleFlight()
        self._serialized: LRUCache[Hashable, Serialized] = LRUCache(MAX_BYTES, getsizeof=lambda kept: kept.size)

    async def apps(self, account_id: str) -> AccountApps:
        """The apps of an account, without regard to a user.

        Raises:
            DatastoreError: CouchDB does not answer, and a document that decides is not cached.
        """
        decided = self._decided.get(account_id)
        if decided is not None and self._store.are_current(decided.sources):
            return decided
        found = await self._deciding.run((account_id, self._store.writes), partial(self._decide, account_id))
        if found.stale and not accepts_stale():
            await self._store.require_available()
            # A read that has just failed is not repeated at once.
            await asyncio.sleep(remaining(RETRY_SECONDS))
            found = await self._deciding.run((account_id, self._store.writes), partial(self._decide, account_id))
            if found.stale:
                raise Unavailable("CouchDB does not answer")
        return found

    async def _decide(self, account_id: str) -> AccountApps:
        """What was decided before, if all that was read is the same, else what the rules say now."""
        reading = self._store.read()
        snapshot, state, _ = await account_state(reading, account_id)
        before = self._decided.get(account_id)
        if before is not None and before.sources == reading.sources():
            return before
        decided = AccountApps(snapshot, state, reading, self._serialized)
        if decided.sources is not None:
            self._decided[account_id] = decided
        return decided

    async def login_apps(self, account_id: str, user_id: str | None) -> list[JsonObject]:
        """The apps that a user may use, as the reply to a login lists them (`crossbar_util:load_apps/2`)."""
        reading = self._store.read()
        snapshot, state, _ = await account_state(reading, account_id)
        document = None if user_id is None else await reading.document(account_db(account_id), user_id)
        user = None if user_id is None else AccountUser(user_id, document)
        language = await self._store.config.get("crossbar", "default_language")
        languages = label_languages(live(document), state.account, *([language] if isinstance(language, str) else []))
        shown = login_apps(allowed_apps(snapshot.apps, state, user), languages)
        _report(shown.skipped)
        return shown.entries


def _report(skipped: Iterable[Skipped]) -> None:
    for each in skipped:
        log.warning("app left out of a response", extra={"app_id": each.app_id, "reason": each.reason})
