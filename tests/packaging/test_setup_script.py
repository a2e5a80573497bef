"""``scripts/setup`` where it cannot set anything up: an old Python, another user's environment."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
OLD_PYTHON = "#!/bin/sh\nexit 1\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the script alone."""
    place = tmp_path / "checkout"
    shutil.copytree(SCRIPTS, place / "scripts")
    for name in ("setup.cfg", "pyproject.toml"):
        (place / name).touch()
    return place


def set_up(checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [str(checkout / "scripts/setup"), "test"]
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=30)


def programs(place: Path, **scripts: str) -> str:
    """A PATH on which these programs come first."""
    place.mkdir()
    for name, script in scripts.items():
        (place / name.replace("_", ".")).write_text(script)
        (place / name.replace("_", ".")).chmod(0o755)
    return f"{place}:{os.environ['PATH']}"


def test_setup_with_old_python_says_one_line(checkout: Path, tmp_path: Path) -> None:
    names = ("python3", "python3_14", "python3_13", "python3_12", "python3_11", "python")
    done = set_up(checkout, PATH=programs(tmp_path / "bin", **dict.fromkeys(names, OLD_PYTHON)))
    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.11 or newer")
    assert done.stderr.count("\n") == 1
    assert not (checkout / ".venv").exists()


def test_setup_leaves_environment_of_another_user(checkout: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a directory to another user")
    venv = checkout / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").write_text(OLD_PYTHON)
    os.chown(venv, 65534, 65534)
    done = set_up(checkout)
    assert done.returncode == 1
    assert f"{venv} belongs to nobody" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (venv / "bin/python").exists()


def test_setup_does_not_install_into_environment_of_another_user(checkout: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a directory to another user")
    venv = checkout / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").write_text(f"#!/bin/sh\necho called >>{checkout}/calls\n")
    (venv / "bin/python").chmod(0o755)
    os.chown(venv, 65534, 65534)
    assert "belongs to nobody" in set_up(checkout).stderr
    # Only asked whether it runs.
    assert (checkout / "calls").read_text().count("called") == 1
