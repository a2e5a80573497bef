import base64
import dataclasses
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import Conflict, DocumentRefused, RevisionsLeft
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.ids import new_id
from crossbar_appstore.maintenance.app_files import PictureRules
from crossbar_appstore.maintenance.editing import (
    Edit,
    EditRefused,
    edit_app,
    pictures_in,
    read_pictures,
    remove_app,
    set_field,
    set_published,
    set_text_or_json,
)
from crossbar_appstore.maintenance.lookup import AmbiguousName, MasterCatalogue, UnknownApp, stored
from crossbar_appstore.maintenance.reports import DocumentChange
from tests.datastore.fault_proxy import FaultProxy, Status
from tests.maintenance.folders import JPEG, OTHER_PNG, PNG, SVG, metadata

RULES = PictureRules()


async def save_app(catalogue: MasterCatalogue, **fields: Any) -> JsonObject:
    """Save an app document as KAZOO would; returns it as stored."""
    icon = {"content_type": "image/png", "data": base64.b64encode(PNG).decode()}
    document = {
        **metadata(screenshots=[]),
        "_id": new_id(),
        "pvt_type": "app",
        "pvt_account_id": catalogue.account_id,
        "pvt_modified": 5,
        "_attachments": {"icon.png": icon},
        **fields,
    }
    del document["api_url"]
    await catalogue.couch.save_doc(catalogue.database, document)
    return await catalogue.couch.open_doc(catalogue.database, document["_id"])


@pytest.fixture
async def app(catalogue: MasterCatalogue) -> JsonObject:
    return await save_app(catalogue)


def refused(change: Any) -> EditRefused:
    with pytest.raises(EditRefused) as caught:
        change()
    return caught.value


async def edited(catalogue: MasterCatalogue, change: DocumentChange) -> tuple[Edit, JsonObject]:
    edit = await edit_app(catalogue, "wallboard", change)
    return edit, await catalogue.open(edit.id)


async def test_set_field_accepts_any_json(catalogue: MasterCatalogue, app: JsonObject) -> None:
    edit, document = await edited(catalogue, set_field(["urls"], {"documentation": "https://x"}))
    assert document["urls"] == {"documentation": "https://x"}
    assert edit.revision == document["_rev"] != app["_rev"]
    assert [(change.field, change.after) for change in edit.changes] == [("urls", {"documentation": "https://x"})]
    assert document["pvt_modified"] == 5
    assert document["_attachments"] == app["_attachments"]


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("price", "5", 5),
        ("version", "1.5", "1.5"),
        ("tags", '["admin"]', ["admin"]),
        ("published", "false", False),
        ("author", "Somebody Else", "Somebody Else"),
        ("author", "123", "123"),
        ("own", "123", 123),
        ("urls.howto", "https://x", "https://x"),
        ("phase", "beta", "beta"),
        ("license", '"MIT"', "MIT"),
    ],
)
async def test_set_text_or_json_parses_json_where_schema_allows(
    catalogue: MasterCatalogue, app: JsonObject, field: str, text: str, value: Json
) -> None:
    _, document = await edited(catalogue, set_text_or_json(field.split("."), text))
    for key in field.split("."):
        document = document[key]
    assert document == value


async def test_set_text_or_json_null_removes_field(catalogue: MasterCatalogue, app: JsonObject) -> None:
    _, document = await edited(catalogue, set_text_or_json(["tags"], "null"))
    assert "tags" not in document
    edit, _ = await edited(catalogue, set_field(["none"], None))
    assert not edit.changed


async def test_edit_app_accepts_app_without_api_url(catalogue: MasterCatalogue, app: JsonObject) -> None:
    await edited(catalogue, set_field(["api_url"], "https://api.example.com/v2/"))
    _, document = await edited(catalogue, set_text_or_json(["api_url"], "null"))
    assert "api_url" not in document


@pytest.mark.parametrize("field", ["_id", "_rev", "_attachments", "pvt_type", "pvt_account_id", "id"])
def test_set_field_refuses_private_fields(field: str) -> None:
    (remark,) = refused(lambda: set_field([field], "x")).remarks
    assert (remark.field, remark.rule) == (field, "private")


def test_set_field_refuses_empty_name() -> None:
    assert refused(lambda: set_field([""], 1)).remarks[0].rule == "field"
    assert refused(lambda: set_field(["urls", ""], 1)).remarks[0].rule == "field"


