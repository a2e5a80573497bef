"""Authorization: every route and method for every kind of caller, as the rules of ``rows`` say."""

import asyncio
from collections import Counter
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest

from crossbar_appstore.json_codec import Json, JsonObject
from tests.docs.routes import answered, methods_of, route_of, wired
from tests.kit.fixtures import NewService
from tests.kit.service import Answer, Service
from tests.kit.system import SYSTEM_DATABASES, System
from tests.security.callers import CALLERS, Caller, Family, credentials
from tests.security.rows import ROWS, Request, Row, anybody, expected

ALLOWED = ("master admin", "parent admin", "own admin", "own user")
"""One of them may make any request of the table that somebody may make."""


def test_table_has_a_row_for_every_route_and_method_with_and_without_an_account() -> None:
    resources = wired()
    routes = answered(resources)
    nouns = set(resources)
    rows = {
        (route_of(row.path.partition("?")[0], nouns), row.method, row.path.startswith("accounts/{")) for row in ROWS
    }
    wanted = {(route, method) for route, methods in routes.items() for method in methods}
    missing = {
        f"{method} {'/'.join(route)} ({'below an account' if below else 'without an account'})"
        for route, method in wanted
        for below in (True, False)
        # The account is the param of this noun.
        if (route[0] != "accounts" or below == (len(route) > 1)) and (route, method, below) not in rows
    }
    assert missing == set()
    assert len({row.name for row in ROWS}) == len(ROWS)
    for route, method, _ in rows:
        assert route is not None
        assert method in methods_of(resources[route[0]], route[1:]), route


@pytest.mark.parametrize("name", CALLERS)
async def test_every_route_answers_the_caller_as_its_rule_says(
    system: System, service: Service, family: Family, name: str
) -> None:
    await _compare(system, service, family, CALLERS[name], need_admin=True)


@pytest.mark.parametrize("name", CALLERS)
async def test_writes_need_no_administrator_where_the_setting_says_so(
    system: System, new_service: NewService, family: Family, name: str
) -> None:
    caller = CALLERS[name]
    service = new_service(CROSSBAR_WRITES_NEED_ADMIN="false")
    status = partial(_status, caller=caller)
    different = [row for row in ROWS if status(row, need_admin=True) != status(row, need_admin=False)]
    await _compare(system, service, family, caller, need_admin=False, rows=tuple(different))


async def test_every_row_is_a_request_that_somebody_can_make(system: System, service: Service) -> None:
    """So that no refusal in the table has another reason than its rule."""
    family = await Family.create(system)
    for row in ROWS:
        callers = [CALLERS[name] for name in ALLOWED]
        allowed = [each for each in callers if row.rule(Request(each, row.target, need_admin=True))]
        for caller in allowed[:1]:
            answer = await _send(service, family, row, await credentials(family, caller))
            assert answer.status == row.ok, (row.name, caller.name, answer.raw)
            if row.name in ("PUT accounts", "PUT accounts/{own}"):
                system.adopt(answer.data["id"])


async def _compare(
    system: System, service: Service, family: Family, caller: Caller, *, need_admin: bool, rows: tuple[Row, ...] = ROWS
) -> None:
    headers = await credentials(family, caller)
    before = await _stored(system, family)
    found, wanted = {}, {}
    for row in rows:
        wanted[row.name] = status = _status(row, caller, need_admin=need_admin)
        # A change that is allowed fails by its precondition, so that every cell finds the same documents.
        precondition = {"If-Match": '"none"'} if status == 412 else {}
        answer = await _send(service, family, row, headers | precondition)
        found[row.name] = answer.status
        if answer.status in (401, 403):
            assert answer.envelope["status"] == "error"
    assert found == wanted
    assert await _stored(system, family) == before


def _status(row: Row, caller: Caller, *, need_admin: bool) -> int:
    return expected(row, Request(caller, row.target, need_admin))


async def _send(service: Service, family: Family, row: Row, headers: dict[str, str]) -> Answer:
    token = headers.get("X-Auth-Token") or headers.get("Authorization", "x").rpartition(" ")[2]
    names = family.names | {"token": quote(token, safe="")}
    # Its own bucket for each row: a caller without a token may make no more than a hundred requests at once.
    sent = {**headers, **row.headers, "X-Forwarded-For": f"10.0.0.{ROWS.index(row)}"}
    more: dict[str, Any] = {} if row.data is None else {"data": _filled(row.data, family)}
    return await service.call(row.method, row.path.format(**names), headers=sent, body=row.body, **more)


def _filled(data: JsonObject, family: Family) -> JsonObject:
    own = family.own
    values = {"api_key": own.document["pvt_api_key"], "md5": own.admin.document["pvt_md5_auth"]}
    names = family.names | values | {"account_name": own.name}
    return {key: value.format(**names) if isinstance(value, str) else value for key, value in data.items()}


async def _stored(system: System, family: Family) -> dict[str, Json]:
    """The revision of every document that a request of the table could change."""
    databases = (*SYSTEM_DATABASES, *(account.database for account in family.accounts.values()))
    found = await asyncio.gather(*(system.couch.all_docs(database) for database in databases))
    return {f"{database}/{row.id}": row.value for database, rows in zip(databases, found, strict=True) for row in rows}


def test_table_has_more_than_750_cells_of_each_kind() -> None:
    cells = Counter(_status(row, caller, need_admin=True) for row in ROWS for caller in CALLERS.values())
    assert cells.total() > 750
    assert min(cells[status] for status in (200, 401, 403, 412)) > 100
    assert sum(row.rule is anybody for row in ROWS) < len(ROWS) / 4
