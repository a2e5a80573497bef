"""Decides what an address of an app is: its ``api_url`` and ``source_url``, by RFC 3986.

The web client loads an app's files from ``source_url`` and sends the user's token to ``api_url``; it appends paths to
both. ``fault_of_address`` says what may be stored, ``is_harmless`` what of stored addresses is returned (D27).
"""

import re
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

ADDRESS_KEYS: Final = ("api_url", "source_url")
API_VERSION: Final = "v2"
"""The version of the API that the service has, the last segment of an ``api_url``."""

_AROUND: Final = "".join(map(chr, (*range(0x21), *range(0x7F, 0xA1)))) + "\u2028\u2029\u200b\ufeff"
"""Blanks and control characters."""
_HIGHEST_PORT: Final = 65_535

_PARTS: Final = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)(?P<rest>.*)"
)
"""RFC 3986, appendix B, with the scheme's characters."""
_AUTHORITY: Final = re.compile(r"(?:(?P<user>.*)@)?(?P<host>\[[^\[\]]*\]|[^\[\]:]*)(?::(?P<port>.*))?")
_FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]|%(?![0-9A-Fa-f]{2})")
_VERSION: Final = re.compile(r"v[+-]?[0-9]+")
_HARMLESS_SCHEME: Final = re.compile(r"(?![A-Za-z][A-Za-z0-9+.-]*:)|https?:", re.IGNORECASE)
# Browsers take a backslash for a slash here, and any number of them for two.
_CREDENTIALS: Final = re.compile(r"((?:https?:[/\\]*|[/\\]{2,}))[^/\\?#]*@", re.IGNORECASE)


def trimmed(address: str) -> str:
    """Returns the address without blanks and control characters around it, such as the end of a line."""
    return address.strip(_AROUND)


def fault_of_address(key: str, address: str) -> tuple[str, str] | None:
    """Returns rule and message of what is wrong with a trimmed address, ``None`` if it may be stored under the key.

    A relative address is allowed: the page and the API may have one origin.
    """
    if not address:
        return "empty", "is empty"
    found = _FORBIDDEN.search(address)
    if found is not None:
        return "characters", f"contains {_named(found[0])} at position {found.start() + 1}"
    parts = _PARTS.fullmatch(address)
    if parts is None:  # no line ends are left
        return "address", "is not an address"
    scheme, authority, path = parts["scheme"], parts["authority"], parts["path"]
    if scheme is not None and scheme.lower() not in ("http", "https"):
        return "scheme", f"has the scheme {scheme}, not http or https: a host needs https:// in front of it"
    if scheme is not None or authority is not None:
        fault = _fault_of_authority(authority)
        if fault is not None:
            return fault
    elif ":" in path.partition("/")[0]:
        return "scheme", "has no scheme: a host needs https:// in front of it"
    if "[" in path or "]" in path:
        return "characters", "contains a square bracket in its path"
    if parts["rest"]:
        return "suffix", f"contains {parts['rest'][0]}, after which the web client cannot append a path"
    return _fault_of_api_path(authority, path) if key == "api_url" else None


def is_relative(address: str) -> bool:
    """Whether an address without faults names no scheme, so that a browser completes it by the page's."""
    parts = _PARTS.fullmatch(address)
    return parts is not None and parts["scheme"] is None


@lru_cache(maxsize=4096)
def is_harmless(address: str) -> bool:
    """Whether a stored address may be returned (D27): a browser neither runs it nor finds credentials in it."""
    # Browsers drop tabs and line ends within an address: ``java\tscript:`` is a scheme.
    return (
        address.isprintable()
        and " " not in address
        and _HARMLESS_SCHEME.match(address) is not None
        and _CREDENTIALS.match(address) is None
    )


def without_credentials(address: str) -> str:
    """Returns the address with an ellipsis in place of user and password, for messages."""
    return _CREDENTIALS.sub("\\1…@", address, count=1)


def _fault_of_authority(authority: str | None) -> tuple[str, str] | None:
    parts = _AUTHORITY.fullmatch(authority or "")
    if parts is None:
        return "host", "names a host that is none"
    if parts["user"] is not None:
        return "credentials", "contains a user or a password, which every user of every account would get"
    if not parts["host"]:
        return "host", "names no host"
    if parts["host"].startswith("[") and not _is_ipv6(parts["host"][1:-1]):
        return "host", f"names the host {parts['host']}, which is not an IPv6 address"
    port = parts["port"]
    if port and not (port.isdigit() and 0 < int(port[:6]) <= _HIGHEST_PORT):
        return "port", f"names the port {port}, which is not from 1 to {_HIGHEST_PORT}"
    return None


def _fault_of_api_path(authority: str | None, path: str) -> tuple[str, str] | None:
    last = path.rstrip("/").rpartition("/")[2]
    if _VERSION.fullmatch(last) and last != API_VERSION:
        return "version", f"ends in {last}; the API of this service is {API_VERSION}"
    # The web client appends a slash only if the last segment, the host without a path, contains no dot.
    if authority is not None and not path:
        return "path", f"names no path: the web client needs one that ends in /{API_VERSION}/"
    if "." in path.rpartition("/")[2]:
        return "path", "ends in a segment with a dot, after which the web client appends no slash"
    return None


def _named(char: str) -> str:
    if char == "%":
        return "a % without two hexadecimal digits"
    if char == " ":
        return "a blank"
    number = f"U+{ord(char):04X}"
    if not char.isprintable():
        return f"the character {number}"
    if char.isascii():
        return f"the character {char}, which is written %{ord(char):02X}"
    return f"the character {char} ({number}): a host is written xn--…, other parts percent-encoded"


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True
