from pathlib import Path
from typing import Any

import pytest

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import encoded_account_db, new_id
from crossbar_appstore.maintenance.app_files import PictureRules
from crossbar_appstore.maintenance.app_plan import Action, AppPlan, LoadOptions, Mode, plan_app
from crossbar_appstore.maintenance.app_source import read_app
from crossbar_appstore.maintenance.reports import Weight
from tests.maintenance.folders import OTHER_PNG, make_app

MASTER = new_id()
INIT = LoadOptions()
REFRESH = LoadOptions(Mode.REFRESH)


def plan(app: Path, stored: list[JsonObject], options: LoadOptions = INIT) -> AppPlan:
    return plan_app(read_app(app, PictureRules()), stored, MASTER, options)


def as_stored(made: AppPlan, **fields: Any) -> JsonObject:
    """The document of a plan as CouchDB would return it."""
    assert made.document is not None
    stubs = {
        each.name: {"content_type": each.content_type, "digest": each.digest, "length": each.length, "stub": True}
        for each in made.inline
    }
    return {**made.document, "_rev": "1-a", "_attachments": stubs, **fields}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return make_app(tmp_path)


@pytest.fixture
def stored(app: Path) -> JsonObject:
    return as_stored(plan(app, []))


def test_plan_app_creates_document_as_kazoo_does(app: Path) -> None:
    made = plan(app, [])
    assert made.action is Action.CREATED
    assert made.document is not None
    assert made.document["name"] == "wallboard"
    assert made.document["pvt_type"] == "app"
    assert made.document["pvt_account_id"] == MASTER
    assert made.document["pvt_account_db"] == encoded_account_db(MASTER)
    assert made.document["pvt_created"] == made.document["pvt_modified"]
    assert "pvt_vsn" not in made.document
    assert made.id is None
    assert "_id" not in [change.field for change in made.changes]
    assert [picture.name for picture in made.inline] == ["icon.png", "one.png", "two.jpg"]


def test_plan_app_makes_new_id_for_each_new_app(app: Path) -> None:
    first, second = plan(app, []).document, plan(app, []).document
    assert first is not None
    assert second is not None
    assert first["_id"] != second["_id"]


def test_plan_app_sets_given_address_or_none_on_new_app(tmp_path: Path) -> None:
    app = make_app(tmp_path, api_url="http://10.0.0.1:8000/v2", source_url="http://10.0.0.1/apps/wallboard")
    without = plan(app, [])
    assert without.document is not None
    assert "api_url" not in without.document
    assert "source_url" not in without.document
    assert [(remark.weight, remark.rule) for remark in without.remarks] == [(Weight.NOTE, "address")]
    given = plan(app, [], LoadOptions(api_url="https://api.example.com/v2/")).document
    assert given is not None
    assert given["api_url"] == "https://api.example.com/v2/"
    kept = plan(app, [], LoadOptions(keep_addresses=True)).document
    assert kept is not None
    assert (kept["api_url"], kept["source_url"]) == ("http://10.0.0.1:8000/v2", "http://10.0.0.1/apps/wallboard")


def test_plan_app_never_keeps_empty_address(tmp_path: Path) -> None:
    made = plan(make_app(tmp_path, api_url=""), [], LoadOptions(keep_addresses=True)).document
    assert made is not None
    assert "api_url" not in made


def test_plan_app_ignores_private_fields_of_file(tmp_path: Path) -> None:
    made = plan(make_app(tmp_path, pvt_deleted=True, pvt_type="other", _rev="9-x", id="x"), []).document
    assert made is not None
    assert "pvt_deleted" not in made
    assert made["pvt_type"] == "app"
    assert "_rev" not in made
    assert "id" not in made


def test_plan_app_keeps_id_and_addresses_of_exported_app(tmp_path: Path) -> None:
    app_id = new_id()
    app = make_app(tmp_path, _id=app_id, api_url="https://api.example.com/v2/", source_url="https://x/apps/w")
    assert plan(app, []).id == app_id
    made = plan(app, []).document
    assert made is not None
    assert (made["_id"], made["api_url"], made["source_url"]) == (
        app_id,
        "https://api.example.com/v2/",
        "https://x/apps/w",
    )
    moved = plan(app, [], LoadOptions(api_url="https://new.example.com/v2/")).document
    assert moved is not None
    assert moved["api_url"] == "https://new.example.com/v2/"


def test_plan_app_reports_stored_app_as_unchanged(app: Path, stored: JsonObject) -> None:
    for options in (INIT, REFRESH, LoadOptions(remove_old_pictures=True)):
        made = plan(app, [stored], options)
        assert made.action is Action.UNCHANGED
        assert made.document is None
        assert made.id == stored["_id"]


