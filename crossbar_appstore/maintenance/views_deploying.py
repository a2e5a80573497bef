"""Installing and upgrading our design documents without a moment in which a view has to be built.

New code goes into a scratch document first and is asked once, which builds its index. CouchDB finds indexes by their
code, so the real document has its own at hand as soon as it gets the same code.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import Conflict, DocumentMissing, TimedOut
from crossbar_appstore.datastore.views import DatabaseClass, design_document, names_for
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.values import object_at
from crossbar_appstore.maintenance.account_rules import find_account
from crossbar_appstore.maintenance.reading import stored
from crossbar_appstore.maintenance.system import ACCOUNTS, master_account_id, require_alone
from crossbar_appstore.maintenance.system_checks import same_code

SCRATCH: Final = "_scratch"
"""What the names of scratch documents end in."""
_ATTEMPTS: Final = 5
_PAUSE: Final = 1.0


class Deployment(StrEnum):
    """What becomes of a design document."""

    INSTALLED = "installed"
    UPGRADED = "upgraded"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class DeployedView:
    """One design document of one database."""

    database: str
    design: str
    deployment: Deployment
    views: tuple[str, ...]
    """The views whose code is new."""

    def as_json(self) -> JsonObject:
        """For ``--json``."""
        return {
            "database": self.database,
            "design_document": self.design,
            "deployment": str(self.deployment),
            "views": list(self.views),
        }


async def databases_to_deploy(
    couch: Couch, accounts: Sequence[str] = (), *, all_accounts: bool = False
) -> list[tuple[str, DatabaseClass]]:
    """The databases that we own: ``accounts``, the master account's, and those of the accounts that are named.

    Raises:
        BesideKazoo: KAZOO owns them.
        UnknownAccount: one of the accounts does not exist.
    """
    await require_alone(couch, "sup kapps_maintenance refresh")
    if not await couch.database_exists(ACCOUNTS):
        return []
    master = await master_account_id(couch)
    ids = [] if master is None else [master]
    if all_accounts:
        ids += [row.id for row in await couch.all_docs(ACCOUNTS) if row.id and not row.id.startswith("_")]
    ids += [(await find_account(couch, one))["_id"] for one in accounts]
    databases = [(account_db(account_id), DatabaseClass.ACCOUNT) for account_id in dict.fromkeys(ids)]
    return [(ACCOUNTS, DatabaseClass.ACCOUNTS), *databases]


async def deploy_views(
    couch: Couch, database: str, kind: DatabaseClass, *, dry_run: bool = False
) -> list[DeployedView]:
    """Bring the design documents of one database to this release; views of others' making are kept.

    Raises:
        DatastoreError: CouchDB is away; the old documents are whole, a scratch document may be left for the next run.
    """
    return [await _deploy(couch, database, name, dry_run=dry_run) for name in names_for(kind)]


async def _deploy(couch: Couch, database: str, name: str, *, dry_run: bool) -> DeployedView:
    ours = design_document(name)
    doc_id = ours["_id"]
    there = await stored(couch, database, doc_id)
    wanted = _merged(there, ours)
    views = tuple(view for view in ours["views"] if there is None or _code_differs(there, ours, view))
    if not views:
        return DeployedView(database, doc_id, Deployment.UNCHANGED, ())
    if not dry_run:
        await _install(couch, database, ours, wanted)
    return DeployedView(database, doc_id, Deployment.INSTALLED if there is None else Deployment.UPGRADED, views)


async def _install(couch: Couch, database: str, ours: JsonObject, wanted: JsonObject) -> None:
    scratch = await _replace(couch, database, {**wanted, "_id": f"{ours['_id']}{SCRATCH}"})
    design = scratch["_id"].removeprefix("_design/")
    for view in wanted["views"]:
        await _build(couch, database, f"{design}/{view}")
    await _replace(couch, database, wanted, over=ours)
    await couch.delete_doc(database, scratch["_id"], scratch["_rev"])


async def _build(couch: Couch, database: str, view: str) -> None:
    """Ask a view until it answers: CouchDB goes on building while a request that waits for it times out."""
    while True:
        try:
            await couch.view(database, view, limit=1)
        except TimedOut:
            await asyncio.sleep(_PAUSE)
        else:
            return


async def _replace(couch: Couch, database: str, document: JsonObject, *, over: JsonObject | None = None) -> JsonObject:
    """Save a design document over whatever revision is there; where ``over`` is given, what others added stays."""
    for attempt in range(1, _ATTEMPTS + 1):
        there = await stored(couch, database, document["_id"])
        fresh = document if over is None else _merged(there, over)
        revision = {} if there is None else {"_rev": there["_rev"]}
        bare = {key: value for key, value in fresh.items() if key != "_rev"}
        try:
            return await couch.save_doc(database, {**bare, **revision})
        except (Conflict, DocumentMissing):
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _merged(there: JsonObject | None, ours: JsonObject) -> JsonObject:
    """Our design document, with the views and whatever else that others put into it."""
    if there is None:
        return ours
    return {**there, **ours, "views": {**object_at(there, "views"), **ours["views"]}}


def _code_differs(there: JsonObject, ours: JsonObject, view: str) -> bool:
    stored_view, wanted = object_at(there, "views").get(view), ours["views"][view]
    return not same_code({"views": {view: stored_view}}, {"views": {view: wanted}})
