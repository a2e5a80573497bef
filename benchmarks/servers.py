"""The servers that are measured, each in processes of its own on a free port, and the load on them."""

import asyncio
import contextlib
import itertools
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
import psutil
from multidict import CIMultiDictProxy
from yarl import URL

from benchmarks.load import CONNECTIONS, COUNTER, CannotMeasure, Request, wrk
from benchmarks.system import Signer, System, build_system
from crossbar_appstore.embedded import EmbeddedCouchDB
from crossbar_appstore.settings import Settings

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0
_numbers: Final = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: turns of so many seconds, few and many apps and accounts, clients at once, starts."""

    turns: int = 7
    seconds: int = 1
    apps: tuple[int, int] = (25, 2_500)
    accounts: tuple[int, int] = (10, 100_000)
    in_turn: int = 1_000
    at_once: int = 1_000
    starts: int = 5


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of request, the upper end of its target if it has one, and the status of its responses.

    The variants of the request are sent in turn. ``drain`` is how many seconds the server gets for what it has not
    answered yet when wrk ends.
    """

    name: str
    title: str
    requests: Sequence[Request]
    most: float | None = None
    status: int = 200
    drain: float = 0.0


class Reply(NamedTuple):
    """A response."""

    status: int
    reason: str
    headers: CIMultiDictProxy[str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Turn:
    """What a server did under load: microseconds of CPU time for a request, and the part of the time that it was busy.

    ``rate`` is in responses per second, latencies are in seconds.
    """

    cpu_us: float
    busy: float
    rate: float
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; its first answer took ``started_after`` seconds."""

    host: str
    process: psutil.Process
    started_after: float

    def cpu_seconds(self) -> float:
        """User and system time so far, its workers' included."""
        times = [each.cpu_times() for each in (self.process, *self.process.children(recursive=True))]
        return sum(each.user + each.system for each in times)

    def resident_bytes(self) -> int:
        """Memory in RAM of its first process, which is the worker where there is one worker."""
        return int(self.process.memory_info().rss)


@dataclass(frozen=True, slots=True)
class Bench:
    """Starts servers and puts load on them.

    Args:
        session: for requests to them.
        folder: for temporary files.
        signer: of tokens for all systems.
        scale: how much is measured.
        wanted: the names of the rows to measure.
        profiles: the directory for profiles of requests, None for none.
    """

    session: aiohttp.ClientSession
    folder: Path
    signer: Signer
    scale: Scale
    wanted: Collection[str]
    profiles: Path | None

    @contextlib.asynccontextmanager
    async def system(self, apps: int, *, lean: bool = False) -> AsyncIterator[System]:
        """A PouchDB Server with a system of its own."""
        data = self.folder / f"couchdb-{next(_numbers)}"
        async with EmbeddedCouchDB(data_dir=data, cache=Settings.load().cache_dir) as server:
            yield await build_system(self.session, server.url, self.signer, apps, lean=lean)

    @contextlib.asynccontextmanager
    async def service(self, system: System, *, url: str | None = None, workers: int = 1) -> AsyncIterator[Server]:
        """``crossbar-appstore serve`` on a system, or on another CouchDB that has its documents."""
        port = _free_port()
        env = {"COUCHDB_URL": url or system.url, "CROSSBAR_PORT": str(port), "CROSSBAR_WORKERS": str(workers)}
        first = Case("", "the first list", [system.client().get()])
        async with self._running(["-m", "crossbar_appstore", "serve"], env, port, first) as server:
            yield server

    @contextlib.asynccontextmanager
    async def bare_handler(self, server: Server, case: Case) -> AsyncIterator[Server]:
        """The bare handler, with the response of a server to a case."""
        reply, port, recording = await self.ask(server.host, case), _free_port(), self.folder / "recording"
        # aiohttp makes these two itself.
        headers = {name: value for name, value in reply.headers.items() if name not in ("Content-Length", "Date")}
        head = {"status": reply.status, "reason": reply.reason, "headers": headers}
        recording.write_bytes(json.dumps(head).encode() + b"\n" + reply.body)
        async with self._running(["-m", "benchmarks.bare", str(port), str(recording)], {}, port, case) as bare:
            if (await self.ask(bare.host, case)).body != reply.body:
                raise CannotMeasure(f"{case.title}: the bare handler does not return the same bytes")
            yield bare

    @contextlib.asynccontextmanager
    async def _running(
        self, words: Sequence[str], env: Mapping[str, str], port: int, first: Case
    ) -> AsyncIterator[Server]:
        """A Python program, once it answers as it should; ended by its pid."""
        begun, host, log = time.perf_counter(), f"127.0.0.1:{port}", self.folder / "servers.log"
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *words, env=env, stdout=output, stderr=output
            )
        try:
            while True:
                with contextlib.suppress(aiohttp.ClientError, CannotMeasure):
                    await self.ask(host, first)
                    break
                if process.returncode is not None or time.perf_counter() > begun + _START_SECONDS:
                    raise CannotMeasure(f"{words} did not answer {first.title}; {log.read_text()[-2000:]}")
                await asyncio.sleep(0.005)
            yield Server(host, psutil.Process(process.pid), time.perf_counter() - begun)
        finally:
            if process.returncode is None:
                process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def ask(self, host: str, case: Case) -> Reply:
        """Send the first request of a case.

        Raises:
            CannotMeasure: it has another status than the case's.
            aiohttp.ClientError: there is none.
        """
        request, counter = case.requests[0], f"{next(_numbers):0{len(COUNTER)}}"
        url = URL(f"http://{host}{request.path.replace(COUNTER, counter)}", encoded=True)
        body = request.body.replace(COUNTER, counter).encode() or None
        async with self.session.request(request.method, url, headers=request.headers, data=body) as reply:
            found = Reply(reply.status, reply.reason or "", reply.headers, await reply.read())
        if found.status != case.status:
            raise CannotMeasure(f"{case.title}: {found.status}, not {case.status}: {found.body[-500:]!r}")
        return found

    async def etags(self, server: Server, requests: Iterable[Request], at_once: int = CONNECTIONS) -> list[str]:
        """Send each request once; the entity tags of the responses.

        Raises:
            CannotMeasure: a response is not 200.
        """
        waiting, tags = enumerate(requests), dict[int, str]()

        async def work() -> None:
            for number, request in waiting:
                reply = await self.ask(server.host, Case("", request.path, [request]))
                tags[number] = reply.headers.get("ETag", "")

        await asyncio.gather(*(work() for _ in range(at_once)))
        return [tags[number] for number in sorted(tags)]

    async def turn(
        self, server: Server, case: Case, seconds: int, think: float = 0.0, connections: int = CONNECTIONS
    ) -> Turn:
        """Put load on a server.

        Raises:
            CannotMeasure: a response had another status, as far as wrk tells it.
        """
        before = server.cpu_seconds()
        seen = await wrk(server.host, case.requests, seconds, self.folder / "wrk.lua", think, connections)
        await asyncio.sleep(case.drain)
        spent, replies = server.cpu_seconds() - before, seen["replies"]
        if seen["failures"] or not replies or seen["refused"] != (replies if case.status >= 400 else 0):
            raise CannotMeasure(f"{case.title}: not every response was {case.status}: {seen}")
        busy, rate = spent / seen["seconds"], replies / seen["seconds"]
        return Turn(spent / seen["sent"] * 1e6, busy, rate, seen["p50"], seen["p99"])

    async def profile(self, server: Server, case: Case, file: Path) -> None:
        """Write py-spy's samples of a server under load: a call stack and its number of samples per line.

        Raises:
            CannotMeasure: py-spy failed.
        """
        options = ("--pid", str(server.process.pid), "--duration", "10", "--format", "raw", "--output", str(file))
        load = asyncio.create_task(self.turn(server, case, 12))
        process = await asyncio.create_subprocess_exec("py-spy", "record", *options, stdout=asyncio.subprocess.DEVNULL)
        if await process.wait():
            raise CannotMeasure("py-spy failed")
        await load

    async def in_turns(self, *pairs: tuple[Server, Case]) -> list[list[Turn]]:
        """The turns of each pair, A B A B …, after one turn of each that does not count."""
        turns = [[await self.turn(*pair, self.scale.seconds) for pair in pairs] for _ in range(self.scale.turns + 1)]
        return [list(each) for each in zip(*turns[1:], strict=True)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
