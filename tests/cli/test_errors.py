"""What the program says instead of a traceback, and the JSON of a refusal."""

import asyncio
import io
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from crossbar_appstore.cli.program import VERBS, program
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.maintenance.lookup import MasterCatalogue
from tests.cli.conftest import VARIABLES, Run
from tests.maintenance.folders import make_app
from tests.maintenance.test_editing import save_app

LABEL = "Tableau d’équipe 電話"


async def outcome(*words: str, **variables: str | None) -> tuple[int | None, bytes, bytes]:
    """Run the program as a process; its exit code, output and errors. ``None`` removes a variable."""
    kept = {name: value for name, value in os.environ.items() if name not in (*VARIABLES, *variables)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crossbar_appstore", *words),
        env=kept | {name: value for name, value in variables.items() if value is not None},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out, err


def unused_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 300, "192.0.2.1"])
async def test_serve_names_host_that_cannot_be_used(couchdb_url: str, host: str) -> None:
    code, _, err = await outcome("serve", "--couchdb-url", couchdb_url, "--crossbar-host", host)
    assert code == 1
    last = err.decode().splitlines()[-1]
    assert last.startswith(f"Error: cannot listen on {host}:8000: ")
    assert "--crossbar-host" in last
    assert b"Traceback" not in err


async def test_serve_port_in_use_names_option(couchdb_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, _, err = await outcome("serve", "--couchdb-url", couchdb_url, "--crossbar-port", port)
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in err.decode()
    assert "--crossbar-port" in err.decode()


async def test_demo_names_unusable_home(embedded_cache: Path, tmp_path: Path) -> None:
    in_the_way = tmp_path / "home"
    in_the_way.write_text("a file")
    homeless = {"HOME": str(in_the_way), "XDG_CACHE_HOME": None, "XDG_DATA_HOME": None}
    code, _, err = await outcome("demo", **homeless)
    assert (code, err.count(b"\n")) == (1, 1)
    assert str(in_the_way) in err.decode()
    assert "CROSSBAR_CACHE_DIR" in err.decode()
    code, _, err = await outcome("demo", "--crossbar-cache-dir", str(embedded_cache), **homeless)
    assert (code, err.count(b"\n")) == (1, 1)
    assert "CROSSBAR_DATA_DIR" in err.decode()


async def test_app_prints_texts_that_encoding_lacks(couchdb_url: str, system: MasterCatalogue) -> None:
    await save_app(system, i18n={"en-US": {"label": LABEL}})
    words, ascii_only = ("app", "wallboard", "--couchdb-url", couchdb_url), {"PYTHONIOENCODING": "ascii"}
    code, out, err = await outcome(*words, **ascii_only)
    assert code == 0
    assert "Tableau d\\u2019\\xe9quipe \\u96fb\\u8a71" in out.decode("ascii")
    assert err.count(b"\n") == 1
    assert b"PYTHONIOENCODING=utf-8" in err
    code, out, err = await outcome(*words, "--json", **ascii_only)
    assert (code, err) == (0, b"")
    assert json.loads(out.decode("ascii"))["app"]["i18n"]["en-US"]["label"] == LABEL
    code, out, err = await outcome(*words, PYTHONIOENCODING="utf-8")
    assert (code, err) == (0, b"")
    assert LABEL in out.decode()


async def test_init_apps_loads_apps_whose_names_encoding_lacks(
    couchdb_url: str, system: MasterCatalogue, tmp_path: Path
) -> None:
    folder = tmp_path / "Büro"
    make_app(folder)
    make_app(folder, "notes")
    words = ("init-apps", str(folder), "--couchdb-url", couchdb_url)
    code, out, _ = await outcome(*words, PYTHONIOENCODING="ascii")
    assert (code, b"2 created." in out) == (0, True)
    assert len(await system.apps()) == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["app", "nothing"], 1),
        (["app"], 2),
        (["set-app-label", "nothing", "x"], 1),
        (["set-app-label", "x", "y", "--language", "e"], 2),
        (["explain", "nobody"], 1),
        (["doctor", "--account", "nobody"], 1),
        (["views", "deploy", "--account", "nobody"], 1),
        (["init-apps", "/nowhere"], 2),
        (["export-apps", "/dev/null/x", "wallboard"], 1),
        (["remove-app", "nothing"], 1),
        (["installs", "nothing"], 1),
        (["installs", "--below", "nobody"], 1),
        (["install", "nothing", "--all"], 1),
        (["install", "wallboard"], 2),
        (["uninstall", "wallboard", "--accounts", "nobody"], 1),
        (["blacklist", "add", "nobody", "wallboard"], 1),
        (["apps", "--couchdb-url", "ftp://x"], 2),
        (["apps", "--couchdb-url", "http://127.0.0.1:9"], 3),
    ],
)
async def test_refusal_is_json(run: Run, system: MasterCatalogue, words: list[str], code: int) -> None:
    await save_app(system)
    result = await run(*words, "--json")
    assert result.code == code
    assert result.json["refused"]["message"] in result.err
    assert (await run(*words)).out == ""


@pytest.mark.parametrize(
    "words",
    [
        ["app", "\udcff"],
        ["users", "\udcff"],
        ["set-app-label", "wallboard", "\udcff"],
        ["apps", "--couchdb-url", "\udcff"],
    ],
)
async def test_argument_that_is_not_utf8_is_refused(run: Run, system: MasterCatalogue, words: list[str]) -> None:
    await save_app(system)
    result = await run(*words, "--json")
    assert result.code == 2
    assert "'\\udcff' is not text in UTF-8" in result.json["refused"]["message"]