@pytest.mark.parametrize(
    ("field", "text", "faulty"),
    [
        ("price", "cheap", "price"),
        ("price", "-1", "price"),
        ("name", "ab", "name"),
        ("phase", "ready", "phase"),
        ("i18n.en-US.label", "<b>Label</b>", "i18n.en-US.label"),
        ("name", "null", "name"),
        ("tags", "[1]", "tags.0"),
    ],
)
async def test_edit_app_refuses_what_schema_forbids(
    catalogue: MasterCatalogue, app: JsonObject, field: str, text: str, faulty: str
) -> None:
    with pytest.raises(EditRefused) as caught:
        await edit_app(catalogue, app["_id"], set_text_or_json(field.split("."), text))
    assert [remark.field for remark in caught.value.remarks] == [faulty]
    assert faulty in str(caught.value)
    assert (await catalogue.open(app["_id"]))["_rev"] == app["_rev"]


async def test_edit_app_accepts_faults_that_existed_before(catalogue: MasterCatalogue) -> None:
    broken = await save_app(catalogue, price="2.00", i18n={"en-US": {"label": "<i>x</i>"}})
    edit = await edit_app(catalogue, broken["_id"], set_field(["author"], "Another"))
    assert edit.changed


async def test_edit_app_sets_texts_of_new_language_one_by_one(catalogue: MasterCatalogue, app: JsonObject) -> None:
    await edited(catalogue, set_field(["i18n", "de-DE", "label"], "Tafel"))
    _, document = await edited(catalogue, set_field(["i18n", "de-DE", "description"], "Alles im Blick"))
    assert document["i18n"]["de-DE"] == {"label": "Tafel", "description": "Alles im Blick"}
    assert document["i18n"]["en-US"] == app["i18n"]["en-US"]


async def test_set_field_refuses_path_through_text(catalogue: MasterCatalogue, app: JsonObject) -> None:
    with pytest.raises(EditRefused) as caught:
        await edit_app(catalogue, app["_id"], set_field(["author", "name"], "x"))
    assert caught.value.remarks[0].rule == "type"


async def test_edit_app_refuses_unknown_app_without_creating_it(catalogue: MasterCatalogue) -> None:
    unknown = new_id()
    with pytest.raises(UnknownApp):
        await edit_app(catalogue, unknown, set_field(["author"], "x1"))
    assert await stored(catalogue.couch, catalogue.database, unknown) is None


async def test_edit_app_refuses_documents_that_are_not_apps(catalogue: MasterCatalogue) -> None:
    user = new_id()
    await catalogue.couch.save_doc(catalogue.database, {"_id": user, "pvt_type": "user"})
    with pytest.raises(UnknownApp):
        await edit_app(catalogue, user, set_field(["author"], "x1"))
    gone = await save_app(catalogue, name="gone", pvt_deleted=True)
    with pytest.raises(UnknownApp):
        await edit_app(catalogue, gone["_id"], set_field(["author"], "x1"))


async def test_edit_app_refuses_ambiguous_name_with_ids(catalogue: MasterCatalogue, app: JsonObject) -> None:
    other = await save_app(catalogue)
    with pytest.raises(AmbiguousName) as caught:
        await edit_app(catalogue, "wallboard", set_field(["author"], "x1"))
    assert all(one["_id"] in str(caught.value) for one in (app, other))


async def test_edit_app_does_not_save_unchanged_app(catalogue: MasterCatalogue, app: JsonObject) -> None:
    edit, document = await edited(catalogue, set_field(["author"], "Somebody"))
    assert not edit.changed
    assert edit.revision is None
    assert document["_rev"] == app["_rev"]


async def test_edit_app_dry_run_writes_nothing(catalogue: MasterCatalogue, app: JsonObject) -> None:
    edit = await edit_app(catalogue, app["_id"], set_field(["author"], "Another"), dry_run=True)
    assert edit.changed
    assert edit.dry_run
    assert (await catalogue.open(app["_id"])) == app


async def test_set_published_changes_only_if_needed(catalogue: MasterCatalogue, app: JsonObject) -> None:
    assert not (await edited(catalogue, set_published(True)))[0].changed
    assert (await edited(catalogue, set_published(False)))[1]["published"] is False
    assert not (await edited(catalogue, set_published(False)))[0].changed
    assert (await edited(catalogue, set_published(True)))[1]["published"] is True


