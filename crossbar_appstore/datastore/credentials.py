"""The user and password of CouchDB: one try at a time, and few of them, over all workers.

CouchDB 3.4 and newer locks a user out for the address of a client after five wrong passwords within five minutes
(``[chttpd_auth_lockout]``), also for other programs on the same machine. Every request that carries the password is a
try. So it is sent to ``/_session`` alone, and requests carry the cookie that this gives: an old one is refused, but is
no try. A server without sessions, or whose proxy checks passwords itself, gets the password with each request.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

import aiohttp
from aiohttp.client_middlewares import ClientHandlerType

from crossbar_appstore.shared_memory import SharedMemory

from .errors import LockedOut, Misconfigured, Refused, Subject, from_status

PAUSES: Final = (30.0, 90.0, 200.0)
"""Seconds until the next try after the first, the second and each further rejection: three tries in CouchDB's five
minutes, which leaves two for other programs."""
LOCKED_PAUSE: Final = 60.0
"""Seconds until the next try while the user is locked out: such a try is not counted by CouchDB."""
TRY_SECONDS: Final = 10.0
"""After which another try may begin though the one before has not ended: its process may have."""
RENEW_SECONDS: Final = 240.0
"""Maximum age of a cookie; CouchDB's own is ten minutes (``[chttpd_auth] timeout``)."""
_POLL_SECONDS: Final = 0.02
_CELLS: Final = 4
_COOKIE: Final = "AuthSession"


class Tries:
    """When the password may be tried, in memory that all workers share.

    Times are monotonic, and the same in every process of a machine.
    """

    def __init__(self, shared: SharedMemory) -> None:
        self._shared = shared
        # Number of rejections since the last success, end of the pause, end of the running try, whether locked out.
        self._cells = memoryview(shared.memory).cast("d")

    @classmethod
    def alone(cls) -> Self:
        """Of this process alone."""
        return cls(SharedMemory(_CELLS * 8))

    @classmethod
    def in_file(cls, path: Path) -> Self:
        """In a file, for processes that open the same path; made where missing."""
        return cls(SharedMemory(_CELLS * 8, path))

    @classmethod
    def in_directory(cls, shared: Path | None) -> Self:
        """In a file of the directory that workers share; of this process alone without one."""
        return cls.alone() if shared is None else cls.in_file(shared / "password-tries")

    def check(self) -> None:
        """Return if the password may be tried, or was not rejected.

        Raises:
            Misconfigured: it was rejected lately. LockedOut: CouchDB said that the user is locked out.
        """
        pause = self._cells[1] - time.monotonic()
        # A file that outlived the machine's last start has times of another clock.
        if 0 < pause <= max(PAUSES):
            kind = LockedOut if self._cells[3] else Misconfigured
            raise kind(f"they are tried again in {max(1, round(pause))} s")

    async def begin(self) -> None:
        """Wait for the try that is running in whichever worker, then begin one; raises as ``check``."""
        while not self._begun():  # noqa: ASYNC110 (another process ends it)
            await asyncio.sleep(_POLL_SECONDS)

    def _begun(self) -> bool:
        with self._shared.locked():
            self.check()
            now = time.monotonic()
            if 0 < self._cells[2] - now <= TRY_SECONDS:
                return False
            self._cells[2] = now + TRY_SECONDS
            return True

    def end(self) -> None:
        """End a try that got no answer about the password."""
        self._cells[2] = 0.0

    def accepted(self) -> None:
        """End a try whose password was right; does nothing where none was wrong."""
        if not any(self._cells):
            return
        with self._shared.locked():
            self._cells[0] = self._cells[1] = self._cells[2] = self._cells[3] = 0.0

    def rejected(self, *, locked_out: bool) -> None:
        """End a try whose password was wrong, or was not looked at; the pause begins, unless another try began it."""
        with self._shared.locked():
            if time.monotonic() < self._cells[1]:
                return
            count = self._cells[0] = self._cells[0] + (not locked_out)
            pause = LOCKED_PAUSE if locked_out else PAUSES[min(int(count), len(PAUSES)) - 1]
            self._cells[1] = time.monotonic() + pause
            self._cells[2], self._cells[3] = 0.0, locked_out


