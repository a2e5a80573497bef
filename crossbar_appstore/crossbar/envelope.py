"""The response envelope, byte for byte in Crossbar's order of members (`api_util:create_resp_envelope/1`)."""

import base64
import hashlib
import time
from typing import Any, Final

from crossbar_appstore.crossbar.context import Context, SerializedJson
from crossbar_appstore.crossbar.errors import ABSENT, CrossbarError
from crossbar_appstore.json_codec import dumps

_SUCCESS: Final = b',"status":"success"}'


class Envelope:
    """Serializes the JSON of replies and errors; they carry a digest of the name ``node``, and the release."""

    def __init__(self, node: str, version: str) -> None:
        digest = hashlib.md5(node.encode(), usedforsecurity=False).digest()
        self.node = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        self._version = b'"version":' + dumps(version) + b","
        self._second = -1
        self._stamp = b""

    def success(self, context: Context, remaining: int) -> bytes:
        """The envelope of ``context.reply``; ``remaining`` rate tokens are left in the caller's bucket."""
        reply = context.reply
        # A login answers with its new token, all others with the token of the request.
        token = reply.auth_token if reply.auth_token is not None else context.auth_token
        begin = _page_size(reply.page_size)
        if reply.next_start_key is not None:
            begin = b'"next_start_key":%b,' % dumps(reply.next_start_key) + begin
        if reply.start_key is not None:
            begin = b'"start_key":%b,' % dumps(reply.start_key) + begin
        end = _SUCCESS
        if reply.revision is not None:
            end = b',"revision":' + dumps(reply.revision) + end
        if reply.metadata is not None:
            end = b',"metadata":' + dumps(reply.metadata) + end
        return b"".join((b"{", begin, *self._common(context, remaining, token), *_data(reply.data), end))

    def error(self, context: Context, error: CrossbarError, remaining: int) -> bytes:
        """The envelope of an error; raises ``ValueError`` if its data is no JSON."""
        common = self._common(context, remaining, context.auth_token)
        end = b',"error":"%d","message":%b,"status":"error"}' % (error.code, dumps(error.message))
        return b"".join((b"{", _page_size(error.page_size), *common, *_data(error.data), end))

    def _common(self, context: Context, remaining: int, token: str | None) -> tuple[bytes, ...]:
        """The members of every envelope; only authenticated callers learn the release."""
        second = int(time.time())
        if second != self._second:
            # All envelopes of a second share the serialized time and node: formatting takes longer than the rest.
            self._second = second
            timestamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))
            self._stamp = f'"timestamp":"{timestamp}","node":"{self.node}","request_id":'.encode()
        return (
            self._version if context.authenticated else b"",
            self._stamp,
            dumps(context.request_id),
            b',"tokens":{"consumed":%d,"remaining":%d}' % (context.consumed, remaining),
            b"" if token is None else b',"auth_token":' + dumps(token),
        )


def _page_size(size: int | None) -> bytes:
    return b"" if size is None else b'"page_size":%d,' % size


def _data(data: Any) -> tuple[bytes, ...]:
    if data is ABSENT:
        return ()
    return b',"data":', data.raw if isinstance(data, SerializedJson) else dumps(data)
