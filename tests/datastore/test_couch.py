"""Documents, views, attachments and feeds, against a real server."""

import ast
import asyncio
import base64
import time
from contextlib import aclosing
from pathlib import Path

import pytest
from aiocouch import CouchDB, Database, Document
from aiocouch.attachment import Attachment as RemoteAttachment
from aiocouch.design_document import DesignDocument

from crossbar_appstore import datastore
from crossbar_appstore.datastore.couch import Couch, Written
from crossbar_appstore.datastore.errors import (
    AttachmentMissing,
    Conflict,
    DatabaseMissing,
    DocumentMissing,
    Fault,
    MalformedReply,
    Unavailable,
    Unreachable,
    ViewMissing,
)
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db, new_id

from . import fault_proxy as broken
from .conftest import NewDatabase
from .fault_proxy import FaultProxy, Status

NAMES = "function (doc) { if (doc.name) { emit(doc.name, {size: doc.size}); } }"
DESIGN: JsonObject = {
    "_id": "_design/names",
    "language": "javascript",
    "views": {"by_name": {"map": NAMES}, "counted": {"map": NAMES, "reduce": "_count"}},
}
PNG = base64.b64encode(b"\x89PNG icon").decode()


async def test_couch_open_doc_gives_what_was_saved(couch: Couch, database: str) -> None:
    given: JsonObject = {"_id": "a/b ü%2F?", "apps": {"x": [1, 2.5, None, True, "ø\n"]}}
    saved = await couch.save_doc(database, given)
    assert saved["_rev"].startswith("1-")
    assert "_rev" not in given
    assert await couch.open_doc(database, "a/b ü%2F?") == saved


async def test_couch_open_doc_tells_missing_documents_from_missing_databases(couch: Couch, database: str) -> None:
    saved = await couch.save_doc(database, {"_id": "x"})
    await couch.delete_doc(database, "x", saved["_rev"])
    for doc_id in ("never", "x"):
        with pytest.raises(DocumentMissing) as missing:
            await couch.open_doc(database, doc_id)
        assert (missing.value.database, missing.value.doc_id) == (database, doc_id)
    with pytest.raises(DatabaseMissing):
        await couch.open_doc("account/no/ne/0", "x")
    with pytest.raises(DatabaseMissing):
        await couch.save_doc("account/no/ne/0", {"_id": "x"})


@pytest.mark.parametrize("doc_id", ["_all_docs", "_changes", "..", "", "_design/"])
async def test_couch_open_doc_reads_nothing_but_documents(couch: Couch, database: str, doc_id: str) -> None:
    with pytest.raises(DocumentMissing):
        await couch.open_doc(database, doc_id)
    with pytest.raises(DatabaseMissing):
        await couch.open_doc("_all_dbs?x=" + doc_id, "x")


async def test_couch_save_doc_and_delete_doc_need_the_newest_revision(couch: Couch, database: str) -> None:
    first = await couch.save_doc(database, {"_id": "x", "n": 1})
    second = await couch.save_doc(database, {**first, "n": 2})
    for late in (first, {"_id": "x"}):
        with pytest.raises(Conflict):
            await couch.save_doc(database, late)
    with pytest.raises(Conflict):
        await couch.delete_doc(database, "x", first["_rev"])
    await couch.delete_doc(database, "x", second["_rev"])
    with pytest.raises(DocumentMissing):
        await couch.delete_doc(database, "x", second["_rev"])


async def test_couch_open_attachment_gives_type_and_digest_and_stubs_survive_saves(couch: Couch, database: str) -> None:
    inline = {"icon.png": {"content_type": "image/png", "data": PNG}}
    await couch.save_doc(database, {"_id": "app", "_attachments": inline})
    stored = await couch.open_doc(database, "app")
    await couch.save_doc(database, {**stored, "name": "VoIP"})
    again = await couch.open_doc(database, "app")
    icon = await couch.open_attachment(database, "app", "icon.png")
    assert (icon.name, icon.content_type, icon.body) == ("icon.png", "image/png", b"\x89PNG icon")
    assert icon.digest == again["_attachments"]["icon.png"]["digest"]
    assert again["_attachments"]["icon.png"]["stub"] is True
    for doc_id, name in (("app", "none.png"), ("none", "icon.png"), ("app", "..")):
        with pytest.raises(AttachmentMissing) as missing:
            await couch.open_attachment(database, doc_id, name)
        assert missing.value.name == name
    with pytest.raises(DatabaseMissing):
        await couch.open_attachment("account/no/ne/0", "app", "icon.png")


