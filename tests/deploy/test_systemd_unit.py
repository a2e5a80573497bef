"""The unit for systemd: accepted by systemd's own checks, and what it names exists."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from crossbar_appstore.cli.serving import serve
from crossbar_appstore.serving.supervisor import HANGING
from crossbar_appstore.serving.worker import DRAIN, LAST_REQUESTS
from crossbar_appstore.settings import SETTINGS
from tests.conftest import Need

UNIT = Path(__file__).parents[2] / "deploy/crossbar-appstore.service"
MOST_EXPOSURE = 2.5


@pytest.fixture
def analyze(need: Need) -> str:
    program = shutil.which("systemd-analyze")
    need("systemd-analyze", program)
    assert program is not None
    return program


def values(name: str) -> list[str]:
    """What the unit says of an option, each time."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def seconds(name: str) -> float:
    return float(values(name)[0])


@pytest.fixture(params=["crossbar-appstore.service", "crossbar-appstore@.service"])
def installed(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The unit with each name that its page gives it, and a program where it expects that."""
    for instance in ("", "i"):  # the instance that systemd-analyze chooses
        program = tmp_path / "opt" / instance / "bin/crossbar-appstore"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    unit: Path = tmp_path / request.param
    unit.write_text(UNIT.read_text().replace("/opt/crossbar-appstore/", f"{tmp_path}/opt/"))
    return unit


def test_unit_is_valid(analyze: str, installed: Path) -> None:
    done = subprocess.run([analyze, "verify", installed], capture_output=True, text=True, check=False)
    # It also complains about other units of the machine.
    assert [line for line in done.stderr.splitlines() if "crossbar-appstore" in line] == []
    assert done.returncode == 0, done.stderr


def test_unit_exposes_little(analyze: str) -> None:
    words = [analyze, "security", "--offline=true", "--no-pager", str(UNIT)]
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=env)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout
    assert 0 < float(found[1]) <= MOST_EXPOSURE


def test_unit_has_patience_enough() -> None:
    # The supervisor kills a worker two seconds after its requests should have been finished.
    assert seconds("TimeoutStopSec") > DRAIN + LAST_REQUESTS + 2
    assert seconds("WatchdogSec") >= HANGING


def test_unit_names_known_options_and_settings() -> None:
    [command] = values("ExecStart")
    program, verb, *options = command.split()
    assert (Path(program).name, verb) == ("crossbar-appstore", serve.name)
    assert set(options) <= {name for option in serve.params for name in option.opts}
    variables = [assignment.partition("=")[0] for assignment in values("Environment")]
    assert set(variables) <= {setting.variable for setting in SETTINGS}
    assert values("Environment")[0].endswith(f"=/run/{values('RuntimeDirectory')[0]}")
