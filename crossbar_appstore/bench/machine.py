"""The machine that the figures are of."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from crossbar_appstore import __version__
from crossbar_appstore.json_codec import JsonObject

_PACKAGES: Final = ("aiohttp", "uvloop", "orjson", "aiocouch")
_CPU_INFO: Final = Path("/proc/cpuinfo")


def describe(generator: str) -> JsonObject:
    """What decides about the figures: processor, system, versions, and what else the machine is doing."""
    return {
        "processor": processor(_CPU_INFO.read_text() if _CPU_INFO.exists() else ""),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "crossbar-appstore": __version__,
        **{package: _version(package) for package in _PACKAGES},
        "load_generator": _wrk_version() if generator == "wrk" else generator,
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }


def processor(cpu_info: str) -> str:
    """The processor's name from Linux's ``/proc/cpuinfo``, else whatever the platform says."""
    for line in cpu_info.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _wrk_version() -> str:
    command = shutil.which("wrk") or "wrk"
    shown = subprocess.run([command, "-v"], capture_output=True, text=True, check=False).stdout  # noqa: S603 (fixed words)
    return " ".join(shown.split("Copyright")[0].split())
