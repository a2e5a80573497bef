"""CouchDB's HTTP, against a real server."""

import base64

import pytest

from crossbar_appstore.datastore.couch import Couch, Written
from crossbar_appstore.datastore.errors import (
    AttachmentMissing,
    Closed,
    Conflict,
    DatabaseMissing,
    DocumentMissing,
    ViewMissing,
)
from crossbar_appstore.datastore.replies import Change
from crossbar_appstore.json_codec import JsonObject

from .conftest import NewDatabase

NAMES = "function (doc) { if (doc.name) { emit(doc.name, {size: doc.size}); } }"
DESIGN: JsonObject = {
    "_id": "_design/names",
    "language": "javascript",
    "views": {"by_name": {"map": NAMES}, "counted": {"map": NAMES, "reduce": "_count"}},
}
PNG = base64.b64encode(b"\x89PNG icon").decode()


async def test_a_saved_document_is_read_as_it_was_saved(couch: Couch, database: str) -> None:
    given: JsonObject = {"_id": "a/b ü%2F?", "apps": {"x": [1, 2.5, None, True, "ø\n"]}}
    saved = await couch.save_doc(database, given)
    assert saved["_rev"].startswith("1-")
    assert "_rev" not in given
    assert await couch.open_doc(database, "a/b ü%2F?") == saved
    assert await couch.revision(database, "a/b ü%2F?") == saved["_rev"]


async def test_a_missing_document_a_deleted_one_and_a_missing_database_are_told_apart(
    couch: Couch, database: str
) -> None:
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
async def test_an_id_from_outside_reads_nothing_but_documents(couch: Couch, database: str, doc_id: str) -> None:
    with pytest.raises(DocumentMissing):
        await couch.open_doc(database, doc_id)
    with pytest.raises(DatabaseMissing):
        await couch.open_doc("_all_dbs?x=" + doc_id, "x")


async def test_only_the_newest_revision_can_be_replaced_or_deleted(couch: Couch, database: str) -> None:
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


async def test_attachments_come_with_type_and_digest_and_survive_as_stubs(couch: Couch, database: str) -> None:
    inline = {"icon.png": {"content_type": "image/png", "data": PNG}}
    await couch.save_doc(database, {"_id": "app", "_attachments": inline})
    stored = await couch.open_doc(database, "app")
    await couch.save_doc(database, {**stored, "name": "VoIP"})
    again = await couch.open_doc(database, "app")
    icon = await couch.open_attachment(database, "app", "icon.png")
    assert (icon.name, icon.content_type, icon.body) == ("icon.png", "image/png", b"\x89PNG icon")
    assert icon.digest == again["_attachments"]["icon.png"]["digest"]
    assert again["_attachments"]["icon.png"]["stub"] is True
    whole = await couch.open_doc(database, "app", attachments=True)
    assert whole["_attachments"]["icon.png"]["data"] == PNG
    for doc_id, name in (("app", "none.png"), ("none", "icon.png"), ("app", "..")):
        with pytest.raises(AttachmentMissing) as missing:
            await couch.open_attachment(database, doc_id, name)
        assert missing.value.name == name
    with pytest.raises(DatabaseMissing):
        await couch.open_attachment("account/no/ne/0", "app", "icon.png")


async def test_stored_conflicts_are_told_on_request(couch: Couch, database: str) -> None:
    await couch.save_doc(database, {"_id": "x"})
    assert "_conflicts" not in await couch.open_doc(database, "x", conflicts=True)


