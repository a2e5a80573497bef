"""Account ids and the names of their databases, in the three spellings that KAZOO uses."""

import re
import secrets
from functools import lru_cache
from typing import Final, TypeGuard

ACCOUNT_ID_BYTES: Final = 32

_SEPARATOR: Final = "(?:/|%2[Ff])"
_DATABASE: Final = re.compile(f"account{_SEPARATOR}(..){_SEPARATOR}(..){_SEPARATOR}(.*)", re.DOTALL)


def new_id() -> str:
    """A fresh document or account id: 16 random bytes as 32 lower-case hex digits."""
    return secrets.token_hex(16)


def is_account_id(value: object) -> TypeGuard[str]:
    """Whether the value has the form of a raw account id: a text of 32 bytes, hexadecimal or not.

    KAZOO matches on nothing but the length (``MATCH_ACCOUNT_RAW``).
    """
    return isinstance(value, str) and _utf8_length(value) == ACCOUNT_ID_BYTES


def format_account_id(value: object) -> str:
    """The raw account id of an id or of an account database's name, encoded (``%2F``, ``%2f``) or not.

    Raises:
        ValueError: the value is none of these.
    """
    if is_account_id(value):
        return value
    match = _DATABASE.fullmatch(value) if isinstance(value, str) else None
    account_id = "".join(match.groups()) if match else None
    if not is_account_id(account_id):
        raise ValueError(f"not an account id: {value!r}")
    return account_id


@lru_cache(maxsize=1_000)
def account_db(account_id: str) -> str:
    """The name of the account's database as CouchDB lists it: ``account/aa/bb/rest``.

    Raises:
        ValueError: not an account id.
    """
    return _database(account_id, "/")


def encoded_account_db(account_id: str) -> str:
    """The spelling that ``pvt_account_db`` and KAZOO's notices hold: ``account%2Faa%2Fbb%2Frest``.

    Raises:
        ValueError: not an account id.
    """
    return _database(account_id, "%2F")


def _database(account_id: str, separator: str) -> str:
    raw = format_account_id(account_id)
    return separator.join(("account", raw[:2], raw[2:4], raw[4:]))


def _utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
