from pathlib import Path

import pytest

from crossbar_appstore.maintenance.lookup import MasterCatalogue
from tests.cli.conftest import Run
from tests.datastore.fault_proxy import FaultProxy, Status
from tests.maintenance.folders import OTHER_PNG, SVG, make_app

URL = "https://api.example.com:8443/v2/"


async def test_init_apps_loads_then_finds_unchanged(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
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


async def test_init_app_dry_run_shows_fields_and_pictures(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    app = make_app(tmp_path)
    await run("init-app", str(app))
    (app / "metadata" / "icon" / "icon.png").write_bytes(OTHER_PNG)
    result = await run("init-app", str(app), URL, "--dry-run")
    assert result.code == 0
    assert f'    api_url: (none) → "{URL}"' in result.out
    assert "    picture icon.png: " in result.out
    assert result.out.endswith("Would be: 1 updated.\n")
    assert "api_url" not in await system.open("wallboard")


async def test_init_apps_names_refusal_and_exits_with_one(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path, "dear", price="2.00")
    make_app(tmp_path)
    result = await run("init-apps", str(tmp_path))
    assert result.code == 1
    assert (
        'metadata/app.json: price: type: Value did not match type(s): number; --lenient repairs this (value: "2.00")'
        in result.out
    )
    assert result.out.endswith("1 created, 1 refused.\n")
    lenient = await run("init-apps", str(tmp_path), "--lenient")
    assert lenient.code == 0
    assert "repaired  metadata/app.json: price" in lenient.out


async def test_init_apps_json_prints_one_object(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path, "dear", price="2.00")
    make_app(tmp_path)
    result = await run("init-apps", str(tmp_path), "--json")
    assert result.code == 1
    assert result.json["counts"] == {"created": 1, "refused": 1}
    assert [app["name"] for app in result.json["apps"]] == ["dear", "wallboard"]


async def test_init_apps_leaves_out_svg_and_large_pictures_unless_allowed(
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


async def test_refresh_apps_updates_metadata(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    app = make_app(tmp_path)
    await run("refresh-apps", str(tmp_path))
    make_app(tmp_path, version="2.0", author="Another")
    only = await run("refresh-app", str(app), "--key", "author")
    assert only.code == 0
    assert '    author: "Somebody" → "Another"' in only.out
    assert (await system.open("wallboard"))["version"] == "1.0"
    await run("refresh-apps", str(tmp_path))
    assert (await system.open("wallboard"))["version"] == "2.0"


async def test_refresh_apps_reads_keys_from_kazoo_setting(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path)
    await run("init-apps", str(tmp_path))
    setting = {"_id": "crossbar", "default": {"refresh_app_keys": ["author"]}}
    await system.couch.save_doc("system_config", setting)
    make_app(tmp_path, version="2.0", author="Another")
    await run("refresh-apps", str(tmp_path))
    document = await system.open("wallboard")
    assert (document["author"], document["version"]) == ("Another", "1.0")


async def test_refresh_apps_keeps_addresses_and_removes_old_pictures_if_asked(
    run: Run, system: MasterCatalogue, tmp_path: Path
) -> None:
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


async def test_init_apps_reports_links(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    app = make_app(tmp_path / "elsewhere")
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "wallboard").symlink_to(app)
    result = await run("init-apps", str(tmp_path / "apps"))
    assert "symlink" in result.out
    assert result.out.endswith("no apps.\n")


async def test_init_apps_and_refresh_apps_refuse_path_without_apps(
    run: Run, system: MasterCatalogue, tmp_path: Path
) -> None:
    for words in (["init-apps", str(tmp_path)], ["refresh-apps", str(tmp_path), "--json"]):
        assert (await run(*words)).code == 1


async def test_init_app_refuses_folder_without_metadata(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    result = await run("init-app", str(tmp_path))
    assert result.code == 1
    assert "there is no metadata/app.json" in result.out


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("api.example.com", "dot"),
        ("api.example.com:8443/v2/", "https://"),
        ("http://api.example.com", "no path"),
        ("http://x/v2.1", "dot"),
        ("https://x/v1/", "v2"),
        ("ftp://x/v2/", "ftp"),
        ("https://:8443/v2/", "no host"),
        ("https://me:secret@x/v2/", "password"),
        ("https://x/v2 /", "blank"),
        ("https://x/\x07v2/", "U+0007"),
        ("", "empty"),
    ],
)
async def test_init_apps_refuses_url_that_breaks_web_client(run: Run, tmp_path: Path, url: str, reason: str) -> None:
    result = await run("init-apps", str(tmp_path), url)
    assert result.code == 2
    assert "API_URL" in result.err
    assert reason in result.err
    assert "secret" not in result.err


@pytest.mark.parametrize("verb", ["init-app", "init-apps", "refresh-app", "refresh-apps"])
async def test_loading_verbs_trim_the_address_and_take_the_path_of_app_json(
    run: Run, system: MasterCatalogue, tmp_path: Path, verb: str
) -> None:
    app = make_app(tmp_path)
    result = await run(verb, str(app / "metadata" / "app.json"), f" {URL}\r")
    assert (result.code, result.out.splitlines()[-1]) == (0, "1 created.")
    assert (await system.open("wallboard"))["api_url"] == URL
    compared = await run("diff-apps", str(app / "metadata" / "app.json"))
    assert compared.code == 0


async def test_init_app_mentions_relative_address_and_missing_english_texts(
    run: Run, system: MasterCatalogue, tmp_path: Path
) -> None:
    app = make_app(tmp_path, i18n={"en-us": {"label": "Board", "description": "Words"}})
    result = await run("init-app", str(app), "/v2/")
    assert result.code == 0
    assert "note  metadata/app.json: api_url: relative: " in result.out
    assert "note  metadata/app.json: i18n: language: has no texts in en-US" in result.out
    assert "those in en-us are shown in their place" in result.out


async def test_init_apps_names_app_that_couchdb_finds_too_large_and_loads_the_others(
    run: Run, system: MasterCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_app(tmp_path, "large", author="x" * 60)
    make_app(tmp_path, "small")
    async with FaultProxy(system.couch.address) as proxy:
        proxy.fail(Status(413, "an id", "document_too_large"), path="_bulk_docs", holding=b"x" * 60)
        monkeypatch.setenv("COUCHDB_URL", proxy.url)
        result = await run("init-apps", str(tmp_path))
    assert (result.code, result.err) == (1, "")
    assert "failed     large" in result.out
    assert "too_large: CouchDB refused to save it: 413 an id; the document has " in result.out
    assert result.out.endswith("1 created, 1 failed.\n")


async def test_init_apps_replaces_control_characters(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path, "evil\x1b[31m", folder="evil", price="\x1b]0;x\x07")
    result = await run("init-apps", str(tmp_path))
    assert "\x1b" not in result.out
    assert "[bold]" not in result.out
