"""Requests of any kind to the whole application: each is answered, with an envelope, and nothing goes wrong inside."""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from yarl import URL

from tests.crossbar.wire import Answer, Wire
from tests.kit.service import Service
from tests.kit.system import System, open_couch
from tests.security import requests
from tests.security.callers import Family
from tests.security.processor_time import API

SHORT: Final = 1500
LONG: Final = 20_000
LONGEST: Final = 0.5
"""Seconds of processor time for one input, on a slow machine, those of the client included."""
BODYLESS: Final = (204, 304)


@dataclass
class Fuzzed:
    """A running service, whose errors are collected."""

    family: Family
    wire: Wire
    names: dict[str, str]
    errors: list[str]
    sent: int = 0


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture
def fuzzed(runner: asyncio.Runner, kit_system: System, kit_couchdb_url: str) -> Iterator[Fuzzed]:
    couch = open_couch(kit_couchdb_url)
    service = Service(kit_system, kit_couchdb_url, CROSSBAR_ACCESS_LOG="1", SMTP_URL="smtp://127.0.0.1:1")
    errors: list[str] = []

    class Errors(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            errors.append(f"{record.name}: {record.getMessage()} {record.exc_info}")

    async def start() -> Fuzzed:
        await couch.__aenter__()
        kit_system.begin(couch)
        family = await Family.create(kit_system)
        port = URL(await service.address()).port
        assert port is not None
        return Fuzzed(family, Wire(port), family.names | {"token": kit_system.token(family.own.user)}, errors)

    async def stop() -> None:
        await service.stop()
        for row in await couch.all_docs("accounts"):
            if row.id is not None and not row.id.startswith("_"):
                known = {account.id for account in made.family.accounts.values()}
                if row.id not in known:
                    kit_system.adopt(row.id)
        await kit_system.restore()
        await couch.__aexit__(None, None, None)

    handler = Errors(logging.ERROR)
    logging.getLogger().addHandler(handler)
    made = runner.run(start())
    yield made
    runner.run(stop())
    logging.getLogger().removeHandler(handler)


@pytest.mark.timeout(3600)
def test_requests_of_any_kind_are_answered(runner: asyncio.Runner, fuzzed: Fuzzed, long_form: bool) -> None:
    tokens = {
        "admin": fuzzed.family.system.token(fuzzed.family.own.admin, exp=None),
        "user": fuzzed.family.system.token(fuzzed.family.own.user, exp=None),
        "master": fuzzed.family.system.token(fuzzed.family.system.master.admin, exp=None),
        "garbage": "garbage",
    }

    @settings(
        max_examples=LONG if long_form else SHORT,
        derandomize=not long_form,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        method=requests.METHODS,
        path=requests.PATHS,
        version=requests.VERSIONS,
        query=requests.QUERIES,
        caller=requests.CALLERS,
        headers=requests.HEADERS,
        body=requests.BODIES,
    )
    def fuzz(
        method: str,
        path: str,
        version: str,
        query: str,
        caller: str,
        headers: dict[str, str],
        body: tuple[str, bytes] | None,
    ) -> None:
        fuzzed.sent += 1
        target = filled(version + path + query, fuzzed.names)
        sent = {"X-Forwarded-For": f"10.{fuzzed.sent >> 16 & 255}.{fuzzed.sent >> 8 & 255}.{fuzzed.sent & 255}"}
        if caller in tokens:
            sent["X-Auth-Token"] = tokens[caller]
        if body is not None:
            sent["Content-Type"] = body[0]
        sent.update(headers)
        description = f"{method} {version}{path}{query} {caller} {headers} {body}"
        with API.measured(description):
            answer = runner.run(asyncio.wait_for(fuzzed.wire(method, target, sent, body and body[1]), 30))
        API.outcomes[answer.status] += 1
        check(method, answer, description)
        assert fuzzed.errors == [], description

    fuzz()
    # The account that everything was done to is there as before, or was deleted properly.
    own = fuzzed.family.own
    answer = runner.run(fuzzed.wire("GET", f"/v2/{own.path}", {"X-Auth-Token": tokens["master"]}))
    assert answer.status in (200, 404)
    assert API.longest < LONGEST


def filled(text: str, names: dict[str, str]) -> str:
    """The text with the family's ids for the names in braces."""
    for name in ("master", "own", "child", "voip", "numbers", "user", "domain", "token"):
        text = text.replace(f"{{{name}}}", names[name])
    return text


def check(method: str, answer: Answer, sent: str) -> None:
    assert 200 <= answer.status < 500 or answer.status == 501, (sent, answer.body)
    kind = answer.headers.get("content-type")
    if method == "HEAD" or answer.status in BODYLESS or answer.headers.get("content-encoding") == "gzip":
        return
    if answer.status >= 400 and kind == "text/plain; charset=utf-8":
        # What the server's parser does not take (D26).
        assert answer.status == 400, sent
    elif kind == "application/json" and answer.body:
        envelope: Any = json.loads(answer.body)
        assert envelope["status"] == ("success" if answer.status < 400 else "error"), sent
        assert envelope["request_id"] == answer.headers["x-request-id"], sent
        if answer.status >= 400:
            assert (envelope["error"], type(envelope["message"])) == (str(answer.status), str), sent
