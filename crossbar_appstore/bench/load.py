"""Load generators: wrk where it is installed, one in Python otherwise."""

import asyncio
import shutil
import sys
from collections.abc import Awaitable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Final, Protocol

from crossbar_appstore.bench.generator_process import Plan
from crossbar_appstore.bench.processes import CannotMeasure, Server
from crossbar_appstore.bench.wire import Request
from crossbar_appstore.json_codec import Json, dumps, loads

CONNECTIONS: Final = 32
_REFUSED: Final = 400
_GENERATOR: Final = "crossbar_appstore.bench.generator_process"


@dataclass(frozen=True, slots=True)
class Load:
    """What came back in how many seconds: ``refused`` are replies of status 400 and above; latencies in seconds.

    Which status exactly is asked beforehand (``exchange.expect``): wrk would have to hand each reply to its script.
    """

    requests: int
    refused: int
    failures: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @classmethod
    def of(cls, printed: Json) -> "Load":
        """From what a generator printed."""
        return cls(**printed)

    def check(self, what: str, status: int) -> None:
        """Nothing, if every request was answered with that status, as far as can be told.

        Raises:
            CannotMeasure: not so.
        """
        wanted = self.requests if status >= _REFUSED else 0
        if self.failures or self.refused != wanted or not self.requests:
            found = f"{self.failures} failures, {self.requests} replies, {self.refused} of them of 400 and above"
            raise CannotMeasure(f"{what}: {found} instead of {status} alone")


class Generate(Protocol):
    """A load generator."""

    def __call__(
        self, server: Server, request: Request, seconds: float, connections: int = CONNECTIONS, think: float = 0.0
    ) -> Awaitable[Load]:
        """Send the request over and over on connections that are kept open, each ``think`` seconds after a reply."""


def generator(name: str | None = None) -> tuple[str, Generate]:
    """The load generator of that name (``wrk``, ``python``), the best there is if none is named."""
    chosen = name or ("wrk" if shutil.which("wrk") else "python")
    return chosen, wrk if chosen == "wrk" else python


async def wrk(
    server: Server, request: Request, seconds: float, connections: int = CONNECTIONS, think: float = 0.0
) -> Load:
    """See ``Generate``; whole seconds, one at least. Pauses are whole milliseconds, and as long on average as is said.

    Raises:
        CannotMeasure: wrk failed.
    """
    with _script() as script:
        options = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script)]
        headers = [text for header in request.headers.items() for text in header]
        numbers = [str(number) for number in (request.addresses, request.variants, think * 1e3)]
        given = [request.method, request.body, *numbers, *headers]
        return await _run(["wrk", *options, f"{server.url}{request.path}", "--", *given])


async def python(
    server: Server, request: Request, seconds: float, connections: int = CONNECTIONS, think: float = 0.0
) -> Load:
    """See ``Generate``.

    Raises:
        CannotMeasure: it failed.
    """
    plan = Plan(server.host, server.port, request, connections, seconds, think)
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
