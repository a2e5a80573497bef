import shutil
from pathlib import Path

import pytest

from crossbar_appstore.bench import load, profiling
from crossbar_appstore.bench.processes import CannotMeasure
from crossbar_appstore.bench.profiling import Share, py_spy, shares
from crossbar_appstore.bench.ratios import Effort
from crossbar_appstore.bench.stage import Bench, Scale

STACKS = """\
run (a.py:1);answer (b.py:5);dumps (c.py:7) 30
run (a.py:2);answer (b.py:9) 50
run (a.py:2);answer (b.py:9);answer (b.py:9) 10
run (a.py:1);<built-in> 10
"""


def test_a_function_has_its_own_samples_and_those_of_what_it_calls_once_each() -> None:
    assert shares(STACKS.splitlines()) == [
        Share("answer (b.py)", 0.6, 0.9),
        Share("dumps (c.py)", 0.3, 0.3),
        Share("<built-in>", 0.1, 0.1),
        Share("run (a.py)", 0.0, 1.0),
    ]


async def test_without_py_spy_there_is_no_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    bench = Bench(tmp_path, tmp_path, Effort(load.python, 1), Scale())
    with pytest.raises(CannotMeasure, match="py-spy"):
        await profiling.profile(bench, "list", 1)


@pytest.mark.skipif(py_spy() is None, reason="py-spy is not here")
@pytest.mark.timeout(120)
async def test_a_profile_shows_where_the_time_of_a_request_goes(tmp_path: Path, embedded_cache: Path) -> None:
    bench = Bench(tmp_path, embedded_cache, Effort(load.python, 1, warm_up=0.2), Scale())
    try:
        found = await profiling.profile(bench, "404", 2)
    except CannotMeasure as error:
        pytest.skip(str(error))  # not every system lets one process look into another
    assert sum(share.own for share in found) == pytest.approx(1.0)
    assert any("pipeline.py" in share.function for share in found)
