"""Parses the addresses of CouchDB and of the message broker."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

COUCHDB_FORM = "http[s]://[user:password@]host[:port]"
AMQP_FORM = "amqp[s]://[user:password@]host[:port][/vhost]"


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
    """Checks an address of the form ``AMQP_FORM`` and returns it unchanged; raises as ``couch_address``."""
    _split(text, ("amqp", "amqps"), AMQP_FORM)
    return text


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
