import json
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from crossbar_appstore.cli.program import SUP_FUNCTIONS
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.views import DatabaseClass, names_for
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.maintenance.lookup import MasterCatalogue, master_account_id
from tests.cli.conftest import Run
from tests.maintenance.conftest import MASTER
from tests.maintenance.folders import make_app
from tests.maintenance.systems import accounts_of
from tests.maintenance.test_editing import save_app
from tests.operations.audited import Audited, audited

__all__ = ["audited"]

SUB = ("Sub Ltd", "sub.example.com", "Admin", "sub-password")


async def test_create_account_creates_master_account_first(run: Run, empty_system: Couch) -> None:
    dry = await run("create-account", *SUB, "--dry-run")
    told = "would be created  master account Sub Ltd\nwould be created  administrator Admin\n"
    assert (dry.code, dry.out) == (0, told)
    assert await accounts_of(empty_system) == []
    result = await run("create-account", *SUB)
    assert result.code == 0
    master = await master_account_id(empty_system)
    assert f"created  master account Sub Ltd  {master}" in result.out
    assert "sub-password" not in result.out


async def test_create_account_json(run: Run, system: MasterCatalogue) -> None:
    created = (await run("create-account", *SUB, "--json")).json
    assert created["is_master"] is False
    assert set(await accounts_of(system.couch)) == {system.account_id, created["account_id"]}
    assert (await run("create-account", "Third", "third.example.com", "u", "password", "--dry-run", "--json")).json == {
        "dry_run": True,
        "name": "Third",
        "realm": "third.example.com",
        "is_master": False,
    }


async def test_create_account_refuses_invalid_account(run: Run, system: MasterCatalogue) -> None:
    taken = await run("create-account", MASTER.name, "x.example.com", "admin", "password")
    assert (taken.code, taken.out) == (1, "")
    assert "name: another account has this already" in taken.err
    short = await run("create-account", "Other", "x.example.com", "admin", "12345", "--json")
    assert short.code == 1
    assert short.json["refused"]["field"] == "password"
    assert "12345" not in short.out + short.err


async def test_create_account_and_views_deploy_beside_kazoo_name_command(run: Run, empty_system: Couch) -> None:
    await empty_system.create_database("system_data")
    for words in (["create-account", *SUB], ["views", "deploy"]):
        result = await run(*words, "--json")
        assert result.code == 1
        assert "sup " in result.err
        assert "KAZOO" in result.json["refused"]["message"]


async def test_explain_names_rule_and_document(run: Run, system: MasterCatalogue) -> None:
    app = await save_app(system)
    hidden = await save_app(system, name="hidden", published=False)
    created = (await run("create-account", *SUB, "--json")).json
    result = await run("explain", "sub.example.com")
    assert result.code == 0
    assert result.out.startswith(f"Account Sub Ltd  {created['account_id']}\n")
    assert f"Service plans: those of its reseller, {system.account_id}" in result.out
    assert f"visible  wallboard  {app['_id']}  decided by catalogue" in result.out
    assert f"catalogue  hides it  {hidden['_id']} rev {hidden['_rev']} in {system.database}: false" in result.out
    one = await run("explain", "sub.example.com", "wallboard", "--user", "admin", "--json")
    assert [found["name"] for found in one.json["apps"]] == ["wallboard"]
    assert one.json["user_id"] == created["user_id"]
    text = await run("explain", "sub.example.com", "wallboard", "--user", "admin")
    assert f"user {created['user_id']}" in text.out


