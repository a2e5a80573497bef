import asyncio
import base64
import dataclasses
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatabaseMissing, ServerFault
from crossbar_appstore.datastore.replies import SaveResult
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.ids import new_id
from crossbar_appstore.maintenance import loading
from crossbar_appstore.maintenance.app_plan import Action, AppPlan, LoadOptions, Mode
from crossbar_appstore.maintenance.app_source import find_app_folders
from crossbar_appstore.maintenance.loading import LoadReport, load_apps
from crossbar_appstore.maintenance.lookup import MasterCatalogue
from crossbar_appstore.maintenance.reports import Weight
from tests.datastore.fault_proxy import FaultProxy, Status
from tests.maintenance.folders import JPEG, OTHER_PNG, PNG, SVG, make_app

INIT = LoadOptions()
REFRESH = LoadOptions(Mode.REFRESH)


async def load(catalogue: MasterCatalogue, path: Path, rules: LoadOptions = INIT) -> LoadReport:
    return await load_apps(catalogue, find_app_folders(path).folders, rules)


async def sequence(catalogue: MasterCatalogue) -> Json:
    """The database's update sequence, which every write changes."""
    return await catalogue.couch.update_seq(catalogue.database)


async def picture(catalogue: MasterCatalogue, app_id: str, name: str) -> tuple[str, bytes]:
    found = await catalogue.couch.open_attachment(catalogue.database, app_id, name)
    return found.content_type, found.body


async def test_load_apps_stores_pictures_byte_for_byte(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path)
    report = await load(catalogue, tmp_path)
    (outcome,) = report.apps
    assert outcome.action is Action.CREATED
    document = await catalogue.open("wallboard")
    assert (document["_id"], document["_rev"]) == (outcome.id, outcome.revision)
    assert await picture(catalogue, document["_id"], "icon.png") == ("image/png", PNG)
    assert await picture(catalogue, document["_id"], "one.png") == ("image/png", OTHER_PNG)
    assert await picture(catalogue, document["_id"], "two.jpg") == ("image/jpeg", JPEG)


async def test_load_apps_saves_app_once(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path)
    await load(catalogue, tmp_path)
    assert (await catalogue.open("wallboard"))["_rev"].startswith("1-")


@pytest.mark.parametrize("rules", [INIT, REFRESH, LoadOptions(remove_old_pictures=True)])
async def test_load_apps_again_writes_nothing(catalogue: MasterCatalogue, tmp_path: Path, rules: LoadOptions) -> None:
    make_app(tmp_path)
    make_app(tmp_path, "notes", screenshot_files={})
    await load(catalogue, tmp_path)
    before = await sequence(catalogue)
    report = await load(catalogue, tmp_path, rules)
    assert report.counts == {Action.UNCHANGED: 2}
    assert await sequence(catalogue) == before


async def test_load_apps_dry_run_reports_changes_and_writes_nothing(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path)
    before = await sequence(catalogue)
    report = await load(catalogue, tmp_path, dataclasses.replace(INIT, dry_run=True))
    assert report.dry_run
    assert report.counts == {Action.CREATED: 1}
    assert [change.name for change in report.apps[0].pictures] == ["icon.png", "one.png", "two.jpg"]
    assert "name" in [change.field for change in report.apps[0].changes]
    assert await sequence(catalogue) == before


async def test_load_apps_loads_others_if_one_is_refused(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path, "bad-price", price="2.00")
    make_app(tmp_path, "no-json", content=b"{")
    make_app(tmp_path, "good")
    report = await load(catalogue, tmp_path)
    assert report.counts == {Action.CREATED: 1, Action.REFUSED: 2}
    assert report.has_refusals
    assert [document["name"] for document in await catalogue.apps()] == ["good"]


async def test_load_apps_lenient_loads_repaired_app(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path, "dear", price="2.00")
    rules = LoadOptions(lenient=True)
    report = await load(catalogue, tmp_path, rules)
    assert report.counts == {Action.CREATED: 1}
    assert not report.has_refusals
    assert (await catalogue.open("dear"))["price"] == 2
    assert (await load(catalogue, tmp_path, rules)).counts == {Action.UNCHANGED: 1}


