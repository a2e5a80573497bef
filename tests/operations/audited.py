"""A fixture that collects audit events."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crossbar_appstore.operations.audit_trail import audit_log

Audited = Callable[[], list[dict[str, Any]]]


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append({**vars(record), "action": record.getMessage()})


@pytest.fixture
def audited() -> Iterator[Audited]:
    """Returns the events since the last call."""
    collector = _Collector()

    def read() -> list[dict[str, Any]]:
        found, collector.events = collector.events, []
        return found

    audit_log.addHandler(collector)
    yield read
    audit_log.removeHandler(collector)
