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
class Form:
    """An envelope but for what every reply has of its own: timestamp, request id, and what is left in the bucket.

    ``data`` is what lasts for many replies; None where ``end`` holds all of it. ``known``: the caller is.
    """

    begin: bytes
    known: bool
    consumed: int
    end: bytes
    data: PreparedJson | None
    tail: bytes

    @property
    def raw(self) -> bytes:
        """The data that lasts, as JSON."""
        return b"" if self.data is None else self.data.raw


class Envelope:
    """Makes the JSON of replies and refusals for one node.

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

    def success(self, context: Context) -> Form:
        """The form of a success."""
        reply = context.reply
        begin = [b"{"]
        if reply.start_key is not None:
            begin.append(_member(b'"start_key":', reply.start_key))
        if reply.next_start_key is not None:
            begin.append(_member(b'"next_start_key":', reply.next_start_key))
        begin.append(_page_size(reply.page_size))
        token = reply.auth_token if reply.auth_token is not None else context.auth_token
        data = reply.data
        lasting = data if isinstance(data, PreparedJson) else None
        end = _auth_token(token)
        if data is not ABSENT:
            end += b',"data":' if lasting is not None else b',"data":' + dumps(data)
        return Form(b"".join(begin), context.authenticated, context.consumed, end, lasting, _tail(reply))

    def error(self, context: Context, error: CrossbarError) -> Form:
        """The form of a refusal.

        Raises:
            ValueError: its data is no JSON.
        """
        end = _auth_token(context.auth_token)
        if error.data is not ABSENT:
            end += b',"data":' + dumps(error.data)
        end += b',"error":"%d","message":' % error.code + dumps(error.message)
        begin = b"{" + _page_size(error.page_size)
        return Form(begin, context.authenticated, context.consumed, end, None, _ERROR_TAIL)

    def head(self, form: Form, request_id: str, remaining: int) -> bytes:
        """What comes before the data that lasts; ``remaining`` rate tokens are left in the caller's bucket."""
        second = int(time.time())
        if second != self._second:
            self._begin(second)
        return b'%b%b%b,"tokens":{"consumed":%d,"remaining":%d}%b' % (
            form.begin,
            self._known if form.known else self._unknown,
            dumps(request_id),
            form.consumed,
            remaining,
            form.end,
        )

    def _begin(self, second: int) -> None:
        """Make what is the same in all replies of a second."""
        timestamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second)).encode()
        self._second = second
        self._unknown = b'"timestamp":"%s","node":%s,"request_id":' % (timestamp, self._node)
        self._known = self._version + self._unknown


def _page_size(size: int | None) -> bytes:
    return b"" if size is None else b'"page_size":%d,' % size


def _auth_token(token: str | None) -> bytes:
    return b"" if token is None else b',"auth_token":' + dumps(token)


def _tail(reply: Reply) -> bytes:
    if reply.metadata is None and reply.revision is None:
        return _SUCCESS_TAIL
    metadata = b"" if reply.metadata is None else _member(b',"metadata":', reply.metadata, end=b"")
    revision = b"" if reply.revision is None else _member(b',"revision":', reply.revision, end=b"")
    return metadata + revision + _SUCCESS_TAIL


def _member(name: bytes, value: Any, end: bytes = b",") -> bytes:
    return name + dumps(value) + end
