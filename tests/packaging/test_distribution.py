"""The wheel and the sdist: built, installed into an empty environment, started from another directory."""

import asyncio
import json
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from crossbar_appstore import __version__
from tests.cli.shares import COMPLETIONS

pytestmark = pytest.mark.timeout(600)

CHECKOUT = Path(__file__).parents[2]
NOT_COPIED = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist", "node_modules")


@dataclass(frozen=True, slots=True)
class Distribution:
    source: Path
    sdist: Path
    wheel: Path


def run(*words: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    place = tmp_path_factory.mktemp("distribution")
    source = shutil.copytree(CHECKOUT, place / "source", ignore=NOT_COPIED)
    run(sys.executable, "-m", "build", "--outdir", place, source, cwd=place)
    [sdist], [wheel] = place.glob("*.tar.gz"), place.glob("*.whl")
    return Distribution(source, sdist, wheel)


@pytest.fixture(scope="module")
def environment(distribution: Distribution, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of an environment that holds the wheel and its requirements only."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=True)
    run(place / "bin/python", "-m", "pip", "install", "-qq", distribution.wheel, cwd=place)
    return place / "bin"


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def test_setup_cfg_names_every_package() -> None:
    config = ConfigParser()
    config.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    named = set(config["options"]["packages"].split())
    package = CHECKOUT / "crossbar_appstore"
    folders = {path.parent.relative_to(CHECKOUT) for path in package.rglob("*.py")}
    assert named == {
        *(".".join(folder.parts) for folder in folders),
        "crossbar_appstore.schemas",
        "crossbar_appstore.couchdb_views",
    }


def test_wheel_holds_package_and_data_only(distribution: Distribution) -> None:
    with zipfile.ZipFile(distribution.wheel) as wheel:
        content = {name for name in wheel.namelist() if ".dist-info/" not in name}
        licences = [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    expected = {f"crossbar_appstore/{name}" for name in files(distribution.source / "crossbar_appstore")}
    for data in ("schemas", "couchdb_views"):
        expected |= {f"crossbar_appstore/{data}/{name}" for name in files(distribution.source / data)}
    share = files(distribution.source / "deploy/share")
    assert "man/man1/crossbar-appstore-serve.1" in share
    expected |= {f"crossbar_appstore-{__version__}.data/data/share/{name}" for name in share}
    assert content == expected
    assert len(licences) == 1


def test_sdist_holds_sources_tests_and_docs(distribution: Distribution) -> None:
    with tarfile.open(distribution.sdist) as sdist:
        content = {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}
    for folder in ("benchmarks", "crossbar_appstore", "schemas", "couchdb_views", "tests", "scripts", "docs", "deploy"):
        assert {f"{folder}/{name}" for name in files(distribution.source / folder)} <= content
    assert {"setup.cfg", "pyproject.toml", "tox.ini", "mkdocs.yml", "LICENSE"} <= content
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"} <= content


def test_installed_package_imports_every_module(environment: Path, tmp_path: Path) -> None:
    code = (
        "import importlib, pkgutil, crossbar_appstore as package;"
        "names = [each.name for each in pkgutil.walk_packages(package.__path__, 'crossbar_appstore.')];"
        # What only the extra otel has packages for.
        "left = ('crossbar_appstore.__main__', 'crossbar_appstore.operations.tracing');"
        "[importlib.import_module(name) for name in names if name not in left];"
        "print(len(names))"
    )
    assert int(run(environment / "python", "-W", "error", "-c", code, cwd=tmp_path)) > 50


def test_package_data_of_installed_package_equals_checkout(environment: Path, tmp_path: Path) -> None:
    code = (
        "import json; from crossbar_appstore import package_data as data;"
        "print(json.dumps([[data.schema_names(), [*map(data.load_schema, data.schema_names())]],"
        " [data.couchdb_view_names(), [*map(data.load_couchdb_view, data.couchdb_view_names())]]]))"
    )
    found = json.loads(run(environment / "python", "-c", code, cwd=tmp_path))
    for folder, (names, contents) in zip(("schemas", "couchdb_views"), found, strict=True):
        in_checkout = {path.stem: json.loads(path.read_bytes()) for path in (CHECKOUT / folder).glob("*.json")}
        assert in_checkout
        assert dict(zip(names, contents, strict=True)) == in_checkout


def test_console_script_is_installed(environment: Path, tmp_path: Path) -> None:
    helped = run(environment / "crossbar-appstore", "--help", cwd=tmp_path)
    assert "serve" in helped
    assert "demo" in helped


def test_man_pages_and_completions_are_installed_where_programs_look(environment: Path) -> None:
    share = environment.parent / "share"
    assert (share / "man/man1/crossbar-appstore.1").is_file()
    assert all((share / path).is_file() for path in COMPLETIONS.values())


def test_metadata_names_author_licence_and_python(environment: Path, tmp_path: Path) -> None:
    code = (
        "import importlib.metadata\n"
        "for name, text in importlib.metadata.metadata('crossbar-appstore').items():\n"
        "    print(f'{name}: {text}')"
    )
    lines = run(environment / "python", "-c", code, cwd=tmp_path).splitlines()
    assert {"License: Apache-2.0", "Requires-Python: >=3.11", "Classifier: Typing :: Typed"} <= set(lines)
    assert [line for line in lines if line.startswith("Author: ")]


def test_requirements_have_no_conflicts(environment: Path, tmp_path: Path) -> None:
    assert "No broken requirements" in run(environment / "python", "-m", "pip", "check", cwd=tmp_path)


async def test_serve_of_installed_package_starts_answers_and_stops(
    environment: Path, couchdb_url: str, account_id: str, tmp_path: Path
) -> None:
    service = await asyncio.create_subprocess_exec(
        environment / "crossbar-appstore",
        "serve",
        cwd=tmp_path,
        env={"COUCHDB_URL": couchdb_url, "CROSSBAR_PORT": "0"},
        stderr=asyncio.subprocess.PIPE,
    )
    assert service.stderr is not None
    address = await address_in(service.stderr)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{address}/v2/accounts/{account_id}/apps_store") as reply,
    ):
        assert reply.headers["Content-Type"] == "application/json"
        assert (await reply.json())["status"] == "error"
    service.terminate()
    await service.communicate()
    assert service.returncode == 0


def test_serve_with_traces_but_without_their_extra_is_refused(environment: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [environment / "crossbar-appstore", "serve"],
        cwd=tmp_path,
        env={"COUCHDB_URL": "http://127.0.0.1:9", "CROSSBAR_OTEL": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "CROSSBAR_OTEL: the packages of the extra otel are not installed" in done.stderr
    assert done.stderr.count("\n") == 1


async def address_in(log: asyncio.StreamReader) -> str:
    """The address that the service logs."""
    lines = []
    async for line in log:
        lines.append(line)
        if address := json.loads(line).get("address"):
            return str(address)
    raise AssertionError(b"".join(lines).decode())