def test_plan_app_init_changes_only_address(app: Path, stored: JsonObject) -> None:
    changed = {**stored, "version": "0.1", "pvt_modified": 5}
    made = plan(app, [changed], LoadOptions(api_url="https://api.example.com/v2/"))
    assert made.action is Action.UPDATED
    assert made.document == {**changed, "api_url": "https://api.example.com/v2/"}
    assert [change.field for change in made.changes] == ["api_url"]
    assert plan(app, [changed]).action is Action.UNCHANGED


def test_plan_app_refresh_changes_fields_that_differ(app: Path, stored: JsonObject) -> None:
    changed = {**stored, "version": "0.1", "published": False, "pvt_modified": 5, "own": 1}
    made = plan(app, [changed], REFRESH)
    assert made.document == {**changed, "version": "1.0"}
    assert [(change.field, change.before, change.after) for change in made.changes] == [("version", "0.1", "1.0")]


def test_plan_app_refresh_changes_only_given_keys(app: Path, stored: JsonObject) -> None:
    changed = {**stored, "version": "0.1", "author": "Nobody"}
    made = plan(app, [changed], LoadOptions(Mode.REFRESH, refresh_keys=("author",)))
    assert made.document == {**changed, "author": "Somebody"}


def test_plan_app_refresh_updates_kept_addresses(tmp_path: Path) -> None:
    app = make_app(tmp_path, source_url="https://x/apps/w")
    stored = as_stored(plan(app, []))
    made = plan(app, [stored], LoadOptions(Mode.REFRESH, keep_addresses=True)).document
    assert made is not None
    assert made["source_url"] == "https://x/apps/w"


def test_plan_app_brings_only_changed_pictures(app: Path, stored: JsonObject) -> None:
    (app / "metadata" / "icon" / "icon.png").write_bytes(OTHER_PNG)
    made = plan(app, [stored])
    assert made.action is Action.UPDATED
    assert [picture.name for picture in made.inline] == ["icon.png"]
    assert made.document is not None
    assert made.document["_attachments"] == stored["_attachments"]
    assert [(change.name, change.after) for change in made.pictures] == [("icon.png", len(OTHER_PNG))]


def test_plan_app_brings_picture_of_other_stored_type_again(app: Path, stored: JsonObject) -> None:
    stored["_attachments"]["one.png"]["content_type"] = "application/octet-stream"
    assert [picture.name for picture in plan(app, [stored]).inline] == ["one.png"]


def test_plan_app_removes_old_pictures_only_if_asked(app: Path, stored: JsonObject) -> None:
    stored["_attachments"]["old.png"] = {"length": 5, "stub": True}
    assert plan(app, [stored]).action is Action.UNCHANGED
    made = plan(app, [stored], LoadOptions(remove_old_pictures=True))
    assert made.document is not None
    assert sorted(made.document["_attachments"]) == ["icon.png", "one.png", "two.jpg"]
    assert [(change.name, change.before, change.after) for change in made.pictures] == [("old.png", 5, None)]


def test_plan_app_keeps_named_picture_whose_file_is_missing(app: Path, stored: JsonObject) -> None:
    (app / "metadata" / "icon" / "icon.png").unlink()
    made = plan(app, [stored], LoadOptions(remove_old_pictures=True))
    assert made.action is Action.UNCHANGED
    assert [remark.weight for remark in made.remarks] == [Weight.MISSING]


def test_plan_app_drops_empty_attachments(tmp_path: Path) -> None:
    app = make_app(tmp_path, icon="", screenshots=[])
    stored = as_stored(plan(app, []), icon="", screenshots=[], _attachments={"old.png": {"length": 5, "stub": True}})
    made = plan(app, [stored], LoadOptions(remove_old_pictures=True)).document
    assert made is not None
    assert "_attachments" not in made


def test_plan_app_refuses_ambiguous_name(app: Path, stored: JsonObject) -> None:
    made = plan(app, [stored, {**stored, "_id": "other"}])
    assert made.action is Action.REFUSED
    assert made.document is None
    refusal = made.remarks[-1]
    assert (refusal.field, refusal.rule, refusal.value) == ("name", "unique", "wallboard")
    assert "other" in refusal.message


def test_plan_app_renames_exported_app_only_in_refresh(tmp_path: Path, stored: JsonObject) -> None:
    app = make_app(tmp_path, "new-name", _id=stored["_id"])
    refused = plan(app, [stored])
    assert refused.action is Action.REFUSED
    assert refused.remarks[-1].field == "_id"
    renamed = plan(app, [stored], REFRESH).document
    assert renamed is not None
    assert (renamed["_id"], renamed["name"]) == (stored["_id"], "new-name")


