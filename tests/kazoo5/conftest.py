"""Systems and services of the kit, and a reseller with a customer and a domain of its own."""

import pytest

from crossbar_appstore.datastore.views import design_document
from tests.kazoo5.branding import Branding
from tests.kit.fixtures import kit_couchdb_url, kit_key, kit_system, new_service, proxy, service, system
from tests.kit.service import Service
from tests.kit.system import System

__all__ = ["kit_couchdb_url", "kit_key", "kit_system", "new_service", "proxy", "service", "system"]


@pytest.fixture
async def branding(system: System, service: Service) -> Branding:
    """A reseller and its customer; the reseller has no override yet."""
    reseller = await system.account("Reseller", below=system.master, reseller=True)
    customer = await system.account("Customer", below=reseller)
    await system.put("accounts", design_document("accounts"))
    return Branding(system, service, reseller, customer)
