"""Starts ``crossbar-appstore serve`` in processes of its own."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import Process
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp

from tests.kit.leaks import LOG_SEARCH

_PATIENCE: Final = 40.0
_PAUSE: Final = 0.02
_OUR_VARIABLES: Final = ("COUCHDB_URL", "KAZOO_CONFIG", "AMQP_URL", "CROSSBAR_")


class Service:
    """``crossbar-appstore serve`` on a free port, which stays the same after a restart."""

    def __init__(self, couchdb_url: str, log: Path, *, workers: int) -> None:
        self._couchdb_url = couchdb_url
        self._workers = workers
        self._log = log
        self._port = 0
        self._process: Process | None = None

    @property
    def api(self) -> str:
        """The address that a client is configured with."""
        return f"http://127.0.0.1:{self._port}/v2/"

    async def start(self) -> None:
        """Start the service and wait until it answers."""
        LOG_SEARCH.watch(self._log)
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "crossbar_appstore", "serve"), env=self._environ(), stderr=log
            )
        async with asyncio.timeout(_PATIENCE):
            while not (self._is_listening() and await self._answers()):
                assert self._process.returncode is None, self._log.read_text()
                await asyncio.sleep(_PAUSE)

    async def stop(self) -> None:
        """Stop the service and wait for its end."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            await process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _environ(self) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith(_OUR_VARIABLES)}
        return kept | {
            "COUCHDB_URL": self._couchdb_url,
            "CROSSBAR_PORT": str(self._port),
            "CROSSBAR_WORKERS": str(self._workers),
        }

    def _is_listening(self) -> bool:
        """Whether the service has logged its address."""
        for line in self._log.read_text().splitlines():
            if '"listening"' in line:
                self._port = int(json.loads(line)["address"].rpartition(":")[2])
                return True
        return False

    async def _answers(self) -> bool:
        try:
            async with aiohttp.ClientSession() as client, client.get(self.api + "about") as reply:
                return reply.status == 401
        except aiohttp.ClientConnectionError:
            return False