async def test_explain_shows_installed_apps(run: Run, system: MasterCatalogue) -> None:
    app = await save_app(system)
    created = (await run("create-account", *SUB, "--json")).json
    database = account_db(created["account_id"])
    stored = await system.couch.open_doc(database, "apps_store")
    await system.couch.save_doc(database, {**stored, "apps": {app["_id"]: {"allowed_users": "all"}}})
    result = await run("explain", "sub.example.com", "wallboard")
    assert "decided by permission, installed" in result.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody"], "no account 'nobody'"),
        (["master.example.com", "--user", "nobody"], "no user 'nobody'"),
        (["master.example.com", "nothing"], "no app 'nothing'"),
    ],
)
async def test_explain_refuses_unknown_account_user_and_app(
    run: Run, system: MasterCatalogue, words: list[str], said: str
) -> None:
    result = await run("explain", *words)
    assert (result.code, result.out) == (1, "")
    assert said in result.err


async def test_doctor_finds_and_repairs(run: Run, system: MasterCatalogue, audited: Audited) -> None:
    assert (await run("doctor")).out.endswith("No problems found.\n")
    app = await save_app(system, i18n={})
    sick = await run("doctor")
    assert sick.code == 1
    assert f"error    label: app wallboard ({app['_id']}): " in sick.out
    assert f"repair: crossbar-appstore set-app-label {app['_id']} LABEL" in sick.out
    assert "--fix makes the label from the name: wallboard" in sick.out
    assert sick.out.endswith("1 errors, 1 warnings.\n")
    assert audited() == []
    repaired = await run("doctor", "--fix")
    (event,) = audited()
    assert (event["action"], event["app_id"], event["who"]["command"]) == ("app.update", app["_id"], "doctor")
    assert repaired.code == 0
    assert "repaired " in repaired.out
    healthy = (await run("doctor", "--json")).json
    assert (healthy["healthy"], healthy["repaired"]) == (True, [])


async def test_doctor_checks_accounts(run: Run, system: MasterCatalogue) -> None:
    created = (await run("create-account", *SUB, "--json")).json
    database = account_db(created["account_id"])
    stored = await system.couch.open_doc(database, "apps_store")
    await system.couch.save_doc(database, {**stored, "apps": None})
    assert (await run("doctor")).code == 0
    for words in (["--account", "Sub Ltd"], ["--all-accounts"]):
        assert "apps is not an object" in (await run("doctor", *words)).out
    unknown = await run("doctor", "--account", "nobody")
    assert unknown.code == 1
    assert "nobody" in unknown.err


