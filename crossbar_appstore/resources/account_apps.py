"""The apps of an account: fetches what the rules of ``appstore`` ask for, and remembers what they said.

What was read for one account is remembered; it holds for as long as the datastore gives the very same documents. So a
read costs a look at each document, and nothing that may change goes unseen. What is said is remembered apart from that,
once for all accounts that the rules treat alike.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Final

from crossbar_appstore.appstore import app_overrides
from crossbar_appstore.appstore.allowed_apps import (
    AccountState,
    AllowedApp,
    VendorKey,
    allowed_apps,
    likeness,
    needed_vendor_apps,
)
from crossbar_appstore.appstore.apps_store_document import DOCUMENT_ID, User
from crossbar_appstore.appstore.listing import Skipped, app_body, label_languages, list_entries, login_apps
from crossbar_appstore.appstore.resellers import ancestors, invented_services, is_reseller
from crossbar_appstore.appstore.service_plans import (
    PlanKey,
    applications,
    fallback_account,
    merge_weights,
    plan_references,
)
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.datastore.snapshot import Snapshot
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.ids import account_db, is_account_id
from crossbar_appstore.memo import Memo
from crossbar_appstore.resources.prepared import Prepared, PreparedReplies

log = logging.getLogger(__name__)

_SERVICES: Final = "services"
_OBJECT_PLANS: Final = "services/object_plans"
_MOST_ACCOUNTS: Final = 200
"""Accounts whose documents are held together; those of one take some ten kilobytes."""
_LIST: Final = None
"""Stands for the list where else an app's id stands."""


@dataclass(eq=False)
class AccountApps:
    """What the rules say for one account; worked out when it is asked for."""

    snapshot: Snapshot
    state: AccountState
    stale: bool
    _replies: PreparedReplies
    _found: tuple[str, Sequence[AllowedApp]] = ("", ())

    @property
    def apps(self) -> tuple[AllowedApp, ...]:
        """All apps: vendors', then the catalogue's."""
        return allowed_apps(self.snapshot.apps, self.state)

    def find(self, app_id: str) -> AllowedApp | None:
        """The app of that id, published or not."""
        return next(iter(self.find_all(app_id)), None)

    def find_all(self, app_id: str) -> Sequence[AllowedApp]:
        """All apps of that id: a vendor's, then the catalogue's."""
        if self._found[0] != app_id:
            # The rules look at each app by itself: one app need not ask for the others.
            listed = self.snapshot.by_id.get(app_id)
            among = allowed_apps(() if listed is None else (listed,), self.state)
            self._found = app_id, [app for app in among if app.id == app_id]
        return self._found[1]

    @property
    def listing(self) -> Prepared:
        """The data of the list."""
        found = self._replies.get((*self._likeness, _LIST), self._list)
        return found if found is not None else self._list()

    def body(self, app_id: str) -> Prepared | None:
        """The data of one app; None if there is none that could be shown."""
        return self._replies.get((*self._likeness, app_id), lambda: self._body(app_id))

    @cached_property
    def _likeness(self) -> tuple[int, Hashable]:
        """Whoever has the same gets the same replies; nobody else's where it cannot be told."""
        return self.snapshot.generation, likeness(self.state) or object()

    def _list(self) -> Prepared:
        shown = list_entries(self.apps)
        _report(shown.skipped)
        return Prepared.of(shown.entries)

    def _body(self, app_id: str) -> Prepared | None:
        app = self.find(app_id)
        body = None if app is None else app_body(app)
        return None if body is None else Prepared.of(body)


