import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click
import pytest

from crossbar_appstore import __version__
from crossbar_appstore.cli.program import VERBS, program
from crossbar_appstore.maintenance.lookup import MasterCatalogue
from tests.cli.conftest import Run
from tests.cli.pages import names
from tests.datastore.fault_proxy import FaultProxy, Status
from tests.datastore.web_server import HTML, reply, server
from tests.maintenance.folders import make_app

NAMES = names()
"""Every verb; those of groups as two words."""


def command_of(name: str) -> click.Command:
    verb, _, below = name.partition(" ")
    command = program.get_command(click.Context(program), verb)
    assert command is not None
    if not below:
        assert not isinstance(command, click.Group)
        return command
    assert isinstance(command, click.Group)
    return command.commands[below]


async def test_version_option_prints_version(run_alone: Run) -> None:
    result = await run_alone("--version")
    assert (result.code, result.out.split()[-1]) == (0, __version__)


async def test_help_lists_every_verb_with_a_sentence(run_alone: Run) -> None:
    result = await run_alone("--help")
    assert result.code == 0
    lines = result.out.partition("Commands:")[2].split("\n")[1:-1]
    assert [line.split()[0] for line in lines] == list(VERBS)
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)


@pytest.mark.parametrize("name", NAMES)
async def test_verb_help_contains_example(run_alone: Run, name: str) -> None:
    result = await run_alone(*name.split(), "--help")
    assert result.code == 0
    assert command_of(name).help
    assert f"\n  Example:\n    crossbar-appstore {name}" in result.out


@pytest.mark.parametrize("name", NAMES)
def test_verbs_have_json_and_dry_run_options(name: str) -> None:
    options = {option for parameter in command_of(name).params for option in parameter.opts}
    printing = name not in ("serve", "demo", "sup", "completion")
    writing = name.startswith(
        (
            "init",
            "refresh",
            "set",
            "publish",
            "unpublish",
            "remove",
            "export",
            "create",
            "views",
            "promote",
            "demote",
            "api",
            "uninstall",
            "blacklist",
        )
    )
    assert ("--json" in options) is printing
    assert ("--dry-run" in options) is (writing or name in ("install", "doctor"))


async def test_unknown_verb_exits_with_two(run_alone: Run) -> None:
    result = await run_alone("lint-apps")
    assert result.code == 2
    assert "lint-apps" in result.err


async def test_no_verb_exits_with_two_and_shows_help(run_alone: Run) -> None:
    result = await run_alone()
    assert result.code == 2
    assert "Commands:" in result.err


@pytest.mark.parametrize(
    "words", [["app"], ["apps", "--nothing"], ["init-apps", "/nowhere"], ["set-app-label", "x", "y", "--language", "e"]]
)
async def test_wrong_usage_exits_with_two(run: Run, words: list[str]) -> None:
    assert (await run(*words)).code == 2


async def test_missing_couchdb_url_is_named(run_alone: Run) -> None:
    result = await run_alone("apps")
    assert result.code == 2
    assert "COUCHDB_URL" in result.err


@pytest.mark.parametrize("url", ["127.0.0.1:5984", "ftp://127.0.0.1", "http://127.0.0.1:5984/database"])
async def test_unusable_couchdb_url_exits_with_two(run_alone: Run, url: str) -> None:
    result = await run_alone("apps", "--couchdb-url", url)
    assert result.code == 2
    assert "COUCHDB_URL" in result.err


async def test_unreachable_couchdb_exits_with_three(run_alone: Run) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://somebody:secret@127.0.0.1:{probe.getsockname()[1]}"
        result = await run_alone("apps", "--couchdb-url", url)
    assert result.code == 3
    assert "CouchDB is away" in result.err
    assert "secret" not in result.err


def no_such_host(*args: object, **more: object) -> NoReturn:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def test_unknown_host_exits_with_four(run_alone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", no_such_host)
    result = await run_alone("apps", "--couchdb-url", "http://somebody:secret@couchdb.example.com:5984")
    assert (result.code, result.out) == (4, "")
    assert "the host of CouchDB is unknown: connection failed: couchdb.example.com cannot be resolved" in result.err
    assert "secret" not in result.err


@pytest.mark.parametrize("verb", ["apps", "doctor", "views deploy", "init-apps . http://127.0.0.1:8000/v2/"])
@pytest.mark.parametrize("answer", [reply(404, HTML), reply(200, b"Welcome", "text/plain")], ids=["404", "banner"])
@pytest.mark.parametrize("user", ["somebody:secret@", ""])
async def test_another_web_server_exits_with_four(
    run_alone: Run, verb: str, answer: Callable[[bytes], bytes], user: str
) -> None:
    async with server(answer) as place:
        result = await run_alone(*verb.split(), "--couchdb-url", f"http://{user}{place}")
    assert (result.code, result.out) == (4, "")
    assert "the address is not that of a CouchDB: the server answered" in result.err


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (Status(401, "Name or password is incorrect."), "CouchDB refuses the user and password: Name or password is"),
        (
            Status(401, "You are not a server admin."),
            "CouchDB does not allow the user to do this: You are",
        ),
        (Status(403, "You are not allowed to access this db."), "CouchDB does not allow the user to do this: You are"),
        (Status(403, "Account is temporarily locked due to …"), "CouchDB has locked the user out for some minutes: "),
    ],
)
async def test_refused_user_exits_with_four(
    run_alone: Run, system: MasterCatalogue, couchdb_url: str, refusal: Status, words: str
) -> None:
    async with FaultProxy(couchdb_url) as proxy:
        proxy.fail(refusal)
        result = await run_alone("apps", "--couchdb-url", proxy.url)
    assert (result.code, result.out) == (4, "")
    assert words in result.err


