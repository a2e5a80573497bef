"""What overrides cost: how often CouchDB is asked, and when."""

import asyncio
from urllib.parse import unquote

import pytest

from crossbar_appstore.datastore.views import design_document
from tests.datastore.fault_proxy import FaultProxy, Status
from tests.kit.accounts import Account
from tests.kit.fixtures import NewService
from tests.kit.system import System

FAMILY = "app_whitelabel-"


def asked_of(proxy: FaultProxy, account: Account) -> list[str]:
    paths = [f"{method} {unquote(path)}" for method, path in proxy.requests]
    return [path for path in paths if account.database in path or account.id in path]


@pytest.mark.parametrize("clients", [1, 50])
@pytest.mark.parametrize("own_token", [False, True])
async def test_a_cold_account_costs_four_reads_however_many_ask(
    system: System, new_service: NewService, proxy: FaultProxy, own_token: bool, clients: int
) -> None:
    # Where KAZOO's view is installed, an account is asked for it as well.
    await system.put(system.master.database, design_document("services"))
    sub = await system.account("Sub", below=system.master)
    service = new_service(couchdb_url=proxy.url)
    await service.names(system.master)
    proxy.requests.clear()
    await asyncio.gather(*(service.names(sub, sub if own_token else system.master) for _ in range(clients)))
    asked = asked_of(proxy, sub)
    assert len(asked) == 4, asked
    assert sum(FAMILY in path for path in asked) == 1


async def test_a_change_of_permissions_does_not_ask_for_overrides_again(
    system: System, new_service: NewService, proxy: FaultProxy
) -> None:
    sub = await system.account("Sub", below=system.master)
    service = new_service(couchdb_url=proxy.url)
    path = f"{sub.path}/{system.apps['voip']}"
    await service.put(path, sub, {"allowed_users": "all"})
    proxy.requests.clear()
    assert (await service.post(path, sub, {"allowed_users": "admins"})).status == 200
    assert (await service.get(path, sub)).data["allowed_users"] == "admins"
    assert not [path for path in asked_of(proxy, sub) if FAMILY in path]


async def test_overrides_that_cannot_be_read_are_not_taken_for_none(
    system: System, new_service: NewService, proxy: FaultProxy
) -> None:
    known, unknown = [await system.account("Sub", below=system.master) for _ in range(2)]
    for sub in (known, unknown):
        await system.put(sub.database, {"_id": f"{FAMILY}{system.apps['voip']}", "author": "Us"})
    service = new_service(couchdb_url=proxy.url)
    path = f"{known.path}/{system.apps['voip']}"
    assert (await service.get(path, known)).data["author"] == "Us"
    proxy.fail(Status(503), path=FAMILY)
    answer = await service.get(f"{unknown.path}/{system.apps['voip']}", unknown)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    await asyncio.sleep(1.6)
    answer = await service.get(path, known)
    assert (answer.data["author"], answer.headers["Warning"]) == ("Us", '110 - "Response is stale"')
