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


async def test_apps_store_blacklist_get_is_empty_without_document(
    system: System, service: Service, sub: Account
) -> None:
    answer = await service.get(f"{sub.path}/blacklist", system.master)
    assert (answer.status, answer.data) == (200, {"blacklist": []})
    assert "revision" not in answer.envelope
    assert "ETag" not in answer.headers


async def test_apps_store_blacklist_get_shows_list_and_revision(system: System, service: Service, sub: Account) -> None:
    stored = await system.store(sub, blacklist=["b", "a", "b"], apps={})
    answer = await service.get(f"{sub.path}/blacklist", system.master)
    assert answer.data == {"blacklist": ["b", "a", "b"]}
    assert answer.envelope["revision"] == stored["_rev"]
    assert answer.etag == f'"{stored["_rev"]}"'


async def test_apps_store_blacklist_post_replaces_list_and_hides_apps(
    system: System, service: Service, sub: Account
) -> None:
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


async def test_apps_store_blacklist_post_accepts_an_empty_list(system: System, service: Service, sub: Account) -> None:
    await system.store(sub, blacklist=[system.apps["port"]])
    assert (await service.post(f"{sub.path}/blacklist", system.master, {"blacklist": []})).data == {"blacklist": []}
    assert await service.names(sub) == ["voip", "port", "numbers"]


async def test_apps_store_blacklist_post_has_at_most_1000_entries(
    system: System, service: Service, sub: Account
) -> None:
    ids = [str(number) for number in range(1_001)]
    assert (await service.post(f"{sub.path}/blacklist", system.master, {"blacklist": ids[:-1]})).status == 200
    answer = await service.post(f"{sub.path}/blacklist", system.master, {"blacklist": ids})
    assert (answer.status, answer.data["blacklist"]["maxItems"]["target"]) == (400, 1_000)
    assert answer.data["blacklist"]["maxItems"]["value"] == "1001 members"


async def test_apps_store_blacklist_post_creates_the_document(system: System, service: Service, sub: Account) -> None:
    await service.post(f"{sub.path}/blacklist", system.master, {"blacklist": ["x"]})
    stored = await system.stored(sub)
    assert (stored["blacklist"], stored["pvt_account_id"]) == (["x"], sub.id)
    assert stored["pvt_auth_account_id"] == system.master.id


async def test_apps_store_blacklist_post_takes_null_beside_the_list_for_what_is_not_given(
    system: System, service: Service, sub: Account
) -> None:
    sent = {"blacklist": ["x"], "ui_metadata": None, "users": None}
    answer = await service.post(f"{sub.path}/blacklist", system.master, sent)
    assert (answer.status, answer.data) == (200, {"blacklist": ["x"]})


UNREADABLE: list[tuple[Any, str, str]] = [
    ({}, "blacklist", "required"),
    ({"blacklist": None}, "blacklist", "required"),
    ({"blacklist": "x"}, "blacklist", "type"),
    ({"blacklist": {}}, "blacklist", "type"),
    ({"blacklist": [1]}, "blacklist.0", "type"),
    ({"blacklist": ["x", "x"]}, "blacklist", "uniqueItems"),
    (["x"], "data", "type"),
]


async def test_apps_store_blacklist_post_refuses_malformed_lists(
    system: System, service: Service, sub: Account
) -> None:
    stored = await system.store(sub, blacklist=["kept"])
    for sent, where, rule in UNREADABLE:
        answer = await service.post(f"{sub.path}/blacklist", system.master, sent)
        assert answer.refusal[:2] == (400, "validation error"), sent
        assert rule in answer.data[where]
    assert (await system.stored(sub))["_rev"] == stored["_rev"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_apps_store_blacklist_get_allows_only_ancestors(
    system: System, service: Service, sub: Account, method: str
) -> None:
    await system.store(sub, blacklist=["x"])
    answer = await service.call(method, f"{sub.path}/blacklist", sub, {"blacklist": []})
    assert answer.refusal == (403, "forbidden", {"message": "forbidden"})
    assert b'"x"' not in answer.raw


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_apps_store_blacklist_of_the_master_account_is_403(system: System, service: Service, method: str) -> None:
    answer = await service.call(method, f"{system.master.path}/blacklist", system.master, {"blacklist": []})
    assert answer.refusal == (403, "forbidden", {"message": "forbidden"})


async def test_apps_store_blacklist_requires_more_than_superduper_rights(
    system: System, service: Service, sub: Account
) -> None:
    """Superduper rights do not make a caller an ancestor."""
    other = await system.account("Other", below=system.master)
    await system.change(other, pvt_superduper_admin=True)
    assert (await service.get(sub.path, other)).status == 200
    assert (await service.get(f"{sub.path}/blacklist", other)).status == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_apps_store_blacklist_other_methods_are_405(
    system: System, service: Service, sub: Account, method: str
) -> None:
    answer = await service.call(method, f"{sub.path}/blacklist", system.master, {"blacklist": []})
    assert answer.refusal[:2] == (405, "invalid_method")
    assert answer.headers["Access-Control-Allow-Methods"] == "OPTIONS, POST, GET"