async def test_export_apps_loads_again(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    app = await save_app(system)
    other = await save_app(system, name="notes")
    dry = await run("export-apps", str(tmp_path / "out"), "--dry-run")
    assert dry.out.splitlines()[0] == f"would be written: 2 of 2 files  {tmp_path}/out/notes"
    assert not (tmp_path / "out").exists()
    result = await run("export-apps", str(tmp_path / "out"), "wallboard", other["_id"])
    assert result.code == 0
    assert result.out.startswith("wrote 2 of 2 files")
    same = await run("diff-apps", str(tmp_path / "out"))
    assert (same.code, same.out.splitlines()[-1]) == (0, "2 same.")
    await run("remove-app", "wallboard", "--yes")
    await run("set-app-field", "notes", "version", "2.0")
    different = await run("diff-apps", str(tmp_path / "out"))
    assert different.code == 1
    assert '    version: "2.0" → "1.0"' in different.out
    assert different.out.endswith("1 different, 1 only in folder.\n")
    await run("init-apps", str(tmp_path / "out"))
    again = await system.open(app["_id"])
    assert again["_attachments"]["icon.png"]["digest"] == app["_attachments"]["icon.png"]["digest"]
    compared = (await run("diff-apps", str(tmp_path / "out"), "--json")).json["apps"]
    assert {one["name"]: one["state"] for one in compared} == {"wallboard": "same", "notes": "different"}


async def test_export_apps_reports_what_it_leaves_out(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    await save_app(system, screenshots=["../up.png"])
    result = await run("export-apps", str(tmp_path), "--json")
    assert result.code == 1
    assert result.json["apps"][0]["remarks"][0]["rule"] == "inside"
    assert "left out" in (await run("export-apps", str(tmp_path))).out


async def test_export_apps_names_folder_that_cannot_be_written(
    run: Run, system: MasterCatalogue, tmp_path: Path
) -> None:
    await save_app(system)
    (tmp_path / "wallboard").write_text("in the way")
    result = await run("export-apps", str(tmp_path))
    assert result.code == 1
    assert str(tmp_path / "wallboard") in result.err


async def test_diff_apps_reports_unreadable_folders(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    app = await save_app(system)
    make_app(tmp_path, "broken", content=b"{")
    result = await run("diff-apps", str(tmp_path))
    assert result.code == 1
    assert "unreadable         (no name)" in result.out
    assert f"only in catalogue  wallboard  {app['_id']}" in result.out


async def test_views_deploy_installs_missing_design_document(run: Run, system: MasterCatalogue) -> None:
    design = await system.couch.open_doc(system.database, "_design/users")
    await system.couch.delete_doc(system.database, "_design/users", design["_rev"])
    dry = await run("views", "deploy", "--dry-run")
    count = sum(len(names_for(databases)) for databases in (DatabaseClass.ACCOUNTS, DatabaseClass.ACCOUNT))
    assert dry.out.endswith(f"Would be changed: 1 of {count} design documents.\n")
    result = await run("views", "deploy")
    assert result.code == 0
    assert f"installed  {system.database}/_design/users: creds_by_md5" in result.out
    again = (await run("views", "deploy", "--all-accounts", "--json")).json
    assert {one["deployment"] for one in again["design_documents"]} == {"unchanged"}
    unknown = await run("views", "deploy", "--account", "nobody")
    assert unknown.code == 1


async def test_sup_runs_command_lines_of_kazoo(run: Run, empty_system: Couch, tmp_path: Path) -> None:
    icon = make_app(tmp_path / "apps") / "metadata" / "icon" / "icon.png"
    shots = icon.parent.parent / "screenshots"
    lines: dict[str, list[str]] = {
        "create_account": [*SUB],
        "init_apps": [str(tmp_path / "apps"), "http://your.api.server:8000/v2"],
        "init_app": [str(tmp_path / "apps" / "wallboard")],
        "refresh_apps": [str(tmp_path / "apps")],
        "refresh_app": [str(tmp_path / "apps" / "wallboard"), "http://your.api.server:8000/v2"],
        "apps": [],
        "app": ["wallboard"],
        "set_app_field": ["wallboard", "version", "1.1"],
        "set_app_label": ["wallboard", "Board"],
        "set_app_description": ["wallboard", "Words"],
        "set_app_extended_description": ["wallboard", "Words"],
        "set_app_features": ["wallboard", "One@Two"],
        "set_app_icon": ["wallboard", str(icon)],
        "set_app_screenshots": ["wallboard", str(shots)],
    }
    assert set(lines) == set(SUP_FUNCTIONS)
    for function, arguments in lines.items():
        result = await run("sup", "crossbar_maintenance", function, *arguments)
        assert result.code == 0, function
        # A password on the command line is worth a warning.
        assert ("Warning: a password" in result.err) is (function == "create_account")
        assert function == "create_account" or result.err == ""
    catalogue = await MasterCatalogue.of(empty_system)
    document = await catalogue.open("wallboard")
    assert document["api_url"] == "http://your.api.server:8000/v2"
    assert document["version"] == "1.1"
    assert document["i18n"]["en-US"] == {
        "label": "Board",
        "description": "Words",
        "extended_description": "Words",
        "features": ["One", "Two"],
    }


async def test_sup_passes_options_to_verb(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path)
    result = await run("sup", "kazoo_documents_maintenance", "init_apps", str(tmp_path), "--dry-run", "--json")
    assert result.json["dry_run"] is True
    assert await system.apps() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["crossbar_maintenance", "migrate"], "migrate"),
        (["kapps_maintenance", "refresh"], "kapps_maintenance"),
        (["crossbar_maintenance", "apps", "x"], "takes 0 arguments, not 1"),
        (["crossbar_maintenance", "init_apps"], "takes 1 or 2 arguments, not 0"),
        (["crossbar_maintenance"], "FUNCTION"),
    ],
)
async def test_sup_refuses_other_functions(run: Run, words: list[str], said: str) -> None:
    result = await run("sup", *words)
    assert result.code == 2
    assert said in result.err


