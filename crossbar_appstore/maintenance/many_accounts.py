"""Goes through many accounts with bounded concurrency: which ones, and what happens where one of them fails."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.documents import ACCOUNTS
from crossbar_appstore.datastore.errors import DatabaseMissing, DatastoreError, Troubled
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.ids import is_account_id
from crossbar_appstore.kazoo.values import list_at, string_at
from crossbar_appstore.maintenance.lookup import UnknownAccount, find_account

T = TypeVar("T")
R = TypeVar("R")

CONCURRENCY: Final = 8
"""Accounts that are worked on at the same time by default."""
_PAGE: Final = 200
"""Account documents read with one request."""


class AccountName(NamedTuple):
    """An account's id, and its name for those who read the output."""

    id: str
    name: str


async def select_accounts(
    couch: Couch, *, named: Sequence[str] = (), below: str | None = None, every: bool = False
) -> list[AccountName]:
    """The accounts ``named`` by id, name or realm, those ``below`` one, or ``every`` one; by name, each once.

    Raises:
        UnknownAccount: an account that is named does not exist, or is deleted.
        AmbiguousName: several accounts have a name.
    """
    chosen = {account.id: account for account in [await _find(couch, each) for each in named]}
    top = None if below is None else (await _find(couch, below)).id
    if every or top is not None:
        async for document in _account_documents(couch):
            if every or top in list_at(document, "pvt_tree"):
                chosen[document["_id"]] = _named(document)
    return sorted(chosen.values(), key=lambda account: (account.name.lower(), account.id))


async def in_order(
    items: Iterable[T], work: Callable[[T], Awaitable[R]], concurrency: int = CONCURRENCY
) -> AsyncGenerator[R, None]:
    """Yield the results of ``work`` on each item, in the order of the items; so many run at the same time at most.

    What has begun is completed, also after an error or an interruption: nothing that was written goes unnoticed.
    """
    running: deque[asyncio.Future[R]] = deque()
    try:
        for item in items:
            running.append(asyncio.ensure_future(work(item)))
            if len(running) >= concurrency:
                yield await _first(running)
        while running:
            yield await _first(running)
    finally:
        await asyncio.gather(*running, return_exceptions=True)


async def unless_away(couch: Couch, work: Awaitable[R]) -> R | DatastoreError:
    """The result of work on one account, or the error where only this account fails.

    Raises:
        Troubled: CouchDB does not answer for other accounts either, or refuses the user.
    """
    try:
        return await work
    except DatastoreError as error:
        if isinstance(error, Troubled):
            await couch.all_docs(ACCOUNTS, limit=1)
        return error


async def _first(running: "deque[asyncio.Future[R]]") -> R:
    # Awaited by itself, it would be cancelled with us.
    await asyncio.wait([running[0]])
    return running.popleft().result()


async def _find(couch: Couch, wanted: str) -> AccountName:
    document = live(await find_account(couch, wanted))
    if document is None:
        raise UnknownAccount(f"the account {wanted!r} is deleted")
    return _named(document)


async def _account_documents(couch: Couch) -> AsyncIterator[JsonObject]:
    """Every account document that is not deleted, a page at a time; none where there is no database of accounts."""
    start: str | None = None
    while True:
        try:
            rows = await couch.all_docs(ACCOUNTS, startkey=start, include_docs=True, limit=_PAGE)
        except DatabaseMissing:
            return
        for row in rows:
            document = live(row.doc)
            # A page begins with the last document of the one before.
            if row.id != start and is_account_id(row.id) and document and document.get("pvt_type") == "account":
                yield document
        if len(rows) < _PAGE:
            return
        start = rows[-1].id


def _named(document: JsonObject) -> AccountName:
    return AccountName(document["_id"], string_at(document, "name") or "")
