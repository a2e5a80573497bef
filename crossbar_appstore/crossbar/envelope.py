"""The response envelope, byte for byte in Crossbar's order of members (`api_util:create_resp_envelope/1`)."""

import base64
import hashlib
import time
from dataclasses import dataclass
from typing import Any, Final

from crossbar_appstore.crossbar.context import Context, PreparedJson, Reply
from crossbar_appstore.crossbar.errors import ABSENT, CrossbarError
from crossbar_appstore.json_codec import dumps

_SUCCESS_TAIL: Final = b',"status":"success"}'
_ERROR_TAIL: Final = b',"status":"error"}'


@dataclass(frozen=True, slots=True)
class Sandwich:
    """A body that differs from reply to reply around data that may be the same for long; None where nothing lasts."""

    head: bytes
    data: PreparedJson | None
    tail: bytes

    @property
    def whole(self) -> bytes:
        """The body."""
        return self.head + self.tail if self.data is None else b"".join((self.head, self.data.raw, self.tail))


class Envelope:
    """Renders replies and refusals for one node.

    Args:
        node: the node's name; replies carry a digest of it.
        version: the release, told to authenticated callers only.
    """

    def __init__(self, node: str, version: str) -> None:
        digest = hashlib.md5(node.encode(), usedforsecurity=False).digest()
        self.node = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        self._node = dumps(self.node)
        self._version = b'"version":' + dumps(version) + b","
        self._second = -1
        self._known = self._unknown = b""

    def success(self, context: Context, remaining: int) -> Sandwich:
        """The envelope of a success; ``remaining`` rate tokens are left in the caller's bucket."""
        reply = context.reply
        parts = [b"{"]
        if reply.start_key is not None:
            parts.append(_member(b'"start_key":', reply.start_key))
        if reply.next_start_key is not None:
            parts.append(_member(b'"next_start_key":', reply.next_start_key))
        token = reply.auth_token if reply.auth_token is not None else context.auth_token
        self._head(parts, context, reply.page_size, token, remaining)
        data = reply.data
        lasting = data if isinstance(data, PreparedJson) else None
        if data is not ABSENT:
            parts.append(b',"data":')
            if lasting is None:
                parts.append(dumps(data))
        return Sandwich(b"".join(parts), lasting, _tail(reply))

    def error(self, context: Context, error: CrossbarError, remaining: int) -> Sandwich:
        """The envelope of a refusal.

        Raises:
            ValueError: its data is no JSON.
        """
        parts = [b"{"]
        self._head(parts, context, error.page_size, context.auth_token, remaining)
        if error.data is not ABSENT:
            parts.append(b',"data":')
            parts.append(dumps(error.data))
        parts.append(b',"error":"%d","message":' % error.code)
        parts.append(dumps(error.message))
        return Sandwich(b"".join(parts), None, _ERROR_TAIL)

    def _head(
        self, parts: list[bytes], context: Context, page_size: int | None, token: str | None, remaining: int
    ) -> None:
        if page_size is not None:
            parts.append(b'"page_size":%d,' % page_size)
        second = int(time.time())
        if second != self._second:
            self._begin(second)
        parts.append(self._known if context.authenticated else self._unknown)
        parts.append(dumps(context.request_id))
        parts.append(b',"tokens":{"consumed":%d,"remaining":%d}' % (context.consumed, remaining))
        if token is not None:
            parts.append(b',"auth_token":')
            parts.append(dumps(token))

    def _begin(self, second: int) -> None:
        """Make what is the same in all replies of a second."""
        timestamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second)).encode()
        self._second = second
        self._unknown = b'"timestamp":"%s","node":%s,"request_id":' % (timestamp, self._node)
        self._known = self._version + self._unknown


def _tail(reply: Reply) -> bytes:
    if reply.metadata is None and reply.revision is None:
        return _SUCCESS_TAIL
    metadata = b"" if reply.metadata is None else _member(b',"metadata":', reply.metadata, end=b"")
    revision = b"" if reply.revision is None else _member(b',"revision":', reply.revision, end=b"")
    return metadata + revision + _SUCCESS_TAIL


def _member(name: bytes, value: Any, end: bytes = b",") -> bytes:
    return name + dumps(value) + end
