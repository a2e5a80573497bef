"""Two workers: each sees the writes of the other at once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tests.kit.fixtures import standing_system
from tests.kit.service import Client
from tests.kit.system import System
from tests.serving.running import FRESH, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Two:
    """A service of two workers on a system that all tests of this module share."""

    system: System
    client: Client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two(
    kit_couchdb_url: str, kit_key: RSAPrivateKey, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Two]:
    log = tmp_path_factory.mktemp("two") / "log"
    async with (
        standing_system(kit_couchdb_url, kit_key) as made,
        running(kit_couchdb_url, log, CROSSBAR_WORKERS="2") as service,
    ):
        client = Client(made, service.address, fresh_connections=True)
        yield Two(made, client)
        await client.stop()


async def test_workers_see_writes_of_each_other_at_once(two: Two) -> None:
    system, client = two.system, two.client
    sub = await system.account("Sub", below=system.master)
    path = f"{sub.path}/{system.apps['voip']}"
    for _ in range(FRESH):  # both workers cache the account, with nothing installed
        assert "allowed_users" not in (await client.get(path, sub)).data
    for write, allowed in ((client.put, "all"), (client.post, "admins")):
        assert (await write(path, sub, {"allowed_users": allowed})).status in (200, 201)
        answers = [await client.get(path, sub) for _ in range(FRESH)]
        assert {answer.data["allowed_users"] for answer in answers} == {allowed}
        assert len({answer.etag for answer in answers}) == 1
    assert (await client.delete(path, sub)).status == 200
    assert ["allowed_users" in (await client.get(path, sub)).data for _ in range(FRESH)] == [False] * FRESH
    blacklist = {"blacklist": [system.apps["voip"]]}
    assert (await client.post(f"{sub.path}/blacklist", system.master, blacklist)).data == blacklist
    assert [await client.names(sub) for _ in range(FRESH)] == [["port", "numbers"]] * FRESH


async def test_workers_find_a_domain_as_soon_as_an_account_has_it(two: Two) -> None:
    system, client = two.system, two.client
    sub, other = [await system.account(name, below=system.master) for name in ("Sub", "Other")]
    domain = f"ui.{sub.id[:8]}.test"

    async def asked() -> set[int]:
        return {(await client.get(f"whitelabel/{domain}", sub)).status for _ in range(FRESH)}

    assert await asked() == {404}  # both workers cache that nobody has the domain
    for holder in (sub, other):
        path = f"accounts/{holder.id}/whitelabel"
        assert (await client.put(path, holder, {"domain": domain})).status == 201
        assert await asked() == {200}
        assert (await client.delete(path, holder)).status == 200
        assert await asked() == {404}


async def test_workers_lose_no_concurrent_writes(two: Two) -> None:
    system, client = two.system, two.client
    sub = await system.account("Sub", below=system.master)
    apps = [await system.app(f"app{number}") for number in range(6)]
    while len(await client.names(sub)) < 9:  # until the catalogue of both workers has them
        await asyncio.sleep(0.05)
    answers = await asyncio.gather(*(client.put(f"{sub.path}/{app}", sub, {}) for app in apps))
    statuses = dict(zip(apps, (answer.status for answer in answers), strict=True))
    assert set(statuses.values()) <= {201, 403, 409}
    stored = (await system.stored(sub))["apps"]
    assert stored.keys() == {app for app, code in statuses.items() if code == 201}


async def test_workers_share_rate_limits_of_logins(two: Two) -> None:
    """50 logins at once, whichever worker answers, and five more a second while they are tried."""
    loop = asyncio.get_running_loop()
    headers = {"X-Forwarded-For": "192.0.2.1"}
    begun = loop.time()
    wrong = {"credentials": "0" * 32, "account_name": "Nobody"}
    tries = (two.client.put("user_auth", None, wrong, headers=headers) for _ in range(120))
    statuses = [answer.status for answer in await asyncio.gather(*tries)]
    took = loop.time() - begun
    assert set(statuses) == {401, 429}
    assert 50 <= statuses.count(401) <= 50 + 5 * took + 1
