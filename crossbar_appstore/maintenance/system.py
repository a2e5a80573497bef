"""Prepares a system without KAZOO: databases, keys and design documents; beside KAZOO nothing is written.

Design documents are upgraded without downtime: new code goes into a scratch document and is queried once, which
builds its index. CouchDB finds indexes by their code, so the index is ready when the real document gets the same code.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crossbar_appstore.auth.bootstrap import ensure_system_auth
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import TimedOut
from crossbar_appstore.datastore.updates import remove_document
from crossbar_appstore.datastore.views import (
    RELEASE,
    DatabaseClass,
    design_document,
    ensure,
    is_newer,
    names_for,
    standing_alone,
)
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.values import object_at
from crossbar_appstore.maintenance import lookup
from crossbar_appstore.maintenance.reports import Report

SCRATCH: Final = "_scratch"
"""Suffix of the names of scratch documents."""
_PAUSE: Final = 1.0
"""Seconds between two queries of a view whose index is being built."""


class BesideKazoo(Exception):
    """The CouchDB belongs to a KAZOO cluster, which has a command of its own for this."""


class Deployment(StrEnum):
    """What happens to a design document."""

    INSTALLED = "installed"
    UPGRADED = "upgraded"
    UNCHANGED = "unchanged"
    NEWER = "newer"
    """It has the code of a newer release, which is kept."""


@dataclass(frozen=True)
class DeployedView(Report):
    """One design document of one database. ``views`` are those whose code is new."""

    database: str
    design_document: str
    deployment: Deployment
    views: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class System:
    """The state of a system. ``alone``: there is no KAZOO on the CouchDB, so what was missing has been created."""

    alone: bool
    master_account_id: str | None


async def prepare_system(couch: Couch) -> System:
    """Create what a system without KAZOO needs and lacks; safe to repeat, and to run several times at once."""
    alone = await standing_alone(couch)
    if alone:
        for database in ("accounts", "services", "system_config", "system_auth"):
            await couch.create_database(database)
        await ensure(couch, "accounts", names_for(DatabaseClass.ACCOUNTS))
        await ensure_system_auth(couch)
    master = await lookup.master_account_id(couch)
    # A database that is gone is not created again: it would lack its account document.
    if alone and master is not None and await couch.database_exists(account_db(master)):
        await ensure(couch, account_db(master), names_for(DatabaseClass.ACCOUNT))
    return System(alone, master)


async def require_alone(couch: Couch, command: str) -> None:
    """Raise BesideKazoo if the CouchDB belongs to a KAZOO cluster; ``command`` is what to run there instead."""
    if not await standing_alone(couch):
        raise BesideKazoo(f"this CouchDB belongs to a KAZOO cluster; run this there instead: {command}")


async def databases_to_deploy(
    couch: Couch, accounts: Sequence[str] = (), *, all_accounts: bool = False
) -> list[tuple[str, DatabaseClass]]:
    """The databases with design documents of ours: ``accounts``, the master account's, and those of named accounts.

    Raises BesideKazoo if they belong to KAZOO, UnknownAccount if one of the accounts does not exist.
    """
    await require_alone(couch, "sup kapps_maintenance refresh")
    if not await couch.database_exists("accounts"):
        return []
    master = await lookup.master_account_id(couch)
    ids = [] if master is None else [master]
    if all_accounts:
        ids += [row.id for row in await couch.all_docs("accounts") if row.id and not row.id.startswith("_")]
    ids += [(await lookup.find_account(couch, one))["_id"] for one in accounts]
    databases = [(account_db(account_id), DatabaseClass.ACCOUNT) for account_id in dict.fromkeys(ids)]
    return [("accounts", DatabaseClass.ACCOUNTS), *databases]


async def deploy_views(
    couch: Couch, database: str, kind: DatabaseClass, *, dry_run: bool = False
) -> list[DeployedView]:
    """Upgrade the design documents of one database to this release; views added by others are kept.

    To those of a newer release, only views are added that they lack.

    If CouchDB fails, the old documents are intact; a scratch document may be left, which the next run replaces.
    """
    deployed = []
    for name in names_for(kind):
        ours = design_document(name)
        there = await lookup.stored(couch, database, ours["_id"])
        # Only our views count: others may have been added.
        old, new = view_code(there), view_code(ours)
        views = tuple(view for view in new if old.get(view) != new[view])
        unchanged = Deployment.UNCHANGED
        if views and is_newer(there):
            unchanged, views = Deployment.NEWER, tuple(view for view in views if view not in old)
            kept = {RELEASE: object_at(there)[RELEASE]}
            ours = {**ours, **kept, "views": {view: ours["views"][view] for view in views}}
        if views and not dry_run:
            await _install(couch, database, ours, _merged(there, ours))
        changed = Deployment.INSTALLED if there is None else Deployment.UPGRADED
        deployed.append(DeployedView(database, ours["_id"], changed if views else unchanged, views))
    return deployed


def view_code(design: JsonObject | None) -> dict[str, dict[str, str]]:
    """The functions of each view of a design document, without white space."""
    return {
        view: {part: "".join(str(code).split()) for part, code in object_at(parts).items()}
        for view, parts in object_at(design, "views").items()
    }


async def _install(couch: Couch, database: str, ours: JsonObject, wanted: JsonObject) -> None:
    bare = {key: value for key, value in wanted.items() if key != "_rev"}
    scratch = await _replace(couch, database, {**bare, "_id": f"{ours['_id']}{SCRATCH}"}, merge=False)
    # All views of a design document share one index, so those of others are built too.
    for view in wanted["views"]:
        await _build(couch, database, f"{scratch['_id'].removeprefix('_design/')}/{view}")
    # Merged with the newest revision: another writer may have added views during the build.
    await _replace(couch, database, ours, merge=True)
    await remove_document(couch, database, scratch["_id"])


async def _build(couch: Couch, database: str, view: str) -> None:
    """Query a view until it answers: CouchDB goes on building the index after a query has timed out."""
    while True:
        try:
            await couch.view(database, view, limit=1)
            return
        except TimedOut:
            await asyncio.sleep(_PAUSE)


async def _replace(couch: Couch, database: str, design: JsonObject, *, merge: bool) -> JsonObject:
    """Save a design document over the newest revision; with ``merge``, whatever else that contains is kept."""

    async def attempt() -> JsonObject:
        there = await lookup.stored(couch, database, design["_id"])
        revision = {} if there is None else {"_rev": there["_rev"]}
        return await couch.save_doc(database, {**(_merged(there, design) if merge else design), **revision})

    return await lookup.retry_conflicts(attempt)


def _merged(there: JsonObject | None, ours: JsonObject) -> JsonObject:
    """Our design document over the stored one: views and other members that others added are kept."""
    return {**(there or {}), **ours, "views": {**object_at(there, "views"), **ours["views"]}}
