"""Installs PouchDB Server from npm, once for each lock file, into the user's cache directory."""

import asyncio
import hashlib
import shutil
import tempfile
from pathlib import Path

from crossbar_appstore.embedded.errors import InstallFailed
from crossbar_appstore.embedded.locking import file_lock
from crossbar_appstore.embedded.node import Node

PROJECT = Path(__file__).parent / "npm"
_LISTED = ("package.json", "package-lock.json")
_NPM_CI = ("ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error")
_TAIL = 2_000  # characters of npm's words that an error repeats


def installation(cache: Path) -> Path:
    """The directory for PouchDB Server as the lock file pins it; it exists only when it is complete."""
    content = b"\0".join((PROJECT / name).read_bytes() for name in _LISTED)
    return cache / f"pouchdb-server-{hashlib.sha256(content).hexdigest()[:16]}"


async def installed(cache: Path, node: Node) -> Path:
    """The same directory, after installing into it if needed. Two processes may ask at once: one waits for the other.

    Raises:
        InstallFailed: npm failed.
    """
    target = installation(cache)
    if target.is_dir():
        return target
    await asyncio.to_thread(cache.mkdir, parents=True, exist_ok=True)
    async with file_lock(cache / "install.lock"):
        if not target.is_dir():
            await _install(target, node)
    return target


async def _install(target: Path, node: Node) -> None:
    workshop = await asyncio.to_thread(_prepare, target.parent)
    try:
        await _run_npm(node, workshop)
        # Renamed only when whole, so that a directory of the right name is always complete.
        workshop.rename(target)
    finally:
        await asyncio.to_thread(shutil.rmtree, workshop, ignore_errors=True)


def _prepare(cache: Path) -> Path:
    for abandoned in cache.glob("installing-*"):
        # We hold the lock, so what lies here is of an installation that was killed.
        shutil.rmtree(abandoned, ignore_errors=True)
    workshop = Path(tempfile.mkdtemp(prefix="installing-", dir=cache))
    for name in _LISTED:
        shutil.copyfile(PROJECT / name, workshop / name)
    return workshop


async def _run_npm(node: Node, workshop: Path) -> None:
    npm = await asyncio.create_subprocess_exec(
        *node.npm,
        *_NPM_CI,
        cwd=workshop,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        printed, _ = await npm.communicate()
    except asyncio.CancelledError:
        npm.kill()
        await npm.wait()
        raise
    if npm.returncode:
        said = printed.decode(errors="replace").strip()[-_TAIL:]
        raise InstallFailed(f"npm could not install PouchDB Server (exit code {npm.returncode}):\n{said}")
