"""A lane: a CouchDB with the fixture, a service that uses it, and transcripts replayed against that service."""

import asyncio
import json
import os
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossbar_appstore.embedded import EmbeddedCouchDB
from tests.conformance.pack import Pack, load_tool
from tests.kit.leaks import LOG_SEARCH

SETTLE = 2.0
"""Seconds to wait after an outside change, which the service must see within 2 s."""
_PATIENCE = 30.0


@dataclass(frozen=True)
class Verdict:
    """``result`` is pass, fail or skip; ``details`` lists the differences, or what is missing."""

    result: str
    details: tuple[str, ...]


Verdicts = dict[str, Verdict]


async def replay(pack: Pack, transcripts: Iterable[Path], wanted: set[str], place: Path, cache: Path) -> Verdicts:
    """Verdicts by step id, for all the steps ``wanted`` in these transcripts."""
    tool = load_tool(pack)
    verdicts: Verdicts = {}
    async with EmbeddedCouchDB(data_dir=place / "couchdb", cache=cache, in_memory=True) as couch:
        await asyncio.to_thread(tool.cmd_load, Namespace(couch=couch.url, force=False))
        for transcript in transcripts:
            log = place / f"{transcript.stem}.log"
            verdicts.update(
                await _replay(tool.Runner(_arguments(couch.url), tool.load_fixture()), transcript, wanted, log)
            )
    return verdicts


async def _replay(runner: Any, transcript: Path, wanted: set[str], log: Path) -> Verdicts:
    """With a freshly started service, since transcripts are independent of each other."""
    proxy = runner.ops.proxy.server
    try:
        async with service(f"http://127.0.0.1:{proxy.server_port}", log) as address:
            runner.args.base = address
            results = await asyncio.to_thread(runner.file, transcript, wanted)
    finally:
        await asyncio.to_thread(proxy.shutdown)
        proxy.server_close()
    return {each["id"]: Verdict(each["result"], tuple(each["details"])) for each in results}


def _arguments(couch: str) -> Namespace:
    return Namespace(
        couch=couch,
        base=None,
        fault_proxy="127.0.0.1:0",
        against="service",
        ops=None,
        settle=SETTLE,
        timeout=20,
        burst=600,
        no_limits=False,
        quiet=True,
        verbose=False,
    )


@asynccontextmanager
async def service(couchdb_url: str, log: Path) -> AsyncIterator[str]:
    """``crossbar-appstore serve`` as an operator starts it; its address."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CROSSBAR_", "KAZOO_", "AMQP_"))}
    LOG_SEARCH.watch(log)
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "crossbar_appstore", "serve"),
            env={**kept, "COUCHDB_URL": couchdb_url, "CROSSBAR_PORT": "0"},
            stderr=errors,
        )
    try:
        yield await _address(process, log)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    async with asyncio.timeout(_PATIENCE):
        while process.returncode is None:
            for record in _records(log):
                if record.get("message") == "listening":
                    return str(record["address"])
            await asyncio.sleep(0.05)
    raise AssertionError(f"the service ended with {process.returncode}:\n{log.read_text()}")


def _records(log: Path) -> list[dict[str, Any]]:
    whole, _, _ = log.read_text().rpartition("\n")
    return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
