"""``accounts/{A}/api_key``: the key by which an account logs in, and a new one."""

import asyncio
import re
from typing import Any

import pytest

from tests.kit.accounts import Account, ApiKey
from tests.kit.fixtures import NewService
from tests.kit.service import Answer, Service
from tests.kit.system import System
from tests.resources.family import Family


def path_of(account: Account) -> str:
    return f"accounts/{account.id}/api_key"


async def login(service: Service, key: str) -> Answer:
    return await service.put("api_auth", None, {"api_key": key})


async def status_of(service: Service, token: str, account: Account) -> int:
    return (await service.get(f"accounts/{account.id}", token=token)).status


async def new_key(service: Service, account: Account) -> str:
    answer = await service.put(path_of(account), account, {})
    assert answer.status == 201, answer.raw
    key: str = answer.data["api_key"]
    return key


async def test_api_key_get_shows_the_key_to_administrators(service: Service, family: Family) -> None:
    key = family.sub.document["pvt_api_key"]
    for caller in (family.sub, family.reseller, family.master, ApiKey(family.sub)):
        answer = await service.get(path_of(family.sub), caller)
        assert (answer.status, answer.data) == (200, {"api_key": key})


async def test_api_key_is_refused_to_others(service: Service, family: Family) -> None:
    for caller in (family.sub.user, family.reseller.user, family.other, family.master.user):
        for answer in (
            await service.get(path_of(family.sub), caller),
            await service.put(path_of(family.sub), caller, {}),
        ):
            assert answer.refusal[:2] == (403, "forbidden")
    assert (await service.get(path_of(family.sub))).status == 401
    assert (await login(service, family.sub.document["pvt_api_key"])).status == 201


async def test_api_key_get_without_a_key_is_empty(system: System, service: Service, family: Family) -> None:
    stored = dict(await system.couch.open_doc("accounts", family.sub.id))
    del stored["pvt_api_key"]
    await system.put("accounts", stored)
    assert (await service.get(path_of(family.sub), family.sub)).data == {}


async def test_api_key_get_shows_the_key_that_kazoo_set_in_one_copy(
    system: System, service: Service, family: Family
) -> None:
    stored = await system.couch.open_doc("accounts", family.sub.id)
    await system.put("accounts", {**stored, "pvt_api_key": "f" * 64})
    assert (await service.get(path_of(family.sub), family.sub)).data == {"api_key": "f" * 64}


async def test_api_key_put_makes_a_new_key_in_both_copies(system: System, service: Service, family: Family) -> None:
    old = family.sub.document["pvt_api_key"]
    answer = await service.put(path_of(family.sub), family.sub, {"api_key": "a" * 64})
    key = answer.data["api_key"]
    assert (answer.status, set(answer.data)) == (201, {"api_key"})
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert key not in (old, "a" * 64)
    for database in ("accounts", family.sub.database):
        stored = await system.couch.open_doc(database, family.sub.id)
        assert stored["pvt_api_key"] == key
        assert stored["name"] == family.sub.document["name"]
    assert (await service.get(path_of(family.sub), family.sub)).data == {"api_key": key}
    # A later change of the account keeps it.
    await service.patch(f"accounts/{family.sub.id}", family.sub, {"timezone": "Europe/Berlin"})
    assert (await service.get(path_of(family.sub), family.sub)).data == {"api_key": key}


async def test_api_key_put_works_without_a_body(service: Service, family: Family) -> None:
    assert (await service.put(path_of(family.sub), family.reseller)).status == 201


async def test_api_key_put_is_refused_to_an_api_key(service: Service, family: Family) -> None:
    for caller in (ApiKey(family.sub), ApiKey(family.reseller)):
        assert (await service.put(path_of(family.sub), caller, {})).status == 403


async def test_api_key_put_needs_an_administrator_whatever_the_setting(new_service: NewService, family: Family) -> None:
    service = new_service(CROSSBAR_WRITES_NEED_ADMIN="false")
    assert (await service.get(path_of(family.sub), family.sub.user)).status == 200
    assert (await service.put(path_of(family.sub), family.sub.user, {})).status == 403
    assert (await service.put(path_of(family.sub), family.sub, {})).status == 201


async def test_api_key_put_lets_the_new_key_log_in_and_ends_the_old_ones_tokens(
    service: Service, family: Family
) -> None:
    old = family.sub.document["pvt_api_key"]
    before: str = (await login(service, old)).envelope["auth_token"]
    assert await status_of(service, before, family.sub) == 200
    key = await new_key(service, family.sub)
    assert await status_of(service, before, family.sub) == 401
    assert (await login(service, old)).status == 404
    after = await login(service, key)
    assert after.status == 201
    assert await status_of(service, after.envelope["auth_token"], family.sub) == 200
    # Once more: it is not the first change alone that counts.
    await new_key(service, family.sub)
    assert await status_of(service, after.envelope["auth_token"], family.sub) == 401


async def test_api_key_put_through_one_service_ends_tokens_at_another_within_two_seconds(
    new_service: NewService, family: Family
) -> None:
    one, two = new_service(), new_service()
    before: str = (await login(two, family.sub.document["pvt_api_key"])).envelope["auth_token"]
    assert await status_of(two, before, family.sub) == 200
    await new_key(one, family.sub)
    assert await status_of(one, before, family.sub) == 401
    async with asyncio.timeout(2.5):
        while await status_of(two, before, family.sub) != 401:
            await asyncio.sleep(0.05)


async def test_api_key_put_leaves_tokens_of_users_and_of_other_accounts(
    system: System, service: Service, family: Family
) -> None:
    tokens = [
        (system.token(who), account)
        for who, account in (
            (family.sub.admin, family.sub),
            (family.sub.user, family.sub),
            (family.reseller, family.sub),
            (family.other, family.other),
        )
    ]
    await new_key(service, family.sub)
    assert [await status_of(service, token, account) for token, account in tokens] == [200] * 4


async def test_api_key_put_ends_tokens_from_before_the_account_had_a_secret(
    system: System, service: Service, family: Family
) -> None:
    """KAZOO gives an account its secret with the first token, so one that it created may have none."""
    for database in ("accounts", family.sub.database):
        stored = dict(await system.couch.open_doc(database, family.sub.id))
        del stored["pvt_signature_secret"]
        await system.put(database, stored)
    before: str = (await login(service, family.sub.document["pvt_api_key"])).envelope["auth_token"]
    assert await status_of(service, before, family.sub) == 200
    await new_key(service, family.sub)
    assert await status_of(service, before, family.sub) == 401


async def test_api_key_put_follows_preconditions(service: Service, family: Family) -> None:
    answer = await service.put(path_of(family.sub), family.sub, {}, headers={"If-Match": '"1-x"'})
    assert answer.status == 412
    assert (await login(service, family.sub.document["pvt_api_key"])).status == 201


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_api_key_has_no_other_methods(service: Service, family: Family, method: str) -> None:
    data: dict[str, Any] = {}
    assert (await service.call(method, path_of(family.sub), family.sub, data)).status == 405


async def test_api_key_of_a_deleted_account_is_not_found(system: System, service: Service, family: Family) -> None:
    await system.change(family.sub, pvt_deleted=True)
    assert (await service.get(path_of(family.sub), family.reseller)).status == 404
    assert (await service.put(path_of(family.sub), family.reseller, {})).status == 404
