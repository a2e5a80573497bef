"""Replies as CSV: one flattened row an object (`api_util:create_csv_resp_content/2`)."""

import csv
import io
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Final

from crossbar_appstore.crossbar.disposition import attachment
from crossbar_appstore.json_codec import Json, dumps

_HEADINGS: Final[Mapping[str, str]] = {
    "account_id": "Account ID",
    "account_name": "Account Name",
    "amount": "Amount",
    "description": "Description",
    "id": "ID",
    "period_end": "End Time",
    "period_start": "Start Time",
    "source_id": "Source ID",
    "source_service": "Source Service",
    "usage_quantity": "Usage Quantity",
    "usage_type": "Usage Type",
    "usage_unit": "Usage Unit",
}
"""Column → heading, KAZOO's own but for the columns of calls (`crossbar.hrl` CSV_HEADER_MAP)."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def render_csv(data: Json) -> bytes:
    """A header row and a row for each object of ``data`` (a list, or one object)."""
    rows = [dict(_flatten(item)) for item in (data if isinstance(data, list) else [data])]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    if columns:
        writer.writerow([_neutral(_HEADINGS.get(column, column)) for column in columns])
        writer.writerows([_neutral(row.get(column, "")) for column in columns] for row in rows)
    return out.getvalue().encode("utf-8", "replace")


def disposition(file_name: str | None) -> str:
    """The Content-Disposition of a CSV reply; a random name where the client gave none."""
    return attachment(file_name or f"json_{secrets.token_hex(11)}.csv")


def _flatten(value: Json, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _flatten(member, f"{prefix}_{key}" if prefix else key)
    elif isinstance(value, list):
        yield prefix, ",".join(_cell(member) for member in value)
    else:
        yield prefix, _cell(value)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return dumps(value).decode()


def _neutral(cell: str) -> str:
    # A spreadsheet runs a cell that begins like a formula.
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
