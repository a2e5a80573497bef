import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crossbar_appstore.bench import load
from crossbar_appstore.bench.accounting import usage
from crossbar_appstore.bench.processes import CannotMeasure
from crossbar_appstore.bench.profiling import Share
from crossbar_appstore.bench.ratios import Effort
from crossbar_appstore.bench.rows import Row, Target
from crossbar_appstore.bench.stage import Scale
from crossbar_appstore.cli import benchmarking, main
from tests.kit.processes import gone

FOUND = [
    Row("list", "GET list", 1.5, "×", Target(most=1.6), "150 µs"),
    Row("cold", "reads for a cold account", 6, "reads", Target(most=5)),
]


@pytest.mark.parametrize(
    ("rows", "summary"), [(FOUND, "outside: cold"), (FOUND[:1], "every figure is inside its target")]
)
def test_figures_are_shown_and_written(
    rows: list[Row], summary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[object] = []

    async def measure(
        cache: Path, effort: Effort, scale: Scale, only: tuple[str, ...], found: Callable[[Row], None]
    ) -> None:
        asked.extend((cache, effort.generate, effort.rounds, scale.accounts, only))
        for row in rows:
            found(row)

    monkeypatch.setattr(benchmarking, "measure", measure)
    file = tmp_path / "figures.json"
    words = ["--only", "list", "--only", "cold", "--load", "python", "--json", str(file)]
    # A target that is missed is no failure.
    assert main(["bench", *words, "--crossbar-cache-dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for row in rows:
        assert f"{row.shown}  {row.target}" in printed
        assert row.verdict in printed
    assert printed.endswith(f"{summary}\n")
    written = json.loads(file.read_text())
    assert written["rows"] == [row.as_json() for row in rows]
    assert (written["rounds"], written["machine"]["load_generator"]) == (7, "python")
    assert asked == [tmp_path, load.python, 7, (10, 100_000), ("list", "cold")]
    assert main(["bench", "--quick", "--load", "wrk"]) == 0
    assert asked[6:] == [load.wrk, 3, (10, 2_000), ()]


def test_what_cannot_be_measured_is_said_and_what_was_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(*_: object) -> None:
        raise CannotMeasure("no luck")

    monkeypatch.setattr(benchmarking, "measure", fail)
    file = tmp_path / "figures.json"
    assert main(["bench", "--json", str(file)]) == 1
    assert "no luck" in capsys.readouterr().err
    assert json.loads(file.read_text())["rows"] == []


def test_a_profile_lists_functions(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async def profile(*_: object) -> list[Share]:
        return [Share("dumps (json_codec.py)", 0.25, 0.5)]

    monkeypatch.setattr(benchmarking, "profile", profile)
    assert main(["bench", "--profile", "list"]) == 0
    assert " 25.0%   50.0%  dumps (json_codec.py)" in capsys.readouterr().out


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_whoever_ends_it_leaves_nothing_running(number: signal.Signals, embedded_cache: Path) -> None:
    words = ["bench", "--only", "list", "--rounds", "60", "--load", "python"]
    words += ["--crossbar-cache-dir", str(embedded_cache)]
    with subprocess.Popen([sys.executable, "-m", "crossbar_appstore", *words], stdout=subprocess.DEVNULL) as bench:
        # The bench, Node, the service, the bare handler, and whoever asks them.
        started = _until(lambda: [each.pid for each in usage(bench.pid)], lambda pids: len(pids) >= 5)
        assert len(started) >= 5
        bench.send_signal(number)
        assert bench.wait(30) == 130
    left = _until(lambda: [pid for pid in started if not gone(pid)], lambda pids: not pids)
    assert left == []


def _until(look: Callable[[], list[int]], wanted: Callable[[list[int]], bool]) -> list[int]:
    """What is seen as soon as it is as wanted, or after a while."""
    end = time.monotonic() + 40
    seen = look()
    while not wanted(seen) and time.monotonic() < end:
        time.sleep(0.05)
        seen = look()
    return seen


def test_unknown_names_are_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--only", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err
