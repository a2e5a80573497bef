"""Logs: one JSON object a line."""

import json
import logging
from collections.abc import Iterator
from datetime import datetime

import pytest

from crossbar_appstore.logs import set_up_logging


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_record_is_one_line_with_what_it_carries(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging()
    logging.getLogger("some.room").info("something\nhappened", extra={"account_id": "a" * 32, "milliseconds": 1.5})
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    record = json.loads(line)
    assert datetime.fromisoformat(record.pop("timestamp")).tzinfo is not None
    assert record == {
        "level": "INFO",
        "logger": "some.room",
        "message": "something\nhappened",
        "account_id": "a" * 32,
        "milliseconds": 1.5,
    }


def test_what_is_no_text_is_logged_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging()
    logging.getLogger("some.room").info("request", extra={"path": "/v2/\udcff", "target": {1: object}})
    (line,) = capsys.readouterr().err.splitlines()
    record = json.loads(line)
    assert record["path"] == "/v2/\udcff"
    assert datetime.fromisoformat(record["timestamp"]).tzinfo is not None


def test_an_exception_stands_in_its_record(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging()
    try:
        raise ValueError("on purpose")
    except ValueError:
        logging.getLogger("some.room").exception("it broke")
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: on purpose" in json.loads(line)["exc_info"]


def test_what_is_below_the_level_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(logging.WARNING)
    logging.getLogger("some.room").info("quiet")
    assert capsys.readouterr().err == ""


def test_setting_up_twice_does_not_log_twice(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging()
    set_up_logging()
    logging.getLogger("some.room").warning("once")
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("library", ["aiocouch", "aiohttp.client"])
def test_libraries_that_log_credentials_are_silenced(capsys: pytest.CaptureFixture[str], library: str) -> None:
    set_up_logging(logging.DEBUG)
    logging.getLogger(library).warning("GET http://user:secret@couchdb")
    assert capsys.readouterr().err == ""
