"""Requests as the load generators send them, and replies as they come back."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from crossbar_appstore.json_codec import Json, JsonObject, dumps, loads

HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_WITHOUT_BODY: Final = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``addresses`` is how many client addresses it is sent from in turn, in ``X-Forwarded-For``.

    Callers without a valid token draw from a bucket of 100 requests for their address, refilled by 10 a second.
    ``variants`` is how many paths it is sent to in turn: ``path`` then has a place for the number, ``%d`` for instance.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: str = ""
    addresses: int = 0
    variants: int = 0

    def encode(self, host: str, number: int = 0) -> bytes:
        """The request on the wire, from the client with that number."""
        body = self.body.encode()
        headers = {"Host": host, **self.headers}
        if self.addresses:
            headers["X-Forwarded-For"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        if body:
            headers["Content-Length"] = str(len(body))
        path = self.path % (number % self.variants) if self.variants else self.path
        lines = [f"{self.method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def as_json(self) -> JsonObject:
        """Its fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it came, whole."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def parse(cls, head: bytes, body: bytes) -> Self:
        """``head`` up to and including the empty line."""
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        _, status, reason = first.split(" ", 2)
        headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        return cls(int(status), reason, headers, body)

    def header(self, name: str) -> str | None:
        """The value of a header field."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def json(self) -> Json:
        """The body, parsed."""
        return loads(self.body)

    def save(self, path: Path, route: str) -> None:
        """For the bare handler: what to answer, and the route on which."""
        head = {"route": route, "status": self.status, "reason": self.reason, "headers": list(map(list, self.headers))}
        path.write_bytes(dumps(head) + b"\n" + self.body)

    @classmethod
    def load(cls, path: Path) -> tuple[str, Self]:
        """The route and the reply."""
        head, _, body = path.read_bytes().partition(b"\n")
        held = loads(head)
        headers = tuple((name, value) for name, value in held["headers"])
        return held["route"], cls(held["status"], held["reason"], headers, body)


def status_of(received: bytes) -> int:
    """The status of a reply that has begun to arrive."""
    return int(received[9:12])


def whole_length(received: bytes) -> int | None:
    """How many bytes a reply has, head included; None until its head is there."""
    end = received.find(HEAD_END)
    if end < 0:
        return None
    stated = _LENGTH.search(received, 0, end + 2)
    length = int(stated[1]) if stated is not None and status_of(received) not in _WITHOUT_BODY else 0
    return end + len(HEAD_END) + length
