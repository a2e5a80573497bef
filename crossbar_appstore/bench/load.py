"""Load: as many requests as a number of connections carry, by wrk."""

import asyncio
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from crossbar_appstore.bench.processes import CannotMeasure, Server
from crossbar_appstore.bench.recording import Request
from crossbar_appstore.json_codec import Json, loads

CONNECTIONS: Final = 32


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


async def wrk(server: Server, request: Request, seconds: float, connections: int = CONNECTIONS) -> Load:
    """Send the request over and over on keep-alive connections.

    Raises:
        CannotMeasure: wrk failed.
    """
    words = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
    sent = [text for header in request.headers.items() for text in header]
    with _script() as script:
        process = await asyncio.create_subprocess_exec(
            "wrk",
            *words,
            "-s",
            str(script),
            f"{server.url}{request.path}",
            "--",
            request.method,
            request.body.decode(),
            str(request.addresses),
            *sent,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
    line = printed.strip().rpartition(b"\n")[2]
    if process.returncode or not line.startswith(b"{"):
        raise CannotMeasure(f"wrk: {printed.decode(errors='replace')[-500:]}")
    return Load.of(loads(line))


def _script() -> AbstractContextManager[Path]:
    return resources.as_file(resources.files(__package__).joinpath("load.lua"))
