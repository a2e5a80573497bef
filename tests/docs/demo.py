"""Starts ``crossbar-appstore demo`` as ``./scripts/demo`` does, on free ports."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PATIENCE: Final = 180.0
"""Seconds; the first start of a machine installs the CouchDB."""
_SETTING: Final = re.compile(r"(?:COUCHDB|CROSSBAR|KAZOO|AMQP)_")
_END: Final = "Stop with Ctrl-C."


@dataclass(frozen=True, slots=True)
class Demo:
    """Addresses without a slash at the end."""

    api: str
    couchdb: str


@asynccontextmanager
async def running_demo(data: Path, cache: Path) -> AsyncIterator[Demo]:
    places = ("--crossbar-data-dir", str(data), "--crossbar-cache-dir", str(cache))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crossbar_appstore", "demo", "--crossbar-port", "0", *places),
        env=without_settings(),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        said = await _until_ready(process)
        api, fauxton = (_address(said, name) for name in ("API", "Fauxton"))
        yield Demo(api.removesuffix("/v2"), fauxton.removesuffix("/_utils/"))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def without_settings() -> dict[str, str]:
    """The environment without the variables of the service."""
    return {name: value for name, value in os.environ.items() if not _SETTING.match(name)}


async def _until_ready(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(_PATIENCE):
        while _END not in said:
            line = (await process.stdout.readline()).decode()
            assert line, f"the demo ended:\n{said}"
            said += line
    return said


def _address(said: str, name: str) -> str:
    found = re.search(rf"^  {name} +(\S+)$", said, re.MULTILINE)
    assert found, said
    return found[1]
