"""Stored conflicts: what doctor says of their losing branches, and how it merges them."""

import base64
from typing import Any

import aiohttp
import pytest

from crossbar_appstore.datastore.couch import Couch, Written
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.values import MISSING
from crossbar_appstore.maintenance.accounts import create_account
from crossbar_appstore.maintenance.conflicts import Branch, merge
from crossbar_appstore.maintenance.doctor import examine, repair
from crossbar_appstore.maintenance.lookup import MasterCatalogue
from crossbar_appstore.maintenance.reports import Finding
from tests.maintenance.folders import PNG
from tests.maintenance.test_doctor import SUB, good_app


async def branch(
    couch: Couch, database: str, doc_id: str, *changes: JsonObject, letter: str, keep: bool = True
) -> None:
    """Store a branch beside the newest revision, from the one before it: one revision for each change."""
    newest = await couch.open_doc(database, doc_id, revs=True)
    start, ids = newest["_revisions"]["start"] - 1, newest["_revisions"]["ids"][1:]
    base = await couch.open_doc(database, doc_id, rev=f"{start}-{ids[0]}")
    document, docs = base, []
    for number, change in enumerate(changes, 1):
        document = {key: value for key, value in {**document, **change}.items() if value is not MISSING}
        # By its first letters a revision wins or loses against another of the same length.
        name = f"{letter * 16}{number}{letter * 15}"
        ids = [name, *ids] if keep else [name]
        revision = {"_rev": f"{start + number}-{ids[0]}", "_revisions": {"start": start + number, "ids": ids}}
        docs.append({**document, **revision})
    url = f"{couch.address}/{database.replace('/', '%2F')}/_bulk_docs"
    async with aiohttp.ClientSession() as session, session.post(url, json={"docs": docs, "new_edits": False}) as reply:
        assert (reply.status, await reply.json(content_type=None)) == (201, [])


async def change(couch: Couch, database: str, doc_id: str, **fields: Any) -> JsonObject:
    return await couch.save_doc(database, {**await couch.open_doc(database, doc_id), **fields})


async def conflicts(couch: Couch, *accounts: str) -> list[Finding]:
    return [one for one in (await examine(couch, accounts)).findings if one.check == "conflict"]


async def merged(couch: Couch, database: str, doc_id: str, *accounts: str) -> JsonObject:
    """The document after the repairs, without losing branches."""
    await repair(couch, await examine(couch, accounts))
    assert await conflicts(couch, *accounts) == []
    document = await couch.open_doc(database, doc_id, conflicts=True)
    assert "_conflicts" not in document
    return document


@pytest.mark.parametrize("letter", ["0", "f"])
async def test_repair_merges_branches_of_apps_store(system: MasterCatalogue, letter: str) -> None:
    couch = system.couch
    database = account_db((await create_account(couch, SUB)).account_id)
    a, b, c = ({"allowed_users": "all", "users": [], "name": name} for name in "abc")
    await change(couch, database, "apps_store", apps={"a": a, "b": b}, blacklist=[], pvt_modified=10)
    await change(couch, database, "apps_store", apps={"a": a | {"users": ["x"]}}, blacklist=["p"], pvt_modified=20)
    # Its blacklist is the latest, although the other branch was saved after it for another reason.
    theirs = ({"blacklist": ["q"], "pvt_modified": 30}, {"apps": {"a": a, "b": b, "c": c}, "pvt_modified": 31})
    await branch(couch, database, "apps_store", *theirs, letter=letter)
    (found,) = await conflicts(couch, SUB.name)
    assert found.repair is not None
    assert "removes revision" in found.repair.words
    told: list[Written] = []
    couch.on_write.append(told.append)
    document = await merged(couch, database, "apps_store", SUB.name)
    # The document is not deleted, and nobody may be told so.
    assert [written.document and written.document["_rev"] for written in told] == 2 * [document["_rev"]]
    assert document["apps"] == {"a": a | {"users": ["x"]}, "c": c}
    assert document["blacklist"] == ["q"]


async def test_repair_merges_account_documents_in_both_databases(system: MasterCatalogue) -> None:
    couch, account_id = system.couch, system.account_id
    for database in (system.database, "accounts"):
        await change(couch, database, account_id, language="de-DE", pvt_modified=20)
        await branch(couch, database, account_id, {"timezone": "Europe/Berlin", "pvt_modified": 10}, letter="f")
        await branch(couch, database, account_id, {"timezone": "Europe/Rome", "pvt_modified": 30}, letter="e")
    assert len(await conflicts(couch)) == 4
    for database in (system.database, "accounts"):
        document = await merged(couch, database, account_id)
        assert (document["language"], document["timezone"]) == ("de-DE", "Europe/Rome")


async def test_repair_keeps_winners_fields_if_common_revision_is_not_stored(system: MasterCatalogue) -> None:
    app = await good_app(system)
    await change(system.couch, system.database, app["_id"], author="Winner", tags=["w"])
    await change(system.couch, system.database, app["_id"], author="Winner", version="2")
    fields: JsonObject = {"author": "Loser", "phase": "alpha", "_attachments": MISSING}
    await branch(system.couch, system.database, app["_id"], fields, letter="0", keep=False)
    document = await merged(system.couch, system.database, app["_id"])
    assert (document["author"], document["version"], document["phase"]) == ("Winner", "2", "alpha")


async def test_examine_reports_attachments_of_losing_branch(system: MasterCatalogue) -> None:
    app = await good_app(system)
    await change(system.couch, system.database, app["_id"], icon="other.png")
    inline = {"content_type": "image/png", "data": base64.b64encode(PNG).decode()}
    await branch(system.couch, system.database, app["_id"], {"_attachments": {"other.png": inline}}, letter="0")
    (found,) = await conflicts(system.couch)
    assert "only it has the attachments other.png" in found.message
    assert found.command is not None
    assert found.command.startswith('curl -X DELETE "$COUCHDB_URL/account%2F')
    await repair(system.couch, await examine(system.couch))
    assert await conflicts(system.couch) == [found]


def test_merge_keeps_latest_of_two_changes() -> None:
    common = {"a": 1, "b": 1, "pvt_modified": 1}
    winner = Branch([{"a": 2, "b": 1, "pvt_modified": 3}, {"a": 2, "b": 2, "pvt_modified": 6}], common)
    loser = Branch([{"a": 1, "b": 3, "pvt_modified": 4}, {"a": 3, "b": 3, "pvt_modified": 5}], common)
    result = merge(winner.newest, winner.changes(), loser)
    assert (result.taken, result.kept) == ({("a",): 3}, [("b",)])
