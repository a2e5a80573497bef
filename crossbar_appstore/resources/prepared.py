"""Replies' data, serialised once for everybody who gets the same."""

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.crossbar.context import SerializedJson
from crossbar_appstore.json_codec import Json, dumps

_MOST_BYTES: Final = 8_000_000
"""Of serialised data."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A reply's data, serialised once, with the entity tag of its bytes."""

    data: SerializedJson
    etag: str

    @classmethod
    def of(cls, value: Json) -> "Prepared":
        """Serialise a value."""
        raw = dumps(value)
        return cls(SerializedJson(raw), hashlib.blake2b(raw, digest_size=16).hexdigest())


class PreparedReplies:
    """Replies by what decides of them, in bounded memory; the least recently used are dropped."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._replies: OrderedDict[Hashable, Prepared] = OrderedDict()

    def __len__(self) -> int:
        return len(self._replies)

    def get(self, key: Hashable) -> Prepared | None:
        """The reply of that key, if it is known."""
        known = self._replies.get(key)
        if known is not None:
            self._replies.move_to_end(key)
        return known

    def put(self, key: Hashable, reply: Prepared) -> None:
        """Remember a reply."""
        old = self._replies.pop(key, None)
        self._replies[key] = reply
        self._bytes += len(reply.data.raw) - (0 if old is None else len(old.data.raw))
        while self._bytes > self._most_bytes and len(self._replies) > 1:
            self._bytes -= len(self._replies.popitem(last=False)[1].data.raw)
