"""Two services and an outside writer change the same ``apps_store`` documents through a broken network.

Every acknowledged change is explained by an order of the changes, and all readers agree afterwards. On three nodes
(``COUCHDB_NODES``) the services have different coordinators; nothing is lost there either, but for the outside
writer, whose changes nobody confirms.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from crossbar_appstore.auth import keys
from crossbar_appstore.datastore.errors import Conflict, Troubled
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import new_apps_store
from tests.datastore.fault_proxy import Fault, FaultProxy, Status
from tests.kit.accounts import Account
from tests.kit.fixtures import standing_system
from tests.kit.service import Answer, Service
from tests.kit.system import System

from .history import ABSENT, BLACKLIST, COUNTER, OUTSIDE, Entry, History

OPERATIONS: Final = 2_000
LONG: Final = 20_000
OWNERS: Final = 6
"""Owners of permissions in each account."""
APPS: Final = 8
"""Apps of each owner: of an entry that is changed often, only the last changes can be seen to be lost."""
CHANGES_OF_AN_ACCOUNT: Final = 500
"""Half as many as the revisions of which CouchDB keeps the ids."""
AT_ONCE: Final = 4
"""Accounts that are changed at the same time."""
PROMISE: Final = 2.0
SETTLED: Final = 75.0
"""Seconds after which nothing is looked at again on a cluster."""
FAULTY: Final = 0.06
"""Faults for each change."""
FAULTS: Final = (
    Fault.STALL,
    Fault.RESET,
    Fault.LOSE_REPLY,
    Fault.TRUNCATE,
    Fault.ACCEPTED,
    Status(503),
    Status(500, "timeout"),
    Status(409, "Document update conflict.", "conflict"),
)


@dataclass
class Place:
    """A system, the CouchDB addresses of its two services, and whether that is a cluster."""

    system: System
    addresses: tuple[str, str]
    is_cluster: bool


@pytest.fixture(params=["one node", "three nodes"])
def addresses(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The CouchDB of each service."""
    if request.param == "one node":
        url: str = request.getfixturevalue("kit_couchdb_url")
        return url, url
    first, second, *_ = request.getfixturevalue("couchdb_nodes")
    return first, second


@pytest.fixture
async def place(
    addresses: tuple[str, str], kit_key: RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    # Parsing a private key takes long, and it is always the same.
    monkeypatch.setattr(keys, "from_pem", lambda _: kit_key)
    async with standing_system(addresses[0], kit_key) as system:
        yield Place(system, addresses, is_cluster=addresses[0] != addresses[1])


@dataclass
class Run:
    """Owners of entries, each of whom changes them through one of the services."""

    place: Place
    accounts: list[Account]
    apps: list[str]
    proxies: list[FaultProxy]
    services: list[Service]
    left: int = 0
    """Changes of these accounts that are still to be made."""
    history: History = field(default_factory=History)
    chance: random.Random = field(default_factory=lambda: random.Random(12))

    def __post_init__(self) -> None:
        # Only an account above it sets the blacklist of an account.
        self.token = self.place.system.token(self.place.system.master.admin)

    @property
    def entries(self) -> list[Entry]:
        """Those that the services show."""
        return [entry for entry in self.history.entries if entry.name != OUTSIDE]

    async def change_everything(self) -> None:
        """Let all owners change their entries, through a broken network; afterwards it is whole.

        A few accounts at a time: with more, most requests would only meet their deadline.
        """
        breaking = asyncio.create_task(self.kill_nodes())
        for first in range(0, len(self.accounts), AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, len(self.accounts)))
            self.left = CHANGES_OF_AN_ACCOUNT * len(numbers)
            await asyncio.gather(*(work for number in numbers for work in self._change(number)))
        breaking.cancel()
        await asyncio.gather(breaking, return_exceptions=True)
        for proxy in self.proxies:
            await proxy.accept()
            proxy.heal()

    def _change(self, number: int) -> Iterator[Coroutine[Any, Any, None]]:
        yield self.write_outside(number)
        owned = [self.apps[owner::OWNERS] for owner in range(OWNERS)]
        for owner, names in enumerate((*owned, [BLACKLIST])):
            yield self.own(number, names, self.services[(number + owner) % 2])

    async def kill_nodes(self) -> None:
        """Let one coordinator after the other look as if it had been killed, and started again."""
        while self.place.is_cluster:
            await asyncio.sleep(self.chance.uniform(2, 6))
            proxy = self.chance.choice(self.proxies)
            await proxy.refuse()
            await asyncio.sleep(self.chance.uniform(0.2, 1.5))
            await proxy.accept()

    async def settle(self) -> None:
        """Wait until nothing is lost and no branch is left, or until nothing is looked at again."""
        for _ in range(int(SETTLED)):
            await asyncio.sleep(1)
            documents = await self.documents()
            if not self.history.lost(documents) and not any("_conflicts" in each for each in documents.values()):
                return

    async def shown(self, service: Service) -> list[JsonObject]:
        """The accounts' documents as a service shows them."""
        found = []
        for account in self.accounts:
            listed = await self._fresh(service, account.path)
            blacklist = await self._fresh(service, f"{account.path}/blacklist")
            found.append({"apps": {app["id"]: app for app in listed}, **blacklist})
        return found

    async def _fresh(self, service: Service, path: str) -> Any:
        """The data of an answer that is not marked as stale, as it may be on a slow machine."""
        while True:
            answer = await service.call("GET", path, None, token=self.token)
            if answer.status == 200 and "Warning" not in answer.headers:
                return answer.data
            await asyncio.sleep(0.5)

    def statistics(self) -> dict[str, int]:
        """What the services counted, together."""
        counted = [service.store.statistics for service in self.services]
        names = ("conflicts", "unconfirmed_saves", "changes_reapplied", "branches_removed", "branches_left")
        return {name: sum(getattr(each, name) for each in counted) for name in names}

    async def own(self, number: int, names: list[str], service: Service) -> None:
        """Change some entries of an account again and again."""
        entries = [self.history.entry(number, name) for name in names]
        while self.left > 0:
            self.left -= 1
            entry = self.chance.choice(entries)
            change = self._change_blacklist if entry.name == BLACKLIST else self._change_permission
            await change(entry, service)

    async def _change_blacklist(self, entry: Entry, service: Service) -> None:
        value = entry.next()
        await self._send(entry, service, "POST", value, {"blacklist": [str(value)]})

    async def _change_permission(self, entry: Entry, service: Service) -> None:
        if entry.believed == ABSENT:
            value = entry.next()
            await self._send(entry, service, "PUT", value, {"allowed_users": "all", COUNTER: value})
        elif self.chance.random() < 0.3:
            await self._send(entry, service, "DELETE", ABSENT)
        else:
            value = entry.next()
            await self._send(entry, service, "POST", value, {"allowed_users": "all", COUNTER: value})

    async def _send(self, entry: Entry, service: Service, method: str, value: int, *data: Any) -> None:
        path = f"{self.accounts[entry.account].path}/{entry.name}"
        if self.chance.random() < FAULTY:
            self.chance.choice(self.proxies).fail(self.chance.choice(FAULTS), path="apps_store", times=1)
        try:
            answer = await service.call(method, path, None, *data, token=self.token)
        except (aiohttp.ClientError, TimeoutError):
            self.history.unknown(entry, value)
            return
        self._record(entry, method, value, answer)
        if answer.status == 503:
            await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))

    def _record(self, entry: Entry, method: str, value: int, answer: Answer) -> None:
        match answer.status:
            case 200 | 201:
                self.history.acknowledged(entry, value, answer.envelope["revision"])
            case 400:
                self.history.refused(entry, exists=method == "PUT")
            case 409:
                self.history.outcomes["conflict"] += 1
            case 503:
                self.history.unknown(entry, value)
            case _:
                pytest.fail(f"{method} was answered {answer.status} {answer.raw!r}")

    async def write_outside(self, number: int) -> None:
        """Change a field of a document directly in CouchDB, as another program does."""
        entry, couch = self.history.entry(number, OUTSIDE), self.place.system.couch
        database = self.accounts[number].database
        while self.left > 0:
            self.left -= 1
            value = entry.next()
            try:
                document = await couch.open_doc(database, "apps_store")
                await couch.save_doc(database, {**document, OUTSIDE: value})
            except Conflict:
                self.history.outcomes["conflict"] += 1
            except Troubled:
                self.history.unknown(entry, value)
            else:
                self.history.acknowledged(entry, value)
            await asyncio.sleep(0.2)

    async def documents(self) -> dict[int, JsonObject]:
        """Every account's document, with its history and its conflicts."""
        couch = self.place.system.couch
        query = {"revs": True, "conflicts": True}
        found = [await couch.open_doc(account.database, "apps_store", **query) for account in self.accounts]
        return dict(enumerate(found))


