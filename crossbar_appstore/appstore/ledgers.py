"""Ledgers: what an account was credited and debited (``kz_ledger``, ``kz_ledgers``, ``kz_currency``).

Documents and views have amounts in units of 1/10,000 of the currency, positive in documents; answers have them in the
currency, always as a float, negative for debits.
"""

from collections.abc import Iterable
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import public_fields
from crossbar_appstore.kazoo.values import as_number, get, object_at, string_at

UNITS: Final = 10_000
"""Units of one dollar (``kz_currency``)."""
LEDGER: Final = "ledger"
ROLLOVERS: Final = "rollovers"
"""The source of the ledger that carries the balance of earlier months into a month."""
AVAILABLE: Final[tuple[JsonObject, ...]] = (
    {"name": "per-minute-voip", "friendly_name": "Per Minute VoIP", "markup_type": ["percentage"]},
    {"name": "services", "friendly_name": "Monthly Recurring Services", "markup_type": []},
    {"name": "payments", "friendly_name": "Payments", "markup_type": []},
    {"name": ROLLOVERS, "friendly_name": "Monthly Rollover", "markup_type": []},
)
"""The ledgers that KAZOO registers unless ``ledgers``, ``registered_ledgers`` says otherwise."""


def in_currency(units: Json) -> float:
    """Returns an amount in the currency; 0.0 for what is no number (``kz_currency:units_to_dollars/1``)."""
    return (as_number(units) or 0) / UNITS


def in_units(amount: float) -> int:
    """Returns an amount of the currency in whole units (``kz_currency:dollars_to_units/1``)."""
    return round(amount * UNITS)


def total(rows: Iterable[tuple[Json, Json]]) -> tuple[int | float, bool]:
    """Returns the sum of a month's ledgers in units, and whether the balance of earlier months is among them.

    ``rows`` are keys and values of the view ``ledgers/total_by_source``, by source: ``["payments"]``.
    """
    known = [(key, as_number(value) or 0) for key, value in rows]
    return sum(value for _, value in known), any(key == [ROLLOVERS] for key, _ in known)


def by_source(values: Iterable[Json]) -> JsonObject:
    """Returns ``{source: {"amount", "usage": {"type", "quantity", "unit"}}}`` of all ledgers, amounts in the currency.

    ``values`` are those of the view ``ledgers/list_by_timestamp``: the same, one source each, amounts in units.
    """
    sums: JsonObject = {}
    for value in values:
        for source, ledger in (value if isinstance(value, dict) else {}).items():
            before = sums.get(source, {})
            usage = object_at(ledger, "usage")
            quantity = (as_number(get(before, "usage", "quantity")) or 0) + (as_number(usage.get("quantity")) or 0)
            amount = (before.get("amount") or 0) + (as_number(get(ledger, "amount")) or 0)
            sums[source] = {"amount": amount, "usage": {**usage, "quantity": quantity}}
    return {source: {**ledger, "amount": in_currency(ledger["amount"])} for source, ledger in sums.items()}


def public_ledger(document: JsonObject) -> JsonObject:
    """Returns a ledger as clients get it (``kz_ledger:public_json/1``)."""
    return public_amount(document, negative=document.get("pvt_ledger_type") == "debit")


def public_transaction(document: JsonObject) -> JsonObject:
    """Returns a transaction as clients get it (``kz_transaction:public_json/1``)."""
    return public_amount(document, negative=document.get("pvt_transaction_type") == "refund")


def public_amount(document: JsonObject, *, negative: bool = False) -> JsonObject:
    """Returns the public fields of a document or of a view's value, with the amount in the currency."""
    amount = in_currency(document.get("amount"))
    return {**public_fields(document), "amount": -amount if negative and amount else amount}


def source_of(document: JsonObject) -> str | None:
    """Returns the name of the source of a ledger."""
    return string_at(document, "source", "service")


def new_ledger(data: JsonObject, account: JsonObject, kind: str, now: int) -> JsonObject:
    """Returns a ledger of kind ``credit`` or ``debit`` from valid data, without an id; ``now`` in Gregorian seconds."""
    named = {"id": account["_id"], "name": account.get("name")}
    return {
        **data,
        "amount": in_units(as_number(data.get("amount")) or 0),
        "account": {**named, **object_at(data, "account")},
        "period": {"start": now, **object_at(data, "period")},
        "executor": {"trigger": "crossbar", "module": "cb_ledgers"},
        "pvt_type": LEDGER,
        "pvt_ledger_type": kind,
    }
