"""Two workers update one document through a broken network: nothing that was acknowledged is missing afterwards."""

import asyncio
import random

import pytest

from crossbar_appstore.datastore.client import Timeouts
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import Conflict, OutcomeUnknown, TimedOut, Unreachable
from crossbar_appstore.datastore.freshness import WriteCounters
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject

from .fault_proxy import Fault, FaultProxy, Status

IMPATIENT = Timeouts(connect=0.5, read=0.3, total=0.6)
FAULTS = (
    Fault.RESET,
    Fault.LOSE_REPLY,
    Fault.TRUNCATE,
    Fault.STALL,
    Fault.ACCEPTED,
    Status(503),
    Status(500, "timeout"),
    Status(409, "Document update conflict.", "conflict"),
)


async def _add(worker: Datastore, database: str, number: int) -> bool:
    def adding(doc: JsonObject | None) -> JsonObject:
        seen = (doc or {}).get("seen", [])
        return {**(doc or {}), "seen": [*seen, number]}

    try:
        saved = await worker.update(database, "x", adding)
    except (Conflict, OutcomeUnknown, Unreachable, TimedOut):
        return False
    assert number in saved["seen"]
    return True


@pytest.mark.parametrize("seed", range(3))
async def test_datastore_update_loses_no_acknowledged_write(
    proxy: FaultProxy, couch: Couch, database: str, counters: WriteCounters, seed: int
) -> None:
    chance = random.Random(seed)
    acknowledged: set[int] = set()
    async with (
        Datastore(Couch(proxy.url, timeouts=IMPATIENT), counters=counters, feeds=False) as one,
        Datastore(Couch(proxy.url, timeouts=IMPATIENT), counters=counters, feeds=False) as two,
    ):

        async def work(worker: Datastore, numbers: range) -> None:
            for number in numbers:
                if chance.random() < 0.6:
                    proxy.fail(chance.choice(FAULTS), times=1)
                if await _add(worker, database, number):
                    acknowledged.add(number)

        await asyncio.gather(work(one, range(12)), work(two, range(100, 112)), work(two, range(200, 206)))
        proxy.heal()
        stored = await couch.open_doc(database, "x", conflicts=True)
        assert acknowledged
        assert acknowledged <= set(stored["seen"])
        assert "_conflicts" not in stored
        for worker in (one, two):
            assert (await worker.update(database, "x", lambda doc: doc or {}))["seen"] == stored["seen"]