async def test_couch_open_doc_without_stored_conflicts_names_none(couch: Couch, database: str) -> None:
    await couch.save_doc(database, {"_id": "x"})
    assert "_conflicts" not in await couch.open_doc(database, "x", conflicts=True)


async def test_couch_view_takes_json_keys(couch: Couch, database: str) -> None:
    await couch.save_doc(database, DESIGN)
    await couch.save_docs(database, [{"_id": name, "name": name, "size": len(name)} for name in ("a", "b&+", "ccc")])
    rows = await couch.view(database, "names/by_name")
    assert [(row.id, row.key, row.value, row.doc) for row in rows][1] == ("b&+", "b&+", {"size": 3}, None)
    assert [row.id for row in await couch.view(database, "names/by_name", key="b&+")] == ["b&+"]
    assert [row.id for row in await couch.view(database, "names/by_name", keys=["ccc", "none", "a"])] == ["ccc", "a"]
    assert [row.id for row in await couch.view(database, "names/by_name", startkey="b", limit=1)] == ["b&+"]
    assert [row.id for row in await couch.view(database, "names/by_name", descending=True)] == ["ccc", "b&+", "a"]
    ranged = await couch.view(database, "names/by_name", startkey="a", endkey="b&+")
    assert [row.id for row in ranged] == ["a", "b&+"]
    [row] = await couch.view(database, "names/by_name", key="a", include_docs=True)
    assert row.doc is not None
    assert row.doc["size"] == 1


async def test_couch_view_with_a_reduce_function_is_read_grouped_or_not_reduced(couch: Couch, database: str) -> None:
    await couch.save_doc(database, DESIGN)
    await couch.save_docs(database, [{"_id": "1", "name": "x"}, {"_id": "2", "name": "x"}, {"_id": "3", "name": "y"}])
    grouped = await couch.view(database, "names/counted", group_level=1)
    assert [(row.id, row.key, row.value) for row in grouped] == [(None, "x", 2), (None, "y", 1)]
    [row] = await couch.view(database, "names/counted", group_level=1, key="x")
    assert row.value == 2
    assert [row.id for row in await couch.view(database, "names/counted")] == ["1", "2", "3"]


async def test_couch_view_tells_missing_views_from_missing_databases(couch: Couch, database: str) -> None:
    with pytest.raises(ViewMissing) as missing:
        await couch.view(database, "names/by_name")
    assert missing.value.view == "names/by_name"
    await couch.save_doc(database, DESIGN)
    with pytest.raises(ViewMissing):
        await couch.view(database, "names/none")
    with pytest.raises(DatabaseMissing):
        await couch.view("account/no/ne/0", "names/by_name")


async def test_couch_save_doc_keeps_the_id_of_a_design_document(couch: Couch, database: str) -> None:
    saved = await couch.save_doc(database, DESIGN)
    assert await couch.open_doc(database, "_design/names") == saved
    await couch.delete_doc(database, "_design/names", saved["_rev"])
    with pytest.raises(DocumentMissing):
        await couch.open_doc(database, "_design/names")


async def test_couch_all_docs_reads_a_database_with_slashes_in_its_name(couch: Couch, database: str) -> None:
    await couch.save_docs(database, [{"_id": id_} for id_ in ("a", "b", "c")])
    gone = await couch.open_doc(database, "b")
    await couch.delete_doc(database, "b", gone["_rev"])
    assert [row.id for row in await couch.all_docs(database)] == ["a", "c"]
    rows = await couch.all_docs(database, keys=["c", "b", "never"], include_docs=True)
    assert [(row.key, row.doc is None) for row in rows] == [("c", False), ("b", True)]
    assert [row.id for row in await couch.all_docs(database, startkey="b", endkey="z", limit=1)] == ["c"]
    with pytest.raises(DatabaseMissing):
        await couch.all_docs("account/no/ne/0")


async def test_couch_save_docs_gives_a_result_for_each_document(couch: Couch, database: str) -> None:
    await couch.save_doc(database, {"_id": "old"})
    results = await couch.save_docs(database, [{"_id": "new"}, {"_id": "old"}])
    assert [(result.id, result.error) for result in results] == [("new", None), ("old", "conflict")]
    assert results[0].rev == (await couch.open_doc(database, "new"))["_rev"]
    many = await couch.save_docs(database, [{"_id": f"{n:04}"} for n in range(450)])
    assert [result.id for result in many] == [f"{n:04}" for n in range(450)]
    assert await couch.save_docs(database, []) == []