async def test_sup_returns_exit_code_of_verb(run: Run, system: MasterCatalogue) -> None:
    assert (await run("sup", "crossbar_maintenance", "app", "nothing")).code == 1


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete")])
async def test_completion_prints_script(run_alone: Run, shell: str, word: str) -> None:
    result = await run_alone("completion", shell)
    assert result.code == 0
    assert word in result.out
    assert "crossbar-appstore" in result.out
    assert "_CROSSBAR_APPSTORE_COMPLETE" in result.out


async def test_completion_completes_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_alone: Run) -> None:
    monkeypatch.setenv("_CROSSBAR_APPSTORE_COMPLETE", "bash_complete")
    for line, expected in (("set-app-i", "set-app-icon"), ("sup crossbar_maintenance set_app_i", "set_app_icon")):
        words = ["crossbar-appstore", *line.split()]
        monkeypatch.setenv("COMP_WORDS", " ".join(words))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        result = await run_alone()
        assert result.out.split() == [f"plain,{expected}"]


@pytest.fixture
def complete(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[list[str]]]:
    """What bash is offered for the last of these words."""

    async def completed(*words: str) -> list[str]:
        monkeypatch.setenv("_CROSSBAR_APPSTORE_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", " ".join(["crossbar-appstore", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        result = await run()
        monkeypatch.delenv("_CROSSBAR_APPSTORE_COMPLETE")
        assert result.err == ""
        return result.out.split("\n")[:-1] if result.out.strip() else []

    return completed


async def test_completion_completes_names_of_system(
    run: Run, system: MasterCatalogue, complete: Callable[..., Awaitable[list[str]]]
) -> None:
    await save_app(system)
    await save_app(system, name="walkie-talkie")
    await run("create-account", *SUB)
    assert await complete("app", "wa") == ["plain,walkie-talkie", "plain,wallboard"]
    assert await complete("publish-app", "wall") == ["plain,wallboard"]
    assert await complete("explain", "Sub\\ Ltd", "walk") == ["plain,walkie-talkie"]
    assert await complete("explain", "su") == ["plain,'Sub Ltd'", "plain,sub.example.com"]
    assert await complete("doctor", "--account", "sub.") == ["plain,sub.example.com"]
    assert await complete("set-password", "sub.example.com", "ad") == ["plain,admin"]
    assert await complete("demote", "--account", "sub.example.com", "''") == ["plain,admin"]
    assert await complete("app", "--couchdb-url", "http://127.0.0.1:9", "wa") == []
    assert await complete("app", "--couchdb-url", "nonsense", "wa") == []


async def test_completion_without_account_offers_nothing(
    empty_system: Couch, complete: Callable[..., Awaitable[list[str]]]
) -> None:
    for verb in ("app", "users", "demote"):
        assert await complete(verb, "a") == []


def test_completion_script_loads_in_bash(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    words = [sys.executable, "-m", "crossbar_appstore", "completion", "bash"]
    script = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    done = subprocess.run(
        [bash, "-c", f"{script}\ncomplete -p crossbar-appstore"], check=True, capture_output=True, text=True
    )
    assert "_crossbar_appstore_completion" in done.stdout


async def test_json_option_prints_only_json(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    app: JsonObject = await save_app(system, i18n={})
    make_app(tmp_path)
    for words in (
        ["apps"],
        ["app", app["_id"]],
        ["doctor"],
        ["explain", "master.example.com"],
        ["views", "deploy"],
        ["diff-apps", str(tmp_path)],
        ["init-apps", str(tmp_path)],
    ):
        assert isinstance(json.loads((await run(*words, "--json")).out), dict)
