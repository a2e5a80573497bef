"""Parses the addresses of CouchDB, the message broker, the mail server, the web client and proxies."""

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

COUCHDB_FORM = "http[s]://[user:password@]host[:port]"
AMQP_FORM = "amqp[s]://[user:password@]host[:port][/vhost]"
SMTP_FORM = "smtp[s]://[user:password@]host[:port]"
WEB_FORM = "http[s]://host[:port][/path]"

Network = IPv4Network | IPv6Network

_WEB: Final = re.compile(
    # No user, blank, quote or backslash: nothing that a browser could read differently.
    r"(?P<page>(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/(?:(?![?#\"<>\\`])[!-~])*)?)"
    r"(?:\?(?P<query>(?:(?![#\"<>\\`])[!-~])*))?(?:#[^\r\n]*)?"
)


@dataclass(frozen=True, slots=True)
class CouchAddress:
    """The addresses of CouchDB's nodes; all have the same user and password.

    ``urls`` contain no credentials and no trailing slash, so that they can be logged; there is at least one.
    """

    urls: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def couch_address(text: str) -> CouchAddress:
    """Parses addresses of the form ``COUCHDB_FORM`` that commas separate, with percent-encoded credentials.

    Credentials that one of them has apply to all.

    Raises:
        ValueError: the text has another form, or the credentials differ. The message does not contain the text, as it
            may hold a password.
    """
    nodes = [_split(each.strip(), ("http", "https"), COUCHDB_FORM) for each in text.split(",")]
    if any(parts.path.strip("/") or parts.query or parts.fragment for parts in nodes):
        raise ValueError(f"the form is {COUCHDB_FORM}, nothing may follow")
    named = {(unquote(parts.username), unquote(parts.password or "")) for parts in nodes if parts.username}
    if len(named) > 1:
        raise ValueError("all nodes must have the same user and password")
    user, password = named.pop() if named else (None, None)
    # The same address twice is one node.
    urls = dict.fromkeys(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" for parts in nodes)
    return CouchAddress(tuple(urls), user, password)


def amqp_url(text: str) -> str:
    """Checks an address of the form ``AMQP_FORM`` and returns it unchanged; raises as ``couch_address``.

    Parameters such as ``?cafile=/path`` may follow.
    """
    parts = _split(text, ("amqp", "amqps"), AMQP_FORM)
    # After a password with a slash that is not percent-encoded; logs would show it as the virtual host.
    is_cut = "@" in parts.path or "@" in parts.query or "#" in text
    if is_cut or "," in parts.netloc.rpartition("@")[2]:
        raise ValueError(f"the form is {AMQP_FORM}, percent-encoded, and of one broker")
    return text


@dataclass(frozen=True, slots=True)
class SmtpAddress:
    """A mail server; ``tls`` is whether the connection begins with TLS, as on port 465."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def smtp_address(text: str) -> SmtpAddress:
    """Parses an address of the form ``SMTP_FORM``, with percent-encoded credentials; raises as ``couch_address``."""
    parts = _split(text, ("smtp", "smtps"), SMTP_FORM)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"the form is {SMTP_FORM}, nothing may follow")
    tls = parts.scheme == "smtps"
    user = unquote(parts.username) if parts.username else None
    password = None if user is None else unquote(parts.password or "")
    return SmtpAddress(parts.hostname or "", parts.port or (465 if tls else 25), tls, user, password)


@dataclass(frozen=True, slots=True)
class WebAddress:
    """The address of a page: ``page`` is all before the query, ``query`` None where there is none; without fragment.

    ``origin`` is scheme, host and port, ``host`` the bare name or IP address, both in lower case.
    """

    origin: str
    host: str
    page: str
    query: str | None

    @property
    def is_local(self) -> bool:
        """Whether the page is on the machine of whoever opens it."""
        return is_local(self.host)


def web_address(text: str) -> WebAddress:
    """Parses the address of a page.

    Raises:
        ValueError: it has not the form ``WEB_FORM``, with or without a query and a fragment.
    """
    match = _WEB.fullmatch(text)
    port = int(match["port"]) if match and match["port"] else 0
    if match is None or port > 65535:
        raise ValueError(f"the form is {WEB_FORM}")
    scheme, host = match["scheme"].lower(), match["host"].lower()
    origin = f"{scheme}://{host}:{port or (443 if scheme == 'https' else 80)}"
    page: str = match["page"]
    return WebAddress(origin, host.strip("[]"), page if match["path"] else f"{page}/", match["query"])


def web_origins(text: str) -> tuple[str, ...]:
    """Returns the origins of addresses of the form ``WEB_FORM`` that commas separate; raises as ``web_address``."""
    return tuple(dict.fromkeys(web_address(each.strip()).origin for each in text.split(",")))


def is_local(host: str) -> bool:
    """Whether a host name or IP address means this machine itself."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def networks(text: str) -> tuple[Network, ...]:
    """Parses networks such as ``10.0.0.0/24`` and single addresses, which commas separate.

    Raises:
        ValueError: one of them is malformed, or has bits beyond its prefix.
    """
    return tuple(ip_network(each.strip()) for each in text.split(","))


def _split(text: str, schemes: tuple[str, ...], form: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        # The original message could contain the password.
        raise ValueError(f"the form is {form}") from None
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise ValueError(f"the form is {form}")
    return parts
