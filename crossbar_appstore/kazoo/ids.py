"""Account ids and the names of account databases, in the three spellings that KAZOO uses."""

import re
import secrets
from functools import lru_cache
from typing import Final, TypeGuard

SHORTEST_RESET_ID: Final = 70
"""Characters, of which 32 are random: 128 bits."""

_X: Final = "[0-9a-fA-F]"
_D: Final = "([0-9])"
_RESET_ID: Final = re.compile(f"({_X}{{32}}){_X}{_D}{_D}{_X}{_D}{_D}{_X}{_D}{_D}{_X}+")
_DATABASE: Final = re.compile("account{0}(..){0}(..){0}(.*)".format("(?:/|%2[Ff])"), re.DOTALL)


def new_id() -> str:
    """Returns a new document or account id: 16 random bytes as 32 lower-case hex digits."""
    return secrets.token_hex(16)


def is_account_id(value: object) -> TypeGuard[str]:
    """Whether the value has the form of a raw account id: any text of 32 bytes (KAZOO's ``MATCH_ACCOUNT_RAW``)."""
    return isinstance(value, str) and len(value if value.isascii() else value.encode("utf-8", "surrogatepass")) == 32


def parse_account_id(value: object) -> str | None:
    """Returns the raw account id of an id or a database name, encoded (``%2F``, ``%2f``) or not; else ``None``."""
    if is_account_id(value):
        return value
    match = _DATABASE.fullmatch(value) if isinstance(value, str) else None
    # A database whose name has another length belongs to no account.
    account_id = "".join(match.groups()) if match else None
    return account_id if is_account_id(account_id) else None


def format_account_id(value: object) -> str:
    """Returns ``parse_account_id`` of the value.

    Raises:
        ValueError: the value is neither an account id nor the name of an account's database.
    """
    account_id = parse_account_id(value)
    if account_id is None:
        raise ValueError(f"not an account id: {value!r}")
    return account_id


@lru_cache(maxsize=1_000)
def account_db(account_id: str) -> str:
    """Returns the name of the account's database, ``account/aa/bb/rest``; takes and raises as ``format_account_id``."""
    raw = format_account_id(account_id)
    return f"account/{raw[:2]}/{raw[2:4]}/{raw[4:]}"


def encoded_account_db(account_id: str) -> str:
    """Returns ``account_db`` as ``pvt_account_db`` and KAZOO's AMQP messages have it: ``account%2Faa%2Fbb%2Frest``."""
    raw = format_account_id(account_id)
    return f"account%2F{raw[:2]}%2F{raw[2:4]}%2F{raw[4:]}"


def monthly_db(account_id: str, year: int, month: int) -> str:
    """Returns the name of the account's database of a month, ``account/aa/bb/rest-YYYYMM`` (KAZOO's MODB).

    Raises as ``format_account_id``.
    """
    return f"{account_db(account_id)}-{year}{month:02}"


def new_reset_id(account_id: str, year: int, month: int, length: int) -> str:
    """Returns a new id of a password reset, which tells the account and the month (``cb_user_auth:reset_id/1``).

    It has ``length`` characters, at least ``SHORTEST_RESET_ID``. Raises as ``format_account_id``.
    """
    raw, noise = format_account_id(account_id), secrets.token_hex(max(length, SHORTEST_RESET_ID))
    y1, y2, y3, y4, m1, m2 = list(f"{year:04}{month:02}")
    mixed = f"{noise[0]}{y1}{y4}{noise[1]}{m2}{y2}{noise[2]}{y3}{m1}"
    return f"{raw}{mixed}{noise[3:]}"[: max(length, SHORTEST_RESET_ID)]


def parse_reset_id(reset_id: str) -> tuple[str, int, int] | None:
    """Returns account, year and month of a password reset's id; None if it has another form."""
    match = _RESET_ID.fullmatch(reset_id)
    if match is None:
        return None
    account_id, y1, y4, m2, y2, y3, m1 = match.groups()
    month = int(m1 + m2)
    return (account_id.lower(), int(y1 + y2 + y3 + y4), month) if 1 <= month <= 12 else None