@dataclass(slots=True)
class _Reads:
    """What was read for one decision: each question with its answer, and whether any answer was stale."""

    store: Datastore
    documents: list[tuple[str, str, JsonObject | None]] = field(default_factory=list)
    rows: list[tuple[str, Any]] = field(default_factory=list)
    overrides: list[tuple[str, Any]] = field(default_factory=list)
    snapshot: Snapshot | None = None
    stale: bool = False

    async def document(self, database: str, doc_id: str) -> JsonObject | None:
        known = await self.store.open(database, doc_id)
        self.documents.append((database, doc_id, known.document))
        self.stale = self.stale or known.stale
        return known.document

    async def account_document(self, account_id: str, doc_id: str) -> JsonObject | None:
        return await self.document(account_db(account_id), doc_id)

    async def object_plans(self, account_id: str) -> Sequence[ViewRow] | None:
        database = account_db(account_id)
        known = await self.store.rows(database, _OBJECT_PLANS)
        self.rows.append((database, known.rows))
        self.stale = self.stale or known.stale
        return known.rows

    async def override_documents(self, account_id: str) -> Sequence[JsonObject]:
        database = account_db(account_id)
        known = await self.store.family(database, app_overrides.PREFIX)
        self.overrides.append((database, known.documents))
        self.stale = self.stale or known.stale
        return known.documents

    async def catalogue(self) -> Snapshot:
        self.snapshot = await self.store.catalogue.snapshot()
        self.stale = self.stale or self.snapshot.stale
        return self.snapshot

    async def still_hold(self) -> bool:
        """Whether the datastore still answers every question with the very same object."""
        snapshot = await self.store.catalogue.snapshot()
        if self.snapshot is None or snapshot.generation != self.snapshot.generation:
            return False
        stale = snapshot.stale
        for database, doc_id, document in self.documents:
            known = await self.store.open(database, doc_id)
            if known.document is not document:
                return False
            stale = stale or known.stale
        for database, rows in self.rows:
            found = await self.store.rows(database, _OBJECT_PLANS)
            if found.rows is not rows:
                return False
            stale = stale or found.stale
        for database, documents in self.overrides:
            family = await self.store.family(database, app_overrides.PREFIX)
            if family.documents is not documents:
                return False
            stale = stale or family.stale
        return stale == self.stale


