"""Load generators: wrk where it is installed, one in Python otherwise and where requests are to be paced."""

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from crossbar_appstore.bench.generator_process import Plan
from crossbar_appstore.bench.processes import CannotMeasure, Server
from crossbar_appstore.bench.wire import Request
from crossbar_appstore.json_codec import Json, dumps, loads

CONNECTIONS: Final = 32
_GENERATOR: Final = "crossbar_appstore.bench.generator_process"


@dataclass(frozen=True, slots=True)
class Load:
    """What came back: how many replies of each status, in how many seconds; latencies in seconds."""

    statuses: dict[int, int]
    seconds: float
    failures: int
    p50: float
    p99: float

    @property
    def requests(self) -> int:
        """How many were answered."""
        return sum(self.statuses.values())

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @classmethod
    def of(cls, printed: Json) -> "Load":
        """From what a generator printed."""
        statuses = {int(status): number for status, number in printed["statuses"].items()}
        return cls(statuses, printed["seconds"], printed["failures"], printed["p50"], printed["p99"])

    def check(self, what: str, status: int) -> None:
        """Nothing, if every request was answered with that status.

        Raises:
            CannotMeasure: not so.
        """
        if self.failures or set(self.statuses) != {status}:
            found = f"{self.failures} failures, and the statuses {self.statuses} instead of {status} alone"
            raise CannotMeasure(f"{what}: {found}")


Generate = Callable[[Server, Request, float, int], Awaitable[Load]]
"""Server, request, seconds, connections: as many requests as the connections carry."""


def generator(name: str | None = None) -> tuple[str, Generate]:
    """The load generator of that name (``wrk``, ``python``), the best there is if none is named."""
    chosen = name or ("wrk" if shutil.which("wrk") else "python")
    return chosen, wrk if chosen == "wrk" else python


async def wrk(server: Server, request: Request, seconds: float, connections: int = CONNECTIONS) -> Load:
    """Send the request over and over on keep-alive connections; whole seconds, one at least.

    Raises:
        CannotMeasure: wrk failed.
    """
    with _script() as script:
        options = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script)]
        headers = [text for header in request.headers.items() for text in header]
        given = [request.method, request.body, str(request.addresses), str(request.variants), *headers]
        return await _run(["wrk", *options, f"{server.url}{request.path}", "--", *given])


async def python(server: Server, request: Request, seconds: float, connections: int = CONNECTIONS) -> Load:
    """The same by our own generator.

    Raises:
        CannotMeasure: it failed.
    """
    return await _plan(Plan(server.host, server.port, request, connections, seconds))


async def paced(server: Server, request: Request, seconds: float, rate: float) -> Load:
    """``rate`` requests a second at even intervals; latencies count from when a request was due.

    Raises:
        CannotMeasure: the generator failed.
    """
    return await _plan(Plan(server.host, server.port, request, CONNECTIONS, seconds, rate))


async def _plan(plan: Plan) -> Load:
    return await _run([sys.executable, "-m", _GENERATOR], dumps(asdict(plan)))


async def _run(words: list[str], given: bytes = b"") -> Load:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        printed, complaints = await process.communicate(given)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    line = printed.strip().rpartition(b"\n")[2]
    if process.returncode or not line.startswith(b"{"):
        raise CannotMeasure(f"{words[0]}: {(printed + complaints).decode(errors='replace')[-500:]}")
    return Load.of(loads(line))


def _script() -> AbstractContextManager[Path]:
    return resources.as_file(resources.files(__package__).joinpath("load.lua"))
