"""The accounts of most tests here: ``sub`` below ``reseller`` below the master account, and ``other`` elsewhere."""

from collections.abc import AsyncIterator

import pytest

from crossbar_appstore.datastore.couch import Couch
from tests.kit.accounts import Account
from tests.kit.auth import AuthParts
from tests.kit.fixtures import kit_couchdb_url, kit_key, kit_system, new_service, proxy, service, system
from tests.kit.system import System, open_couch

__all__ = ["kit_couchdb_url", "kit_key", "kit_system", "new_service", "proxy", "service", "system"]


@pytest.fixture
async def reseller(system: System) -> Account:
    return await system.account("reseller", system.master, reseller=True)


@pytest.fixture
async def sub(system: System, reseller: Account) -> Account:
    return await system.account("sub", reseller)


@pytest.fixture
async def other(system: System) -> Account:
    return await system.account("other", system.master)


@pytest.fixture
def accounts(system: System, reseller: Account, sub: Account, other: Account) -> dict[str, Account]:
    """All of them, by their names."""
    return {"master": system.master, "reseller": reseller, "sub": sub, "other": other}


@pytest.fixture
def parts(system: System) -> AuthParts:
    return AuthParts(system.couch)


@pytest.fixture
async def unreachable() -> AsyncIterator[Couch]:
    """A client of a CouchDB that is not there."""
    async with open_couch("http://127.0.0.1:1") as couch:
        yield couch
