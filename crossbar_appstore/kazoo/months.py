"""The databases that an account has for each month (KAZOO's MODB), by times in Gregorian seconds, months in UTC."""

import re
from datetime import UTC, datetime
from typing import Final

from crossbar_appstore.kazoo.documents import GREGORIAN_EPOCH
from crossbar_appstore.kazoo.ids import account_db, monthly_db

_LATEST: Final = int(datetime(9000, 1, 1, tzinfo=UTC).timestamp()) + GREGORIAN_EPOCH
_DOCUMENT: Final = re.compile(r"([0-9]{4})(0[1-9]|1[0-2])-.+", re.DOTALL)


def year_and_month(moment: int) -> tuple[int, int]:
    """Returns the year and the month of a time; those of 1970-01 for an earlier one."""
    date = datetime.fromtimestamp(min(max(moment, GREGORIAN_EPOCH), _LATEST) - GREGORIAN_EPOCH, UTC)
    return date.year, date.month


def next_month(moment: int) -> int:
    """Returns when the month after that of a time begins."""
    year, month = _following(*year_and_month(moment))
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) + GREGORIAN_EPOCH


def monthly_dbs(account_id: str, start: int, end: int) -> tuple[str, ...]:
    """Returns the names of the databases of the months from one time to another (``kazoo_modb:get_range/3``).

    They may not exist. Raises as ``monthly_db``.
    """
    each, last = year_and_month(start), year_and_month(end)
    found = []
    while each <= last:
        found.append(monthly_db(account_id, *each))
        each = _following(*each)
    return tuple(found)


def monthly_db_at(account_id: str, moment: int) -> str:
    """Returns the name of the account's database of the month of a time; raises as ``monthly_db``."""
    return monthly_db(account_id, *year_and_month(moment))


def monthly_id(moment: int, rest: str) -> str:
    """Returns the id of a document in the database of the month of a time, ``YYYYMM-rest`` (``kazoo_modb_util``)."""
    year, month = year_and_month(moment)
    return f"{year}{month:02}-{rest}"


def monthly_db_of(account_id: str, doc_id: str) -> str | None:
    """Returns the name of the database of the document of an id ``YYYYMM-…``, ``None`` for another id."""
    match = _DOCUMENT.fullmatch(doc_id)
    return None if match is None else f"{account_db(account_id)}-{match[1]}{match[2]}"


def _following(year: int, month: int) -> tuple[int, int]:
    return (year, month + 1) if month < 12 else (year + 1, 1)
