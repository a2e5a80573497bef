"""A system and a service of each test's own: lists of accounts show all accounts that there are."""

from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for
from tests.kit.fixtures import kit_couchdb_url, kit_key, new_service, proxy, service, standing_system
from tests.kit.service import Service
from tests.kit.system import System
from tests.resources.family import Family

__all__ = ["kit_couchdb_url", "kit_key", "new_service", "proxy", "service"]


@pytest.fixture
async def system(kit_couchdb_url: str, kit_key: RSAPrivateKey) -> AsyncIterator[System]:
    async with standing_system(kit_couchdb_url, kit_key) as made:
        await ensure(made.couch, "accounts", names_for(DatabaseClass.ACCOUNTS))
        yield made


@pytest.fixture
async def family(system: System, service: Service) -> Family:
    reseller = await system.account("Reseller", below=system.master, reseller=True)
    sub = await system.account("Sub", below=reseller)
    await ensure(system.couch, sub.database, names_for(DatabaseClass.ACCOUNT))
    return Family(system, service, reseller, sub, other=await system.account("Other", below=system.master))
