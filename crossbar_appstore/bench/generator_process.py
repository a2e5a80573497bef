"""The load generator in Python: ``python -m crossbar_appstore.bench.generator_process``, its plan on standard input.

Plain sockets and ``select``: it costs little beside the server, and waits to the microsecond. Each connection is a
client that sends, waits for the reply, and thinks for a while before it sends again.
"""

import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from crossbar_appstore.bench.wire import Request, status_of, whole_length
from crossbar_appstore.json_codec import Json, JsonObject, dumps, loads

_PIECE: Final = 1 << 18
_REFUSED: Final = 400
_PATIENCE: Final = 10.0
"""Seconds that the last replies are waited for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send, to whom, and how long; ``think`` is how many seconds a client lets pass after a reply."""

    host: str
    port: int
    request: Request
    connections: int
    seconds: float
    think: float = 0.0

    @classmethod
    def of(cls, given: Json) -> "Plan":
        """From its JSON."""
        return cls(**{**given, "request": Request(**given["request"])})


@dataclass(eq=False, slots=True)
class _Connection:
    socket: socket.socket
    number: int
    due: float
    sent: float = 0.0
    received: bytes = b""

    def take(self) -> int | None:
        """What has arrived; the status once the reply is whole."""
        piece = self.socket.recv(_PIECE)
        if not piece:
            raise ConnectionResetError
        received = self.received = self.received + piece if self.received else piece
        length = whole_length(received)
        if length is None or len(received) < length:
            return None
        self.received = received[length:]
        return status_of(received)


@dataclass(slots=True)
class Tally:
    """What came back; ``refused`` is of status 400 and above, latencies are in seconds."""

    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    failures: int = 0

    def as_json(self, seconds: float) -> JsonObject:
        """As wrk's script prints it."""
        ordered = sorted(self.latencies)
        return {
            "requests": len(ordered),
            "refused": self.refused,
            "failures": self.failures,
            "seconds": seconds,
            "p50": percentile(ordered, 0.5),
            "p99": percentile(ordered, 0.99),
        }


def percentile(ordered: list[float], part: float) -> float:
    """The nearest rank; 0 where nothing was measured."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def generate(plan: Plan) -> JsonObject:
    """Carry out a plan."""
    sockets = [_connect(plan) for _ in range(plan.connections)]
    tally = Tally()
    begun = time.perf_counter()
    apart = plan.think / plan.connections
    connections = [_Connection(each, each.fileno(), begun + place * apart) for place, each in enumerate(sockets)]
    _Generator(plan, connections, tally, begun).run()
    elapsed = time.perf_counter() - begun
    for each in sockets:
        each.close()
    return tally.as_json(elapsed)


class _Generator:
    def __init__(self, plan: Plan, connections: list[_Connection], tally: Tally, begun: float) -> None:
        self._think = plan.think
        # All think equally long, so whoever was answered first is the next to send.
        self._idle = deque(connections)
        self._busy: dict[int, _Connection] = {}
        self._tally = tally
        self._requests = _requests(plan)
        self._end = begun + plan.seconds

    def run(self) -> None:
        while True:
            now = time.perf_counter()
            self._send(now)
            if now >= self._end and (not self._busy or now >= self._end + _PATIENCE):
                break
            self._receive(self._pause(now))
        self._tally.failures += len(self._busy)

    def _send(self, now: float) -> None:
        """Everything that is due."""
        while self._idle and self._idle[0].due <= now < self._end:
            connection = self._idle.popleft()
            connection.sent = time.perf_counter()
            connection.socket.sendall(next(self._requests))
            self._busy[connection.number] = connection

    def _pause(self, now: float) -> float:
        if now >= self._end:
            return _PATIENCE
        due = self._idle[0].due if self._idle else self._end
        return max(0.0, min(self._end, due) - now)

    def _receive(self, seconds: float) -> None:
        readable, _, _ = select.select(self._busy, (), (), seconds)
        for number in readable:
            connection = self._busy[number]
            try:
                status = connection.take()
            except OSError:
                del self._busy[number]
                self._tally.failures += 1
                continue
            if status is not None:
                now = time.perf_counter()
                self._tally.refused += status >= _REFUSED
                self._tally.latencies.append(now - connection.sent)
                connection.due = now + self._think
                del self._busy[number]
                self._idle.append(connection)


def _requests(plan: Plan) -> Iterator[bytes]:
    host = f"{plan.host}:{plan.port}"
    encoded = [
        plan.request.encode(host, number) for number in range(max(1, plan.request.addresses, plan.request.variants))
    ]
    return (encoded[number % len(encoded)] for number in count())


def _connect(plan: Plan) -> socket.socket:
    connected = socket.create_connection((plan.host, plan.port), _PATIENCE)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


if __name__ == "__main__":
    sys.stdout.buffer.write(dumps(generate(Plan.of(loads(sys.stdin.buffer.read())))) + b"\n")
