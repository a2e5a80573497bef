"""The apps of an account, and what is remembered of them.

What was decided for an account holds for as long as everything that was read for it is as it was, which the datastore
tells without unpacking any of it. What is remembered is what accounts have in common that the rules treat alike: the
replies are kept apart from that, once for all of them. The documents themselves are read again by the few who need
them: for a reply that nobody else has asked for, or a change.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

from crossbar_appstore.appstore.allowed_apps import AccountState, AllowedApp, allowed_apps, policy_fingerprint
from crossbar_appstore.appstore.apps_store_document import AccountUser
from crossbar_appstore.appstore.listing import Skipped, app_body, label_languages, list_entries, login_apps
from crossbar_appstore.datastore.reading import Sources
from crossbar_appstore.datastore.snapshot import Snapshot
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.memo import Memo
from crossbar_appstore.resources.account_state import account_state
from crossbar_appstore.resources.prepared import Prepared, PreparedReplies
from crossbar_appstore.resources.shared_work import SharedWork

log = logging.getLogger(__name__)

_MOST_ACCOUNTS: Final = 10_000
"""Accounts that are remembered; one takes half a kilobyte."""
_MOST_IN_A_MOMENT: Final = 200
"""Accounts looked at in one moment whose documents may be held together; those of one take some ten kilobytes."""
_AT_A_TIME: Final = 64
"""The part of the accounts, one in so many, that is forgotten when there are too many."""
_NO_APPS: Final[frozenset[str]] = frozenset()
"""Shared by all accounts without apps of their own."""
_LIST: Final = None
"""Stands for the list where else an app's id stands."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A decision: of what it was made, what it has in common with others, and which apps may look different."""

    sources: Sources
    fingerprint: bytes | None
    own: frozenset[str]