async def test_couch_find_scans_a_database_without_index(
    couch: Couch, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = [{"_id": f"{n:02}", "pvt_type": "app" if n % 2 else "user", "n": n} for n in range(20)]
    await couch.save_docs(database, docs)
    assert len(await couch.find(database, {"pvt_type": "app"})) == 10
    assert await couch.find(database, {"n": 3}, fields=["n"]) == [{"n": 3}]
    monkeypatch.setattr("crossbar_appstore.datastore.couch._FIND_PAGE", 4)
    assert sorted(doc["n"] for doc in await couch.find(database, {"pvt_type": "app"})) == list(range(1, 20, 2))


async def test_couch_create_database_is_false_if_it_exists(couch: Couch, new_database: NewDatabase) -> None:
    database = await new_database()
    assert not await couch.create_database(database, q=1)
    assert await couch.database_exists(database)
    assert not await couch.database_exists("account/no/ne/0")
    with pytest.raises(DatabaseMissing):
        await couch.create_database("Not A Name")


async def test_couch_create_database_is_unavailable_if_412_does_not_stand_for_a_database(
    behind: Couch, proxy: FaultProxy
) -> None:
    proxy.fail(Status(412, "precondition failed", "bad"), method="PUT")
    with pytest.raises(Unavailable):
        await behind.create_database(account_db(new_id()))


async def test_couch_databases_lists_those_with_the_prefix_alone(couch: Couch, database: str) -> None:
    other = f"zz-{new_id()}"
    assert await couch.create_database(other)
    listed = [name.replace("/", "") for name in await couch.databases("account/")]
    assert database.replace("/", "") in listed
    assert other not in listed
    await couch.delete_database(other)


async def test_couch_opened_at_is_a_time_before_now(couch: Couch, database: str) -> None:
    moment = await couch.opened_at(database)
    assert moment is not None
    assert time.time() - 3600 < moment < time.time() + 2
    with pytest.raises(DatabaseMissing):
        await couch.opened_at(account_db(new_id()))


async def test_couch_server_gives_vendor_and_version(couch: Couch) -> None:
    server = await couch.server()
    assert server.version[0].isdigit()
    assert server.vendor == server.vendor.lower() != "unknown"


async def test_couch_changes_since_names_each_document_once(couch: Couch, database: str) -> None:
    since = await couch.update_seq(database)
    first = await couch.save_doc(database, {"_id": "x"})
    await couch.save_doc(database, {**first, "n": 2})
    gone = await couch.save_doc(database, {"_id": "y"})
    await couch.delete_doc(database, "y", gone["_rev"])
    changes, last = await couch.feeds.changes_since(database, since)
    assert sorted(changes) == ["x", "y"]
    assert (await couch.feeds.changes_since(database, last))[0] == []


async def test_couch_changes_gives_changes_and_heartbeats(couch: Couch, database: str) -> None:
    await couch.save_doc(database, {"_id": "x"})
    seen: list[str] = []
    heartbeats = 0
    async with aclosing(couch.feeds.changes(database, since=0)) as batches:
        async for batch in batches:
            seen += batch
            heartbeats += not batch
            if not batch and heartbeats == 1:
                await couch.save_doc(database, {"_id": "y"})
            if len(seen) == 2 and heartbeats >= 2:
                break
    assert seen == ["x", "y"]


async def test_couch_on_write_is_called_for_each_write(couch: Couch, database: str) -> None:
    told: list[Written] = []
    couch.on_write.append(told.append)
    saved = await couch.save_doc(database, {"_id": "x", "n": 1})
    assert told == [Written(database, "x", saved, created=True)]
    with pytest.raises(Conflict):
        await couch.save_doc(database, {"_id": "x"})
    await couch.save_docs(database, [{"_id": "y"}])
    await couch.delete_doc(database, "x", saved["_rev"])
    assert [(written.doc_id, written.document is None) for written in told] == [
        ("x", False),
        ("x", False),
        ("y", False),
        ("x", True),
    ]
    assert [written.created for written in told] == [True, True, True, False]
    assert [written.refused for written in told] == [False, True, False, False]


async def test_couch_on_write_tells_what_became_of_each_of_many_documents(couch: Couch, database: str) -> None:
    saved = await couch.save_doc(database, {"_id": "x"})
    told: list[Written] = []
    couch.on_write.append(told.append)
    results = await couch.save_docs(database, [{"_id": "x"}, {"_id": "y"}, {"_id": "z", "_rev": saved["_rev"]}])
    revisions = {result.id: result.rev for result in results}
    assert [(written.doc_id, written.created, written.refused) for written in told] == [
        ("x", True, True),
        ("y", True, False),
        ("z", False, True),
    ]
    assert told[1].document == {"_id": "y", "_rev": revisions["y"]}


async def test_couch_on_write_tells_what_an_unreachable_couchdb_did_not_save() -> None:
    told: list[Written] = []
    async with Couch("http://127.0.0.1:1") as couch:
        couch.on_write.append(told.append)
        with pytest.raises(Unreachable):
            await couch.save_doc("accounts", {"_id": "x"})
        with pytest.raises(Unreachable):
            await couch.save_docs("accounts", [{"_id": "x"}])
    assert [written.refused for written in told] == [True, True]


async def test_couch_save_docs_tells_of_every_document_though_the_outcome_is_unknown(
    behind: Couch, proxy: FaultProxy, database: str
) -> None:
    told: list[Written] = []
    behind.on_write.append(told.append)
    proxy.fail(broken.Fault.LOSE_REPLY, path="_bulk_docs")
    with pytest.raises(Unreachable):
        await behind.save_docs(database, [{"_id": "x"}, {"_id": "y"}])
    assert [written.doc_id for written in told] == ["x", "y"]


async def test_couch_save_docs_reports_a_document_without_a_result(behind: Couch, proxy: FaultProxy) -> None:
    proxy.scripts["/accounts/_bulk_docs"] = broken.answering([{"id": "x", "rev": "1-a"}])
    results = await behind.save_docs("accounts", [{"_id": "y"}, {"_id": "x"}])
    assert [(result.id, result.rev, result.error) for result in results] == [
        ("y", None, "no reply"),
        ("x", "1-a", None),
    ]


async def test_couch_docs_by_prefix_gives_documents_in_the_order_of_their_ids(couch: Couch, database: str) -> None:
    await couch.save_docs(database, [{"_id": id_} for id_ in ("app-2", "app-1", "app", "app.3", "apq-1", "ap-1")])
    gone = await couch.save_doc(database, {"_id": "app-3"})
    await couch.delete_doc(database, "app-3", gone["_rev"])
    assert [doc["_id"] for doc in await couch.docs_by_prefix(database, "app-")] == ["app-1", "app-2"]
    assert await couch.docs_by_prefix(database, "none-") == []
    with pytest.raises(DatabaseMissing):
        await couch.docs_by_prefix("account/no/ne/0", "app-")


async def test_couch_database_exists_is_false_only_for_404(behind: Couch, proxy: FaultProxy, database: str) -> None:
    assert await behind.database_exists(database)
    proxy.fail(Status(404), method="HEAD", times=1)
    assert not await behind.database_exists(database)
    proxy.fail(Status(500), method="HEAD")
    with pytest.raises(Fault):
        await behind.database_exists(database)


async def test_couch_delete_database_deletes_it(behind: Couch, proxy: FaultProxy) -> None:
    database = account_db(new_id())
    assert await behind.create_database(database)
    await behind.delete_database(database)
    assert not await behind.database_exists(database)
    # As CouchDB answers; PouchDB Server does not mind.
    proxy.fail(Status(404, "Database does not exist."), method="DELETE")
    with pytest.raises(DatabaseMissing):
        await behind.delete_database(database)


@pytest.mark.usefixtures("no_retry_pauses")
@pytest.mark.parametrize(
    "document",
    [["_id", "x"], "x", 7, None, {"_id": "x"}, {"_rev": "1-a"}, {"_id": "y", "_rev": "1-a"}, {"_id": "x", "_rev": 1}],
)
@pytest.mark.parametrize("conflicts", [False, True])
async def test_couch_open_doc_of_something_else_is_malformed(
    behind: Couch, proxy: FaultProxy, document: object, conflicts: bool
) -> None:
    proxy.scripts["/accounts/x"] = broken.answering(document)
    with pytest.raises(MalformedReply):
        await behind.open_doc("accounts", "x", conflicts=conflicts)


@pytest.mark.usefixtures("no_retry_pauses")
@pytest.mark.parametrize(
    "document", [["_id", "x"], {"_id": "x"}, {"_rev": "1-a"}, {"_id": "y", "_rev": "1-a"}, {"_id": "x", "_rev": 1}]
)
async def test_couch_all_docs_with_something_else_is_malformed(
    behind: Couch, proxy: FaultProxy, document: object
) -> None:
    rows: list[JsonObject] = [{"id": "x", "key": "x", "value": {"rev": "1-a"}, "doc": document}]
    proxy.scripts["/accounts/_all_docs"] = broken.answering({"rows": rows, "offset": 0, "total_rows": 1})
    with pytest.raises(MalformedReply):
        await behind.all_docs("accounts", keys=["x"], include_docs=True)
    with pytest.raises(MalformedReply):
        await behind.docs_by_prefix("accounts", "x")


DB_UPDATES = [
    b'\n{"db_name":"a","type":"created","seq":1}\n{"db_name":"b","ty',
    b'pe":"deleted"}\n\n{"last_seq":2}\n',
    b'{"db_name":"' + b"x" * 600_000 + b'"}\n',
]


def sending(proxy: FaultProxy, pieces: list[bytes]) -> None:
    """Let the proxy answer ``_db_updates`` with these pieces, one after the other, then with silence."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)  # so that they do not come together
        await asyncio.Event().wait()

    proxy.scripts["/_db_updates"] = answer


async def test_couch_db_updates_reads_lines_however_they_are_cut(behind: Couch, proxy: FaultProxy) -> None:
    sending(proxy, DB_UPDATES)
    seen: list[str] = []
    async with aclosing(behind.feeds.db_updates(since="now")) as batches:
        async for batch in batches:
            seen += batch
            if len(seen) == 3:
                break
    assert seen == [
        "a",
        "b",
        "x" * 600_000,
    ]


async def following(client: Couch) -> None:
    async with aclosing(client.feeds.db_updates(since="now")) as batches:
        async for _ in batches:
            pass


@pytest.mark.parametrize("line", [b"not json\n", b"[1]\n", b'"text"\n'])
async def test_couch_db_updates_ends_at_a_line_that_is_no_object(behind: Couch, proxy: FaultProxy, line: bytes) -> None:
    sending(proxy, [line])
    with pytest.raises(MalformedReply):
        await following(behind)


async def test_couch_db_updates_of_a_server_without_that_feed_is_database_missing(
    behind: Couch, proxy: FaultProxy
) -> None:
    proxy.fail(Status(404, "no_db_file"), path="_db_updates")
    with pytest.raises(DatabaseMissing):
        await following(behind)


async def test_aiocouch_quotes_names_as_couch_relies_on() -> None:
    client = CouchDB("http://127.0.0.1:9")
    try:
        database = Database(client, "account/aa/bb/cc")
        assert database.endpoint == "/account%2Faa%2Fbb%2Fcc"
        assert Document(database, "a/b").endpoint == "/account%2Faa%2Fbb%2Fcc/a%2Fb"
        assert DesignDocument(database, "users").endpoint == "/account%2Faa%2Fbb%2Fcc/_design/users"
        assert database.view("users", "list").endpoint == "/account%2Faa%2Fbb%2Fcc/_design/users/_view/list"
        assert RemoteAttachment(Document(database, "x"), "a b.png").endpoint == "/account%2Faa%2Fbb%2Fcc/x/a%20b.png"
    finally:
        await client.close()


PACKAGE = Path(datastore.__file__).parent
PACKAGE_WIDE = Path(__file__).parents[1] / "test_private_names.py"


@pytest.mark.skipif(PACKAGE_WIDE.exists(), reason="the whole package is checked")
@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_datastore_uses_no_private_name_of_aiocouch_or_aiohttp(path: Path) -> None:
    tree = ast.parse(path.read_text())
    private = [
        f"line {node.lineno}: {node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr != "_replace"  # of named tuples, and documented
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    ]
    imported = [
        f"line {node.lineno}: {alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("aiohttp", "aiocouch")
        for alias in node.names
        if alias.name.startswith("_") or any(part.startswith("_") for part in (node.module or "").split("."))
    ]
    assert private + imported == []
