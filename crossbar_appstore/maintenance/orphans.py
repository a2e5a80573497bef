"""Finds and removes databases of accounts that do not exist: what is left where a process dies while it creates one.

An account is found by its copy in ``accounts``, which is created last (``resources.account_storage``). So a database
without this copy belongs to nobody. It is removed if it is older than an hour and holds only what a creation writes.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.appstore.apps_store_document import DOCUMENT_ID
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatabaseMissing
from crossbar_appstore.datastore.updates import remove_document
from crossbar_appstore.datastore.views import DatabaseClass, design_document, names_for
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import gregorian_seconds, is_private_key, is_soft_deleted
from crossbar_appstore.kazoo.ids import account_db, is_account_id
from crossbar_appstore.maintenance import lookup
from crossbar_appstore.maintenance.reports import DatabaseRemoval, Finding, Severity

ORPHAN_SECONDS: Final = 3600
"""Younger databases may be those of an account that is being created."""

_CREATION_SECONDS: Final = 300
"""The time that a creation takes at most: users that are younger than their account by more are somebody's data."""
_CONCURRENT_READS: Final = 8
_MOST: Final = 25
"""A creation writes fewer documents than this."""
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Orphan:
    """A database without an account: ``age`` in seconds, None if unknown; ``others`` no creation writes."""

    account_id: str
    age: float | None
    others: tuple[str, ...]

    @property
    def database(self) -> str:
        """Its name."""
        return account_db(self.account_id)

    @property
    def is_leftover(self) -> bool:
        """Whether it is old, and nothing is lost with it."""
        return self.age is not None and self.age >= ORPHAN_SECONDS and not self.others


async def orphan_findings(couch: Couch, master: str | None, *, alone: bool) -> list[Finding]:
    """A finding for each database that belongs to no account; nothing is written.

    Only without KAZOO they can be removed, and only if ``accounts`` knows the master account: it may have been lost.
    """
    # The accounts after the databases: one that is created in between is found then.
    databases = await couch.databases("account/")
    try:
        known = {row.id for row in await couch.all_docs("accounts")}
    except DatabaseMissing:
        known = set()
    removable = alone and (master is None or master in known)
    ids = dict.fromkeys("".join(each.split("/")).removeprefix("account") for each in databases)
    limit = asyncio.Semaphore(_CONCURRENT_READS)

    async def look(account_id: str) -> Orphan | None:
        async with limit:
            return await find_orphan(couch, account_id)

    found = await asyncio.gather(*(look(each) for each in ids if is_account_id(each) and each not in known))
    return [_finding(each, removable=removable, alone=alone) for each in found if each is not None]


async def find_orphan(couch: Couch, account_id: str) -> Orphan | None:
    """What is known of an account's database; None if the account exists, or the database does not."""
    database = account_db(account_id)
    if await lookup.stored(couch, "accounts", account_id) is not None:
        return None
    try:
        # Its age before its documents: who adds some meanwhile makes it younger.
        opened = await couch.opened_at(database)
        rows = await couch.all_docs(database, include_docs=True, limit=_MOST)
    except DatabaseMissing:
        return None
    documents = [row.doc for row in rows if row.doc is not None]
    services = await lookup.stored(couch, "services", account_id)
    times = [value for each in (*documents, services) for value in _times(each)]
    if times:
        age: float | None = gregorian_seconds() - max(times)
    else:
        age = None if opened is None else time.time() - opened
    others = [*_others(documents, account_id), *_others_of_services(services)]
    if len(rows) == _MOST:
        others.append("…")
    return Orphan(account_id, age, tuple(others))


async def remove_orphan(couch: Couch, account_id: str) -> bool:
    """Remove a database that belongs to nobody, with its services document; False if it may be of use by now."""
    orphan = await find_orphan(couch, account_id)
    if orphan is None or not orphan.is_leftover:
        return False
    with suppress(DatabaseMissing):
        await remove_document(couch, "services", account_id)
    await couch.delete_database(orphan.database)
    return True


def _finding(orphan: Orphan, *, removable: bool, alone: bool) -> Finding:
    severity, removal = Severity.WARNING, None
    message = "belongs to no account"
    if orphan.others:
        ids = ", ".join(orphan.others[:_SHOWN])
        message += f", but holds documents that a creation does not make; look at them: {ids}"
    elif orphan.age is None:
        message += ", and nothing tells its age"
    elif not orphan.is_leftover:
        severity, message = Severity.INFO, f"{message}; it may be that of an account that is being created"
    elif removable:
        removal = DatabaseRemoval(orphan.account_id, "removes this database, which an interrupted creation left")
    # KAZOO may be about to use it, and has its own ways.
    severity = severity if alone else Severity.INFO
    value = list(orphan.others) or None
    return Finding(severity, "orphan_database", orphan.database, message, None, None, value, removal)


def _times(document: JsonObject | None) -> Iterator[int]:
    for key in ("pvt_created", "pvt_modified"):
        value = (document or {}).get(key)
        if isinstance(value, int):
            yield value


def _others(documents: Iterable[JsonObject], account_id: str) -> Iterator[str]:
    """The ids of documents that are not as ``AccountStorage.create`` writes them."""
    designs = {design_document(name)["_id"] for name in names_for(DatabaseClass.ACCOUNT)}
    by_id = {document["_id"]: document for document in documents}
    created = max(_times(by_id.get(account_id)), default=0)
    for doc_id, document in by_id.items():
        is_new = not is_soft_deleted(document) and max(_times(document), default=0) <= created + _CREATION_SECONDS
        kind = document.get("pvt_type")
        ours = (
            doc_id in designs
            or (doc_id == account_id and kind == "account")
            or (doc_id == DOCUMENT_ID and all(is_private_key(key) for key in document))
            or kind == "user"
        )
        if not (ours and is_new):
            yield doc_id


def _others_of_services(services: JsonObject | None) -> Iterator[str]:
    if services is not None and (services.get("plans") or is_soft_deleted(services)):
        yield f"services/{services['_id']}"
