import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossbar_appstore.bench.accounting import Usage, cpu_seconds, parse_ps, parse_stat, usage

STAT = "4711 (a (strange) name) S 12 4711 4711 0 -1 4194560 1 0 0 0 250 50 7 7 20 0 3 0 99 1000000 300 184467440737"


def test_a_line_of_proc_is_read_whatever_the_program_is_called() -> None:
    assert parse_stat(4711, STAT, ticks=100, page=4096) == Usage(4711, 12, 3.0, 300 * 4096)


@pytest.mark.parametrize(
    ("time", "seconds"), [("00:01", 1.0), ("0:01.25", 1.25), ("1:02:03", 3723.0), ("2-00:00:10", 172_810.0)]
)
def test_a_line_of_ps_is_read_with_its_kinds_of_time(time: str, seconds: float) -> None:
    assert parse_ps(f" 4711  12 {time}  2048") == Usage(4711, 12, seconds, 2048 * 1024)


def test_children_count_with_their_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        found = usage(os.getpid())
        assert found[0].pid == os.getpid()
        assert child.pid in {each.pid for each in found}
        assert child.stdin is not None
        child.stdin.close()


def test_a_process_that_ended_has_no_usage() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pid = child.pid
    with pytest.raises(ProcessLookupError):
        usage(pid)


def test_work_takes_processor_time() -> None:
    before = cpu_seconds(os.getpid())
    sum(number * number for number in range(1_000_000))
    assert cpu_seconds(os.getpid()) > before


def test_without_proc_the_figures_come_from_ps(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = f"{os.getpid()} 1 00:07 1024\n9999999 {os.getpid()} 00:05 512\n"
    monkeypatch.setattr("crossbar_appstore.bench.accounting._PROC", Path("/nowhere"))
    monkeypatch.setattr(
        subprocess, "run", lambda *_, **__: subprocess.CompletedProcess((), 0, stdout=printed, stderr="")
    )
    assert cpu_seconds(os.getpid()) == 12.0