async def test_views_are_asked_with_json_keys(couch: Couch, database: str) -> None:
    await couch.save_doc(database, DESIGN)
    await couch.save_docs(database, [{"_id": name, "name": name, "size": len(name)} for name in ("a", "b&+", "ccc")])
    rows = await couch.view(database, "names/by_name")
    assert [(row.id, row.key, row.value, row.doc) for row in rows][1] == ("b&+", "b&+", {"size": 3}, None)
    assert [row.id for row in await couch.view(database, "names/by_name", key="b&+")] == ["b&+"]
    assert [row.id for row in await couch.view(database, "names/by_name", keys=["ccc", "none", "a"])] == ["ccc", "a"]
    assert [row.id for row in await couch.view(database, "names/by_name", startkey="b", limit=1)] == ["b&+"]
    assert [row.id for row in await couch.view(database, "names/by_name", descending=True, skip=1)] == ["b&+", "a"]
    ranged = await couch.view(database, "names/by_name", startkey="a", endkey="ccc", inclusive_end=False)
    assert [row.id for row in ranged] == ["a", "b&+"]
    [row] = await couch.view(database, "names/by_name", key="a", include_docs=True)
    assert row.doc is not None
    assert row.doc["size"] == 1


async def test_a_view_with_a_reduce_function_is_read_reduced_or_not(couch: Couch, database: str) -> None:
    await couch.save_doc(database, DESIGN)
    await couch.save_docs(database, [{"_id": "1", "name": "x"}, {"_id": "2", "name": "x"}, {"_id": "3", "name": "y"}])
    [total] = await couch.view(database, "names/counted")
    assert (total.id, total.value) == (None, 3)
    assert [(row.key, row.value) for row in await couch.view(database, "names/counted", group=True)] == [
        ("x", 2),
        ("y", 1),
    ]
    assert [row.id for row in await couch.view(database, "names/counted", reduce=False)] == ["1", "2", "3"]


async def test_a_missing_view_is_told_from_a_missing_database(couch: Couch, database: str) -> None:
    with pytest.raises(ViewMissing) as missing:
        await couch.view(database, "names/by_name")
    assert missing.value.view == "names/by_name"
    await couch.save_doc(database, DESIGN)
    with pytest.raises(ViewMissing):
        await couch.view(database, "names/none")
    with pytest.raises(DatabaseMissing):
        await couch.view("account/no/ne/0", "names/by_name")


async def test_a_design_document_is_read_and_saved_under_its_own_id(couch: Couch, database: str) -> None:
    saved = await couch.save_doc(database, DESIGN)
    assert await couch.open_doc(database, "_design/names") == saved
    await couch.delete_doc(database, "_design/names", saved["_rev"])
    with pytest.raises(DocumentMissing):
        await couch.open_doc(database, "_design/names")


async def test_all_docs_of_a_database_with_slashes_in_its_name(couch: Couch, database: str) -> None:
    await couch.save_docs(database, [{"_id": id_} for id_ in ("a", "b", "c")])
    gone = await couch.open_doc(database, "b")
    await couch.delete_doc(database, "b", gone["_rev"])
    assert [row.id for row in await couch.all_docs(database)] == ["a", "c"]
    rows = await couch.all_docs(database, keys=["c", "b", "never"], include_docs=True)
    assert [(row.key, row.doc is None) for row in rows] == [("c", False), ("b", True)]
    assert [row.id for row in await couch.all_docs(database, startkey="b", endkey="z", limit=1)] == ["c"]
    with pytest.raises(DatabaseMissing):
        await couch.all_docs("account/no/ne/0")


async def test_what_became_of_each_document_of_a_bulk_save(couch: Couch, database: str) -> None:
    await couch.save_doc(database, {"_id": "old"})
    results = await couch.save_docs(database, [{"_id": "new"}, {"_id": "old"}])
    assert [(result.id, result.error) for result in results] == [("new", None), ("old", "conflict")]
    assert results[0].rev == await couch.revision(database, "new")
    many = await couch.save_docs(database, [{"_id": f"{n:04}"} for n in range(450)])
    assert [result.id for result in many] == [f"{n:04}" for n in range(450)]
    assert await couch.save_docs(database, []) == []