class User(NamedTuple):
    """User and password."""

    name: str
    password: str

    @property
    def basic(self) -> str:
        """The value of the header ``Authorization`` (RFC 7617, in UTF-8)."""
        return aiohttp.encode_basic_auth(self.name, self.password, "utf-8")


@dataclass(frozen=True, slots=True, eq=False)
class Cookie:
    """The cookie of a session, and when (monotonic) to renew it. Two can have the same value."""

    value: str
    renew_at: float


class SignedIn:
    """Signs requests to one node.

    Args:
        user: None for a CouchDB that wants none.
        tries: of the password.
        send_password: posts to ``/_session``, with the ``Authorization`` header and without a cookie.
    """

    def __init__(
        self, user: User | None, tries: Tries, send_password: Callable[[User], Awaitable[aiohttp.ClientResponse]]
    ) -> None:
        self._user = user
        self._tries = tries
        self._send_password = send_password
        self._lock = asyncio.Lock()
        self._cookie: Cookie | None = None
        self._has_sessions = True

    async def headers(self) -> dict[str, str]:
        """The headers of a request as the user; raises as ``send``."""
        return self._signed(await self._current())

    async def send(self, request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        """Send a request as the user; what is answered 401 is sent again with a new cookie, then with the password.

        Raises:
            Misconfigured: CouchDB rejected the password, now or lately.
        """
        cookie = await self._current()
        response = await self._send(request, handler, cookie)
        if response.status == 401 and cookie is not None:
            response.release()
            cookie = await self._renewed(cookie)
            response = await self._send(request, handler, cookie)
        if response.status == 401 and cookie is not None:
            # No right to do this, or a server that does not accept its own cookies.
            response.release()
            response = await self._send(request, handler, None)
            if response.status != 401:
                self._cookie, self._has_sessions = None, False
        return response

    async def _send(
        self, request: aiohttp.ClientRequest, handler: ClientHandlerType, cookie: Cookie | None
    ) -> aiohttp.ClientResponse:
        """Send a request with a cookie; with the password if there is none."""
        for name in ("Cookie", "Authorization"):
            request.headers.popall(name, None)
        request.headers.update(self._signed(cookie))
        response = await handler(request)
        if response.status not in (401, 403) and cookie is None:
            self._tries.accepted()
        return response

    def _signed(self, cookie: Cookie | None) -> dict[str, str]:
        if cookie is not None:
            return {"Cookie": f"{_COOKIE}={cookie.value}"}
        return {} if self._user is None else {"Authorization": self._user.basic}

    async def _current(self) -> Cookie | None:
        """The cookie; None where none is needed, or the server has no sessions."""
        cookie = self._cookie
        if cookie is not None and time.monotonic() < cookie.renew_at:
            return cookie
        return await self._renewed(cookie)

    async def _renewed(self, old: Cookie | None) -> Cookie | None:
        """A cookie other than ``old``: a new one, unless another request was faster."""
        if self._user is None or not self._has_sessions:
            return None
        async with self._lock:
            if self._cookie in (None, old) and self._has_sessions:
                self._cookie = None
                self._cookie = await self._sign_in(self._user)
            return self._cookie

    async def _sign_in(self, user: User) -> Cookie | None:
        """Try the password; None where the server has no sessions."""
        await self._tries.begin()
        try:
            response = await self._send_password(user)
            reason = Refused(response.status, await response.read()).reason
        except BaseException:
            self._tries.end()
            raise
        trouble = from_status(response.status, reason, Subject())
        if isinstance(trouble, Misconfigured):
            self._tries.rejected(locked_out=isinstance(trouble, LockedOut))
            raise trouble
        morsel = response.cookies.get(_COOKIE)
        if response.status == 200 and morsel is not None:
            self._tries.accepted()
            return Cookie(morsel.value, time.monotonic() + RENEW_SECONDS)
        # Nothing is known of the password: the next request with it shows whether it is right.
        self._tries.end()
        if response.status == 429 or (response.status >= 500 and response.status not in (501, 505)):
            raise Refused(response.status)
        self._has_sessions = False
        return None
