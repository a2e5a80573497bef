from pathlib import Path

import pytest

from crossbar_appstore.maintenance.lookup import MasterCatalogue
from tests.cli.conftest import Run
from tests.maintenance.folders import OTHER_PNG, SVG, make_app

URL = "https://api.example.com:8443/v2/"


async def test_apps_are_loaded_then_found_unchanged(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path)
    make_app(tmp_path, "notes")
    first = await run("init-apps", str(tmp_path), URL)
    assert (first.code, first.err) == (0, "")
    document = await system.open("wallboard")
    assert f"created    wallboard  {document['_id']}  {document['_rev']}" in first.out
    assert first.out.endswith("2 created.\n")
    assert document["api_url"] == URL
    second = await run("init-apps", str(tmp_path), URL)
    assert (second.code, second.out.splitlines()[-1]) == (0, "2 unchanged.")


async def test_a_dry_run_shows_fields_and_pictures(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    app = make_app(tmp_path)
    await run("init-app", str(app))
    (app / "metadata" / "icon" / "icon.png").write_bytes(OTHER_PNG)
    result = await run("init-app", str(app), URL, "--dry-run")
    assert result.code == 0
    assert f'    api_url: (none) → "{URL}"' in result.out
    assert "    picture icon.png: " in result.out
    assert result.out.endswith("Would be: 1 updated.\n")
    assert "api_url" not in await system.open("wallboard")


async def test_a_refusal_is_named_and_is_code_one(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path, "dear", price="2.00")
    make_app(tmp_path)
    result = await run("init-apps", str(tmp_path))
    assert result.code == 1
    assert 'metadata/app.json: price: type: Value did not match type(s): number (value: "2.00")' in result.out
    assert result.out.endswith("1 created, 1 refused.\n")
    lenient = await run("init-apps", str(tmp_path), "--lenient")
    assert lenient.code == 0
    assert "repaired  metadata/app.json: price" in lenient.out


async def test_json_is_one_object_and_nothing_else(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path, "dear", price="2.00")
    make_app(tmp_path)
    result = await run("init-apps", str(tmp_path), "--json")
    assert result.code == 1
    assert result.json["counts"] == {"created": 1, "refused": 1}
    assert [app["name"] for app in result.json["apps"]] == ["dear", "wallboard"]


async def test_svg_and_large_pictures_are_left_out_unless_allowed(
    run: Run, system: MasterCatalogue, tmp_path: Path
) -> None:
    make_app(tmp_path, icon="icon.svg", icon_files={"icon.svg": SVG})
    refused = await run("init-apps", str(tmp_path))
    assert refused.code == 1
    assert "--allow-svg" in refused.out
    limited = await run("init-apps", str(tmp_path), "--allow-svg", "--max-picture-bytes", "100")
    assert limited.code == 1
    assert "100 are allowed" in limited.out
    assert (await run("init-apps", str(tmp_path), "--allow-svg")).code == 0


async def test_refresh_updates_the_metadata(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    app = make_app(tmp_path)
    await run("refresh-apps", str(tmp_path))
    make_app(tmp_path, version="2.0", author="Another")
    only = await run("refresh-app", str(app), "--key", "author")
    assert only.code == 0
    assert '    author: "Somebody" → "Another"' in only.out
    assert (await system.open("wallboard"))["version"] == "1.0"
    await run("refresh-apps", str(tmp_path))
    assert (await system.open("wallboard"))["version"] == "2.0"


async def test_the_keys_of_a_refresh_are_kazoo_s_setting(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path)
    await run("init-apps", str(tmp_path))
    setting = {"_id": "crossbar", "default": {"refresh_app_keys": ["author"]}}
    await system.couch.save_doc("system_config", setting)
    make_app(tmp_path, version="2.0", author="Another")
    await run("refresh-apps", str(tmp_path))
    document = await system.open("wallboard")
    assert (document["author"], document["version"]) == ("Another", "1.0")


async def test_addresses_and_old_pictures_as_told(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path, api_url=URL, source_url="https://ui.example.com/apps/wallboard")
    await run("init-apps", str(tmp_path), "--keep-addresses")
    document = await system.open("wallboard")
    assert (document["api_url"], document["source_url"]) == (URL, "https://ui.example.com/apps/wallboard")
    make_app(tmp_path, screenshots=[])
    await run("refresh-apps", str(tmp_path), "--remove-old-pictures")
    assert sorted((await system.open("wallboard"))["_attachments"]) == ["icon.png", "one.png", "two.jpg"]
    make_app(tmp_path, screenshots=["one.png"])
    await run("refresh-apps", str(tmp_path), "--remove-old-pictures")
    assert sorted((await system.open("wallboard"))["_attachments"]) == ["icon.png", "one.png"]


async def test_what_is_not_looked_into_is_told(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    app = make_app(tmp_path / "elsewhere")
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "wallboard").symlink_to(app)
    result = await run("init-apps", str(tmp_path / "apps"))
    assert "symlink" in result.out
    assert result.out.endswith("no apps.\n")


async def test_a_path_without_apps_is_refused(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    for words in (["init-apps", str(tmp_path)], ["refresh-apps", str(tmp_path), "--json"]):
        assert (await run(*words)).code == 1


async def test_a_folder_without_metadata_is_refused(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    result = await run("init-app", str(tmp_path))
    assert result.code == 1
    assert "there is no metadata/app.json" in result.out


@pytest.mark.parametrize("url", ["api.example.com", "http://api.example.com", "http://x/v2.1", "ftp://x/v2/"])
async def test_an_address_that_breaks_the_web_client_is_wrong_use(run: Run, tmp_path: Path, url: str) -> None:
    result = await run("init-apps", str(tmp_path), url)
    assert result.code == 2
    assert "API_URL" in result.err


async def test_what_an_app_is_called_cannot_steer_the_terminal(
    run: Run, system: MasterCatalogue, tmp_path: Path
) -> None:
    make_app(tmp_path, "evil\x1b[31m", folder="evil", price="\x1b]0;x\x07")
    result = await run("init-apps", str(tmp_path))
    assert "\x1b" not in result.out
    assert "[bold]" not in result.out
