"""Parses the addresses of CouchDB and of the message broker."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

COUCHDB_FORM = "http[s]://[user:password@]host[:port]"
AMQP_FORM = "amqp[s]://[user:password@]host[:port][/vhost]"


@dataclass(frozen=True, slots=True)
class CouchAddress:
    """The address of CouchDB. ``url`` contains no credentials and no trailing slash, so that it can be logged."""

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def couch_address(text: str) -> CouchAddress:
    """Parses an address of the form ``COUCHDB_FORM``, with percent-encoded credentials.

    Raises:
        ValueError: the text has another form. The message does not contain it, as it may hold a password.
    """
    parts = _split(text, ("http", "https"), COUCHDB_FORM)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"the form is {COUCHDB_FORM}, nothing may follow")
    return CouchAddress(
        url=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or "") if parts.username else None,
    )


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
