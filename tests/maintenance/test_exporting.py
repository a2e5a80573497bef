import base64
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import public_fields
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.maintenance.app_plan import Action, LoadOptions
from crossbar_appstore.maintenance.app_source import find_app_folders
from crossbar_appstore.maintenance.exporting import (
    ComparedApp,
    ExportedApp,
    State,
    compare_apps,
    export_app,
    export_folders,
)
from crossbar_appstore.maintenance.loading import load_apps
from crossbar_appstore.maintenance.lookup import MasterCatalogue
from crossbar_appstore.maintenance.reports import Weight
from tests.maintenance.folders import JPEG, OTHER_PNG, PNG, make_app
from tests.maintenance.test_editing import save_app


async def export(catalogue: MasterCatalogue, directory: Path, *, dry_run: bool = False) -> list[ExportedApp]:
    documents = await catalogue.apps()
    folders = export_folders(directory, documents)
    pairs = zip(documents, folders, strict=True)
    return [await export_app(catalogue, document, folder, dry_run=dry_run) for document, folder in pairs]


async def load(catalogue: MasterCatalogue, path: Path, options: LoadOptions | None = None) -> dict[Action, int]:
    options = dataclasses.replace(options or LoadOptions(), allow_svg=True)
    return (await load_apps(catalogue, find_app_folders(path).folders, options)).counts


async def contents(catalogue: MasterCatalogue) -> list[tuple[JsonObject, dict[str, tuple[str, bytes]]]]:
    """Every app: its public fields and its pictures."""
    found = []
    for document in await catalogue.apps():
        pictures = {}
        for name in document.get("_attachments", {}):
            stored = await catalogue.couch.open_attachment(catalogue.database, document["_id"], name)
            pictures[name] = (stored.content_type, stored.body)
        found.append((public_fields(document), pictures))
    return found


async def elsewhere(couch: Couch) -> MasterCatalogue:
    account_id = new_id()
    await couch.create_database(account_db(account_id))
    await ensure(couch, account_db(account_id), names_for(DatabaseClass.ACCOUNT))
    return MasterCatalogue(couch, account_id, account_db(account_id))


async def test_export_app_loads_again_to_same_documents(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path / "in", source_url="https://x/apps/wallboard", api_url="https://api.example.com/v2/")
    make_app(tmp_path / "in", "notes", published=False, extends=["voip"], masqueradable=False, price=1.5)
    await load(catalogue, tmp_path / "in", LoadOptions(keep_addresses=True))
    await export(catalogue, tmp_path / "out")
    other = await elsewhere(catalogue.couch)
    try:
        assert await load(other, tmp_path / "out") == {Action.CREATED: 2}
        assert await contents(other) == await contents(catalogue)
        assert all("api_url" not in app for app, _ in await contents(other) if app["name"] == "notes")
        assert await load(other, tmp_path / "out") == {Action.UNCHANGED: 2}
    finally:
        await other.couch.delete_database(other.database)


async def test_export_app_second_time_writes_no_file(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path / "in")
    await load(catalogue, tmp_path / "in")
    (first,) = await export(catalogue, tmp_path / "out")
    assert (first.files, first.written) == (4, 4)
    (second,) = await export(catalogue, tmp_path / "out")
    assert (second.files, second.written) == (4, 0)


async def test_export_app_replaces_changed_files_atomically(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path / "in")
    await load(catalogue, tmp_path / "in")
    await export(catalogue, tmp_path / "out")
    icon = tmp_path / "out" / "wallboard" / "metadata" / "icon" / "icon.png"
    icon.write_bytes(b"changed")
    (done,) = await export(catalogue, tmp_path / "out")
    assert done.written == 1
    assert icon.read_bytes() == PNG
    assert [path.name for path in icon.parent.iterdir()] == ["icon.png"]


async def test_export_app_dry_run_writes_nothing(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path / "in")
    await load(catalogue, tmp_path / "in")
    (done,) = await export(catalogue, tmp_path / "out", dry_run=True)
    assert done.written == 4
    assert not (tmp_path / "out").exists()


async def test_export_folders_uses_ids_for_duplicate_and_unusable_names(
    catalogue: MasterCatalogue, tmp_path: Path
) -> None:
    ids = [(await save_app(catalogue, name=name))["_id"] for name in ("same", "same", "../up", ".git", None)]
    named = await save_app(catalogue, name="alone")
    folders = {done.id: Path(done.folder).name for done in await export(catalogue, tmp_path)}
    assert folders == {**dict(zip(ids, ids, strict=True)), named["_id"]: "alone"}


