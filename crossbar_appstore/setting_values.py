"""Readers of the texts of settings; each raises ``ValueError`` with the reason, which names no secret."""

import os
import re
from collections.abc import Callable
from email.utils import parseaddr
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_KAZOO_DATABASES: Final = frozenset(
    {"accounts", "acdc", "alerts", "anonymous_cdrs", "dedicated_ips", "faxes", "global_resources", "offnet"}
    | {"pending_notifications", "port_requests", "ratedeck", "services", "sip_auth", "sip_db", "token_auth", "webhooks"}
)
_OTEL_PACKAGES: Final = (
    "opentelemetry.sdk",
    "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.instrumentation.aiohttp_client",
)


def flag(text: str) -> bool:
    """Returns whether a text means yes."""
    if text.lower() in ("true", "yes", "on", "1"):
        return True
    if text.lower() in ("false", "no", "off", "0"):
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def otel(text: str) -> bool:
    """Returns whether a text means yes; the packages for traces must be installed then."""
    on = flag(text)
    if on and not all(map(_is_installed, _OTEL_PACKAGES)):
        raise ValueError("the packages of the extra otel are not installed: pip install 'crossbar-appstore[otel]'")
    return on


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # Its parent is not.
        return False


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    """Returns a reader of whole numbers within limits."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
            raise ValueError(f"{text!r} is not a whole number from {lowest} to {highest}")
        return int(text)

    return read


def share(text: str) -> float:
    """Returns a number from 0 to 1."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"{text!r} is not a number from 0 to 1")
    return share


def seconds(text: str) -> float:
    """Returns a number of seconds, more than 0 and at most an hour."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds <= 3600.0:
        raise ValueError(f"{text!r} is not a number of seconds from 0 to 3600")
    return seconds


def directory(text: str) -> Path:
    """Returns the path of a directory that exists and can be written to."""
    found = path(text)
    if not found.is_dir():
        raise ValueError(f"{text} is not a directory")
    if not os.access(found, os.W_OK | os.X_OK):
        raise ValueError(f"{text} cannot be written to")
    return found


def path(text: str) -> Path:
    """Returns a path, with the home directory in place of ``~``."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        # A container may run the service as a user without a home; only the use of this path should fail.
        return Path(text)


def own_database(text: str) -> str:
    """Returns the name of a database that is none of KAZOO's."""
    # Not one of KAZOO's: what is older than a year is deleted from it.
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,63}", text) or text in _KAZOO_DATABASES or text.startswith("system_"):
        raise ValueError(f"{text!r} is no name of a database of its own: small letters, digits, _ and -")
    return text


def mail_address(text: str) -> str:
    """Returns a mail address, perhaps with a name."""
    _, address = parseaddr(text)
    user, at, domain = address.rpartition("@")
    if not (user and at and domain) or not text.isprintable():
        raise ValueError(f"{text!r} is no mail address")
    return text
