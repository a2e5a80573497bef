"""Messages with a link to set a new password: made and delivered in the background, one for each request.

A request finds its user, stores a reset, and delivers the message after it was answered, so that its answer takes the
same time whether there is such a user or not.
"""

import asyncio
import logging
import re
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.addresses import WebAddress
from crossbar_appstore.auth import hierarchy
from crossbar_appstore.auth.credentials import Directory
from crossbar_appstore.auth.documents import AuthDocuments
from crossbar_appstore.auth.login import Login
from crossbar_appstore.auth.password_resets import PasswordResets
from crossbar_appstore.crossbar.rate_limits import Buckets, Limits, RateLimiter
from crossbar_appstore.datastore.errors import Troubled
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.values import nonempty_text_at, string_at
from crossbar_appstore.request_scope import RequestScope, shared_context
from crossbar_appstore.resources.delivery import Delivery, DeliveryFailed, ResetMessage

RECOVERY: Final = "recovery"
"""The parameter of the link that holds the id of the reset, and the name of the endpoint."""
MAX_WAITING: Final = 100
"""Requests of a worker that are not finished; more are refused."""
PER_USER: Final = Limits(size=5.0, refill=1 / 300)
"""Messages to one user: five at once, then one in five minutes."""
FINISH_SECONDS: Final = 10.0
"""The time limit for finishing deliveries when the service stops."""
PAUSES: Final = (1.0, 5.0, 20.0)
"""Seconds before each further attempt to deliver a message, or to reach CouchDB."""

_ADDRESS: Final = re.compile(r"[^\s@,;:<>()\[\]\"\\]+@[^\s@,;:<>()\[\]\"\\]+")
"""One mail address and nothing else."""
_AT_ONCE: Final = 8
_STORE_SECONDS: Final = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request for a link. ``whose`` is the account on whose domain the page is, None for an address for all."""

    username: str
    phone_number: str | None
    realm: str | None
    name: str | None
    page: WebAddress
    whose: str | None


class Recoveries:
    """Works on requests for links in the background: finds the user, stores a reset, and delivers the message."""

    def __init__(
        self,
        login: Login,
        directory: Directory,
        documents: AuthDocuments,
        resets: PasswordResets,
        delivery: Delivery,
        buckets: Buckets | None = None,
    ) -> None:
        self._login = login
        self._directory = directory
        self._documents = documents
        self._resets = resets
        self._delivery = delivery
        self._sent = RateLimiter(PER_USER, buckets=buckets)
        self._tasks: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._stopping = asyncio.Event()
        self._ends = 0.0
        self._failures: set[str] = set()

    async def are_possible(self) -> bool:
        """Whether there is a way to users without a login. Raises DatastoreError."""
        return await self._delivery.is_available()

    def begin(self, wanted: Wanted) -> bool:
        """Work on a request; False if too many are waiting."""
        if len(self._tasks) >= MAX_WAITING:
            return False
        task = asyncio.get_running_loop().create_task(self._work(wanted), context=shared_context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def stop(self) -> None:
        """Begin to stop: what fails now is not tried again."""
        self._stopping.set()
        self._ends = asyncio.get_running_loop().time() + FINISH_SECONDS

    async def close(self) -> None:
        """Finish what has begun, at most ``FINISH_SECONDS`` after ``stop``; the rest is given up."""
        if self._tasks:
            left = self._ends - asyncio.get_running_loop().time()
            _, late = await asyncio.wait(self._tasks, timeout=max(left, 0.1))
            for task in late:
                task.cancel()
                log.warning("password recovery given up")
            await asyncio.gather(*late, return_exceptions=True)

    async def _work(self, wanted: Wanted) -> None:
        async with self._free:
            try:
                message = await self._prepare(wanted)
                if message is not None:
                    await self._deliver(message)
            # Without the traceback: what led to it could hold the link.
            except Exception as error:  # noqa: BLE001 - nobody waits for the result
                log.error("password recovery failed", extra={"reason": _reason(error)})  # noqa: TRY400

    async def _prepare(self, wanted: Wanted) -> ResetMessage | None:
        """The message for the user that is meant; None if there is none who may get one."""
        for pause in (*PAUSES, None):
            try:
                with RequestScope(_STORE_SECONDS, accepts_stale=False):
                    found = await self._find(wanted)
                    return None if found is None else await self._message(wanted, *found)
            except Troubled:
                if pause is None or not await self._pause(pause):
                    raise
        return None

    async def _find(self, wanted: Wanted) -> tuple[str, JsonObject, JsonObject] | None:
        """Account id, account and user."""
        for account_id in await self._login.accounts(wanted.phone_number, wanted.realm, wanted.name):
            users = await self._directory.users_named(account_id, wanted.username)
            # Two users with the same name cannot be told apart.
            if len(users) != 1:
                continue
            account = live(await self._documents.account(account_id))
            user = await self._resets.user(account_id, users[0])
            may_log_in = hierarchy.is_enabled(account) and hierarchy.trial_expired(account) is None
            is_on_page = wanted.whose in (None, account_id, *hierarchy.account_tree(account))
            if account is None or user is None or not may_log_in or not is_on_page:
                return None
            return account_id, account, user
        return None

    async def _message(
        self, wanted: Wanted, account_id: str, account: JsonObject, user: JsonObject
    ) -> ResetMessage | None:
        """Store a reset; None for a user who cannot be reached, or got too many messages already."""
        user_id, email = user["_id"], string_at(user, "email") or ""
        if self._sent.consume(f"{account_id}/{user_id}", 1) is not None:
            return None
        if _ADDRESS.fullmatch(email) is None:
            log.warning("password recovery without an address", extra={"account_id": account_id, "user_id": user_id})
            return None
        return ResetMessage(
            account_id=account_id,
            user_id=user_id,
            account_name=nonempty_text_at(account, "name") or account_id,
            username=nonempty_text_at(user, "username") or wanted.username,
            email=email,
            first_name=nonempty_text_at(user, "first_name"),
            last_name=nonempty_text_at(user, "last_name"),
            timezone=nonempty_text_at(user, "timezone"),
            language=str(await self._login.language(account, account_id, user_id)),
            seconds=await self._resets.seconds(),
            link=link(wanted.page, await self._resets.create(account_id, user)),
        )

    async def _deliver(self, message: ResetMessage) -> None:
        for pause in (*PAUSES, None):
            try:
                await self._delivery.deliver(message)
            except DeliveryFailed as failure:
                # An attacker may cause any number of them.
                if failure.reason not in self._failures:
                    log.warning("password recovery not delivered", extra={"reason": failure.reason})
                    self._failures.add(failure.reason)
                if not failure.again or pause is None or not await self._pause(pause):
                    return
            else:
                self._failures.clear()
                return

    async def _pause(self, seconds: float) -> bool:
        """Wait before another attempt; False if the service stops."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return True
        return False


def link(page: WebAddress, reset_id: str) -> str:
    """The page's address with the id of a reset, in place of one that it may have (``cb_user_auth:reset_link/2``)."""
    kept = [each for each in (page.query or "").split("&") if each and each.partition("=")[0] != RECOVERY]
    return f"{page.page}?{'&'.join([*kept, f'{RECOVERY}={reset_id}'])}"


def _reason(error: Exception) -> str:
    """What may be logged of an error: the ids of documents are secrets here."""
    return error.reason if isinstance(error, Troubled) else type(error).__name__
