"""Delivers the link to set a forgotten password to its user: by KAZOO, by mail (SMTP), or in trials to a folder."""

import asyncio
import os
import secrets
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from pathlib import Path
from typing import Final, Protocol

import aiosmtplib

from crossbar_appstore.addresses import SmtpAddress, is_local
from crossbar_appstore.broker.broker import Broker
from crossbar_appstore.broker.messages import BrokerAway, Message, notification
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import Troubled
from crossbar_appstore.datastore.views import standing_alone
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import encoded_account_db

SECONDS: Final = 10.0
"""The time limit for each reply of a mail server."""
ATTEMPT_SECONDS: Final = 20.0
"""The time limit for a mail."""

_LONGEST_LINE: Final = 900
"""Bytes; SMTP allows 998 (RFC 5321 §4.5.3.1.6)."""

_SUBJECTS: Final[Mapping[str, str]] = {"en": "Set a new password", "de": "Neues Passwort setzen"}
_TEXTS: Final[Mapping[str, str]] = {
    "en": """\
Hello {name},

somebody asked for a new password for the user {username} of {account}.
To set one, open this address within {minutes} minutes. It works once:

{link}

If it was not you, ignore this mail: the password stays as it is.
""",
    "de": """\
Hallo {name},

jemand hat ein neues Passwort für den Benutzer {username} von {account} angefordert.
Um es zu setzen, öffnen Sie innerhalb von {minutes} Minuten diese Adresse. Sie gilt einmal:

{link}

Wenn Sie es nicht waren, tun Sie nichts: das Passwort bleibt, wie es ist.
""",
}


@dataclass(frozen=True, slots=True)
class ResetMessage:
    """What is delivered: whose password it is, and the link, which is as good as the password for ``seconds``."""

    account_id: str
    account_name: str
    user_id: str
    username: str
    email: str
    first_name: str | None
    last_name: str | None
    timezone: str | None
    language: str
    seconds: int
    link: str = field(repr=False)


class DeliveryFailed(Exception):
    """A message was not delivered. ``reason`` holds neither link nor address.

    ``again`` is whether another attempt may succeed.
    """

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again


class Delivery(Protocol):
    """A way to users who cannot log in."""

    async def is_available(self) -> bool:
        """Whether there is such a way at all. Raises DatastoreError."""

    async def deliver(self, message: ResetMessage) -> None:
        """Deliver a message; returns once it was accepted. Raises DeliveryFailed."""


class MailDelivery:
    """Sends a short plain-text mail through one server.

    The connection is encrypted where the server offers STARTTLS, and must be before a password is sent to another
    machine, whose certificate is checked.
    """

    def __init__(self, server: SmtpAddress, sender: str | None) -> None:
        self._server = server
        self._sender = sender or _default_sender()

    async def is_available(self) -> bool:
        """Always: a server is configured."""
        return True

    async def deliver(self, message: ResetMessage) -> None:
        """Send the mail."""
        server = self._server
        is_elsewhere = not is_local(server.host)
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.tls,
            start_tls=True if server.user is not None and is_elsewhere and not server.tls else None,
            validate_certs=is_elsewhere,
            local_hostname=socket.gethostname(),
            timeout=SECONDS,
        )
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                await client.connect()
                await client.send_message(mail(message, self._sender))
            # Only a courtesy: the mail was accepted.
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise _failure(error) from None
        finally:
            client.close()


class FolderDelivery:
    """Stores each mail in a folder, as a file that only the user of the service can read."""

    def __init__(self, folder: Path, sender: str | None) -> None:
        self._folder = folder
        self._sender = sender or _default_sender()

    async def is_available(self) -> bool:
        """Always: a folder is configured."""
        return True

    async def deliver(self, message: ResetMessage) -> None:
        """Store the mail."""
        try:
            await asyncio.to_thread(self._store, mail(message, self._sender))
        except (OSError, ValueError) as error:
            raise _failure(error) from None

    def _store(self, made: EmailMessage) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{secrets.token_hex(8)}.eml"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(made.as_bytes())


class BrokerDelivery:
    """Lets KAZOO's teletype send its own mail, from the account's template (`kapi_notifications`).

    ``instead`` is the way where there is no KAZOO, and where teletype or the broker is away.
    """

    def __init__(self, broker: Broker, couch: Couch, instead: Delivery | None) -> None:
        self._broker = broker
        self._couch = couch
        self._instead = instead

    async def is_available(self) -> bool:
        """With KAZOO, or the other way."""
        return self._instead is not None or not await standing_alone(self._couch)

    async def deliver(self, message: ResetMessage) -> None:
        """Publish the notification."""
        try:
            if not await standing_alone(self._couch):
                await self._broker.publish(password_recovery(message, self._broker.node))
                return
            reason = "NoKazoo"
        except (BrokerAway, Troubled) as error:
            reason = type(error).__name__
        if self._instead is None:
            raise DeliveryFailed(reason, again=True)
        await self._instead.deliver(message)


def password_recovery(message: ResetMessage, node: str) -> Message:
    """The notification ``password_recovery``."""
    fields: JsonObject = {
        "Account-ID": message.account_id,
        "Account-DB": encoded_account_db(message.account_id),
        "Email": message.email,
        "First-Name": message.first_name,
        "Last-Name": message.last_name,
        "Password-Reset-Link": message.link,
        "Timezone": message.timezone,
        "User-ID": message.user_id,
    }
    return notification("password_recovery", "notifications.user.password_recovery", node, fields)


def _default_sender() -> str:
    return f"no-reply@{socket.gethostname()}"


def mail(message: ResetMessage, sender: str) -> EmailMessage:
    """The mail, in the user's language where there is a text in it, else in English. Raises ValueError."""
    language = message.language.partition("-")[0].lower()
    language = language if language in _TEXTS else "en"
    text = _TEXTS[language].format(
        name=" ".join(filter(None, (message.first_name, message.last_name))) or message.username,
        username=message.username,
        account=message.account_name,
        minutes=max(1, message.seconds // 60),
        link=message.link,
    )
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, message.email, _SUBJECTS[language]
    made["Date"], made["Message-ID"] = formatdate(), make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2])
    made["Auto-Submitted"] = "auto-generated"
    # Without an encoding that breaks lines: the link should be legible also in the source of the mail.
    fits = all(len(line.encode()) <= _LONGEST_LINE for line in text.splitlines())
    made.set_content(text, cte=("7bit" if text.isascii() else "8bit") if fits else None)
    return made


def _failure(error: Exception) -> DeliveryFailed:
    """The failure without the server's words, which often repeat the address."""
    code = getattr(error, "code", None)
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        code = next((each.code for each in error.recipients), None)
    final = isinstance(code, int) and code >= 500
    is_wrong = isinstance(error, ValueError | ssl.SSLError | aiosmtplib.SMTPNotSupported)
    reason = type(error).__name__ if code is None else f"{type(error).__name__} {code}"
    return DeliveryFailed(reason, again=not final and not is_wrong)
