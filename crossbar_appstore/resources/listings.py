"""Listings as Crossbar gives them: filtered rows of a view, in pages, with the keys of the pages in the envelope.

Members of the envelope: ``page_size`` (entries shown), ``start_key`` and ``next_start_key`` (first keys of this and of
the next page). With ``paginate=false`` everything is shown and none of them is there
(`crossbar_view`, `crossbar_doc:load_view/6`, `api_util:encode_start_keys/2`, `crossbar_filter`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.datastore.collation import collation_key
from crossbar_appstore.datastore.documents import refuse_lost_database
from crossbar_appstore.datastore.errors import DatabaseMissing
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject, loads
from crossbar_appstore.kazoo.documents import public_fields
from crossbar_appstore.kazoo.values import MISSING, Missing, as_integer, as_text, get, is_empty, is_true
from crossbar_appstore.resources.account_apps import Serialized
from crossbar_appstore.resources.documents import AUTOMATIC
from crossbar_appstore.resources.start_keys import decode_start_key, encode_start_key

PAGE_SIZE: Final = 50
"""Entries of a page, unless the client or ``system_config`` (``crossbar``, ``pagination_page_size``) says otherwise."""
LARGEST_PAGE: Final = 10_000
AFTER_ALL: Final[JsonObject] = {}
"""Sorts after every text, number and array in a view, so ``[A, {}]`` is the end of the keys that begin with ``[A]``."""

Filter = Callable[[JsonObject], bool]
"""Whether a stored document belongs to the listing."""


async def no_rows() -> Sequence[ViewRow]:
    """Finds nothing, where a missing view or database means that there is nothing."""
    return ()


def shown_value(row: ViewRow) -> JsonObject | None:
    """The public fields of a row's value; None if that is no object."""
    return public_fields(row.value) if isinstance(row.value, dict) else None


@dataclass(frozen=True, slots=True)
class Listing:
    """What to list: the values of a view (``design/view``) between two keys.

    ``database`` may also be the databases of several months, in their order. ``search`` finds the same rows, documents
    included, where there is no such view; in any order. ``descending`` is the order unless the client says otherwise,
    ``shows_start`` whether the envelope has a start key that the client did not send. ``entry`` is what is shown of a
    row, None for nothing; ``include_docs`` is whether it needs the row's document.
    """

    database: str | tuple[str, ...]
    view: str
    search: Callable[[], Awaitable[Sequence[ViewRow]]] = no_rows
    start: Json = None
    end: Json = None
    descending: bool = False
    shows_start: bool = False
    entry: Callable[[ViewRow], JsonObject | None] = shown_value
    include_docs: bool = False


@dataclass(frozen=True, slots=True)
class _Page:
    """The requested part of a listing: the first and the last key in its order, and its size (None: all)."""

    start: Json
    end: Json
    size: int | None
    descending: bool
    filters: tuple[Filter, ...]


async def answer(context: Context, store: Datastore, listing: Listing) -> None:
    """Fill the context's reply with the page that its query string asks for."""
    page = await _page_of(context, store, listing)
    rows, stale = await _rows(store, listing, page)
    entries = _entries(listing, rows, page)
    reply, serialized = context.reply, Serialized.of(entries)
    reply.data, reply.etag, reply.stale = serialized.data, serialized.etag, stale
    reply.revision = AUTOMATIC if entries else None
    if page.size is None:
        return
    reply.page_size = len(entries)
    if listing.shows_start or "start_key" in context.query:
        reply.start_key = None if page.start is None else encode_start_key(page.start)
    # One row more than the page was read: it begins the next page.
    if len(rows) > page.size:
        reply.next_start_key = encode_start_key(rows[page.size].key)


async def unpaged(context: Context, store: Datastore, listing: Listing) -> tuple[list[JsonObject], bool]:
    """The first ``LARGEST_PAGE`` entries, and whether they are stale; of the query string only the filters count."""
    page = _Page(listing.start, listing.end, LARGEST_PAGE, listing.descending, filters_of(context.query))
    rows, stale = await _rows(store, listing, page)
    return _entries(listing, rows, page), stale


def _entries(listing: Listing, rows: Sequence[ViewRow], page: _Page) -> list[JsonObject]:
    return [entry for entry in map(listing.entry, rows[: page.size]) if entry is not None]


