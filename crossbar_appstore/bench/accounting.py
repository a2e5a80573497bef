"""What the operating system says of a process and its descendants: processor time and memory.

From ``/proc`` on Linux, to the nanosecond where the kernel keeps ``schedstat``; from ``ps`` elsewhere.
"""

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_PS: Final = ("ps", "-A", "-o", "pid=,ppid=,time=,rss=")


@dataclass(frozen=True, slots=True)
class Usage:
    """One process: user and system time in seconds, memory in RAM in bytes."""

    pid: int
    parent: int
    cpu_seconds: float
    resident_bytes: int


def usage(pid: int) -> list[Usage]:
    """A process and its descendants that run, itself first.

    Raises:
        ProcessLookupError: it has ended.
    """
    everybody = {each.pid: each for each in (_of_proc() if (_PROC / "self/stat").exists() else _of_ps())}
    if pid not in everybody:
        raise ProcessLookupError(pid)
    found = [everybody[pid]]
    for each in found:
        found += [other for other in everybody.values() if other.parent == each.pid]
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its descendants so far."""
    return sum(_precise(each) for each in usage(pid))


def _precise(process: Usage) -> float:
    """The sum over its threads, where the kernel counts nanoseconds; ``stat`` counts hundredths of a second."""
    try:
        threads = list((_PROC / str(process.pid) / "task").glob("*/schedstat"))
        nanoseconds = sum(int(thread.read_text().split()[0]) for thread in threads)
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return process.cpu_seconds
    return nanoseconds / 1e9 or process.cpu_seconds


def _of_proc() -> Iterable[Usage]:
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            try:
                read = parse_stat(int(folder.name), (folder / "stat").read_text(), ticks, page)
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
            yield read


def parse_stat(pid: int, text: str, ticks: int, page: int) -> Usage:
    """One process from its ``/proc/<pid>/stat`` (proc(5)); ``ticks`` a second, ``page`` in bytes."""
    # The name of the program may hold spaces and parentheses; numbers follow the last one.
    fields = text.rpartition(")")[2].split()
    return Usage(pid, int(fields[1]), (int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * page)


def _of_ps() -> Iterable[Usage]:
    listed = subprocess.run(_PS, capture_output=True, text=True, check=True).stdout  # noqa: S603 (fixed words)
    return [parse_ps(line) for line in listed.splitlines()]


def parse_ps(line: str) -> Usage:
    """One process from a line of ``ps -o pid=,ppid=,time=,rss=``; the time is ``[[dd-]hh:]mm:ss[.cc]``."""
    pid, parent, time, kilobytes = line.split()
    days, _, clock = time.rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return Usage(int(pid), int(parent), int(days or 0) * 86_400 + seconds, int(kilobytes) * 1024)
