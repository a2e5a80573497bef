"""Starts ``crossbar-appstore serve`` in a process and reads its log."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from crossbar_appstore.settings import Settings
from tests.kit.leaks import LOG_SEARCH

PATIENCE = 30.0
FRESH = 30
"""The number of new connections that reach both of two workers, except once in 2³⁰ times."""


def settings(couchdb_url: str, **more: str) -> Settings:
    return Settings.load({"COUCHDB_URL": couchdb_url, "CROSSBAR_PORT": "0", **more})


@dataclass
class Running:
    """``crossbar-appstore serve`` in a process of its own."""

    process: asyncio.subprocess.Process
    address: str
    log: Path

    def records(self) -> list[dict[str, Any]]:
        """Its log records."""
        return records(self.log)


@asynccontextmanager
async def running(couchdb_url: str, log: Path, *arguments: str, **more: str) -> AsyncIterator[Running]:
    process = await start(couchdb_url, log, *arguments, **more)
    try:
        yield Running(process, await address_of(process, log), log)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def start(couchdb_url: str, log: Path, *arguments: str, **more: str) -> asyncio.subprocess.Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CROSSBAR_", "KAZOO_", "AMQP_"))}
    LOG_SEARCH.watch(log)
    with log.open("wb") as errors:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "crossbar_appstore", "serve", *arguments),
            env={**kept, "COUCHDB_URL": couchdb_url, "CROSSBAR_PORT": "0", **more},
            stderr=errors,
        )


async def address_of(process: asyncio.subprocess.Process, log: Path) -> str:
    async with asyncio.timeout(PATIENCE):
        while process.returncode is None:
            for record in records(log):
                if record["message"] == "listening":
                    return str(record["address"])
            await asyncio.sleep(0.05)
    raise AssertionError(f"the service ended with {process.returncode}:\n{log.read_text()}")


def records(log: Path) -> list[dict[str, Any]]:
    """The complete records of a log file."""
    whole, _, _ = log.read_text().rpartition("\n")
    return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]


async def status(address: str, path: str = "/v2/about") -> int:
    """The status of a GET on a new connection."""
    async with aiohttp.ClientSession() as session, session.get(address + path) as reply:
        return reply.status


async def refused(address: str) -> None:
    """Wait until the address refuses connections."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                # A connection made while listening ends may stay unanswered: asyncio drops the socket.
                await asyncio.wait_for(status(address), 1)
            except aiohttp.ClientConnectorError:
                return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.02)