@pytest.fixture
async def run(place: Place, long_form: bool) -> AsyncIterator[Run]:
    """Accounts, apps and services; the services reach CouchDB through proxies of their own."""
    system, operations = place.system, LONG if long_form else OPERATIONS
    numbers = range(operations // CHANGES_OF_AN_ACCOUNT)
    accounts = [await system.account(f"Shared {number}", below=system.master) for number in numbers]
    for account in accounts:
        await system.put(account.database, new_apps_store(account.id))
    apps = [await system.app(f"app-{number}") for number in range(OWNERS * APPS)]
    await system.config("token_buckets", max_bucket_tokens=100_000, tokens_fill_rate=100_000)
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(FaultProxy(address)) for address in place.addresses]
        services = [Service(system, proxy.url, CROSSBAR_REQUEST_SECONDS="3") for proxy in proxies]
        yield Run(place, accounts, apps, proxies, services)
        for service in services:
            await service.stop()


@pytest.mark.timeout(7200)
async def test_apps_store_changes_through_two_services_are_explained_by_an_order(run: Run) -> None:
    operations, history = CHANGES_OF_AN_ACCOUNT * len(run.accounts), run.history
    began = time.monotonic()
    await run.change_everything()
    seconds = time.monotonic() - began
    if run.place.is_cluster:
        await run.settle()
    await asyncio.sleep(PROMISE)
    documents = await run.documents()
    print(f"\n{operations} changes in {seconds:.0f} s: {dict(history.outcomes)}; {run.statistics()}")
    assert history.lost(documents, outside=not run.place.is_cluster) == []
    # With killed nodes, many changes end without a usable reply.
    assert history.outcomes["acknowledged"] > operations / (10 if run.place.is_cluster else 4)
    for service in run.services:
        shown = dict(enumerate(await run.shown(service)))
        assert [e.stored(shown[e.account]) for e in run.entries] == [
            e.stored(documents[e.account]) for e in run.entries
        ]
    if not run.place.is_cluster:
        assert history.unexplained == []
        for number, document in documents.items():
            assert "_conflicts" not in document
            start, ids = document["_revisions"]["start"], document["_revisions"]["ids"]
            stored = {f"{start - index}-{each}" for index, each in enumerate(ids)}
            assert set(history.revisions.get(number, ())) <= stored