async def test_https_to_a_port_for_http_exits_with_four(run_alone: Run) -> None:
    async with server(reply(400, HTML)) as place:
        result = await run_alone("apps", "--couchdb-url", f"https://{place}")
    assert (result.code, result.out) == (4, "")
    assert "CouchDB's port does not speak TLS" in result.err


async def test_couchdb_url_names_several_nodes(run: Run, system: MasterCatalogue, couchdb_url: str) -> None:
    assert (await run("apps", "--couchdb-url", f"http://127.0.0.1:9,{couchdb_url}")).code == 0
    result = await run("doctor", "--couchdb-url", f"http://127.0.0.1:9,{couchdb_url}")
    assert "node: http://127.0.0.1:9: is unreachable" in result.out
    result = await run("doctor", "--couchdb-url", "http://127.0.0.1:9,http://127.0.0.1:10")
    assert result.code == 3
    assert "http://127.0.0.1:10: connection failed" in result.err


async def test_unusable_certificate_of_couchdb_exits_with_two(run_alone: Run) -> None:
    result = await run_alone("apps", "--couchdb-url", "https://db", "--couchdb-ca-file", "/no/such/ca.pem")
    assert result.code == 2
    assert "COUCHDB_CA_FILE: /no/such/ca.pem cannot be read: No such file or directory" in result.err


async def test_apps_without_accounts_names_create_account(run: Run, empty_system: object) -> None:
    result = await run("apps")
    assert result.code == 1
    assert "create-account" in result.err


async def test_couchdb_url_option_overrides_environment(
    run: Run, system: MasterCatalogue, couchdb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUCHDB_URL", "http://127.0.0.1:9")
    assert (await run("apps")).code == 3
    assert (await run("apps", "--couchdb-url", couchdb_url)).code == 0


async def test_kazoo_config_names_couchdb(
    run_alone: Run, system: MasterCatalogue, couchdb_url: str, tmp_path: Path
) -> None:
    host, _, port = couchdb_url.removeprefix("http://").rpartition("@")[2].partition(":")
    config = tmp_path / "config.ini"
    config.write_text(f'[bigcouch]\nip = "{host}"\nport = {port}\n')
    result = await run_alone("apps", "--kazoo-config", str(config))
    assert (result.code, result.err) == (0, "")
    missing = await run_alone("apps", "--kazoo-config", str(tmp_path / "none.ini"))
    assert missing.code == 2
    assert "KAZOO_CONFIG" in missing.err


def test_program_runs_as_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crossbar_appstore", "--version"], check=True, capture_output=True, text=True
    )
    assert done.stdout.split()[-1] == __version__


def first_line_of(*words: str) -> tuple[int, str]:
    """Run the program and close the pipe after one line of output; its exit code and standard error."""
    command = [sys.executable, "-m", "crossbar_appstore", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    return process.returncode, said


@pytest.mark.parametrize("option", ["--lenient", "--json"])
async def test_init_apps_completes_after_closed_pipe(
    couchdb_url: str, system: MasterCatalogue, tmp_path: Path, option: str
) -> None:
    for index in range(300):
        name = f"app-{chr(97 + index // 26)}{chr(97 + index % 26)}"
        make_app(tmp_path, name, icon="", screenshots=[], tags=["x" * 400])
    words = ("init-apps", str(tmp_path), option, "--couchdb-url", couchdb_url)
    assert await asyncio.to_thread(first_line_of, *words) == (0, "")
    assert len(await system.apps()) == 300


def test_importing_cli_does_not_import_aiohttp() -> None:
    code = "import sys; from crossbar_appstore.cli import main; sys.exit(int('aiohttp' in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_serving_does_not_import_rich() -> None:
    code = "import sys, crossbar_appstore.cli.serving; sys.exit(int('rich' in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)