class AppStore:
    """Answers which apps an account has (`cb_apps_util:allowed_apps/1,2`)."""

    def __init__(self, store: Datastore) -> None:
        self._store = store
        self._current: Memo[str, AccountApps] = Memo(store.moments, _MOST_ACCOUNTS)
        self._looking: dict[tuple[str, int], asyncio.Task[AccountApps]] = {}
        self._remembered: OrderedDict[str, tuple[_Reads, AccountApps]] = OrderedDict()
        self._replies = PreparedReplies()

    async def apps(self, account_id: str) -> AccountApps:
        """The apps of an account, asked by nobody in particular.

        Raises:
            DatastoreError: CouchDB is away, and a document that decides was never read.
        """
        current = self._current.get(account_id)
        return await self._shared(account_id) if current is None else current

    async def _shared(self, account_id: str) -> AccountApps:
        """Look once for all who ask in the same moment."""
        moment = self._store.moments.now()
        key = (account_id, moment)
        looking = self._looking.get(key)
        if looking is None:
            looking = self._looking[key] = asyncio.ensure_future(self._looked_at_again(account_id))
            looking.add_done_callback(partial(self._looked, key))
        current = await asyncio.shield(looking)
        self._current.put(account_id, current, moment)
        return current

    def _looked(self, key: tuple[str, int], looking: "asyncio.Task[AccountApps]") -> None:
        del self._looking[key]
        if not looking.cancelled():
            looking.exception()  # looked at, even if every asker is gone

    async def _looked_at_again(self, account_id: str) -> AccountApps:
        """What was decided before if every document is the same as then, else what the rules say now."""
        remembered = self._remembered.get(account_id)
        if remembered is not None and await remembered[0].still_hold():
            self._remembered.move_to_end(account_id)
            return remembered[1]
        reads = _Reads(self._store)
        snapshot, state = await self._state(reads, account_id)
        found = AccountApps(snapshot, state, reads.stale, self._replies)
        self._remembered[account_id] = reads, found
        self._remembered.move_to_end(account_id)
        if len(self._remembered) > _MOST_ACCOUNTS:
            self._remembered.popitem(last=False)
        return found

    async def login_apps(self, account_id: str, user_id: str | None) -> list[JsonObject]:
        """The apps that a user may use, as the reply to a login lists them (`crossbar_util:load_apps/2`)."""
        reads = _Reads(self._store)
        snapshot, state = await self._state(reads, account_id)
        document = None if user_id is None else await reads.account_document(account_id, user_id)
        user = None if user_id is None else User(user_id, document)
        language = await self._store.config.get("crossbar", "default_language")
        languages = label_languages(live(document), state.account, *([language] if isinstance(language, str) else []))
        shown = login_apps(allowed_apps(snapshot.apps, state, user), languages)
        _report(shown.skipped)
        return shown.entries

    async def _state(self, reads: _Reads, account_id: str) -> tuple[Snapshot, AccountState]:
        """Everything that the rules need, asked in parallel as far as one answer does not lead to the next."""
        own = asyncio.gather(
            reads.account_document(account_id, DOCUMENT_ID),
            reads.account_document(account_id, account_id),
            reads.account_document(account_id, "whitelabel"),
            reads.override_documents(account_id),
        )
        others = asyncio.gather(
            reads.catalogue(), reads.document(_SERVICES, account_id), self._object_plans(reads, account_id)
        )
        (apps_store, account, whitelabel, overrides), (snapshot, services, attached) = await asyncio.gather(own, others)
        master = snapshot.master_account_id
        services = await self._services(reads, services, account, master)
        plan_apps = await self._plan_apps(reads, services, attached)
        fallback = fallback_account(plan_apps, services)
        if fallback is not None and fallback != account_id:
            plan_apps = await self._reseller_apps(reads, fallback, master)
        state = AccountState(
            account_id=account_id,
            master_account_id=master,
            plan_apps=plan_apps,
            vendor_apps=await self._vendor_apps(reads, needed_vendor_apps(plan_apps, master)),
            apps_store=apps_store,
            account=account,
            whitelabel=whitelabel,
            is_reseller=is_reseller(services),
            overrides=app_overrides.by_app(overrides),
        )
        return snapshot, state

    async def _reseller_apps(self, reads: _Reads, reseller_id: str, master: str) -> JsonObject:
        services, account, attached = await asyncio.gather(
            reads.document(_SERVICES, reseller_id),
            reads.account_document(reseller_id, reseller_id),
            self._object_plans(reads, reseller_id),
        )
        return await self._plan_apps(reads, await self._services(reads, services, account, master), attached)

    async def _services(
        self, reads: _Reads, services: JsonObject | None, account: JsonObject | None, master: str
    ) -> JsonObject | None:
        """The services document, or the one that KAZOO makes up where there is none."""
        if live(services) is not None or account is None:
            return services
        lineage = ancestors(account)
        documents = await asyncio.gather(*(reads.document(_SERVICES, ancestor) for ancestor in lineage))
        return invented_services(account, dict(zip(lineage, documents, strict=True)), master)

    async def _object_plans(self, reads: _Reads, account_id: str) -> Sequence[tuple[str, Json]]:
        # KAZOO registers the view for every account or for none, so the master account's tells whether to ask.
        master = (await self._store.catalogue.snapshot()).master_account_id
        rows = await reads.object_plans(master)
        if rows is not None and account_id != master:
            rows = await reads.object_plans(account_id)
        return [(row.id, row.value) for row in rows or () if row.id is not None]

    async def _plan_apps(
        self, reads: _Reads, services: JsonObject | None, attached: Iterable[tuple[str, Json]]
    ) -> JsonObject:
        references = plan_references(services, attached)
        if not references:
            return {}
        keys: list[PlanKey] = list(dict.fromkeys(reference.key for reference in references))
        config, *plans = await asyncio.gather(
            reads.document("system_config", "services"),
            *(reads.account_document(vendor_id, plan_id) for vendor_id, plan_id in keys),
        )
        return applications(references, dict(zip(keys, plans, strict=True)), merge_weights(config))

    async def _vendor_apps(self, reads: _Reads, keys: Sequence[VendorKey]) -> Mapping[VendorKey, JsonObject | None]:
        usable = [key for key in dict.fromkeys(keys) if is_account_id(key[0])]
        documents = await asyncio.gather(*(reads.account_document(*key) for key in usable))
        return dict(zip(usable, documents, strict=True))


def _report(skipped: Iterable[Skipped]) -> None:
    for each in skipped:
        log.warning("app left out of an answer", extra={"app_id": each.app_id, "reason": each.reason})
