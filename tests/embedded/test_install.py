import asyncio
import json
import sys
from pathlib import Path

import pytest

from crossbar_appstore.embedded.errors import InstallFailed
from crossbar_appstore.embedded.install import PROJECT, Node, installed


def npm(tmp_path: Path, body: str) -> Node:
    """An npm that runs ``body`` in the directory where it is to install."""
    script = tmp_path / "npm.py"
    script.write_text(f"import pathlib, sys, time\nhere = pathlib.Path.cwd()\n{body}\n", encoding="utf-8")
    return Node("node", (sys.executable, str(script)))


INSTALLS = """
assert sys.argv[1] == "ci" and "--ignore-scripts" in sys.argv
assert (here / "package-lock.json").exists() and (here / "package.json").exists()
with (here.parent / "calls").open("a") as calls:
    calls.write("x")
time.sleep(0.3)
(here / "node_modules").mkdir()
"""


def test_lock_file_pins_packages_by_digest_and_names_no_url() -> None:
    text = (PROJECT / "package-lock.json").read_text(encoding="utf-8")
    packages = json.loads(text)["packages"]
    assert packages["node_modules/pouchdb-server"]["version"] == "4.2.0"
    assert all("integrity" in package for name, package in packages.items() if name)
    assert "://" not in text


async def test_installed_installs_once_if_called_concurrently(tmp_path: Path) -> None:
    cache, node = tmp_path / "cache" / "deep", npm(tmp_path, INSTALLS)
    first, second = await asyncio.gather(installed(cache, node), installed(cache, node))
    assert first == second == await installed(cache, node)
    assert (first / "node_modules").is_dir()
    assert (cache / "calls").read_text(encoding="utf-8") == "x"


async def test_installed_cleans_up_and_repeats_npm_output_after_failure(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(InstallFailed, match=r"exit code 3.*\n.*no space left"):
        await installed(cache, npm(tmp_path, "print('no space left'); sys.exit(3)"))
    assert [entry.name for entry in cache.iterdir()] == ["install.lock"]
    assert (await installed(cache, npm(tmp_path, INSTALLS)) / "node_modules").is_dir()


async def test_installed_removes_leftovers_of_killed_installation(tmp_path: Path) -> None:
    left = tmp_path / "cache" / "installing-abc" / "node_modules"
    left.mkdir(parents=True)
    await installed(tmp_path / "cache", npm(tmp_path, INSTALLS))
    assert not left.parent.exists()


async def test_installed_kills_npm_and_cleans_up_when_cancelled(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    node = npm(tmp_path, "(here.parent / 'started').touch(); time.sleep(600)")
    task = asyncio.create_task(installed(cache, node))
    while not (cache / "started").exists():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(entry.name for entry in cache.iterdir()) == ["install.lock", "started"]
