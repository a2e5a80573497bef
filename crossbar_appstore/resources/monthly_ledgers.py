"""Ledgers (`cb_ledgers`) and transactions (`cb_transactions`), in the account's databases of each month."""

from functools import partial
from typing import Final
from urllib.parse import quote

from crossbar_appstore.appstore import ledgers
from crossbar_appstore.crossbar.errors import BadIdentifier, CrossbarError, ValidationError
from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for, standing_alone
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import gregorian_seconds
from crossbar_appstore.kazoo.ids import encoded_account_db, new_id
from crossbar_appstore.kazoo.months import monthly_db_at, monthly_db_of, monthly_dbs, monthly_id
from crossbar_appstore.kazoo.values import as_integer, is_true
from crossbar_appstore.resources import documents
from crossbar_appstore.resources.companion_calls import Call, Work, checked, require_reseller
from crossbar_appstore.resources.listings import AFTER_ALL, Listing
from crossbar_appstore.validation.errors import wrong_type

_MAXIMUM_RANGE: Final = 31 * 24 * 3600 + 3600
_LATEST: Final = 10**15
"""Times that are no times."""


async def _range(call: Call) -> tuple[int, int]:
    """The times that the request is about (`crossbar_view:time_range/3`); raises ValidationError."""
    longest = as_integer(await call.store.config.get("crossbar", "maximum_range")) or _MAXIMUM_RANGE
    end = _moment(call, "created_to", gregorian_seconds())
    start = _moment(call, "created_from", end - longest)
    if start > end:
        _refuse_range("created_from is later than created_to", start)
    if end - start > longest:
        _refuse_range(f"created_to is more than {longest} seconds after created_from", end)
    return start, end


def _refuse_range(message: str, cause: int) -> None:
    raise ValidationError({"created_from": {"date_range": {"message": message, "cause": cause}}})


def _moment(call: Call, name: str, default: int) -> int:
    value = call.context.req_value(name)
    moment = default if value is None else as_integer(value)
    if moment is None or not 0 <= moment < _LATEST:
        rule, details = wrong_type("integer", value)
        raise ValidationError({name: {rule: details}})
    return moment


async def _monthly_document(call: Call, doc_type: str) -> JsonObject:
    """The document of the path's last id, from the month that the id begins with; raises BadIdentifier."""
    doc_id = call.params[-1]
    database = monthly_db_of(call.account_id, doc_id)
    document = None if database is None else await call.read(database, doc_id)
    return documents.of_type(document, doc_id, doc_type)


async def by_source(call: Call) -> Json:
    """The amount of each source in the time range."""
    start, end = await _range(call)
    found: list[Json] = []
    for database in monthly_dbs(call.account_id, start, end):
        rows = await call.rows(database, "ledgers/list_by_timestamp", startkey=start, endkey=end)
        found += [row.value for row in rows]
    return ledgers.by_source(found)


async def balance(call: Call) -> Json:
    """This month's ledgers, and those of the months before down to one that begins with their balance."""
    this_month = monthly_db_at(call.account_id, gregorian_seconds())
    units, complete = await _month_total(call, this_month)
    if not complete:
        prefix = f"{call.database}-"
        # The names may come without slashes; those of years are shorter.
        months = {name.rpartition("-")[2] for name in await call.store.couch.databases(prefix)}
        earlier = sorted((f"{prefix}{month}" for month in months if len(month) == len("YYYYMM")), reverse=True)
        for database in earlier:
            if database < this_month and not complete:
                total, complete = await _month_total(call, database)
                units += total
    return {"amount": ledgers.in_currency(units)}


async def _month_total(call: Call, database: str) -> tuple[int | float, bool]:
    rows = await call.rows(database, "ledgers/total_by_source", group_level=1)
    return ledgers.total((row.key, row.value) for row in rows)


async def of_source(call: Call) -> Listing:
    """The ledgers of a source."""
    (start, end), source = await _range(call), call.params[0]
    return Listing(
        monthly_dbs(call.account_id, start, end),
        "ledgers/list_by_source",
        start=[source, start],
        end=[source, end, AFTER_ALL],
        descending=True,
        entry=lambda row: None if row.doc is None else ledgers.public_ledger(row.doc),
        include_docs=True,
    )


async def one_ledger(call: Call) -> Json:
    """One ledger of a source."""
    document = await _monthly_document(call, ledgers.LEDGER)
    if ledgers.source_of(document) != call.params[0]:
        raise BadIdentifier(cause=call.params[1])
    return ledgers.public_ledger(document)


async def book(kind: str, call: Call) -> Work:
    """Check a ``credit`` or ``debit``; raises Forbidden where that is not the caller's, or KAZOO's, to do."""
    await require_reseller(call)
    if not await standing_alone(call.store.couch):
        raise CrossbarError(403, "forbidden", {"message": "KAZOO keeps the ledgers of this system"})
    if is_true(call.context.envelope.get("impact_reseller")):
        raise CrossbarError(403, "forbidden", {"message": "only the account itself is booked"})
    data = checked("ledgers", None, documents.request_data(call.context))
    return partial(_save, call, kind, data)


async def _save(call: Call, kind: str, data: JsonObject) -> None:
    context, couch, now = call.context, call.store.couch, gregorian_seconds()
    database = monthly_db_at(call.account_id, now)
    await couch.create_database(database, q=1)
    await ensure(couch, database, names_for(DatabaseClass.MONTHLY))
    ledger = ledgers.new_ledger(data, context.account or {"_id": call.account_id}, kind, now)
    place = {"_id": monthly_id(now, new_id()), "pvt_account_db": encoded_account_db(call.account_id) + database[-7:]}
    saved = await call.store.create(database, documents.stamped(context, ledger | place, call.account_id))
    documents.show(context, saved)
    context.reply.data = ledgers.public_ledger(saved)
    path = context.path.rstrip("/").rpartition("/")[0]
    context.reply.location = f"{path}/{quote(ledgers.source_of(saved) or '', safe='')}/{saved['_id']}"


async def list_transactions(call: Call) -> Listing:
    """The transactions in the time range."""
    start, end = await _range(call)
    return Listing(
        monthly_dbs(call.account_id, start, end),
        "transactions/list_by_timestamp",
        start=start,
        end=end,
        descending=True,
        entry=lambda row: ledgers.public_amount(row.value) if isinstance(row.value, dict) else None,
    )


async def one_transaction(call: Call) -> Json:
    """One transaction."""
    return ledgers.public_transaction(await _monthly_document(call, "transaction"))
