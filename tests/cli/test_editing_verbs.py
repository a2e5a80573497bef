import io
from pathlib import Path

import pytest

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.maintenance.lookup import MasterCatalogue, stored
from tests.cli.conftest import Run
from tests.datastore.fault_proxy import FaultProxy, Status
from tests.maintenance.folders import JPEG, OTHER_PNG, PNG, SVG
from tests.maintenance.test_editing import save_app, store_rivals


@pytest.fixture
async def app(system: MasterCatalogue) -> JsonObject:
    return await save_app(system)


async def test_apps_lists_apps(run: Run, app: JsonObject) -> None:
    result = await run("apps")
    assert result.code == 0
    heading, row = result.out.splitlines()
    assert heading.split() == ["NAME", "ID", "LABEL", "VERSION", "PHASE", "PUBLISHED", "API_URL"]
    assert row.split() == ["wallboard", app["_id"], "Wall", "Board", "1.0", "yes"]
    (listed,) = (await run("apps", "--json")).json["apps"]
    assert (listed["id"], listed["name"]) == (app["_id"], "wallboard")
    assert "pvt_type" not in listed


async def test_apps_lists_malformed_apps(run: Run, system: MasterCatalogue) -> None:
    await save_app(system, name=None, i18n=None, version=2, api_url=["x"])
    result = await run("apps")
    assert result.code == 0
    assert " 2 " in result.out


async def test_app_shows_app_by_name_or_id(run: Run, app: JsonObject) -> None:
    for wanted in ("wallboard", app["_id"]):
        result = await run("app", wanted)
        assert result.code == 0
        assert result.out.startswith(f"App wallboard  {app['_id']}  {app['_rev']}\n")
        assert '\n    en-US:\n      label: "Wall Board"\n' in result.out
        assert "\n  picture icon.png: " in result.out
    shown = (await run("app", "wallboard", "--json")).json
    assert shown["revision"] == app["_rev"]
    assert shown["app"]["name"] == "wallboard"
    assert list(shown["pictures"]) == ["icon.png"]


async def test_app_refuses_unknown_or_ambiguous_name(run: Run, system: MasterCatalogue, app: JsonObject) -> None:
    unknown = await run("app", "nothing")
    assert (unknown.code, unknown.out) == (1, "")
    assert "nothing" in unknown.err
    other = await save_app(system)
    ambiguous = await run("set-app-label", "wallboard", "Board")
    assert ambiguous.code == 1
    assert other["_id"] in ambiguous.err


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (["set-app-field", "wallboard", "price", "5"], "price", 5),
        (["set-app-field", "wallboard", "own", "5", "--string"], "own", "5"),
        (["set-app-field", "wallboard", "urls.howto", "https://x"], "urls.howto", "https://x"),
        (["set-app-label", "wallboard", "Board"], "i18n.en-US.label", "Board"),
        (["set-app-label", "wallboard", "Tafel", "--language", "de-DE"], "i18n.de-DE.label", "Tafel"),
        (["set-app-description", "wallboard", "Words"], "i18n.en-US.description", "Words"),
        (["set-app-extended-description", "wallboard", "Words"], "i18n.en-US.extended_description", "Words"),
        (["set-app-features", "wallboard", "One@Two@@Three"], "i18n.en-US.features", ["One", "Two", "Three"]),
        (["set-app-features", "wallboard", "One", "Two"], "i18n.en-US.features", ["One", "Two"]),
        (["unpublish-app", "wallboard"], "published", False),
        (["set-app-field", "wallboard", "published", "false"], "published", False),
    ],
)
async def test_set_app_verbs_set_fields(
    run: Run, system: MasterCatalogue, app: JsonObject, words: list[str], field: str, value: object
) -> None:
    dry = await run(*words, "--dry-run")
    assert dry.code == 0
    assert dry.out.startswith("would be updated  wallboard")
    assert (await system.open("wallboard"))["_rev"] == app["_rev"]
    result = await run(*words)
    assert (result.code, result.err) == (0, "")
    found: object = await system.open("wallboard")
    for key in field.split("."):
        assert isinstance(found, dict)
        found = found[key]
    assert found == value
    again = await run(*words, "--json")
    assert again.json["changes"] == []
    assert again.json["revision"] is None