async def test_find_scans_a_database_without_any_index(
    couch: Couch, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = [{"_id": f"{n:02}", "pvt_type": "app" if n % 2 else "user", "n": n} for n in range(20)]
    await couch.save_docs(database, docs)
    assert len(await couch.find(database, {"pvt_type": "app"})) == 10
    assert await couch.find(database, {"n": 3}, fields=["n"]) == [{"n": 3}]
    assert len(await couch.find(database, {"pvt_type": "app"}, limit=3)) == 3
    monkeypatch.setattr("crossbar_appstore.datastore.couch._FIND_PAGE", 4)
    assert sorted(doc["n"] for doc in await couch.find(database, {"pvt_type": "app"})) == list(range(1, 20, 2))


async def test_databases_are_created_once_and_listed(couch: Couch, new_database: NewDatabase) -> None:
    database = await new_database()
    assert not await couch.create_database(database, q=1)
    assert await couch.database_exists(database)
    assert not await couch.database_exists("account/no/ne/0")
    # PouchDB Server drops the slashes.
    assert database.replace("/", "") in {name.replace("/", "") for name in await couch.databases()}
    with pytest.raises(DatabaseMissing):
        await couch.create_database("Not A Name")


async def test_who_answers(couch: Couch) -> None:
    server = await couch.server()
    assert server.version[0].isdigit()
    assert server.vendor == server.vendor.lower() != "unknown"


async def test_the_security_object_is_an_object(couch: Couch, database: str) -> None:
    assert isinstance(await couch.security(database), dict)


async def test_a_document_is_copied_on_the_server(couch: Couch, database: str) -> None:
    await couch.save_doc(database, {"_id": "from", "n": 1})
    await couch.copy_doc(database, "from", "to")
    copied = await couch.open_doc(database, "to")
    assert copied["n"] == 1
    changed = await couch.save_doc(database, {**await couch.open_doc(database, "from"), "n": 2})
    await couch.copy_doc(database, "from", "to", over_rev=copied["_rev"])
    assert (await couch.open_doc(database, "to"))["n"] == changed["n"]


async def test_changes_since_a_sequence_name_each_document_once(couch: Couch, database: str) -> None:
    since = await couch.update_seq(database)
    first = await couch.save_doc(database, {"_id": "x"})
    await couch.save_doc(database, {**first, "n": 2})
    gone = await couch.save_doc(database, {"_id": "y"})
    await couch.delete_doc(database, "y", gone["_rev"])
    changes, last = await couch.changes_since(database, since)
    assert sorted((change.id, change.deleted) for change in changes) == [("x", False), ("y", True)]
    assert (await couch.changes_since(database, last))[0] == []


async def test_the_feed_names_changes_and_gives_signs_of_life(couch: Couch, database: str) -> None:
    await couch.save_doc(database, {"_id": "x"})
    seen: list[Change] = []
    signs = 0
    async for piece in couch.changes(database, since=0):
        seen += piece
        signs += not piece
        if not piece and signs == 1:
            await couch.save_doc(database, {"_id": "y"})
        if len(seen) == 2 and signs >= 2:
            break
    assert [change.id for change in seen] == ["x", "y"]


async def test_a_feed_of_a_missing_database_says_so(couch: Couch) -> None:
    with pytest.raises(DatabaseMissing):
        async for _ in couch.changes("account/no/ne/0", since=0):
            pass


async def test_every_write_is_told_of_before_the_caller_hears(couch: Couch, database: str) -> None:
    told: list[Written] = []
    couch.on_write = told.append
    saved = await couch.save_doc(database, {"_id": "x", "n": 1})
    assert told == [Written(database, "x", saved)]
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


async def test_a_closed_client_asks_nothing_until_it_is_opened_again(couchdb_url: str, database: str) -> None:
    client = Couch(couchdb_url + "/")
    assert not client.address.endswith("/")
    assert await client.database_exists(database)
    await client.close()
    for ask in (lambda: client.database_exists(database), client.server, lambda: client.open_doc(database, "x")):
        with pytest.raises(Closed):
            await ask()
    async with client:
        assert await client.database_exists(database)
