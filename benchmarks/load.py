"""Requests, and wrk, which sends them over and over: no two of them alike."""

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CONNECTIONS: Final = 32
COUNTER: Final = "~counter~~"
"""Stands in a request where it gets a number of as many digits, another one each time it is sent."""

_REQUESTS_A_RUN: Final = 10_000_000
_runs: Final = itertools.count()
_SCRIPT: Final = """
local heads, tails, first, think = {%s}, {%s}, %d, %f
local threads = {}
sent = 0

function setup(thread) table.insert(threads, thread) end

function request()
   sent = sent + 1
   local at = sent %% #heads + 1
   return heads[at] .. string.format("%%010d", first + sent) .. tails[at]
end

if think > 0 then
   -- wrk waits for whole milliseconds: chance makes the average.
   function delay() return math.floor(think + math.random()) end
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '{"sent":%%d,"replies":%%d,"refused":%%d,"failures":%%d,"seconds":%%f,"p50":%%f,"p99":%%f}\\n',
      threads[1]:get("sent"), summary.requests, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout,
      summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
"""


class CannotMeasure(Exception):
    """A server did not start, or did not answer as it should."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request; its path or its body has one ``COUNTER``."""

    path: str
    headers: Mapping[str, str]
    method: str = "GET"
    body: str = ""

    def encode(self, host: str) -> tuple[str, str]:
        """The request as HTTP/1.1 sends it, before and after its counter."""
        length = {"Content-Length": str(len(self.body))} if self.body else {}
        headers = [f"{name}: {value}" for name, value in ({"Host": host, **self.headers, **length}).items()]
        text = "\r\n".join([f"{self.method} {self.path} HTTP/1.1", *headers, "", self.body])
        head, _, tail = text.partition(COUNTER)
        return head, tail


async def wrk(
    host: str,
    requests: Sequence[Request],
    seconds: int,
    script: Path,
    think: float = 0.0,
    connections: int = CONNECTIONS,
) -> dict[str, Any]:
    """Send requests in turn on keep-alive connections; what wrk saw, as its script prints it.

    Args:
        host: with its port.
        requests: each with a counter.
        seconds: how long.
        script: where the Lua script is written.
        think: milliseconds between a response and the next request of its connection.
        connections: their number.

    Raises:
        CannotMeasure: wrk failed.
    """
    # JSON's escapes are Lua's too, for requests have no other control characters than line ends.
    encoded = zip(*(request.encode(host) for request in requests), strict=True)
    heads, tails = (",".join(map(json.dumps, each)) for each in encoded)
    script.write_text(_SCRIPT % (heads, tails, next(_runs) * _REQUESTS_A_RUN, think), encoding="ascii")
    options = ("-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("wrk", *options, f"http://{host}", stdout=pipe, stderr=pipe)
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise CannotMeasure(f"wrk: {errors.decode(errors='replace')}")
    printed: dict[str, Any] = json.loads(output.strip().rpartition(b"\n")[2])
    return printed
