"""What is done with each request to a node and its response: credentials, counting, and whether it is a CouchDB."""

import asyncio
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp.client_middlewares import ClientHandlerType
from yarl import URL

from crossbar_appstore.json_codec import Json, loads

from .credentials import SignedIn, Tries, User
from .errors import NotCouchDB, NoTLS, Refused
from .replies import is_refusal, is_welcome, kind_of

if TYPE_CHECKING:
    from .client import Statistics

_WHO_SECONDS: Final = 1.0
"""Within which a server must answer who it is."""
_PROOFS: Final = ("X-Couch-Request-ID", "X-CouchDB-Body-Time")
"""Headers that CouchDB 2 and newer sends, and proxies leave."""
_OF_ANY_SERVER: Final = (401, 408, 429, 500, 502, 503, 504)
"""What a proxy before CouchDB may answer by itself."""
# Only PouchDB Server compresses: that costs both sides more than it saves, and delays the lines of a feed.
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}


class NodeLeft(aiohttp.ClientConnectionError):
    """The connections to the node were closed while the request waited for a free one."""


# No connection was made, so that nothing was sent.
UNCONNECTED: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, NodeLeft)
INTERRUPTED: ContextVar[bool] = ContextVar("interrupted", default=False)
"""Whether a connection broke during the running operation."""


class Middleware:
    """aiohttp's client middleware for the requests to one node.

    Args:
        address: of the node, without user and password.
        user: None for a CouchDB that wants none.
        tries: of the password.
        statistics: counts requests.
    """

    def __init__(self, address: str, user: User | None, tries: Tries, statistics: "Statistics") -> None:
        self._address = address
        self._prefix = URL(address).raw_path.rstrip("/")
        self._statistics = statistics
        self._signed_in = SignedIn(user, tries, self._send_password)
        self._is_couchdb = False
        self.session: aiohttp.ClientSession | None = None
        """For requests of the middleware's own; to be set before the first one of others."""

    async def __call__(self, request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        """Send a request; no redirect is followed, which could lead elsewhere.

        Raises:
            Misconfigured: CouchDB rejected the password, now or lately.
            NotCouchDB: another server answered. NoTLS: as it says.
        """
        request.headers.update(_HEADERS)

        async def send(request: aiohttp.ClientRequest) -> aiohttp.ClientResponse:
            return await self._counted(request.url.raw_path, _sent(request, handler))

        try:
            response = await self._signed_in.send(request, send)
        except aiohttp.ConnectionTimeoutError:
            # CouchDB does not answer to a TLS handshake at its port for http.
            if not self._address.startswith("https:") or not await self._speaks_http():
                raise
            raise NoTLS("it answers to http") from None
        if 300 <= response.status < 400:
            response.release()
            raise Refused(response.status)
        if not self._is_couchdb:
            try:
                await self._check(response)
            except BaseException:
                response.close()
                raise
        if response.status == 202:
            self._statistics.unconfirmed_saves += 1
        return response

    async def _send_password(self, user: User) -> aiohttp.ClientResponse:
        return await self._ask(
            "POST",
            "/_session",
            headers={"Authorization": user.basic},
            json={"name": user.name, "password": user.password},
        )

    async def _require_couchdb(self) -> None:
        """Raise NotCouchDB unless the server welcomes us as CouchDB does."""
        headers = await self._signed_in.headers()
        async with await self._ask("GET", "/", headers=headers) as response:
            if response.status in _OF_ANY_SERVER:
                raise Refused(response.status)
            self._is_couchdb = is_welcome(_json(await response.read()))
            if not self._is_couchdb:
                server = response.headers.get("Server", "the server")
                raise NotCouchDB(f"{server} answered {response.status} to GET /")

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        """Raise NotCouchDB if the response is not CouchDB's."""
        if not await self._is_plausible(response):
            await self._require_couchdb()

    async def _is_plausible(self, response: aiohttp.ClientResponse) -> bool:
        """Whether a response may be CouchDB's; what proves it is remembered."""
        self._is_couchdb = any(name in response.headers for name in _PROOFS)
        if self._is_couchdb or response.status in _OF_ANY_SERVER:
            return True
        if response.method == "HEAD" or response.content_type != "application/json":
            return False
        return response.status != 404 or is_refusal(_json(await response.read()))

    async def _speaks_http(self) -> bool:
        """Whether the port for https answers to http."""
        try:
            async with asyncio.timeout(_WHO_SECONDS):
                address = self._address.replace("https:", "http:", 1)
                async with await self._ask("GET", "/", address=address):
                    return True
        except (aiohttp.ClientError, OSError):
            return False

    async def _ask(self, method: str, path: str, *, address: str = "", **more: Any) -> aiohttp.ClientResponse:
        """A response to a request of the middleware's own."""
        assert self.session is not None  # noqa: S101 (set before the first request)
        headers = {**_HEADERS, **more.pop("headers", {})}
        url = f"{address or self._address}{path}"
        sent = self.session.request(method, url, headers=headers, middlewares=(), allow_redirects=False, **more)
        return await self._counted(path, sent)

    async def _counted(self, path: str, sent: Awaitable[aiohttp.ClientResponse]) -> aiohttp.ClientResponse:
        """The response to a request, which is counted."""
        self._statistics.requests += 1
        outcome = "failed"
        try:
            response = await sent
            outcome = f"{response.status // 100}xx"
            return response
        finally:
            self._statistics.by_kind[kind_of(path.removeprefix(self._prefix)), outcome] += 1


async def _sent(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request, and tell by the kind of the error whether something of it may have been sent."""
    try:
        return await handler(request)
    except UNCONNECTED:
        # aiohttp sends some requests once more; where only that did not connect, something was sent before.
        if INTERRUPTED.get():
            raise aiohttp.ClientConnectionError from None
        raise
    except (aiohttp.ClientError, OSError):
        INTERRUPTED.set(True)
        raise
    except asyncio.CancelledError:
        # That is how aiohttp ends those who wait for a free connection; the task itself is not cancelled then.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise NodeLeft from None
    except AssertionError:
        # aiohttp's, where it wants to send a request again through a session that was closed meanwhile.
        raise aiohttp.ClientConnectionError from None


def _json(body: bytes) -> Json:
    try:
        return loads(body)
    except ValueError:
        return None