async def test_load_apps_counts_left_out_picture_as_refusal(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path, icon="icon.svg", icon_files={"icon.svg": SVG})
    report = await load(catalogue, tmp_path)
    assert report.counts == {Action.CREATED: 1}
    assert report.has_refusals
    allowed = await load(catalogue, tmp_path, LoadOptions(allow_svg=True))
    assert allowed.counts == {Action.UPDATED: 1}
    assert not allowed.has_refusals
    document = await catalogue.open("wallboard")
    assert await picture(catalogue, document["_id"], "icon.svg") == ("image/svg+xml", SVG)


async def test_load_apps_reports_missing_picture_without_refusal(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path, screenshot_files={"two.jpg": JPEG})
    report = await load(catalogue, tmp_path)
    assert not report.has_refusals
    assert [remark.value for remark in report.apps[0].remarks] == ["one.png"]
    assert sorted((await catalogue.open("wallboard"))["_attachments"]) == ["icon.png", "two.jpg"]


async def test_load_apps_refuses_second_folder_of_a_name_each_time(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path, "rates", folder="a", author="First")
    make_app(tmp_path, "rates", folder="b", author="Second")
    for expected in (Action.CREATED, Action.UNCHANGED):
        report = await load(catalogue, tmp_path, REFRESH)
        assert [outcome.action for outcome in report.apps] == [expected, Action.REFUSED]
        remark = report.apps[1].remarks[-1]
        assert (remark.field, remark.rule, remark.value) == ("name", "unique", "rates")
        assert str(tmp_path / "a") in remark.message
    assert (await catalogue.open("rates"))["author"] == "First"


async def test_load_apps_refused_folder_does_not_reserve_name(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path, "rates", folder="a", price="2.00")
    make_app(tmp_path, "rates", folder="b")
    report = await load(catalogue, tmp_path)
    assert [outcome.action for outcome in report.apps] == [Action.REFUSED, Action.CREATED]


