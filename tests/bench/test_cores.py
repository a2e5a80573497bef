"""Where and when processes run while latencies are measured."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from crossbar_appstore.bench.cores import apart, give_way, in_front

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="this system has no scheduling classes")


@pytest.fixture
def child() -> Iterator[int]:
    words = [sys.executable, "-c", "import time, sys; print(flush=True); time.sleep(60)"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_who_gives_way_runs_when_nobody_else_does(child: int) -> None:
    give_way(child)
    assert os.sched_getscheduler(child) == os.SCHED_IDLE


def test_where_there_are_no_such_classes_priority_does(child: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "SCHED_IDLE")
    give_way(child)
    assert os.getpriority(os.PRIO_PROCESS, child) == 19


def test_a_server_has_a_core_of_its_own_for_a_while(child: int) -> None:
    everywhere = os.sched_getaffinity(0)
    with apart([child]):
        if len(everywhere) > 1:
            assert len(os.sched_getaffinity(child)) == 1
            assert os.sched_getaffinity(0) == everywhere - os.sched_getaffinity(child)
    assert os.sched_getaffinity(0) == os.sched_getaffinity(child) == everywhere


def test_on_one_core_all_stay_where_they_are(child: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.sched_getaffinity(child)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    with apart([child]):
        monkeypatch.undo()
        assert os.sched_getaffinity(child) == before


def test_who_is_in_front_goes_back_afterwards() -> None:
    before = os.sched_getscheduler(0)
    with in_front(()):
        assert os.sched_getscheduler(0) in (os.SCHED_RR, before)
    assert os.sched_getscheduler(0) == before


def test_who_may_not_be_in_front_is_not_and_leaves_nobody_else_there(
    child: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, schedule = os.sched_getscheduler(0), os.sched_setscheduler
    theirs = os.sched_getscheduler(child)

    def refuse_the_child(thread: int, policy: int, param: os.sched_param) -> None:
        if thread == child:
            raise PermissionError
        schedule(thread, policy, param)

    monkeypatch.setattr(os, "sched_setscheduler", refuse_the_child)
    with in_front([child]):
        assert os.sched_getscheduler(child) == theirs
    assert os.sched_getscheduler(0) == before


def test_without_such_policies_all_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.sched_getscheduler(0)
    monkeypatch.delattr(os, "SCHED_RR")
    with in_front(()):
        assert os.sched_getscheduler(0) == before