class AccountApps:
    """What the rules say for one account, for as long as a moment; worked out when it is asked for.

    Args:
        snapshot: the catalogue.
        fingerprint: of the account's state, None where it cannot be told.
        own: ids of the apps that the account may see otherwise than everybody, permissions apart: its vendors', and
            those that it overrides.
        stale: whether all this may be old, since CouchDB is away.
        replies: of all accounts.
        load: reads the account's state again.
        state: the state, where it is at hand.

    Methods that need the state read documents that are known already, as a rule; else they raise ``DatastoreError``
    where CouchDB is away.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        fingerprint: bytes | None,
        own: frozenset[str],
        replies: PreparedReplies,
        load: Callable[[], Awaitable[AccountState]],
        *,
        stale: bool = False,
        state: AccountState | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.own = own
        self.stale = stale
        self._fingerprint = fingerprint
        self._replies = replies
        self._load = load
        self._state = state
        self._found: tuple[str, Sequence[AllowedApp]] = ("", ())

    async def state(self) -> AccountState:
        """What the rules know of the account."""
        if self._state is None:
            self._state = await self._load()
        return self._state

    async def apps(self) -> tuple[AllowedApp, ...]:
        """All apps: vendors', then the catalogue's."""
        return allowed_apps(self.snapshot.apps, await self.state())

    async def find(self, app_id: str) -> AllowedApp | None:
        """The app of that id, published or not."""
        return next(iter(await self.find_all(app_id)), None)

    async def find_all(self, app_id: str) -> Sequence[AllowedApp]:
        """All apps of that id: a vendor's, then the catalogue's."""
        listed = self.snapshot.by_id.get(app_id)
        if listed is None and app_id not in self.own:
            return ()
        if self._found[0] != app_id:
            # The rules look at each app by itself: one app need not ask for the others.
            among = allowed_apps(() if listed is None else (listed,), await self.state())
            self._found = app_id, [app for app in among if app.id == app_id]
        return self._found[1]

    async def listing(self) -> Prepared:
        """The data of the list."""
        known = self._known(_LIST)
        if known is not None:
            return known
        shown = list_entries(await self.apps())
        _report(shown.skipped)
        return self._kept(_LIST, Prepared.of(shown.entries))

    async def body(self, app_id: str) -> Prepared | None:
        """The data of one app; None if there is none that could be shown."""
        known = self._known(app_id)
        if known is not None:
            return known
        app = await self.find(app_id)
        body = None if app is None else app_body(app)
        return None if body is None else self._kept(app_id, Prepared.of(body))

    def _known(self, what: str | None) -> Prepared | None:
        """A reply that somebody else who is treated alike was given."""
        return (
            None
            if self._fingerprint is None
            else self._replies.get((self.snapshot.generation, self._fingerprint, what))
        )

    def _kept(self, what: str | None, reply: Prepared) -> Prepared:
        # The state may have been read after the decision, so it counts, not what was said of it then.
        alike = None if self._state is None else policy_fingerprint(self._state)
        if alike is not None:
            self._replies.put((self.snapshot.generation, alike, what), reply)
        return reply


class AppStore:
    """Answers which apps an account has (`cb_apps_util:allowed_apps/1,2`)."""

    def __init__(self, store: Datastore) -> None:
        self._store = store
        self._current: Memo[str, AccountApps] = Memo(store.moments, _MOST_IN_A_MOMENT)
        self._looking: SharedWork[tuple[str, int], AccountApps] = SharedWork()
        # The least recently used come first; an OrderedDict would take more memory for that.
        self._remembered: dict[str, _Remembered] = {}
        self._replies = PreparedReplies()

    async def apps(self, account_id: str) -> AccountApps:
        """The apps of an account, asked by nobody in particular.

        Raises:
            DatastoreError: CouchDB is away, and a document that decides was never read.
        """
        current = self._current.get(account_id)
        if current is not None:
            return current
        moment = self._store.moments.now()
        key = (account_id, moment)
        # Where somebody is looking, it was found out already that it is not as before.
        current = None if key in self._looking else self._as_before(account_id)
        if current is None:
            current = await self._looking.result(key, partial(self._look, account_id))
        self._current.put(account_id, current, moment)
        return current

    def _as_before(self, account_id: str) -> AccountApps | None:
        """What was decided before, if everything is known to be as it was."""
        remembered = self._remembered.get(account_id)
        snapshot = None if remembered is None else self._store.readings.hold(remembered.sources)
        return None if remembered is None or snapshot is None else self._again(account_id, remembered, snapshot)

    def _again(self, account_id: str, remembered: _Remembered, snapshot: Snapshot) -> AccountApps:
        self._remember(account_id, remembered)
        load = partial(self._load, account_id)
        return AccountApps(snapshot, remembered.fingerprint, remembered.own, self._replies, load)

    async def _look(self, account_id: str) -> AccountApps:
        """What was decided before if everything is as it was, else what the rules say now."""
        remembered = self._remembered.get(account_id)
        if remembered is not None:
            held = await self._store.readings.still_hold(remembered.sources)
            if held is not None:
                return self._again(account_id, remembered, held)
        reading = self._store.readings.begin()
        snapshot, state = await account_state(reading, account_id)
        own = frozenset([*state.overrides, *(app_id for _, app_id in state.vendor_apps)]) or _NO_APPS
        alike, sources = policy_fingerprint(state), reading.sources()
        if sources is not None:
            self._remember(account_id, _Remembered(sources, alike, own))
        load = partial(self._load, account_id)
        return AccountApps(snapshot, alike, own, self._replies, load, stale=reading.stale, state=state)

    def _remember(self, account_id: str, decided: _Remembered) -> None:
        remembered = self._remembered
        remembered.pop(account_id, None)
        remembered[account_id] = decided
        if len(remembered) > _MOST_ACCOUNTS:
            # Finding the oldest costs a search, so some go at a time.
            for oldest in list(islice(remembered, max(1, _MOST_ACCOUNTS // _AT_A_TIME))):
                del remembered[oldest]

    async def _load(self, account_id: str) -> AccountState:
        _, state = await account_state(self._store.readings.begin(), account_id)
        return state

    async def login_apps(self, account_id: str, user_id: str | None) -> list[JsonObject]:
        """The apps that a user may use, as the reply to a login lists them (`crossbar_util:load_apps/2`)."""
        reading = self._store.readings.begin()
        snapshot, state = await account_state(reading, account_id)
        document = None if user_id is None else await reading.document(account_db(account_id), user_id)
        user = None if user_id is None else AccountUser(user_id, document)
        language = await self._store.config.get("crossbar", "default_language")
        languages = label_languages(live(document), state.account, *([language] if isinstance(language, str) else []))
        shown = login_apps(allowed_apps(snapshot.apps, state, user), languages)
        _report(shown.skipped)
        return shown.entries


def _report(skipped: Iterable[Skipped]) -> None:
    for each in skipped:
        log.warning("app left out of an answer", extra={"app_id": each.app_id, "reason": each.reason})
