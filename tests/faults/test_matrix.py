"""Every route × every fault × what is known: never 500, never a wrong answer, never for long, and nothing stays."""

import asyncio
import itertools
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from crossbar_appstore.auth import keys
from crossbar_appstore.datastore import credentials
from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for
from crossbar_appstore.embedded import EmbeddedCouchDB
from crossbar_appstore.kazoo.ids import new_id
from crossbar_appstore.settings import Settings
from tests.docs.routes import answered, wired
from tests.faults.cells import Cell, ErrorLog, Known, Outcome
from tests.faults.kinds import KINDS
from tests.faults.rows import ROWS, Stage
from tests.kit.fixtures import standing_system
from tests.kit.service import Service

STAGES: Final = 5
"""Cells that run at the same time."""
PART: Final = 10
"""Rows of the long form that one server runs."""


def test_matrix_has_a_row_for_each_route() -> None:
    routes = {(method, route) for route, methods in answered(wired()).items() for method in methods}
    assert {(row.method, row.route) for row in ROWS} == routes
    assert len(ROWS) == len(routes)


def test_matrix_sample_covers_every_route_and_every_fault_in_every_state() -> None:
    cells = sample()
    assert {(cell.row.name, cell.known) for cell in cells} == {(row.name, known) for row in ROWS for known in Known}
    assert {(cell.kind.name, cell.known) for cell in cells} == {(kind.name, known) for kind in KINDS for known in Known}
    assert len(cells) == len(set(map(id, cells)))


def sample() -> list[Cell]:
    """Each route in each state, with the faults in turn."""
    shifts = {known: shift * len(KINDS) // len(Known) for shift, known in enumerate(Known)}
    return [
        Cell(row, KINDS[(index + shifts[known]) % len(KINDS)], known)
        for index, row in enumerate(ROWS)
        for known in Known
    ]


def parts() -> list[list[Cell]]:
    """Every cell, in the order of the states, a few hundred at a time."""
    return [
        [Cell(*each, known) for each in itertools.product(ROWS[first : first + PART], KINDS)]
        for known in Known
        for first in range(0, len(ROWS), PART)
    ]


@pytest.mark.timeout(3600)
async def test_every_route_answers_every_fault(
    kit_couchdb_url: str,
    kit_key: RSAPrivateKey,
    long_form: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # The same key each time: parsing it takes longer than the rest of a start.
    monkeypatch.setattr(keys, "from_pem", cache(keys.from_pem))
    # After a refused password nothing is asked for so long, which a cell cannot wait for.
    monkeypatch.setattr(credentials, "PAUSES", (1.0,))
    outcomes: list[Outcome] = []
    with error_log() as log:
        for cells in parts() if long_form else [sample()]:
            async with server(kit_couchdb_url, tmp_path, long_form=long_form) as url, stages(url, kit_key) as waiting:
                outcomes += await run_all(cells, waiting, url, log)
    with capsys.disabled():
        print(f"\n{summary(outcomes)}")
    wrong = {outcome.cell.name: outcome.problems for outcome in outcomes if outcome.problems}
    assert wrong == {}
    assert log.found == {}


@asynccontextmanager
async def server(couchdb_url: str, folder: Path, *, long_form: bool) -> AsyncIterator[str]:
    """The URL of the CouchDB to run cells on."""
    if not long_form or os.environ.get("COUCHDB_URL"):
        yield couchdb_url
        return
    # The embedded server takes seconds for a request after thousands of revisions of the same documents.
    async with EmbeddedCouchDB(data_dir=folder / new_id(), cache=Settings.load().cache_dir, in_memory=True) as embedded:
        yield embedded.url


async def run_all(
    cells: Sequence[Cell], waiting: asyncio.Queue[Stage], couchdb_url: str, log: ErrorLog
) -> list[Outcome]:
    async def run(cell: Cell) -> Outcome:
        stage = await waiting.get()
        try:
            # In a task of its own, for a context of its own.
            return await asyncio.create_task(cell.run(stage, couchdb_url, log))
        finally:
            waiting.put_nowait(stage)

    return await asyncio.gather(*map(run, cells))


@asynccontextmanager
async def stages(couchdb_url: str, key: RSAPrivateKey) -> AsyncIterator[asyncio.Queue[Stage]]:
    async with standing_system(couchdb_url, key) as system:
        await ensure(system.couch, "accounts", names_for(DatabaseClass.ACCOUNTS))
        waiting: asyncio.Queue[Stage] = asyncio.Queue()
        made = await asyncio.gather(*(Stage.create(system) for _ in range(STAGES)))
        service = Service(system, couchdb_url)
        for stage, row in itertools.product(made, ROWS):
            if row.method == "GET":
                stage.baselines[row.name] = await row.baseline(service, stage)
        await service.stop()
        for stage in made:
            waiting.put_nowait(stage)
        yield waiting


@contextmanager
def error_log() -> Iterator[ErrorLog]:
    log = ErrorLog()
    logging.getLogger().addHandler(log)
    try:
        yield log
    finally:
        logging.getLogger().removeHandler(log)


def summary(outcomes: Sequence[Outcome]) -> str:
    """Cells and outcomes by fault."""
    lines = [f"{len(outcomes)} cells, {len(ROWS)} routes, {len(KINDS)} faults, {len(Known)} states"]
    lines.append(f"slowest request {max(each.seconds for each in outcomes):.1f} s, ")
    lines[-1] += f"longest recovery {max(each.recovery for each in outcomes):.1f} s"
    for kind in KINDS:
        mine = [each for each in outcomes if each.cell.kind is kind]
        counted = Counter(f"{each.status}{' stale' if each.stale else ''}" for each in mine)
        statuses = ", ".join(f"{count} × {status}" for status, count in sorted(counted.items()))
        bad = sum(bool(each.problems) for each in mine)
        lines.append(f"{kind.name:<24} {len(mine):>4} cells  {bad:>3} wrong  {statuses}")
    return "\n".join(lines)
