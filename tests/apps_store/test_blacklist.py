"""GET and POST accounts/{A}/apps_store/blacklist."""

from typing import Any

import pytest

from tests.kit.accounts import Account
from tests.kit.apps import permission
from tests.kit.service import Service
from tests.kit.system import System


@pytest.fixture
async def sub(system: System) -> Account:
    return await system.account("Sub", below=system.master)


async def test_without_a_document_it_is_empty(system: System, service: Service, sub: Account) -> None:
    answer = await service.get(f"{sub.path}/blacklist", system.master)
    assert (answer.status, answer.data) == (200, {"blacklist": []})
    assert "revision" not in answer.envelope
    assert "ETag" not in answer.headers


async def test_it_shows_the_list_with_its_revision(system: System, service: Service, sub: Account) -> None:
    stored = await system.store(sub, blacklist=["b", "a", "b"], apps={})
    answer = await service.get(f"{sub.path}/blacklist", system.master)
    assert answer.data == {"blacklist": ["b", "a", "b"]}
    assert answer.envelope["revision"] == stored["_rev"]
    assert answer.etag == f'"{stored["_rev"]}"'


async def test_setting_it_replaces_it_and_hides_the_apps(system: System, service: Service, sub: Account) -> None:
    await system.store(sub, blacklist=[system.apps["port"]], apps={system.apps["voip"]: permission()})
    ids = [system.apps["voip"], "unknown"]
    answer = await service.post(f"{sub.path}/blacklist", system.master, {"blacklist": ids})
    assert (answer.status, answer.data) == (200, {"blacklist": ids})
    stored = await system.stored(sub)
    assert stored["blacklist"] == ids
    assert stored["apps"] == {system.apps["voip"]: permission()}
    assert answer.envelope["revision"] == stored["_rev"]
    assert "ETag" not in answer.headers
    assert await service.names(sub) == ["port", "numbers"]


async def test_it_can_be_emptied(system: System, service: Service, sub: Account) -> None:
    await system.store(sub, blacklist=[system.apps["port"]])
    assert (await service.post(f"{sub.path}/blacklist", system.master, {"blacklist": []})).data == {"blacklist": []}
    assert await service.names(sub) == ["voip", "port", "numbers"]


async def test_setting_it_makes_the_document(system: System, service: Service, sub: Account) -> None:
    await service.post(f"{sub.path}/blacklist", system.master, {"blacklist": ["x"]})
    stored = await system.stored(sub)
    assert (stored["blacklist"], stored["pvt_account_id"]) == (["x"], sub.id)
    assert stored["pvt_auth_account_id"] == system.master.id


UNREADABLE: list[tuple[Any, str, str]] = [
    ({}, "blacklist", "required"),
    ({"blacklist": None}, "blacklist", "type"),
    ({"blacklist": "x"}, "blacklist", "type"),
    ({"blacklist": {}}, "blacklist", "type"),
    ({"blacklist": [1]}, "blacklist.0", "type"),
    ({"blacklist": ["x", "x"]}, "blacklist", "uniqueItems"),
    (["x"], "data", "type"),
]


async def test_what_would_break_later_reads_is_refused(system: System, service: Service, sub: Account) -> None:
    stored = await system.store(sub, blacklist=["kept"])
    for sent, where, rule in UNREADABLE:
        answer = await service.post(f"{sub.path}/blacklist", system.master, sent)
        assert answer.refusal[:2] == (400, "validation error"), sent
        assert rule in answer.data[where]
    assert (await system.stored(sub))["_rev"] == stored["_rev"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_only_an_ancestor_may_look_at_it(system: System, service: Service, sub: Account, method: str) -> None:
    await system.store(sub, blacklist=["x"])
    answer = await service.call(method, f"{sub.path}/blacklist", sub, {"blacklist": []})
    assert answer.refusal == (403, "forbidden", {"message": "forbidden"})
    assert b'"x"' not in answer.raw


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_master_account_has_none_that_anybody_may_set(system: System, service: Service, method: str) -> None:
    answer = await service.call(method, f"{system.master.path}/blacklist", system.master, {"blacklist": []})
    assert answer.refusal == (403, "forbidden", {"message": "forbidden"})


async def test_to_be_superduper_is_not_enough(system: System, service: Service, sub: Account) -> None:
    """Who may do everything elsewhere is still no ancestor."""
    other = await system.account("Other", below=system.master)
    await system.change(other, pvt_superduper_admin=True)
    assert (await service.get(sub.path, other)).status == 200
    assert (await service.get(f"{sub.path}/blacklist", other)).status == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_it_is_read_and_set_and_nothing_else(system: System, service: Service, sub: Account, method: str) -> None:
    answer = await service.call(method, f"{sub.path}/blacklist", system.master, {"blacklist": []})
    assert answer.refusal[:2] == (405, "invalid_method")
    assert answer.headers["Access-Control-Allow-Methods"] == "OPTIONS, POST, GET"
