"""The load generator in Python: ``python -m crossbar_appstore.bench.generator_process``, its plan on standard input.

Plain sockets and ``select``: it costs little beside the server, and waits to the microsecond. With a ``rate`` requests
are due at even intervals, whether or not earlier ones were answered, and latencies count from when a request was due;
without one each connection sends as soon as it was answered.
"""

import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from crossbar_appstore.bench.wire import Request, status_of, whole_length
from crossbar_appstore.json_codec import Json, JsonObject, dumps, loads

_PIECE: Final = 1 << 18
_PATIENCE: Final = 10.0
"""Seconds that the last replies are waited for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send, to whom, how long, and how often: ``rate`` requests a second; None as many as are answered."""

    host: str
    port: int
    request: Request
    connections: int
    seconds: float
    rate: float | None = None

    @classmethod
    def of(cls, given: Json) -> "Plan":
        """From its JSON."""
        return cls(**{**given, "request": Request(**given["request"])})


@dataclass(eq=False, slots=True)
class _Connection:
    socket: socket.socket
    number: int
    due: float = 0.0
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
    """What came back; latencies in seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    failures: int = 0

    def as_json(self, seconds: float) -> JsonObject:
        """As wrk's script prints it."""
        ordered = sorted(self.latencies)
        return {
            "statuses": {str(status): number for status, number in self.statuses.items()},
            "seconds": seconds,
            "failures": self.failures,
            "p50": percentile(ordered, 0.5),
            "p99": percentile(ordered, 0.99),
        }


def percentile(ordered: list[float], part: float) -> float:
    """The nearest rank; 0 where nothing was measured."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def generate(plan: Plan) -> JsonObject:
    """Carry out a plan."""
    sockets = [_connect(plan) for _ in range(plan.connections)]
    connections = [_Connection(each, each.fileno()) for each in sockets]
    tally = Tally()
    begun = time.perf_counter()
    _Generator(plan, connections, tally, begun).run()
    elapsed = time.perf_counter() - begun
    for each in sockets:
        each.close()
    return tally.as_json(elapsed)


class _Generator:
    def __init__(self, plan: Plan, connections: list[_Connection], tally: Tally, begun: float) -> None:
        self._interval = 1 / plan.rate if plan.rate else 0.0
        self._idle = deque(connections)
        self._busy: dict[int, _Connection] = {}
        self._tally = tally
        self._requests = _requests(plan)
        self._begun = self._due = begun
        self._sent = 0
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
        """Everything that is due, as far as there are connections for it; what is not sent yet stays due."""
        # Without a rate a request is due when a connection is free.
        due = self._due if self._interval else now
        while self._idle and due <= now and due < self._end:
            connection = self._idle.popleft()
            connection.due = due
            connection.socket.sendall(next(self._requests))
            self._busy[connection.number] = connection
            if self._interval:
                self._sent += 1
                due = self._due = self._begun + self._sent * self._interval

    def _pause(self, now: float) -> float:
        if self._idle and self._interval and self._due < self._end:
            return max(0.0, self._due - now)
        return max(0.0, self._end - now) if now < self._end else _PATIENCE

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
                self._tally.statuses[status] += 1
                self._tally.latencies.append(time.perf_counter() - connection.due)
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