async def test_export_app_refuses_picture_whose_name_is_a_path(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    inline = {"content_type": "image/png", "data": base64.b64encode(PNG).decode()}
    await save_app(catalogue, icon="../../../up.png", _attachments={"../../../up.png": inline})
    (done,) = await export(catalogue, tmp_path / "out" / "deep")
    assert [(remark.weight, remark.rule) for remark in done.remarks][-1] == (Weight.LEFT_OUT, "inside")
    assert list(tmp_path.rglob("*.png")) == []


async def test_export_app_reports_what_it_cannot_export(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    inline = {"content_type": "image/png", "data": base64.b64encode(PNG).decode()}
    await save_app(catalogue, icon="none.png", price="2.00", _attachments={"unnamed.png": inline})
    (done,) = await export(catalogue, tmp_path)
    assert {(remark.weight, remark.rule): remark.value for remark in done.remarks} == {
        (Weight.NOTE, "named"): ["unnamed.png"],
        (Weight.NOTE, "type"): "2.00",
        (Weight.MISSING, "exists"): "none.png",
    }
    assert done.as_json()["remarks"][0]["weight"] == "note"


async def test_export_app_writes_metadata_that_kazoo_requires(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    saved = await save_app(catalogue)
    await export(catalogue, tmp_path)
    written = json.loads((tmp_path / "wallboard" / "metadata" / "app.json").read_text())
    assert written["_id"] == saved["_id"]
    assert written["api_url"] == ""
    assert not [key for key in written if key.startswith("pvt_") or key in ("_rev", "_attachments", "id")]


async def compare(catalogue: MasterCatalogue, path: Path) -> list[ComparedApp]:
    return compare_apps(find_app_folders(path).folders, await catalogue.apps())


async def test_compare_apps_reports_export_as_same(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path / "in")
    make_app(tmp_path / "in", "notes", published=False)
    await load(catalogue, tmp_path / "in")
    await export(catalogue, tmp_path / "out")
    assert [app.state for app in await compare(catalogue, tmp_path / "out")] == [State.SAME, State.SAME]
    assert [app.state for app in await compare(catalogue, tmp_path / "in")] == [State.SAME, State.SAME]


async def test_compare_apps_shows_changes_from_catalogue_to_folder(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    app = make_app(tmp_path)
    await load(catalogue, tmp_path)
    make_app(tmp_path, version="2.0", icon_files={"icon.png": OTHER_PNG}, screenshot_files={})
    (app / "metadata" / "screenshots" / "one.png").unlink()
    (found,) = await compare(catalogue, tmp_path)
    assert found.state is State.DIFFERENT
    assert [(change.field, change.before, change.after) for change in found.changes] == [("version", "1.0", "2.0")]
    assert [(change.name, change.before, change.after) for change in found.pictures] == [
        ("icon.png", len(PNG), len(OTHER_PNG)),
        ("one.png", len(OTHER_PNG), None),
    ]
    assert found.as_json()["state"] == "different"


async def test_compare_apps_compares_every_field_of_exported_folder(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    saved = await save_app(catalogue, published=False)
    await export(catalogue, tmp_path)
    await catalogue.couch.save_doc(catalogue.database, {**saved, "name": "renamed", "phase": "beta"})
    (found,) = await compare(catalogue, tmp_path)
    assert found.id == saved["_id"]
    assert {change.field for change in found.changes} == {"name", "phase"}


async def test_compare_apps_reports_apps_of_one_side(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    saved = await save_app(catalogue, name="only-stored")
    make_app(tmp_path, "only-here")
    make_app(tmp_path, "broken", content=b"{")
    found = {app.state: app for app in await compare(catalogue, tmp_path)}
    assert found[State.ONLY_IN_FOLDER].name == "only-here"
    assert found[State.ONLY_IN_CATALOGUE].id == saved["_id"]
    assert found[State.UNREADABLE].remarks[0].rule == "json"


async def test_compare_apps_compares_pictures_of_refused_folder(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path)
    await load(catalogue, tmp_path)
    make_app(tmp_path, price="2.00", screenshot_files={"one.png": PNG, "two.jpg": JPEG})
    (found,) = await compare(catalogue, tmp_path)
    assert [change.field for change in found.changes] == ["price"]
    assert [change.name for change in found.pictures] == ["one.png"]


@pytest.mark.parametrize("fields", [{"price": 1}, {"price": 1.0}, {"price": True}])
async def test_compare_apps_distinguishes_numbers_and_booleans(
    catalogue: MasterCatalogue, tmp_path: Path, fields: dict[str, Any]
) -> None:
    await save_app(catalogue, price=1, icon="", screenshots=[])
    make_app(tmp_path, icon="", screenshots=[], **fields)
    (found,) = await compare(catalogue, tmp_path)
    changed = [change.field for change in found.changes]
    assert changed == ([] if type(fields["price"]) is int else ["price"])
