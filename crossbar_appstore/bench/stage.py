"""What experiments stand on: a CouchDB with a system, and services in front of it."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from crossbar_appstore.bench.cases import Client, log_in
from crossbar_appstore.bench.processes import Server, service
from crossbar_appstore.bench.ratios import Effort
from crossbar_appstore.bench.system import CUSTOMER, System, build_system
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.embedded import EmbeddedCouchDB

APPS: Final = 25
"""In the catalogue, where nothing else is said."""

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much there is of what grows.

    Apps in the catalogue, known accounts, accounts that are asked about in turn, clients at the same moment.
    """

    apps: tuple[int, ...] = (25, 250, 2_500)
    accounts: tuple[int, int] = (10, 100_000)
    in_turn: int = 1_000
    clients: int = 1_000


@dataclass(frozen=True, slots=True)
class Bench:
    """What all experiments share: ``room`` is a folder of their own, ``cache`` where PouchDB Server is installed."""

    room: Path
    cache: Path
    effort: Effort
    scale: Scale

    @contextlib.asynccontextmanager
    async def stage(self, apps: int, *, lean: bool = False) -> AsyncIterator["Stage"]:
        """A CouchDB of its own with a system of so many apps.

        Raises:
            EmbeddedError, DatastoreError: it cannot be had.
        """
        data = self.room / f"couchdb-{next(_numbers)}"
        async with EmbeddedCouchDB(data_dir=data, cache=self.cache) as couchdb:
            async with Couch(couchdb.url) as couch:
                system = await build_system(couch, apps, lean=lean)
            yield Stage(self, couchdb.url, couchdb.pid, system)


@dataclass(frozen=True, slots=True)
class Stage:
    """A CouchDB that runs, with a system."""

    bench: Bench
    couchdb_url: str
    couchdb_pid: int
    system: System

    @contextlib.asynccontextmanager
    async def serve(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        couchdb_url: str | None = None,
    ) -> AsyncIterator[Server]:
        """The service, on this CouchDB or on one that stands before it.

        Raises:
            CannotMeasure: it did not come up.
        """
        log = self.bench.room / "service.log"
        async with service(couchdb_url or self.couchdb_url, settings or {}, log) as server:
            yield server

    async def customer(self, server: Server) -> Client:
        """The customer's administrator, logged in.

        Raises:
            CannotMeasure: the service would not have it.
        """
        return await log_in(server, self.system, CUSTOMER, self.system.customer_id)