async def test_variable_that_is_not_utf8_is_refused(couchdb_url: str) -> None:
    code, _, err = await outcome("apps", COUCHDB_URL=f"{couchdb_url}\udcff")
    assert (code, err) == (2, b"Error: COUCHDB_URL: it is not text in UTF-8\n")


async def test_refusal_without_account_is_json(run: Run, empty_system: Couch) -> None:
    for words in (["apps"], ["init-apps", str(Path(__file__).parent)], ["diff-apps", str(Path(__file__).parent)]):
        result = await run(*words, "--json")
        assert result.code == 1
        assert "create-account" in result.json["refused"]["message"]


async def test_json_after_two_dashes_is_no_option(run: Run, system: MasterCatalogue) -> None:
    result = await run("app", "--", "--json")
    assert (result.code, result.out) == (1, "")


async def test_remove_app_without_terminal_names_yes(
    run: Run, system: MasterCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = await save_app(system)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    result = await run("remove-app", "wallboard", "--json")
    assert result.code == 2
    assert "--yes" in result.err
    assert "--yes" in result.json["refused"]["message"]
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert (await run("remove-app", "wallboard", "--json")).json["refused"]["message"] == "nothing was removed"
    assert await system.by_id(app["_id"]) is not None


async def test_dry_runs_say_would_be(run: Run, system: MasterCatalogue, tmp_path: Path) -> None:
    await save_app(system, i18n={})
    make_app(tmp_path / "apps", "notes")
    design = await system.couch.open_doc(system.database, "_design/users")
    await system.couch.delete_doc(system.database, "_design/users", design["_rev"])
    for words in (
        ["init-apps", str(tmp_path / "apps")],
        ["refresh-apps", str(tmp_path / "apps")],
        ["set-app-label", "wallboard", "Board"],
        ["unpublish-app", "wallboard"],
        ["remove-app", "wallboard"],
        ["install", "wallboard", "--all"],
        ["blacklist", "set", "master.example.com", "wallboard"],
        ["export-apps", str(tmp_path / "out")],
        ["doctor"],
        ["create-account", "Sub", "sub.example.com", "admin", "password"],
        ["demote", "boss"],
        ["set-password", "master.example.com", "boss", "--password-file", __file__],
        ["api-key", "master.example.com", "--new"],
    ):
        first = (await run(*words, "--dry-run")).out.splitlines()[0]
        assert first.startswith("would be "), first
    deploy = (await run("views", "deploy", "--dry-run")).out.splitlines()
    changed = [line for line in deploy if "_design/users" in line]
    assert all(line.startswith("would be installed") for line in changed)
    assert deploy[-1].startswith("Would be changed: 1 of")


def test_verbs_that_use_couchdb_have_the_option_of_the_broker() -> None:
    with_option = {"--couchdb-url": set[str](), "--amqp-url": set[str]()}
    for verb in VERBS:
        shown = CliRunner().invoke(program, [verb, "--help"]).output
        for option, verbs in with_option.items():
            if option in shown:
                verbs.add(verb)
    assert with_option["--amqp-url"] == with_option["--couchdb-url"] > {"serve", "doctor"}


def test_verbs_have_different_help() -> None:
    helps = [CliRunner().invoke(program, [verb, "--help"]).output.partition("\n\n")[2] for verb in VERBS]
    sentences = [text.strip().partition(".")[0] for text in helps]
    assert len(set(sentences)) == len(sentences)
    assert sentences[list(VERBS).index("app")] == "Print an app with all its fields"
    assert "App Exchange" in sentences[list(VERBS).index("publish-app")]


async def test_doctor_calls_couchdb_by_its_name(run: Run, system: MasterCatalogue) -> None:
    server = next(each for each in (await run("doctor", "--json")).json["findings"] if each["check"] == "server")
    assert server["subject"].startswith(("CouchDB ", "PouchDB Server "))


@pytest.fixture
def hangup_ends_processes() -> Iterator[None]:
    """Lets SIGHUP end what a test starts, even if the tests themselves were started with nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup_ends_processes")
async def test_serve_drains_on_hangup_unless_it_is_ignored(couchdb_url: str) -> None:
    words = [sys.executable, "-m", "crossbar_appstore", "serve", "--couchdb-url", couchdb_url, "--crossbar-port", "0"]
    for command, code in ((words, 0), (["nohup", *words], None)):
        process = await asyncio.create_subprocess_exec(
            *command,
            env={name: value for name, value in os.environ.items() if name not in VARIABLES},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        try:
            while b'"listening"' not in await process.stderr.readline():
                assert process.returncode is None
            process.send_signal(signal.SIGHUP)
            if code is None:
                await asyncio.sleep(0.5)
                assert process.returncode is None
                process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                assert await process.wait() == 0
        finally:
            # A service that goes on would disturb the tests that follow.
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_serve_on_empty_couchdb_names_create_account(empty_system: Couch) -> None:
    words = ("serve", "--couchdb-url", empty_system.address, "--crossbar-port", unused_port())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crossbar_appstore", *words),
        env={name: value for name, value in os.environ.items() if name not in VARIABLES},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    lines = []
    while b'"listening"' not in (line := await process.stderr.readline()):
        assert line
        lines.append(json.loads(line))
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    warnings = [line["message"] for line in lines if line["level"] == "WARNING"]
    assert any("create-account" in message for message in warnings)