async def test_load_apps_refuses_ambiguous_name_in_catalogue(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    for _ in range(2):
        await catalogue.couch.save_doc(catalogue.database, {"_id": new_id(), "name": "wallboard", "pvt_type": "app"})
    make_app(tmp_path)
    report = await load(catalogue, tmp_path)
    assert report.counts == {Action.REFUSED: 1}
    assert report.apps[0].remarks[-1].rule == "unique"


async def test_load_apps_saves_changed_picture_and_address_together(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    app = make_app(tmp_path)
    await load(catalogue, tmp_path)
    (app / "metadata" / "icon" / "icon.png").write_bytes(OTHER_PNG)
    report = await load(catalogue, tmp_path, LoadOptions(api_url="https://api.example.com/v2/"))
    assert report.counts == {Action.UPDATED: 1}
    document = await catalogue.open("wallboard")
    assert document["_rev"].startswith("2-")
    assert document["api_url"] == "https://api.example.com/v2/"
    assert await picture(catalogue, document["_id"], "icon.png") == ("image/png", OTHER_PNG)
    assert await picture(catalogue, document["_id"], "one.png") == ("image/png", OTHER_PNG)
    assert await picture(catalogue, document["_id"], "two.jpg") == ("image/jpeg", JPEG)


async def test_load_apps_refresh_keeps_fields_and_attachments_of_others(
    catalogue: MasterCatalogue, tmp_path: Path
) -> None:
    make_app(tmp_path)
    await load(catalogue, tmp_path)
    document = await catalogue.open("wallboard")
    extra = {"content_type": "text/plain", "data": base64.b64encode(b"notes").decode()}
    await catalogue.couch.save_doc(
        catalogue.database,
        {**document, "own": {"a": 1}, "version": "0.1", "_attachments": {**document["_attachments"], "notes": extra}},
    )
    report = await load(catalogue, tmp_path, REFRESH)
    assert report.counts == {Action.UPDATED: 1}
    refreshed = await catalogue.open("wallboard")
    assert (refreshed["own"], refreshed["version"]) == ({"a": 1}, "1.0")
    assert refreshed["pvt_modified"] == document["pvt_modified"]
    assert (await picture(catalogue, document["_id"], "notes"))[1] == b"notes"


async def test_load_apps_removes_old_pictures_only_if_asked(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path)
    await load(catalogue, tmp_path)
    make_app(tmp_path, screenshots=["new.png"], screenshot_files={"new.png": PNG}, icon_files={})
    await load(catalogue, tmp_path, REFRESH)
    assert sorted((await catalogue.open("wallboard"))["_attachments"]) == ["icon.png", "new.png", "one.png", "two.jpg"]
    await load(catalogue, tmp_path, LoadOptions(Mode.REFRESH, remove_old_pictures=True))
    assert sorted((await catalogue.open("wallboard"))["_attachments"]) == ["icon.png", "new.png"]


async def test_load_apps_calls_progress_for_each_app(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        make_app(tmp_path, name)
    told: list[AppPlan] = []
    report = await load_apps(catalogue, find_app_folders(tmp_path).folders, INIT, progress=told.append)
    assert tuple(told) == report.apps
    assert [outcome.name for outcome in told] == ["one", "three", "two"]


async def test_load_apps_scans_catalogue_without_view(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path)
    await load(catalogue, tmp_path)
    design = await catalogue.couch.open_doc(catalogue.database, "_design/apps_store")
    await catalogue.couch.delete_doc(catalogue.database, "_design/apps_store", design["_rev"])
    assert (await load(catalogue, tmp_path)).counts == {Action.UNCHANGED: 1}
    assert [document["name"] for document in await catalogue.apps()] == ["wallboard"]


async def test_load_apps_raises_database_missing(couch: Couch, account_id: str, tmp_path: Path) -> None:
    make_app(tmp_path)
    with pytest.raises(DatabaseMissing):
        await load(MasterCatalogue(couch, account_id, f"account/{account_id}"), tmp_path)


class Interrupting(Couch):
    """Another writer saves the documents just before our first ``times`` bulk saves."""

    def __init__(self, url: str, times: int) -> None:
        super().__init__(url)
        self.times = times

    async def save_docs(self, database: str, docs: Sequence[JsonObject]) -> list[SaveResult]:
        if self.times:
            self.times -= 1
            for doc in docs:
                newest = await self.open_doc(database, doc["_id"])
                await self.save_doc(database, {**newest, "other_writes": newest.get("other_writes", 0) + 1})
        return await super().save_docs(database, docs)


@pytest.mark.parametrize(("times", "action"), [(1, Action.UPDATED), (4, Action.UPDATED), (9, Action.FAILED)])
async def test_load_apps_retries_on_conflict(
    catalogue: MasterCatalogue, tmp_path: Path, times: int, action: Action
) -> None:
    make_app(tmp_path)
    make_app(tmp_path, "zero-conflicts", price=1)
    await load(catalogue, tmp_path)
    async with Interrupting(catalogue.couch.address, times) as couch:
        racing = dataclasses.replace(catalogue, couch=couch)
        rules = LoadOptions(api_url="https://api.example.com/v2/")
        report = await load(racing, tmp_path / "wallboard", rules)
    assert [outcome.action for outcome in report.apps] == [action]
    document = await catalogue.open("wallboard")
    assert document["other_writes"] == min(times, 5)
    assert ("api_url" in document) is (action is Action.UPDATED)
    assert report.has_refusals is (action is Action.FAILED)
    if action is Action.FAILED:
        assert report.apps[0].remarks[-1].rule == "conflict"


class ForThem(Couch):
    """Another writer makes the same change just before our save."""

    async def save_docs(self, database: str, docs: Sequence[JsonObject]) -> list[SaveResult]:
        for doc in docs:
            newest = await self.open_doc(database, doc["_id"])
            if newest["_rev"] == doc.get("_rev"):
                await self.save_doc(database, {**newest, "api_url": doc["api_url"]})
        return await super().save_docs(database, docs)


async def test_load_apps_reports_change_made_by_other_writer_as_unchanged(
    catalogue: MasterCatalogue, tmp_path: Path
) -> None:
    make_app(tmp_path)
    await load(catalogue, tmp_path)
    async with ForThem(catalogue.couch.address) as couch:
        racing = dataclasses.replace(catalogue, couch=couch)
        report = await load(racing, tmp_path, LoadOptions(api_url="https://api.example.com/v2/"))
    assert report.counts == {Action.UNCHANGED: 1}


class Refusing(Couch):
    """A CouchDB that refuses documents of one name, as with a validation function."""

    async def save_docs(self, database: str, docs: Sequence[JsonObject]) -> list[SaveResult]:
        return [
            SaveResult(doc["_id"], None, "forbidden", "no notes here")
            if doc["name"] == "notes"
            else (await super(Refusing, self).save_docs(database, [doc]))[0]
            for doc in docs
        ]


async def test_load_apps_reports_document_that_couchdb_refuses(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path)
    make_app(tmp_path, "notes")
    async with Refusing(catalogue.couch.address) as couch:
        report = await load(dataclasses.replace(catalogue, couch=couch), tmp_path)
    assert report.counts == {Action.CREATED: 1, Action.FAILED: 1}
    failed = report.apps[0]
    assert (failed.name, failed.remarks[-1].rule) == ("notes", "forbidden")
    assert "no notes here" in failed.remarks[-1].message


@pytest.mark.parametrize("status", [400, 413, 417])
async def test_load_apps_loads_others_if_couchdb_refuses_a_whole_request_because_of_one(
    catalogue: MasterCatalogue, tmp_path: Path, status: int
) -> None:
    """CouchDB and proxies answer a bulk save with one status, which may concern one of its documents."""
    for name in ("first", "second", "large", "third", "fourth"):
        make_app(tmp_path, name, author="x" * (60 if name == "large" else 10))

    async with FaultProxy(catalogue.couch.address) as proxy, Couch(proxy.url) as couch:
        proxy.fail(Status(status, "some id", "document_too_large"), path="_bulk_docs", holding=b"x" * 60)
        report = await load(dataclasses.replace(catalogue, couch=couch), tmp_path)
    assert report.counts == {Action.CREATED: 4, Action.FAILED: 1}
    (failed,) = [app for app in report.apps if app.action is Action.FAILED]
    remark = failed.remarks[-1]
    assert (failed.name, remark.rule) == ("large", "too_large" if status == 413 else "refused")
    assert str(status) in remark.message
    assert re.search(r"the document has [0-9],[0-9]{3} bytes", remark.message)
    assert len(await catalogue.apps()) == 4


async def test_load_apps_fails_if_couchdb_fails(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path)
    async with FaultProxy(catalogue.couch.address) as proxy, Couch(proxy.url) as couch:
        proxy.fail(Status(500, "badmatch"), path="_bulk_docs")
        with pytest.raises(ServerFault):
            await load(dataclasses.replace(catalogue, couch=couch), tmp_path)


async def test_load_apps_fails_if_id_belongs_to_other_document(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    taken = new_id()
    await catalogue.couch.save_doc(catalogue.database, {"_id": taken, "pvt_type": "user"})
    make_app(tmp_path, _id=taken)
    report = await load(catalogue, tmp_path)
    assert report.counts == {Action.FAILED: 1}
    assert (await catalogue.couch.open_doc(catalogue.database, taken))["pvt_type"] == "user"


class Compressing(MasterCatalogue):
    """A catalogue of a CouchDB that compresses pictures: digests are those of the compressed bytes."""

    async def named(self, names: Iterable[str]) -> dict[str, list[JsonObject]]:
        found = await super().named(names)
        for documents in found.values():
            for document in documents:
                for stub in document["_attachments"].values():
                    stub["digest"] = "md5-of-compressed-bytes"
        return found


async def test_load_apps_compares_compressed_pictures_by_bytes(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    app = make_app(tmp_path)
    await load(catalogue, tmp_path)
    compressing = Compressing(catalogue.couch, catalogue.account_id, catalogue.database)
    assert (await load(compressing, tmp_path)).counts == {Action.UNCHANGED: 1}
    (app / "metadata" / "icon" / "icon.png").write_bytes(PNG[:-20] + bytes(8) + PNG[-12:])
    report = await load(compressing, tmp_path, LoadOptions(dry_run=True))
    assert [change.name for change in report.apps[0].pictures] == ["icon.png"]


async def test_load_apps_fails_only_app_whose_picture_vanishes(
    catalogue: MasterCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = make_app(tmp_path, "broken")
    changed = make_app(tmp_path, "changed")
    make_app(tmp_path, "whole")
    plans = loading.save_plans

    async def sabotage(*arguments: Any) -> list[AppPlan]:
        (broken / "metadata" / "icon" / "icon.png").unlink()
        (changed / "metadata" / "icon" / "icon.png").write_bytes(bytes(len(PNG)))
        return await plans(*arguments)

    monkeypatch.setattr("crossbar_appstore.maintenance.loading.save_plans", sabotage)
    report = await load(catalogue, tmp_path)
    assert [outcome.action for outcome in report.apps] == [Action.FAILED, Action.FAILED, Action.CREATED]
    assert [outcome.remarks[-1].rule for outcome in report.apps[:2]] == ["exists", "unchanged"]
    assert [document["name"] for document in await catalogue.apps()] == ["whole"]


class Counting(Couch):
    """Records the sizes of bulk saves: apps and bytes of pictures."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.bulks: list[tuple[int, int]] = []

    async def save_docs(self, database: str, docs: Sequence[JsonObject]) -> list[SaveResult]:
        lengths = [len(base64.b64decode(each["data"])) for doc in docs for each in doc["_attachments"].values()]
        self.bulks.append((len(docs), sum(lengths)))
        return await super().save_docs(database, docs)


async def test_load_apps_limits_bytes_of_bulk_saves(
    catalogue: MasterCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(70):
        make_app(
            tmp_path, f"app-{chr(97 + index // 26)}{chr(97 + index % 26)}", screenshot_files={"one.png": OTHER_PNG}
        )
    monkeypatch.setattr(loading, "BULK_BYTES", 10 * (len(PNG) + len(OTHER_PNG)))
    async with Counting(catalogue.couch.address) as couch:
        report = await load(dataclasses.replace(catalogue, couch=couch), tmp_path)
        assert report.counts == {Action.CREATED: 70}
        assert max(count for count, _ in couch.bulks) == 10
        assert max(size for _, size in couch.bulks) <= loading.BULK_BYTES
        couch.bulks.clear()
        again = await load(dataclasses.replace(catalogue, couch=couch), tmp_path)
        assert again.counts == {Action.UNCHANGED: 70}
        assert couch.bulks == []


async def test_load_apps_limits_apps_of_bulk_saves(
    catalogue: MasterCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two", "three"):
        make_app(tmp_path, name)
    monkeypatch.setattr(loading, "FOLDERS", 2)
    async with Counting(catalogue.couch.address) as couch:
        await load(dataclasses.replace(catalogue, couch=couch), tmp_path)
        assert [count for count, _ in couch.bulks] == [2, 1]


async def test_load_apps_concurrently_leaves_complete_apps(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path, _id=new_id())
    reports = await asyncio.gather(load(catalogue, tmp_path, REFRESH), load(catalogue, tmp_path, REFRESH))
    assert {Action.FAILED, Action.REFUSED} & {outcome.action for report in reports for outcome in report.apps} == set()
    document = await catalogue.open("wallboard")
    assert sorted(document["_attachments"]) == ["icon.png", "one.png", "two.jpg"]


async def test_load_report_as_json(catalogue: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path, price="2.00")
    report = (await load(catalogue, tmp_path)).as_json()
    assert report["counts"] == {"refused": 1}
    (app,) = report["apps"]
    assert (app["name"], app["action"], app["id"], app["revision"]) == ("wallboard", "refused", None, None)
    assert app["remarks"][0] == {
        "weight": str(Weight.REFUSED),
        "file": str(tmp_path / "wallboard" / "metadata" / "app.json"),
        "field": "price",
        "rule": "type",
        "value": "2.00",
        "message": "Value did not match type(s): number; --lenient repairs this",
    }


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # aiohttp's, of a bulk's size
async def test_load_apps_loads_real_folders_once(catalogue: MasterCatalogue, shared: Path) -> None:
    rules = LoadOptions(lenient=True)
    first = await load(catalogue, shared / "apps", rules)
    assert first.counts[Action.REFUSED] == 2  # the second of two names
    for outcome in first.apps:
        for kind in ("icon", "screenshots"):
            for file in (Path(outcome.folder) / "metadata" / kind).glob("*.png"):
                if outcome.id and file.name in {change.name for change in outcome.pictures}:
                    stored = await picture(catalogue, outcome.id, file.name)
                    assert stored == ("image/png", file.read_bytes())
    before = await sequence(catalogue)
    await load(catalogue, shared / "apps", rules)
    assert await sequence(catalogue) == before
