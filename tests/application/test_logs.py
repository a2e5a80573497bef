"""Logs: one JSON object a line."""

import json
import logging
import os
from collections.abc import Iterator
from datetime import datetime

import pytest

from crossbar_appstore.logs import REMINDER_SECONDS, Reminder, set_up_logging


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_set_up_logging_writes_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging()
    logging.getLogger("some.logger").info("something\nhappened", extra={"account_id": "a" * 32, "milliseconds": 1.5})
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    record = json.loads(line)
    assert datetime.fromisoformat(record.pop("timestamp")).tzinfo is not None
    assert record == {
        "level": "INFO",
        "logger": "some.logger",
        "message": "something\nhappened",
        "pid": os.getpid(),
        "account_id": "a" * 32,
        "milliseconds": 1.5,
    }


def test_set_up_logging_accepts_any_value(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging()
    logging.getLogger("some.logger").info("request", extra={"path": "/v2/\udcff", "target": {1: object}})
    (line,) = capsys.readouterr().err.splitlines()
    record = json.loads(line)
    assert record["path"] == "/v2/\udcff"
    assert datetime.fromisoformat(record["timestamp"]).tzinfo is not None


def test_set_up_logging_includes_exception(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging()
    try:
        raise ValueError("on purpose")
    except ValueError:
        logging.getLogger("some.logger").exception("it broke")
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: on purpose" in json.loads(line)["exc_info"]


def test_set_up_logging_omits_lower_levels(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(logging.WARNING)
    logging.getLogger("some.logger").info("quiet")
    assert capsys.readouterr().err == ""


def test_set_up_logging_twice_logs_once(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging()
    set_up_logging()
    logging.getLogger("some.logger").warning("once")
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("library", ["aiocouch", "aiohttp.client"])
def test_set_up_logging_silences_libraries_that_log_credentials(
    capsys: pytest.CaptureFixture[str], library: str
) -> None:
    set_up_logging(logging.DEBUG)
    logging.getLogger(library).warning("GET http://user:secret@couchdb")
    assert capsys.readouterr().err == ""


def test_reminder_is_due_when_the_state_changes_and_then_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("crossbar_appstore.logs.time.monotonic", lambda: now)
    reminder, due = Reminder(), []
    for second in range(600):
        now = float(second)
        if reminder.due("away" if second < 300 else "locked out"):
            due.append(second)
    assert due == [*range(0, 300, int(REMINDER_SECONDS)), *range(300, 600, int(REMINDER_SECONDS))]