async def _page_of(context: Context, store: Datastore, listing: Listing) -> _Page:
    # The query string's order, else the listing's own (`crossbar_view:direction/2`).
    wants_ascending = context.query.get("ascending") not in (None, "false")
    descending = is_true(context.query.get("descending")) or (listing.descending and not wants_ascending)
    start, end = (listing.end, listing.start) if descending else (listing.start, listing.end)
    sent = context.query.get("start_key")
    if sent:
        wanted = decode_start_key(sent)
        # A page begins within its listing: the keys around it in the view are of other accounts.
        start = wanted if _is_between(wanted, listing.start, listing.end) else start
    return _Page(start, end, await _page_size(context, store), descending, filters_of(context.query))


async def _page_size(context: Context, store: Datastore) -> int | None:
    paginate = context.req_value("paginate")
    if paginate is not None and not is_true(paginate):
        return None
    size = as_integer(context.req_value("page_size"))
    if size is None or size <= 0:
        size = as_integer(await store.config.get("crossbar", "pagination_page_size"))
    return min(size, LARGEST_PAGE) if size is not None and size > 0 else PAGE_SIZE


async def _rows(store: Datastore, listing: Listing, page: _Page) -> tuple[Sequence[ViewRow], bool]:
    """The page's rows and the one after it; and whether they are stale because CouchDB is away."""
    query: dict[str, Json] = {"startkey": page.start, "endkey": page.end, "descending": page.descending or None}
    # How many rows pass the filters is not known before: all are read.
    query["include_docs"] = listing.include_docs or bool(page.filters) or None
    query["limit"] = None if page.filters or page.size is None else page.size + 1
    stated = {name: value for name, value in query.items() if value is not None}
    databases = (listing.database,) if isinstance(listing.database, str) else listing.database
    rows: list[ViewRow] = []
    stale = False
    for database in reversed(databases) if page.descending else databases:
        cached = await store.rows(database, listing.view, **stated)
        rows += _sorted(await _searched(store, listing, database), page) if cached.rows is None else cached.rows
        stale = stale or (cached.rows is not None and cached.stale)
    if page.filters:
        rows = [row for row in rows if row.doc is not None and all(passes(row.doc) for passes in page.filters)]
    return rows, stale


async def _searched(store: Datastore, listing: Listing, database: str) -> Sequence[ViewRow]:
    try:
        return await listing.search()
    except DatabaseMissing:
        await refuse_lost_database(store.couch, database)
        raise


def _sorted(rows: Sequence[ViewRow], page: _Page) -> Sequence[ViewRow]:
    """The rows as the view would give them: in order, between the keys."""
    ordered = sorted(rows, key=lambda row: collation_key(row.key), reverse=page.descending)
    low, high = (page.end, page.start) if page.descending else (page.start, page.end)
    return [row for row in ordered if _is_between(row.key, low, high)]


def _is_between(key: Json, low: Json, high: Json) -> bool:
    place = collation_key(key)
    return (low is None or place >= collation_key(low)) and (high is None or place <= collation_key(high))


# Filters: ``filter_name=x``, ``has_key=y``, ``created_from=…``


def filters_of(query: Mapping[str, str]) -> tuple[Filter, ...]:
    """The filters among the parameters of a request; other parameters are skipped.

    Private fields cannot be filtered by, so that nobody can guess their values; except for the two times.
    """
    return tuple(filter(None, (_filter(name, value) for name, value in query.items())))


def _filter(name: str, value: str) -> Filter | None:
    for prefix, wanted in (("filter_not_", False), ("filter_", True)):
        if name.startswith(prefix):
            key = name.removeprefix(prefix)
            return lambda document: _equals(_public(document, key), value) is wanted
    match name:
        case "has_key" | "key_missing":
            return lambda document: (_public(document, value) is not MISSING) is (name == "has_key")
        case "has_value" | "value_missing":
            return lambda document: is_empty(_public(document, value)) is (name == "value_missing")
        case "created_from" | "created_to" | "modified_from" | "modified_to":
            return _time_filter(name, value)
    return None


def _time_filter(name: str, value: str) -> Filter:
    field, _, end = name.partition("_")
    bound = as_integer(value)

    def is_within(document: JsonObject) -> bool:
        moment = as_integer(document.get(f"pvt_{field}"))
        if bound is None or moment is None:
            # As Erlang compares: what is no number sorts after every number.
            return bound is not None and end == "from"
        return moment >= bound if end == "from" else moment <= bound

    return is_within


def _public(document: JsonObject, path: str) -> Json | Missing:
    return get(public_fields(document), *path.split("."))


def _equals(value: Json | Missing, wanted: str) -> bool:
    text = as_text(value) or ""
    if text == wanted:
        return True
    try:
        listed = loads(wanted)
    except ValueError:
        return False
    return text in listed if isinstance(listed, list) else text == listed
