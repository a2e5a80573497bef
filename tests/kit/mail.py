"""A mail server on this machine, to which services send: aiosmtpd in the event loop of the test."""

import asyncio
import email
import email.policy
import logging
import re
import ssl
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

_PATIENCE = 10.0

# It logs the mails that it receives.
logging.getLogger("mail.log").setLevel(logging.ERROR)


class MailServer:
    """Keeps what it receives; ``async with MailServer() as server``.

    Args:
        tls: with it, STARTTLS is offered.
        login: user and password that are asked for, over TLS; else none are.
        refusals: replies to the first mails, in place of accepting them.
        hangs: never answers a mail.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
        refusals: tuple[str, ...] = (),
        hangs: bool = False,
    ) -> None:
        self._tls = tls
        self._login = login
        self.refusals = list(refusals)
        self.hangs = hangs
        self.received: list[EmailMessage] = []
        self.sources: list[str] = []
        self.encrypted: list[bool] = []
        self.attempts = 0
        self.port = 0
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        more: dict[str, Any] = {"tls_context": self._tls} if self._tls is not None else {}
        if self._login is not None:
            more |= {"authenticator": self._authenticate, "auth_required": True}
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="mail.test", loop=loop, **more), "127.0.0.1", self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's)
        """Keep a mail; what aiosmtpd calls."""
        self.attempts += 1
        while self.hangs:
            await asyncio.sleep(0.05)
        if self.refusals:
            return self.refusals.pop(0)
        raw = envelope.content
        assert isinstance(raw, bytes)
        message = email.message_from_bytes(raw, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        async with self._arrived:
            self.received.append(message)
            self.sources.append(raw.decode())
            self.encrypted.append(session.ssl is not None)
            self._arrived.notify_all()
        return "250 OK"

    async def mail(self, count: int = 1) -> EmailMessage:
        """The mail number ``count``, once it is there."""
        async with asyncio.timeout(_PATIENCE), self._arrived:
            await self._arrived.wait_for(lambda: len(self.received) >= count)
        return self.received[count - 1]

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == self._login, handled=False)


def link_in(message: EmailMessage) -> str:
    """The link of a mail."""
    found = re.search(r"https?://\S+", message.get_content())
    assert found is not None
    return found[0]


def reset_id_in(message: EmailMessage) -> str:
    """The id in the link of a mail."""
    return link_in(message).rpartition("recovery=")[2]
