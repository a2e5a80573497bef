"""Workers that answer for each other."""

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from crossbar_appstore.json_codec import Json
from crossbar_appstore.operations.metrics import counted
from crossbar_appstore.operations.workers import METRICS, READINESS, Report, Workers
from tests.operations.test_metrics import FIRST, SECOND


def answering(value: Json) -> Report:
    async def report() -> Json:
        return value

    return report


def reports(metrics: Json = None, readiness: Json = None) -> dict[str, Report]:
    return {METRICS: answering(metrics or []), READINESS: answering(readiness)}


async def test_ask_gets_the_answers_of_all_other_workers(tmp_path: Path) -> None:
    asking = Workers(tmp_path)
    async with AsyncExitStack() as stack:
        for number in range(3):
            await stack.enter_async_context(Workers(tmp_path).answering(reports(readiness={"number": number})))
        await stack.enter_async_context(asking.answering(reports()))
        answers = await asking.ask(READINESS, 2)
        assert sorted(answer["number"] for answer in answers.values()) == [0, 1, 2]
        assert {int(name.partition("-")[0]) for name in answers} == {os.getpid()}
    assert await asking.ask(READINESS, 2) == {}


async def test_ask_alone_does_not_wait(tmp_path: Path) -> None:
    asking = Workers(tmp_path)
    async with asking.answering(reports()), asyncio.timeout(0.05):
        assert await asking.ask(READINESS, 2) == {}


async def test_ask_gives_none_for_a_worker_that_does_not_answer(tmp_path: Path) -> None:
    stuck = asyncio.Event()

    async def never() -> Json:
        await stuck.wait()
        return "late"

    async with (
        Workers(tmp_path).answering({**reports(), READINESS: never}),
        Workers(tmp_path).answering(reports(readiness="here")),
    ):
        answers = await Workers(tmp_path).ask(READINESS, 0.5)
        assert sorted(answers.values(), key=str) == [None, "here"]
        stuck.set()
        assert sorted((await Workers(tmp_path).ask(READINESS, 2)).values()) == ["here", "late"]


async def test_ask_gets_no_answer_to_an_earlier_question(tmp_path: Path) -> None:
    number = 0

    async def count() -> Json:
        nonlocal number
        number += 1
        return number

    async with Workers(tmp_path).answering({**reports(), READINESS: count}):
        asked = [list((await Workers(tmp_path).ask(READINESS, 2)).values()) for _ in range(3)]
    assert asked == [[1], [2], [3]]


async def test_ended_keeps_the_last_metrics_of_workers_that_stopped(tmp_path: Path) -> None:
    asking = Workers(tmp_path)
    async with Workers(tmp_path).answering(reports(metrics=FIRST)):
        assert asking.ended(counted, ()) is None
    async with Workers(tmp_path).answering(reports(metrics=SECOND)):
        kept = asking.ended(counted, ())
        assert kept == counted(None, FIRST)
    # One who has just answered is counted by its answer.
    left = [path.stem for path in (tmp_path / "workers").glob("*.worker")]
    assert asking.ended(counted, left) == kept
    assert asking.ended(counted, ()) == counted(kept, SECOND)
    assert Workers(tmp_path).ended(counted, ()) == counted(kept, SECOND)
    assert sorted(path.name for path in (tmp_path / "workers").iterdir()) == ["ended", "questions"]


KILLED = """
import asyncio, sys
from pathlib import Path
from crossbar_appstore.operations.workers import Workers

async def report():
    return [["a", "counter", "text", [["a_total", {}, 4.0]]]]

async def main():
    async with Workers(Path(sys.argv[1])).answering({"metrics": report, "readiness": report}):
        print("here", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_ended_keeps_what_a_killed_worker_had_told(tmp_path: Path) -> None:
    asking = Workers(tmp_path)
    arguments = (sys.executable, "-c", KILLED, str(tmp_path))
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"here\n"
        answers: dict[str, Any] = await asking.ask(METRICS, 5)
        assert [int(name.partition("-")[0]) for name in answers] == [process.pid]
        assert asking.ended(counted, ()) is None
    finally:
        process.kill()
        await process.wait()
    assert await asking.ask(METRICS, 5) == {}
    assert asking.ended(counted, ()) == [["a", "counter", "text", [["a_total", {}, 4.0]]]]


async def test_answering_goes_on_after_a_failed_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    answers = iter((RuntimeError("once"), "well"))

    async def report() -> Json:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with Workers(tmp_path).answering({**reports(), READINESS: report}):
        asking = Workers(tmp_path)
        assert list((await asking.ask(READINESS, 0.4)).values()) == [None]
        assert list((await asking.ask(READINESS, 2)).values()) == ["well"]
    assert [record.message for record in caplog.records] == ["question of another worker not answered"]


async def test_last_metrics_are_those_of_an_earlier_question(tmp_path: Path) -> None:
    asking = Workers(tmp_path)
    async with Workers(tmp_path).answering(reports(metrics=FIRST)):
        (name,) = await asking.ask(METRICS, 2)
        assert asking.last_metrics(name) == FIRST
        assert asking.last_metrics("1-none") is None
