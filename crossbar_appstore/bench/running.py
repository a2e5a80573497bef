"""Runs the bench: brings everything up, measures what was asked for, takes everything down."""

import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from crossbar_appstore.bench import load
from crossbar_appstore.bench.cases import cases, log_in
from crossbar_appstore.bench.processes import service
from crossbar_appstore.bench.ratios import Comparison, Effort, compare
from crossbar_appstore.bench.system import build_system
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.embedded import EmbeddedCouchDB

APPS = 25


async def run_ratios(
    cache: Path, effort: Effort, only: Sequence[str], told: Callable[[Comparison], None]
) -> list[Comparison]:
    """The table of ratios; ``told`` is called with each row.

    Raises:
        CannotMeasure, EmbeddedError, DatastoreError: it cannot be measured.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="crossbar-bench-") as folder:
        room = Path(folder)
        async with _couchdb(room, cache) as url:
            async with Couch(url) as couch:
                system = await build_system(couch, APPS)
            async with service(url, {}, room / "service.log") as server:
                client = await log_in(server, system)
                for case in await cases(server, client):
                    if not only or case.name in only:
                        rows.append(await compare(server, case, load.wrk, effort, room))
                        told(rows[-1])
    return rows


@asynccontextmanager
async def _couchdb(room: Path, cache: Path) -> AsyncIterator[str]:
    async with EmbeddedCouchDB(data_dir=room / "couchdb", cache=cache) as couchdb:
        yield couchdb.url