async def test_edit_app_attaches_and_names_icon_in_one_save(
    catalogue: MasterCatalogue, app: JsonObject, tmp_path: Path
) -> None:
    (tmp_path / "new.jpg").write_bytes(JPEG)
    files = read_pictures([tmp_path / "new.jpg"], "icon", RULES)
    edit = await edit_app(catalogue, app["_id"], set_field(["icon"], "new.jpg"), pictures=files)
    document = await catalogue.open(app["_id"])
    assert document["icon"] == "new.jpg"
    assert sorted(document["_attachments"]) == ["icon.png", "new.jpg"]
    assert document["_rev"].startswith("2-")
    stored = await catalogue.couch.open_attachment(catalogue.database, app["_id"], "new.jpg")
    assert (stored.content_type, stored.body) == ("image/jpeg", JPEG)
    assert [change.name for change in edit.pictures] == ["new.jpg"]
    again = await edit_app(catalogue, app["_id"], set_field(["icon"], "new.jpg"), pictures=files)
    assert not again.changed


async def test_edit_app_replaces_screenshots(catalogue: MasterCatalogue, app: JsonObject, tmp_path: Path) -> None:
    for name, content in (("b.png", PNG), ("a.png", OTHER_PNG), ("notes.txt", b"words")):
        (tmp_path / name).write_bytes(content)
    paths = pictures_in(tmp_path)
    assert [path.name for path in paths] == ["a.png", "b.png"]
    files = read_pictures(paths, "screenshots", RULES)
    change = set_field(["screenshots"], ["a.png", "b.png"])
    await edit_app(catalogue, app["_id"], change, pictures=files, remove_old_pictures=True)
    document = await catalogue.open(app["_id"])
    assert document["screenshots"] == ["a.png", "b.png"]
    assert sorted(document["_attachments"]) == ["a.png", "b.png", "icon.png"]
    edit = await edit_app(catalogue, app["_id"], set_field(["screenshots"], ["a.png"]), remove_old_pictures=True)
    assert [(change.name, change.after) for change in edit.pictures] == [("b.png", None)]
    assert sorted((await catalogue.open(app["_id"]))["_attachments"]) == ["a.png", "icon.png"]


def test_read_pictures_refuses_unusable_pictures(tmp_path: Path) -> None:
    (tmp_path / "icon.svg").write_bytes(SVG)
    (tmp_path / "icon.png").write_bytes(b"words")
    found = refused(lambda: read_pictures([tmp_path / "icon.svg", tmp_path / "icon.png"], "icon", RULES))
    assert [remark.rule for remark in found.remarks] == ["svg", "type"]


def test_read_pictures_follows_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "icon.png").write_bytes(PNG)
    (tmp_path / "link.png").symlink_to(tmp_path / "real" / "icon.png")
    assert [file.name for file in read_pictures([tmp_path / "link.png"], "icon", RULES)] == ["icon.png"]


async def test_remove_app_deletes_app_with_pictures(catalogue: MasterCatalogue, app: JsonObject) -> None:
    dry = await remove_app(catalogue, "wallboard", dry_run=True)
    assert (dry.removed, dry.dry_run) == (True, True)
    assert await catalogue.by_id(app["_id"]) is not None
    edit = await remove_app(catalogue, "wallboard")
    assert [change.name for change in edit.pictures] == ["icon.png"]
    assert edit.as_json()["removed"] is True
    assert await stored(catalogue.couch, catalogue.database, app["_id"]) is None
    with pytest.raises(UnknownApp):
        await remove_app(catalogue, "wallboard")


async def store_rivals(catalogue: MasterCatalogue, document: JsonObject, *names: str) -> None:
    """Store conflicting first revisions of a document."""
    bare = {key: value for key, value in document.items() if key != "_attachments"}
    docs = [{**bare, "_rev": f"1-{letter * 32}", "name": name} for letter, name in zip("ab", names, strict=False)]
    url = f"{catalogue.couch.address}/{catalogue.database.replace('/', '%2F')}/_bulk_docs"
    async with aiohttp.ClientSession() as session, session.post(url, json={"docs": docs, "new_edits": False}) as reply:
        assert reply.status == 201


