"""Runs the command line in the test's process, on an empty system."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from crossbar_appstore.cli import main
from crossbar_appstore.json_codec import Json
from tests.maintenance.conftest import couch, empty_system, system

__all__ = ["couch", "empty_system", "system"]

VARIABLES = (
    "COUCHDB_URL",
    "KAZOO_CONFIG",
    "KAZOO_ZONE",
    "AMQP_URL",
    "CROSSBAR_HOST",
    "CROSSBAR_PORT",
    "CROSSBAR_PASSWORD",
)


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        return json.loads(self.out)


Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def run_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line without any setting in the environment."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)

    async def run(*words: str) -> Result:
        capsys.readouterr()
        # In a thread, because a verb runs an event loop.
        code = await asyncio.to_thread(main, list(words))
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def run(run_alone: Run, monkeypatch: pytest.MonkeyPatch, couchdb_url: str) -> Run:
    """Runs a command line with the tests' CouchDB in the environment."""
    monkeypatch.setenv("COUCHDB_URL", couchdb_url)
    return run_alone
