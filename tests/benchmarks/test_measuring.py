"""Measurements at a tiny scale: checks what is measured, not the results."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from benchmarks.__main__ import NAMES, measure
from benchmarks.servers import Scale
from benchmarks.stand_in import StandIn, made_up_id, stand_in
from benchmarks.system import CUSTOMER, Document, Signer, System, account_documents, couchdb
from crossbar_appstore.kazoo.ids import account_db
from tests.conftest import Need

TINY = Scale(turns=1, apps=(2, 3), accounts=(1, 4), in_turn=3, at_once=20, starts=1)


@pytest.mark.timeout(240)
async def test_measure_yields_selected_rows_and_ends_its_processes(embedded_cache: Path, need: Need) -> None:
    need("wrk", shutil.which("wrk"))
    wanted = ("list", "icon-304", "post", "list-in-turn", "memory-account", "cold", "cold-clients")
    before = psutil.Process().children(recursive=True)
    rows = {row.name: row async for row in measure(TINY, wanted)}
    assert tuple(rows) == tuple(name for name in NAMES if name in wanted)
    for name in ("list", "icon-304", "post", "list-in-turn"):
        assert rows[name].value > 0
        assert len(rows[name].figures["service_us"]) == len(rows[name].figures["bare_us"]) == TINY.turns
    assert 30_000 < int(rows["list"].remark.split()[-2].replace(",", "")) < 40_000
    assert rows["icon-304"].remark.endswith(" 0 bytes")
    # One client and many at once cause the same reads.
    assert 1 <= rows["cold"].value == rows["cold-clients"].value
    assert set(psutil.Process().children(recursive=True)) <= set(before)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_main_ends_its_processes_on_signal(number: signal.Signals, embedded_cache: Path, need: Need) -> None:
    need("wrk", shutil.which("wrk"))
    command = [sys.executable, "-m", "benchmarks", "--only", "list"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as bench:
        # Node, the service, the bare handler and wrk.
        while len(started := psutil.Process(bench.pid).children(recursive=True)) < 4:
            assert bench.poll() is None
            time.sleep(0.05)
        bench.send_signal(number)
        assert bench.wait() == 130
    assert [process for process in started if process.is_running()] == []


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def proxy(session: aiohttp.ClientSession, couchdb_url: str) -> AsyncIterator[StandIn]:
    for database in ("accounts", "services"):
        async with session.put(f"{couchdb_url}/{database}"):
            pass
    async with stand_in(session, System(couchdb_url, Signer(), ("a" * 32,))) as opened:
        yield opened


async def test_stand_in_generates_documents_and_counts_reads_of_watched_account(
    proxy: StandIn, session: aiohttp.ClientSession
) -> None:
    account_id = proxy.watched = made_up_id(7)
    expected = account_documents(account_id, (), ())[account_db(account_id)]
    for document in expected:
        found = await couchdb(session, "GET", proxy.url, account_db(account_id), document["_id"])
        assert found["_rev"]
        assert found.get("pvt_type") == document.get("pvt_type")
    rows = await couchdb(session, "GET", proxy.url, account_db(account_id), "_all_docs?include_docs=true")
    assert [row["doc"]["_id"] for row in rows["rows"]] == sorted(document["_id"] for document in expected)
    with pytest.raises(aiohttp.ClientResponseError) as missing:
        await couchdb(session, "GET", proxy.url, account_db(account_id), "unknown")
    assert missing.value.status == 404
    await couchdb(session, "GET", proxy.url, "services", made_up_id(8))
    assert proxy.reads == len(expected) + 2


async def test_stand_in_adds_generated_accounts_to_all_docs_of_shared_database(
    proxy: StandIn, session: aiohttp.ClientSession
) -> None:
    body: Document = {"keys": [made_up_id(1), CUSTOMER, made_up_id(2)]}
    answer = await couchdb(session, "POST", proxy.url, "accounts", "_all_docs?include_docs=true", body)
    assert [row.get("doc", {}).get("pvt_type", row.get("error")) for row in answer["rows"]] == [
        "account",
        "not_found",
        "account",
    ]