async def test_publish_app_reverts_unpublish_app(run: Run, system: MasterCatalogue, app: JsonObject) -> None:
    await run("unpublish-app", "wallboard")
    assert (await run("publish-app", "wallboard")).out.startswith("updated")
    assert (await system.open("wallboard"))["published"] is True
    assert (await run("publish-app", "wallboard")).out.startswith("unchanged")


async def test_set_app_field_names_refusal(run: Run, app: JsonObject) -> None:
    result = await run("set-app-field", "wallboard", "price", "cheap")
    assert result.code == 1
    assert 'price: type: Value did not match type(s): number (value: "cheap")' in result.out
    private = await run("set-app-field", "wallboard", "pvt_type", "x", "--json")
    assert private.code == 1
    assert private.json["refused"][0]["rule"] == "private"


async def test_set_app_icon_sets_icon(run: Run, system: MasterCatalogue, app: JsonObject, tmp_path: Path) -> None:
    (tmp_path / "new.png").write_bytes(OTHER_PNG)
    result = await run("set-app-icon", "wallboard", str(tmp_path / "new.png"), "--remove-old-pictures")
    assert result.code == 0
    document = await system.open("wallboard")
    assert document["icon"] == "new.png"
    assert list(document["_attachments"]) == ["new.png"]
    (tmp_path / "new.svg").write_bytes(SVG)
    refused = await run("set-app-icon", "wallboard", str(tmp_path / "new.svg"))
    assert refused.code == 1
    assert "--allow-svg" in refused.out
    assert (await run("set-app-icon", "wallboard", str(tmp_path / "new.svg"), "--allow-svg")).code == 0


async def test_set_app_screenshots_sets_screenshots(
    run: Run, system: MasterCatalogue, app: JsonObject, tmp_path: Path
) -> None:
    empty = await run("set-app-screenshots", "wallboard", str(tmp_path))
    assert empty.code == 2
    assert "no pictures" in empty.err
    (tmp_path / "b.png").write_bytes(PNG)
    (tmp_path / "a.jpg").write_bytes(JPEG)
    result = await run("set-app-screenshots", "wallboard", str(tmp_path))
    assert result.code == 0
    document = await system.open("wallboard")
    assert document["screenshots"] == ["a.jpg", "b.png"]
    assert sorted(document["_attachments"]) == ["a.jpg", "b.png", "icon.png"]


async def test_remove_app_asks_unless_told_not_to(
    run: Run, system: MasterCatalogue, app: JsonObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    dry = await run("remove-app", "wallboard", "--dry-run")
    assert dry.out.startswith("would be removed")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    refused = await run("remove-app", "wallboard")
    assert refused.code == 1
    assert app["_id"] in refused.err
    assert await system.by_id(app["_id"]) is not None
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert (await run("remove-app", "wallboard")).code == 0
    assert await stored(system.couch, system.database, app["_id"]) is None
    other = await save_app(system)
    assert (await run("remove-app", other["_id"], "--yes", "--json")).json["removed"] is True


async def test_remove_app_of_a_conflict_removes_all_or_names_what_is_left(
    run: Run, system: MasterCatalogue, app: JsonObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_rivals(system, app, "one", "two")
    left = f"1-{'a' * 32}"
    async with FaultProxy(system.couch.address) as proxy:
        proxy.fail(Status(409), method="DELETE", path=f"rev={left}")
        with monkeypatch.context() as patched:
            patched.setenv("COUCHDB_URL", proxy.url)
            result = await run("remove-app", app["_id"], "--yes")
    assert result.code == 1
    assert left in result.err
    assert (await run("remove-app", app["_id"], "--yes")).code == 0
    assert await stored(system.couch, system.database, app["_id"]) is None


async def test_set_app_field_names_document_that_couchdb_refuses(
    run: Run, system: MasterCatalogue, app: JsonObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FaultProxy(system.couch.address) as proxy:
        proxy.fail(Status(413, "too large"), method="PUT")
        monkeypatch.setenv("COUCHDB_URL", proxy.url)
        result = await run("set-app-field", app["_id"], "author", "Another")
    assert result.code == 1
    assert f"document {app['_id']}" in result.err
    assert "413 too large" in result.err


async def test_set_app_field_refuses_harmful_address_with_the_reason(
    run: Run, system: MasterCatalogue, app: JsonObject
) -> None:
    result = await run("set-app-field", app["_id"], "source_url", "https://me:secret@ui.example.com/apps/x")
    assert result.code == 1
    assert "source_url: credentials: contains a user or a password" in result.out
    assert "secret" not in result.out