def test_plan_app_keeps_refusal_of_source(tmp_path: Path, stored: JsonObject) -> None:
    made = plan(make_app(tmp_path / "bad", price="2.00"), [stored])
    assert made.action is Action.REFUSED
    assert made.document is None


def leniently(app: Path, stored: list[JsonObject], options: LoadOptions = INIT) -> AppPlan:
    return plan_app(read_app(app, PictureRules(lenient=True), lenient=True), stored, MASTER, options)


def weights(made: AppPlan) -> dict[str, Weight]:
    return {remark.field: remark.weight for remark in made.remarks}


def test_plan_app_says_repaired_only_of_what_it_writes(tmp_path: Path) -> None:
    texts = {"label": "Tafel", "description": "Alles im Blick"}
    english = {"label": "Wall Board", "description": "Queues"}
    app = make_app(tmp_path, price="2.00", api_url=..., i18n={"en-US": english, "de-De": texts})
    new = leniently(app, [])
    assert weights(new) == {"price": Weight.REPAIRED, "i18n.de-De": Weight.REPAIRED, "api_url": Weight.NOTE}
    stored = as_stored(new, i18n={"en-US": english, "de-De": texts})
    unchanged = leniently(app, [stored])
    assert unchanged.action is Action.UNCHANGED
    assert Weight.REPAIRED not in weights(unchanged).values()
    messages = {remark.field: remark.message for remark in unchanged.remarks}
    assert messages["price"].endswith("is stored so already")
    assert messages["i18n.de-De"].endswith("is not stored; refresh-app stores it")
    refreshed = leniently(app, [stored], REFRESH)
    assert weights(refreshed) == {"price": Weight.NOTE, "i18n.de-De": Weight.REPAIRED, "api_url": Weight.NOTE}
    other = leniently(app, [stored], LoadOptions(Mode.REFRESH, refresh_keys=("author",)))
    assert next(each.message for each in other.remarks if each.field == "i18n.de-De").endswith(
        "refresh-app --key i18n stores it"
    )


def test_plan_app_refused_or_failed_says_nothing_is_repaired(tmp_path: Path) -> None:
    app = make_app(tmp_path, price="2.00", author=...)
    refused = leniently(app, [])
    assert refused.action is Action.REFUSED
    assert weights(refused) == {"price": Weight.NOTE, "author": Weight.REFUSED}
    failed = leniently(make_app(tmp_path, price="2.00"), []).failed("conflict", "no")
    assert weights(failed) == {"price": Weight.NOTE, "": Weight.REFUSED}


def test_plan_app_says_repaired_of_pictures_and_byte_order_marks_only_if_written(tmp_path: Path) -> None:
    app = make_app(tmp_path, icon="icon.jpg", icon_files={"icon.jpg": OTHER_PNG})
    file = app / "metadata" / "app.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    new = leniently(app, [])
    assert weights(new) == {"": Weight.REPAIRED, "icon": Weight.REPAIRED}
    assert weights(leniently(app, [as_stored(new)])) == {"": Weight.NOTE, "icon": Weight.NOTE}


@pytest.mark.parametrize("key", ["api_url", "source_url"])
def test_plan_app_refuses_kept_addresses_that_must_not_be_stored(tmp_path: Path, key: str) -> None:
    address: dict[str, Any] = {key: "https://me:secret@host/v2/"}
    app = make_app(tmp_path, **address)
    made = plan(app, [], LoadOptions(keep_addresses=True))
    assert made.action is Action.REFUSED
    (remark,) = made.remarks
    assert (remark.weight, remark.field, remark.rule) == (Weight.REFUSED, key, "credentials")
    assert remark.value == "https://…@host/v2/"
    # An address that is not stored keeps no app from being loaded.
    assert plan(app, []).action is Action.CREATED
    running: dict[str, Any] = {key: "javascript:alert(1)"}
    exported = make_app(tmp_path, folder="exported", _id=new_id(), **running)
    assert plan(exported, []).action is Action.REFUSED


def test_plan_app_refuses_source_url_that_refresh_would_store(app: Path, stored: JsonObject, tmp_path: Path) -> None:
    changed = make_app(tmp_path, source_url="javascript:alert(1)")
    assert plan(changed, [stored], REFRESH).action is Action.UNCHANGED
    assert plan(changed, [stored], LoadOptions(Mode.REFRESH, refresh_keys=("source_url",))).action is Action.REFUSED


def test_plan_app_refuses_operators_address_and_mentions_a_relative_one(app: Path) -> None:
    assert plan(app, [], LoadOptions(api_url="javascript:alert(1)")).action is Action.REFUSED
    made = plan(app, [], LoadOptions(api_url="/v2/"))
    assert made.action is Action.CREATED
    assert [(remark.weight, remark.rule) for remark in made.remarks] == [(Weight.NOTE, "relative")]