async def test_remove_app_deletes_every_branch_of_a_conflict(catalogue: MasterCatalogue, app: JsonObject) -> None:
    await store_rivals(catalogue, app, "one", "two")
    edit = await remove_app(catalogue, app["_id"])
    assert edit.removed
    assert await stored(catalogue.couch, catalogue.database, app["_id"]) is None
    assert await catalogue.apps() == []


async def test_remove_app_raises_revisions_left_with_what_is_left(catalogue: MasterCatalogue, app: JsonObject) -> None:
    await store_rivals(catalogue, app, "one", "two")
    kept = f"1-{'a' * 32}"
    async with FaultProxy(catalogue.couch.address) as proxy, Couch(proxy.url) as couch:
        proxy.fail(Status(409), method="DELETE", path=f"rev={kept}")
        with pytest.raises(RevisionsLeft) as caught:
            await remove_app(dataclasses.replace(catalogue, couch=couch), app["_id"])
    assert kept in str(caught.value)
    assert await stored(catalogue.couch, catalogue.database, app["_id"]) is not None


@pytest.mark.parametrize("key", ["api_url", "source_url"])
async def test_edit_app_trims_addresses_and_refuses_those_that_must_not_be_stored(
    catalogue: MasterCatalogue, app: JsonObject, key: str
) -> None:
    url = "https://api.example.com:8443/v2/"
    edit, document = await edited(catalogue, set_text_or_json([key], f" {url}\r\n"))
    assert (document[key], edit.changes[0].after) == (url, url)
    for address in ("javascript:alert(1)", "https://me:secret@host/v2/", "https://:1/v2/", "a b", ""):
        with pytest.raises(EditRefused) as caught:
            await edit_app(catalogue, app["_id"], set_text_or_json([key], address))
        (remark,) = caught.value.remarks
        assert remark.field == key
        assert "secret" not in f"{remark.message} {remark.value}"
    _, document = await edited(catalogue, set_field([key], "/v2/"))
    assert document[key] == "/v2/"


async def test_edit_app_names_refusal_of_one_document(catalogue: MasterCatalogue, app: JsonObject) -> None:
    async with FaultProxy(catalogue.couch.address) as proxy, Couch(proxy.url) as couch:
        proxy.fail(Status(413, app["_id"]), method="PUT")
        with pytest.raises(DocumentRefused) as caught:
            await edit_app(dataclasses.replace(catalogue, couch=couch), app["_id"], set_field(["author"], "Another"))
    assert app["_id"] in str(caught.value)
    assert caught.value.status == 413


class Interrupting(Couch):
    """Another writer saves the document just before our first ``times`` saves."""

    def __init__(self, url: str, times: int) -> None:
        super().__init__(url)
        self.times = times

    async def save_doc(self, database: str, doc: JsonObject) -> JsonObject:
        if self.times:
            self.times -= 1
            newest = await self.open_doc(database, doc["_id"])
            await super().save_doc(database, {**newest, "others": newest.get("others", 0) + 1})
        return await super().save_doc(database, doc)


async def test_edit_app_retries_on_conflict(catalogue: MasterCatalogue, app: JsonObject) -> None:
    async with Interrupting(catalogue.couch.address, 2) as couch:
        edit = await edit_app(dataclasses.replace(catalogue, couch=couch), app["_id"], set_field(["author"], "Another"))
    document = await catalogue.open(app["_id"])
    assert (document["author"], document["others"], document["_rev"]) == ("Another", 2, edit.revision)


async def test_edit_app_raises_conflict_after_last_attempt(catalogue: MasterCatalogue, app: JsonObject) -> None:
    async with Interrupting(catalogue.couch.address, 99) as couch:
        with pytest.raises(Conflict):
            await edit_app(dataclasses.replace(catalogue, couch=couch), app["_id"], set_field(["author"], "Another"))


@given(
    st.lists(st.text(min_size=1).filter(lambda key: not key.startswith(("_", "pvt_")) and key != "id"), min_size=1),
    st.integers() | st.text(),
)
def test_set_field_changes_nothing_else(path: list[str], value: Json) -> None:
    before = {"kept": 1, "_id": "x", "kept_too": {"a": [1]}}
    if path[0] in before:
        return
    after = set_field(path, value)(dict(before))
    assert {key: after[key] for key in before} == before
    found: Json = after
    for key in path:
        found = found[key]
    assert found == value
