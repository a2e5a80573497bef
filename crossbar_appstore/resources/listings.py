"""Listings as Crossbar gives them: the rows of a view, in pages, with the keys of the pages in the envelope.

Members of the envelope: ``page_size`` (how many are shown), ``start_key`` and ``next_start_key`` (where the page
begins, and where the next one does). With ``paginate=false`` everything is shown and none of them is there
(`crossbar_view`, `crossbar_doc:load_view/6`, `api_util:encode_start_keys/2`).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.datastore.collation import collation_key
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import public_fields
from crossbar_appstore.kazoo.values import as_integer, is_true
from crossbar_appstore.resources.account_apps import Serialized
from crossbar_appstore.resources.filters import Filter, filters_of
from crossbar_appstore.resources.start_keys import decode_start_key, encode_start_key

PAGE_SIZE: Final = 50
"""Entries of a page, unless the client or ``system_config`` (``crossbar``, ``pagination_page_size``) says otherwise."""
LARGEST_PAGE: Final = 10_000
AFTER_ALL: Final[JsonObject] = {}
"""Comes after every text, number and array in a view, so ``[A, {}]`` ends what begins with ``[A]``."""

AUTOMATIC: Final = "automatic"
"""The revision of a reply that shows several documents."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What to list.

    Args:
        database: where the view is.
        view: ``design/view``; its values are shown.
        search: the same rows, documents included, for where there is no such view; in any order.
        start: the lowest key, None for the first there is.
        end: the highest key.
        descending: the order unless the client says otherwise.
        told_start: whether the envelope names a start that the client did not choose.
    """

    database: str
    view: str
    search: Callable[[], Awaitable[Sequence[ViewRow]]]
    start: Json = None
    end: Json = None
    descending: bool = False
    told_start: bool = False


@dataclass(frozen=True, slots=True)
class _Page:
    """Which part of a listing is asked for: from a key on, so many entries (None: all), in this order."""

    start: Json
    end: Json
    size: int | None
    descending: bool
    filters: tuple[Filter, ...]


async def answer(context: Context, store: Datastore, listing: Listing) -> None:
    """Fill the context's reply with the page that its query string asks for."""
    page = await _page_of(context, store, listing)
    rows, stale = await _rows(store, listing, page)
    shown = rows if page.size is None else rows[: page.size]
    reply = context.reply
    entries = [public_fields(row.value) for row in shown if isinstance(row.value, dict)]
    prepared = Serialized.of(entries)
    reply.data, reply.etag, reply.stale = prepared.data, prepared.etag, stale
    reply.revision = AUTOMATIC if entries else None
    if page.size is None:
        return
    reply.page_size = len(entries)
    if listing.told_start or "start_key" in context.query:
        reply.start_key = None if page.start is None else encode_start_key(page.start)
    if len(rows) > page.size:
        reply.next_start_key = encode_start_key(rows[page.size].key)


async def _page_of(context: Context, store: Datastore, listing: Listing) -> _Page:
    descending = _is_descending(context, listing)
    first, last = (listing.end, listing.start) if descending else (listing.start, listing.end)
    asked = context.query.get("start_key")
    start = first
    if asked:
        wanted = decode_start_key(asked)
        # A page begins inside of its listing: next to it in the view are the accounts of others.
        start = wanted if _is_between(wanted, listing.start, listing.end) else first
    size = await _page_size(context, store)
    return _Page(start, last, size, descending, filters_of(context.query))


def _is_descending(context: Context, listing: Listing) -> bool:
    """As the query string says, else the listing's own order (`crossbar_view:direction/2`)."""
    if is_true(context.query.get("descending")):
        return True
    ascending = context.query.get("ascending")
    if listing.descending:
        return ascending in (None, "false")
    return False


async def _page_size(context: Context, store: Datastore) -> int | None:
    paginate = context.req_value("paginate")
    if paginate is not None and not is_true(paginate):
        return None
    asked = as_integer(context.req_value("page_size"))
    if asked is None or asked <= 0:
        asked = as_integer(await store.config.get("crossbar", "pagination_page_size"))
    return min(asked, LARGEST_PAGE) if asked is not None and asked > 0 else PAGE_SIZE


async def _rows(store: Datastore, listing: Listing, page: _Page) -> tuple[Sequence[ViewRow], bool]:
    """The page's rows and the one after it; and whether they are what was known before CouchDB went away."""
    query: dict[str, Json] = {"startkey": page.start, "endkey": page.end, "descending": page.descending or None}
    if page.filters:
        query["include_docs"] = True
    elif page.size is not None:
        query["limit"] = page.size + 1
    wanted = {name: value for name, value in query.items() if value is not None}
    known = await store.rows(listing.database, listing.view, **wanted)
    if known.rows is None:
        rows, stale = _sorted(await listing.search(), page), False
    else:
        rows, stale = known.rows, known.stale
    if page.filters:
        rows = [row for row in rows if row.doc is not None and all(passes(row.doc) for passes in page.filters)]
    return rows, stale


def _sorted(rows: Sequence[ViewRow], page: _Page) -> Sequence[ViewRow]:
    """The rows as the view would give them: in order, between the keys."""
    ordered = sorted(rows, key=lambda row: collation_key(row.key), reverse=page.descending)
    low, high = (page.end, page.start) if page.descending else (page.start, page.end)
    return [row for row in ordered if _is_between(row.key, low, high)]


def _is_between(key: Json, low: Json, high: Json) -> bool:
    place = collation_key(key)
    return (low is None or place >= collation_key(low)) and (high is None or place <= collation_key(high))
