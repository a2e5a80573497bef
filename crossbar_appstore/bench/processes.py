"""Child processes that serve: the service and the bare handler, each on a free port that it tells in its first line."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from crossbar_appstore.bench.accounting import Usage, cpu_seconds, usage

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0
_SERVICE: Final = "crossbar_appstore.bench.service_process"
_BARE: Final = "crossbar_appstore.bench.bare_process"


class CannotMeasure(Exception):
    """Something that is needed did not come up, or answered otherwise than it should."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: ``url`` is ``http://127.0.0.1:<port>``."""

    name: str
    url: str
    pid: int

    @property
    def host(self) -> str:
        """Where it listens."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port."""
        return urlsplit(self.url).port or 0

    def cpu_seconds(self) -> float:
        """Processor time so far, its workers' included."""
        return cpu_seconds(self.pid)

    def usage(self) -> list[Usage]:
        """The process and its workers."""
        return usage(self.pid)


@contextlib.asynccontextmanager
async def service(couchdb_url: str, settings: Mapping[str, str], log: Path) -> AsyncIterator[Server]:
    """The service on a CouchDB; ``settings`` are environment variable → text.

    Raises:
        CannotMeasure: it did not come up.
    """
    given = {"CROSSBAR_PORT": "0", **settings, "COUCHDB_URL": couchdb_url}
    words = [f"{variable}={text}" for variable, text in given.items()]
    async with _serving("the service", _SERVICE, words, log) as server:
        yield server


@contextlib.asynccontextmanager
async def bare_handler(recording: Path, log: Path) -> AsyncIterator[Server]:
    """A bare aiohttp application with one route that replays a recorded reply.

    Raises:
        CannotMeasure: it did not come up.
    """
    async with _serving("the bare handler", _BARE, [str(recording)], log) as server:
        yield server


@contextlib.asynccontextmanager
async def _serving(name: str, module: str, words: list[str], log: Path) -> AsyncIterator[Server]:
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *words, stdout=asyncio.subprocess.PIPE, stderr=errors
        )
    try:
        yield Server(name, await _address(name, process, log), process.pid)
    finally:
        await _stop(process)


async def _address(name: str, process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None  # noqa: S101 (it is a pipe)
    try:
        async with asyncio.timeout(_START_SECONDS):
            line = await process.stdout.readline()
    except TimeoutError:
        line = b""
    if not line.startswith(b"http"):
        raise CannotMeasure(f"{name} did not start; its log is {log}")
    return line.decode().strip()


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
